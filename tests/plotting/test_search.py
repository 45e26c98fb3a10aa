import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from sksubsel import ArchitectureClassifier
from sksubsel.baselines import Random
from sksubsel.plotting import SearchDisplay
from sksubsel.search import HalvingSearch
from sksubsel.spaces import MLP


def trials(**columns):
    given = {
        "hash": ["a", "b", "a", "c"],
        "score": [0.6, np.nan, 0.9, 0.7],
        "n_selected": 50,
        "selection_time": [1.0, 2.0, 1.0, 3.0],
        "training_time": [10.0, np.nan, 4.0, 10.0],
        "scoring_time": [0.5, 0.0, 0.5, 0.5],
        "stopped_early": [False, False, True, False],
    }
    return pd.DataFrame({**given, **columns})


def test_cost_and_best():
    """A selection counts once for each architecture; what failed or was ended is not the best."""
    shown = SearchDisplay.from_results(trials()).trials
    np.testing.assert_allclose(shown["cost"], [11.5, 13.5, 18, 31.5])
    np.testing.assert_allclose(shown["best"], [0.6, 0.6, 0.6, 0.7])
    assert shown["ended"].tolist() == [False, False, True, False]
    by_number = SearchDisplay.from_results(trials(), against="trials").trials
    assert by_number["cost"].tolist() == [1, 2, 3, 4]
    more_rows = SearchDisplay.from_results(trials(n_selected=[50, 50, 99, 50])).trials
    np.testing.assert_allclose(more_rows["cost"], [11.5, 13.5, 19, 32.5])  # selected anew


def test_a_trial_that_was_not_trained_again_costs_nothing():
    """As an evolution lists them; trials of `tune` have parameters, and no `max_epochs`."""
    again = trials(training_time=[10.0, np.nan, 10.0, 10.0], max_epochs=5)
    shown = SearchDisplay.from_results(again).trials
    np.testing.assert_allclose(shown["cost"], [11.5, 13.5, 13.5, 27])
    longer = again.assign(max_epochs=[5, 5, 9, 5])
    assert SearchDisplay.from_results(longer).trials["cost"].iloc[2] == 24


def test_before_anything_has_a_score():
    shown = SearchDisplay.from_results(trials(score=[np.nan, np.nan, 0.9, 0.7])).trials
    np.testing.assert_array_equal(shown["best"], [np.nan, np.nan, np.nan, 0.7])


def test_several_side_by_side():
    plain = trials().drop(columns=["scoring_time", "stopped_early"])
    shown = SearchDisplay.from_results({"ours": trials(), "random": plain}).plot()
    assert list(shown.curves_) == list(shown.points_) == ["ours", "random"]
    x, y = shown.curves_["random"].get_data()
    np.testing.assert_allclose(x, [11, 13, 17, 30])
    np.testing.assert_allclose(y, [0.6, 0.6, 0.9, 0.9])
    first, second = (line.get_color() for line in shown.curves_.values())
    assert first != second
    faces = shown.points_["ours"].get_facecolors()
    assert (faces[:, 3] == [1, 1, 0, 1]).all()  # hollow where it was ended early
    named = [text.get_text() for text in shown.ax_.get_legend().get_texts()]
    assert named == ["ours", "random"]


def test_one_has_no_legend_and_axes_may_be_given():
    _, ax = plt.subplots()
    shown = SearchDisplay.from_results(trials(), against="trials").plot(ax)
    assert shown.ax_ is ax
    assert ax.get_xlabel() == "Trials"
    assert ax.get_legend() is None


def test_of_a_search(tiny):
    recipe = ArchitectureClassifier(max_epochs=1)
    search = HalvingSearch(
        MLP(depths=(1,), widths=(4, 8)), selector=Random(), n_candidates=3, estimator=recipe,
        refit=False, random_state=0,
    ).fit(tiny.X, tiny.y)  # fmt: skip
    shown = SearchDisplay.from_results(search.results_)
    results = search.results_
    assert shown.trials["best"].iloc[-1] == results["score"].max()
    total = results["training_time"].sum() + results["selection_time"].sum()
    assert shown.trials["cost"].iloc[-1] <= total + 1e-9


@pytest.mark.parametrize(
    ("results", "params", "problem"),
    [
        ({}, {}, "at least one search"),
        (trials().iloc[:0], {}, "at least one trial"),
        (trials().drop(columns="score"), {}, r"columns \['score'\]"),
        (trials(), {"against": "epochs"}, "against must be one of"),
    ],
)
def test_bad_input(results, params, problem):
    with pytest.raises(ValueError, match=problem):
        SearchDisplay.from_results(results, **params)
