import numpy as np
import pytest

from sksubsel.base import BaseSelector


class FirstColumn(BaseSelector):
    """Ranks the largest values of the first column, no further than the budget."""

    def __init__(self, budget=3):
        self.budget = budget

    def _rank(self, X, y, budget, *, bonus=None):
        values = X[:, 0] + (0 if bonus is None else bonus)
        ranking = np.argsort(-values, kind="stable")[:budget].astype(np.int32)
        scores = np.full(len(X), np.nan)
        scores[ranking] = values[ranking]
        self.seen_ = (X, y)
        return ranking, scores

    def _weigh(self, rows):
        return self.scores_[rows]


X = np.array([[3.0], [5.0], [1.0], [4.0], [2.0]])


def test_child_only_ranks():
    selector = FirstColumn().fit(X, list("abbab"))
    assert selector.ranking_.tolist() == [1, 3, 0]
    assert selector.ranking_.dtype == np.int64
    assert selector.sample_indices_.tolist() == [0, 1, 3]
    assert selector.sample_weight_.tolist() == [3, 5, 4]
    assert selector.get_support().tolist() == [True, True, False, True, False]
    np.testing.assert_array_equal(selector.scores_, [3, 5, np.nan, 4, np.nan])
    assert selector.seen_[1].tolist() == [0, 1, 1, 0, 1]  # codes
    assert selector.classes_.tolist() == ["a", "b"]
    assert selector.task_ == "classification"
    assert selector.n_samples_ == 5


def test_what_was_not_ranked_cannot_be_selected():
    selector = FirstColumn().fit(X)
    assert selector.select(2).tolist() == [1, 3]
    with pytest.raises(ValueError, match="at most 3, the number of instances ranked.*got 4"):
        selector.select(4)


def test_fit_params_reach_the_child():
    bonus = np.array([0, 0, 9, 0, 0])
    assert FirstColumn(1).fit(X, bonus=bonus).sample_indices_.tolist() == [2]
    part, _ = FirstColumn(1).fit_resample(X, bonus=bonus)
    assert part.tolist() == [[1.0]]
    rule = r"fit of the selector FirstColumn takes X, y, bonus; got \['malus'\]"
    with pytest.raises(TypeError, match=rule):
        FirstColumn(1).fit(X, malus=bonus)
    with pytest.raises(TypeError, match=r"got \['budget'\]"):
        FirstColumn(1).fit(X, budget=3)


def test_labels():
    selector = FirstColumn().fit(X, [0.5, 1.25, 0, 1, 2])
    assert selector.task_ == "regression"
    assert selector.classes_ is None
    assert selector.seen_[1].dtype == np.float32
    assert FirstColumn().fit(X).task_ is None
    assert FirstColumn().fit(X, [1, 1, 1, 1, 2]).classes_.tolist() == [1, 2]


def test_input_checks():
    from scipy import sparse
    from sklearn.exceptions import NotFittedError

    with pytest.raises(TypeError, match="[Ss]parse"):
        FirstColumn().fit(sparse.csr_matrix(X))
    with pytest.raises(ValueError, match="Expected 2D array"):
        FirstColumn().fit(X[:, 0])
    for method in ("select", "get_support"):
        with pytest.raises(NotFittedError):
            getattr(FirstColumn(), method)()
