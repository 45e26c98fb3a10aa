"""What an attribute may be: ``kind(value, sizes)`` says what is wrong with it, None if nothing.

`sizes` binds the letters of arrays' shapes within one object, so that arrays which belong
together have shapes that fit.
"""

from __future__ import annotations

import numpy as np


def array(shape: str, *dtypes: str):
    """An array of a shape such as "N F", and one of some dtypes; of any where none is given."""
    letters = shape.split()

    def problem(value, sizes):
        if not isinstance(value, np.ndarray):
            return f"must be an array; it is {_name(value)}"
        if dtypes and value.dtype.name not in dtypes:
            return f"must have dtype {' or '.join(dtypes)}; it has {value.dtype}"
        wanted = tuple(sizes.get(letter, letter) for letter in letters)
        bound = zip(wanted, value.shape)
        if value.ndim != len(wanted) or any(isinstance(w, int) and w != n for w, n in bound):
            text = ", ".join(map(str, wanted)) + ("," if len(wanted) == 1 else "")
            return f"must have shape ({text}); it has {value.shape}"
        sizes.update(zip(letters, value.shape))
        return None

    return problem


def any_array(value, sizes):
    """An array of any shape."""
    return None if isinstance(value, np.ndarray) else f"must be an array; it is {_name(value)}"


def arrays(value, sizes):
    """A dict of names to arrays."""
    good = type(value) is dict and all(
        type(name) is str and isinstance(part, np.ndarray) for name, part in value.items()
    )
    return None if good else "must be arrays by name"


def whole(at_least=0, letter=None):
    """An int, which may be what a letter of the shapes stands for."""

    def problem(value, sizes):
        if type(value) is not int or value < at_least:
            return f"must be an int of at least {at_least}; it is {value!r}"
        if letter is not None and sizes.setdefault(letter, value) != value:
            return f"must be {letter}={sizes[letter]}; it is {value}"
        return None

    return problem


def one_of(*values):
    """One of some values, of the same type."""

    def problem(value, sizes):
        if any(type(value) is type(each) and value == each for each in values):
            return None
        return f"must be one of {values}; it is {value!r}"

    return problem


def of_type(*types):
    """An object of one of these very classes."""

    def problem(value, sizes):
        if type(value) in types:
            return None
        return f"must be {' or '.join(each.__name__ for each in types)}; it is {_name(value)}"

    return problem


def maybe(kind):
    """None, or what a kind says."""
    return lambda value, sizes: None if value is None else kind(value, sizes)


def either(*kinds):
    """What one of some kinds says."""

    def problem(value, sizes):
        problems = [kind(value, sizes) for kind in kinds]
        return None if None in problems else ", or ".join(problems)

    return problem


def plain(value, sizes):
    """None, numbers, text, and lists, tuples and dicts of these."""
    if value is None or type(value) in (bool, int, float, str):
        return None
    if type(value) in (list, tuple):
        problems = (plain(part, sizes) for part in value)
    elif type(value) is dict:
        problems = (plain(part, sizes) for part in (*value, *value.values()))
    else:
        return f"must hold numbers and text alone; it holds {_name(value)}"
    return next((problem for problem in problems if problem is not None), None)


def words(value, sizes):
    """A tuple of str."""
    good = type(value) is tuple and all(type(part) is str for part in value)
    return None if good else "must be a tuple of text"


def rows_by_budget(value, sizes):
    """A dict of ints to int64 arrays (B,)."""
    good = type(value) is dict and all(
        type(budget) is int and array("B", "int64")(rows, {}) is None
        for budget, rows in value.items()
    )
    return None if good else "must be rows by budget"


def anything(value, sizes):
    """Whatever a saved net may hold."""
    return None


flag = of_type(bool)
real = of_type(float, int)
text = of_type(str)
TASK = one_of("classification", "regression")
LABELS = array("N", "int64", "float32")


def _name(value):
    return f"of type {type(value).__name__}"
