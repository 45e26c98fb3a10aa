"""The examples of docs/training_loops.md: run, or at least of valid syntax."""

import pathlib
import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from sksubsel import ModelApproximator, ModelZoo, SubSelNet

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "training_loops.md"
BLOCKS = re.findall(r"^```python( skip)?\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_all_are_python():
    assert len(BLOCKS) == PAGE.read_text().count("```") // 2
    assert [skip for skip, _ in BLOCKS].count("") == 6
    for _, code in BLOCKS:
        compile(code, str(PAGE), "exec")


def test_the_examples_run(tiny, tmp_path, monkeypatch):
    Image = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(tmp_path)
    for label in ("dark", "light"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for k in range(4):
            value = 20 * k + 150 * (label == "light")
            image = Image.new("RGB", (260 + k, 300), (value, 10 * k, value))
            image.save(tmp_path / "pictures" / label / f"{k}.png")
    first, stratified, second, turns, in_turns, third = (code for skip, code in BLOCKS if not skip)
    names: dict = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        exec(first, names)
        X, y, model = names["X"], names["y"], names["model"]
        predicted = model(torch.from_numpy(X)).argmax(1).numpy()
        assert (predicted == y).mean() > 0.85  # 1,597 of the 1,797 were never trained on
        assert names["weight"].std() > 0 and len(names["subset"]) == 200

        exec(stratified, names)
        batches = list(names["loader"].batch_sampler)
        np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(200))
        counts = [np.bincount(y[names["rows"][batch]], minlength=10) for batch in batches]
        assert np.ptp(counts, axis=0).max() == 1 and max(map(len, batches)) <= 32

        recipe = clone(tiny.recipe).set_params(max_epochs=1, batch_size=256)
        zoo = ModelZoo(recipe, random_state=0).fit(tiny.archs[:2], X, y)
        mean = ModelApproximator(max_epochs=0)
        names["net"] = SubSelNet(budget=40, approximator=mean, encoder=tiny.encoder, random_state=0)
        names["net"].fit(tiny.archs[:2], zoo)
        names["arch"] = tiny.archs[0]
        exec(second, names)
        assert names["soft"].shape == (40, 10) and names["targets"].shape[1] == 10

        exec(turns, names)
        subsets = names["subsets"]
        assert subsets.shape == (4, 40) and len(np.unique(subsets)) == 160
        assert len(names["loader"].dataset) == 40
        names["net"].zoo_.estimator_.set_params(max_epochs=8)
        exec(in_turns, names)
        assert [epoch["n_train"] for epoch in names["model"].history_] == 8 * [40]
        turns = names["model"].net_.callbacks[-1]  # of places among the rows of all four
        np.testing.assert_array_equal(np.unique(subsets)[turns.subsets], subsets)

        names["network"] = nn.Sequential()
        names["network"].add_module("conv", nn.Conv2d(3, 4, 7, stride=7))
        names["network"].add_module("avgpool", nn.AdaptiveAvgPool2d(1))
        exec(third, names)
    assert names["features"].shape == (8, 4)
    rows = names["rows"]
    np.testing.assert_array_equal(np.bincount(names["pictures"].target[rows]), [2, 2])
    ((images, labels),) = names["loader"]
    assert images.shape == (4, 3, 224, 224) and sorted(labels.tolist()) == [0, 0, 1, 1]
