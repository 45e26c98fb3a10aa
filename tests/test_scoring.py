import numpy as np
import pytest

from sksubsel.datasets import load_digits_images
from sksubsel.scoring import probe_score

X, Y = load_digits_images(return_X_y=True)
X = X.reshape(len(X), -1)


def test_varied_rows_score_higher():
    rng = np.random.default_rng(0)
    varied = np.sort(rng.choice(len(X), 100, replace=False))
    two_classes = np.sort(rng.choice(np.flatnonzero(Y < 2), 100, replace=False))
    good = probe_score(X, Y, varied, "classification", 0)
    assert good > 0.8
    assert probe_score(X, Y, two_classes, "classification", 0) < 0.3
    assert probe_score(X, Y, varied, "classification", 0) == good


def test_half_precision():
    """The variances of many features add up to more than float16 holds."""
    rows, wide = np.arange(200), np.tile(np.asarray(X) * 200, (1, 4))
    scores = [probe_score(wide.astype(kind), Y, rows, "classification", 0) for kind in ("f2", "f4")]
    assert scores[0] == pytest.approx(scores[1], abs=0.01) and scores[0] > 0.8


def test_regression():
    target = X.mean(axis=1)
    assert probe_score(X, target, np.arange(200), "regression", 0) > 0.5


@pytest.mark.parametrize("rows", [np.arange(len(X)), np.flatnonzero(Y == 1)])
def test_nothing_to_judge(rows):
    assert np.isnan(probe_score(X, Y, rows, "classification", 0))
