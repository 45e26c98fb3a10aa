import sys

import pytest


@pytest.fixture
def no_matplotlib(monkeypatch):
    """As if it were not installed."""
    for name in {"matplotlib", *sys.modules}:
        if name.split(".")[0] == "matplotlib":
            monkeypatch.setitem(sys.modules, name, None)
