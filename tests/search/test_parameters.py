import inspect
import re

import pytest
from sklearn.base import clone

from sksubsel.search import DARTSSearch, EvolutionSearch, HalvingSearch, RandomSearch
from sksubsel.spaces import MLP


@pytest.mark.parametrize("cls", [DARTSSearch, EvolutionSearch, HalvingSearch, RandomSearch])
def test_parameters_are_stored_checked_and_documented(cls):
    names = list(inspect.signature(cls.__init__).parameters)[1:]
    search = cls() if cls is DARTSSearch else cls(MLP())
    assert list(vars(search)) == names
    assert set(cls._parameter_constraints) == set(names)
    text = inspect.cleandoc(cls.__doc__)
    section = re.search(r"\nParameters\n-+\n(.*?)\n\nAttributes\n-+\n", text, re.DOTALL)[1]
    groups = re.findall(r"^(\w+(?:, \w+)*) : (.*)$", section, re.MULTILINE)
    assert [name for group, _ in groups for name in group.split(", ")] == names
    for group, kind in groups:
        given = re.search(r"default=(.*)$", kind)
        if given is not None and "," not in group:
            default = inspect.signature(cls.__init__).parameters[group].default
            assert given[1].strip('"') == str(default) or float(given[1]) == default
    again = clone(search.set_params(verbose=1))
    assert repr(again) == repr(search)
