"""Shapes of which not all sides are known.

A shape is a tuple with None for a side that is not known, such as the number of instances. Where
it begins with ``...``, any number of axes may come before those that it names.
"""

from __future__ import annotations

UNKNOWN = (...,)


def shape_of(array) -> tuple:
    """The shape of an array at hand; sides that are symbols are not known."""
    shape = getattr(array, "shape", None)
    if shape is None:
        return UNKNOWN
    return tuple(side if isinstance(side, int) else None for side in shape)


def is_open(shape: tuple) -> bool:
    """Whether there may be more axes than are named."""
    return shape[:1] == UNKNOWN


def find_axis(shape: tuple, dim) -> int | None:
    """Where an axis stands in a shape; None if that is not known."""
    if not isinstance(dim, int) or (dim >= 0 and is_open(shape)):
        return None
    place = dim + len(shape) if dim < 0 else dim
    return place if is_open(shape) <= place < len(shape) else None


def side_of(shape: tuple, dim) -> int | None:
    """Length of an axis."""
    place = find_axis(shape, dim)
    return None if place is None else shape[place]


def with_last(before: tuple, side) -> tuple:
    """A shape with one more axis."""
    return (*(before or UNKNOWN), side)


def swapped(shape: tuple, one, other) -> tuple:
    """Two axes changed for one another."""
    a, b = find_axis(shape, one), find_axis(shape, other)
    if a is None or b is None:
        return UNKNOWN
    sides = list(shape)
    sides[a], sides[b] = sides[b], sides[a]
    return tuple(sides)


def permuted(shape: tuple, dims: list) -> tuple:
    """All axes in another order, which also says how many there are."""
    if is_open(shape):
        missing = len(dims) - (len(shape) - 1)
        if missing < 0:
            return UNKNOWN
        shape = (*(None,) * missing, *shape[1:])
    places = [place for dim in dims if (place := find_axis(shape, dim)) is not None]
    return tuple(shape[place] for place in places) if len(places) == len(dims) else UNKNOWN


def flattened(shape: tuple, start, end) -> tuple:
    """Some axes made into one."""
    first, last = find_axis(shape, start), find_axis(shape, end)
    if first is None or last is None:
        return UNKNOWN
    return (*shape[:first], _product(shape[first : last + 1]), *shape[last + 1 :])


def unflattened(shape: tuple, dim, sides: list, gap: int | None) -> tuple:
    """One axis made into several, of which that at `gap` takes what the others leave."""
    place = find_axis(shape, dim)
    if place is None:
        return UNKNOWN
    if gap is not None:
        whole, rest = shape[place], _product([*sides[:gap], *sides[gap + 1 :]])
        sides[gap] = whole // rest if whole and rest else None
    return (*shape[:place], *sides, *shape[place + 1 :])


def broadcast(shapes: list) -> tuple:
    """The shape of a sum."""
    sides: list = []
    for k in range(1, max(map(len, shapes), default=0) + 1):
        aligned = [shape[-k] for shape in shapes if len(shape) >= k]
        if ... in aligned:
            break
        known = set(aligned) - {1, None}
        sides.insert(0, known.pop() if known else None if None in aligned else 1)
    more = not shapes or any(map(is_open, shapes))
    return (*UNKNOWN, *sides) if more else tuple(sides)


def concatenated(shapes: list, dim) -> tuple:
    """All have as many axes, and equal sides but along `dim`."""
    shapes = [shape for shape in shapes if not is_open(shape)] or shapes
    whole = broadcast(shapes)
    place = find_axis(whole, dim)
    return UNKNOWN if place is None else (*whole[:place], None, *whole[place + 1 :])


def heads_and_channels(query: tuple, value: tuple) -> dict:
    """Attributes of scaled dot-product attention on (..., heads, positions, features)."""
    heads = side_of(query, -3) if is_open(query) or len(query) > 3 else None
    width = side_of(value, -1)
    return {"heads": heads, "channels": None if None in (heads, width) else heads * width}


def _product(sides) -> int | None:
    total = 1
    for side in sides:
        if side is None:
            return None
        total *= side
    return total
