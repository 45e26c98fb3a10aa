import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sksubsel.baselines import KCenterGreedy, Moderate
from sksubsel.plotting import ScoreDistributionDisplay

NAMES = {"low": 5, "q1": 25, "median": 50, "q3": 75, "high": 95}


def data(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.integers(0, 3, n), np.sort(rng.permutation(n)[:40])


def test_quantiles_by_class_and_group():
    scores, y, rows = data()
    summary = ScoreDistributionDisplay.from_scores(scores, y, rows).summary
    assert len(summary) == 6
    chosen = np.isin(np.arange(200), rows)
    for row in summary.to_dict("records"):
        own = scores[(y == row["class"]) & (chosen == (row["group"] == "selected"))]
        assert row["count"] == len(own)
        for name, percent in NAMES.items():
            assert row[name] == pytest.approx(np.percentile(own, percent))


def test_plot():
    scores, y, rows = data()
    figure, axes = plt.subplots(1, 2)
    display = ScoreDistributionDisplay.from_scores(scores, y, rows, score_name="Margin")
    assert display.plot(axes[1]) is display
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert len(plt.get_fignums()) == 1
    for group, boxes in display.boxes_.items():
        part = display.summary[display.summary["group"] == group]
        assert len(boxes["boxes"]) == 3
        for k, row in enumerate(part.to_dict("records")):
            assert set(boxes["medians"][k].get_ydata()) == {row["median"]}
            ends = boxes["boxes"][k].get_path().vertices[:, 1]
            assert (ends.min(), ends.max()) == (row["q1"], row["q3"])
            whiskers = [line.get_ydata() for line in boxes["whiskers"][2 * k : 2 * k + 2]]
            assert (np.min(whiskers), np.max(whiskers)) == (row["low"], row["high"])
            middle = boxes["medians"][k].get_xdata().mean()
            assert abs(middle - row["class"]) < 0.5
            assert (middle < row["class"]) == (group == "rest")
    assert axes[1].get_ylabel() == "Margin"
    assert [t.get_text() for t in axes[1].get_xticklabels()] == ["0", "1", "2"]
    names = [t.get_text() for t in axes[1].get_legend().get_texts()]
    assert names == ["rest (160)", "selected (40)"]
    faces = [display.boxes_[group]["boxes"][0].get_facecolor() for group in ("rest", "selected")]
    assert sum(faces[0][:3]) > sum(faces[1][:3]) + 0.5  # also told apart without colour


def test_instances_without_a_score_are_left_out():
    scores, y, rows = data()
    scores[::2] = np.nan
    summary = ScoreDistributionDisplay.from_scores(scores, y, rows).summary
    assert summary["count"].sum() == 100
    assert summary["count"][summary["group"] == "selected"].sum() == (rows % 2 == 1).sum()


def test_classes_without_selected_and_no_labels():
    scores, y, _ = data()
    rows = np.flatnonzero(y == 1)[:5]
    display = ScoreDistributionDisplay.from_scores(scores, np.array(["a", "b", "c"])[y], rows)
    assert display.summary["class"].tolist() == ["a", "b", "b", "c"]
    assert len(display.plot().boxes_["selected"]["boxes"]) == 1
    everything = ScoreDistributionDisplay.from_scores(scores, None, np.ones(200, dtype=bool))
    assert everything.summary["class"].tolist() == ["all"]
    assert list(everything.plot().boxes_) == ["selected"]


def test_from_selector():
    scores, y, _ = data()
    X = np.stack([scores, y], axis=1)
    selector = Moderate(20).fit(X, y)
    display = ScoreDistributionDisplay.from_selector(selector, y)
    same = ScoreDistributionDisplay.from_scores(selector.scores_, y, selector.sample_indices_)
    assert display.summary.equals(same.summary)
    assert display.score_name == "Score of Moderate"


def test_errors(tiny):
    scores, y, rows = data()
    make = ScoreDistributionDisplay.from_scores
    with pytest.raises(ValueError, match=r"y of shape \(3,\) and scores of shape \(200,\)"):
        make(scores, y[:3], rows)
    with pytest.raises(ValueError, match=r"scores must have shape \(N,\); got \(100, 2\)"):
        make(scores.reshape(100, 2), y, rows)
    with pytest.raises(ValueError, match="y must hold class labels; got continuous targets"):
        make(scores, scores, rows)
    with pytest.raises(ValueError, match=r"rows must be in \[0, N=200\); got 3 to 200"):
        make(scores, y, [3, 200])
    with pytest.raises(ValueError, match="scores must be finite or NaN; got inf"):
        make(np.where(y == 0, np.inf, scores), y, rows)
    with pytest.raises(ValueError, match="at least one number; got NaN alone"):
        make(np.full(200, np.nan), y, rows)
    with pytest.raises(NotFittedError):
        ScoreDistributionDisplay.from_selector(KCenterGreedy(3), y)
    with pytest.raises(TypeError, match="must have scores_ and sample_indices_.* got Architecture"):
        ScoreDistributionDisplay.from_selector(tiny.encoder, y)


def test_without_matplotlib(no_matplotlib):
    display = ScoreDistributionDisplay.from_scores(*data())
    with pytest.raises(ImportError, match=r"pip install 'sksubsel\[plot\]'"):
        display.plot()
