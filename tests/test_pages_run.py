"""The plain Python of pages under docs runs, with the names that they take from the README."""

import pathlib
import re

import pytest
from sklearn.base import clone

from sksubsel import ModelApproximator, ModelZoo, SubSelNet

DOCS = pathlib.Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: run by tests of their own and in the gallery, since they take longer; and others' libraries
LEFT_OUT = {
    "searching": ("import tune", "import DARTSSearch"),
    "architectures": ("Mixed(",),
    "migrating": ("from apricot", "from submodlib", "import deepcore", "from cords"),
}


def blocks_of(page):
    """Code of a page, without interactive examples, which tests/test_docs.py runs."""
    found = BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))
    found = [code for code in found if ">>> " not in code]
    left_out = LEFT_OUT.get(page, ())
    kept = [code for code in found if not any(text in code for text in left_out)]
    assert kept and len(found) - len(kept) == len(left_out)
    return kept


@pytest.fixture
def names(tiny, tmp_path, monkeypatch):
    """What the README defines, made small."""
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    net = SubSelNet(
        budget=15, encoder=tiny.encoder, approximator=ModelApproximator(max_epochs=1),
        on_novel="ignore", random_state=0,
    ).fit(tiny.archs, tiny.zoo)  # fmt: skip
    given = {name: getattr(tiny, name) for name in ("X", "y", "X_test", "y_test", "archs", "zoo")}
    given |= {
        "SubSelNet": SubSelNet,
        "ModelZoo": ModelZoo,
        "space": tiny.space,
        "recipe": tiny.recipe,
        "unseen": tiny.unseen,
        "net": net,
    }
    given |= {"arch": tiny.unseen[0], "X_images": tiny.X, "X_val": tiny.X_test}
    return given | {"y_val": tiny.y_test, "accuracies": tiny.zoo.accuracies_}


def run(page, names):
    for code in blocks_of(page):
        exec(compile(code, f"{page}.md", "exec"), names)
    return names


def test_architectures(names):
    found = run("architectures", names)
    assert found["arch"].ops == ("input", "conv", "linear", "output")
    assert found["zoo"].trained_.tolist() == [0, 1]
    assert len(found["rows"]) == round(0.1 * len(found["X"]))
    assert found["model"].predict(found["X"][:3]).shape == (3,)


def test_choosing(names):
    found = run("choosing", names)
    assert len(found["spread"].sample_indices_) == 100


def test_comparing_and_displays(names, tiny):
    """The pictures are of the table of the other page, among others."""
    found = run("comparing", names)
    assert set(found["table"].method) > {"CCS", "RS2", "SubSelNet + soft targets", "the first rows"}
    recipe = clone(tiny.recipe).set_params(architecture=tiny.unseen[0], early_stopping=True)
    nets = {
        name: clone(recipe).fit(tiny.X[:n], tiny.y[:n])
        for name, n in (("small", 60), ("large", 150))
    }
    found = run("displays", found | nets)
    assert (found["display"].kl >= 0).all()


def test_migrating(names):
    """Our half of it."""
    found = run("migrating", names)
    assert len(found["rows"]) == 15
    assert [one["epoch"] for one in found["callback"].history_] == [*range(16, 165, 20)]


def test_saving(names):
    assert len(run("saving", names)["net"].select(names["arch"])) == 15


def test_searching(names):
    found = run("searching", names)
    assert found["grid"].best_params_.keys() == found["settings"].keys()
