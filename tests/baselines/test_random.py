import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from sksubsel.baselines import Random


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c", "d"], [60, 30, 9, 1])
    return rng.normal(size=(100, 3)), rng.permutation(y)


@pytest.mark.parametrize("stratify", [None, "proportional", "equal"])
@pytest.mark.parametrize("budget", [1, 7, 50, 100, 0.001, 0.25, 1.0])
def test_rows_are_unique_ascending_and_exactly_budget(data, stratify, budget):
    selector = Random(budget, stratify=stratify, random_state=0).fit(*data)
    rows = selector.sample_indices_
    expected = budget if isinstance(budget, int) else max(1, round(budget * 100))
    assert rows.dtype == np.int64
    assert len(rows) == expected
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0 and rows[-1] < 100
    np.testing.assert_array_equal(selector.get_support(indices=True), rows)
    np.testing.assert_array_equal(np.flatnonzero(selector.get_support()), rows)
    np.testing.assert_array_equal(selector.sample_weight_, np.ones(expected))


def test_ranking_and_scores(data):
    selector = Random(10, random_state=0).fit(*data)
    np.testing.assert_array_equal(np.sort(selector.ranking_), np.arange(100))
    assert (np.diff(selector.scores_[selector.ranking_]) <= 0).all()
    np.testing.assert_array_equal(np.sort(selector.ranking_[:10]), selector.sample_indices_)


def test_quotas(data):
    X, y = data
    counts = lambda rows: [int((y[rows] == label).sum()) for label in "abcd"]  # noqa: E731
    proportional = Random(20, stratify="proportional", random_state=0).fit(X, y)
    assert counts(proportional.sample_indices_) == [12, 6, 2, 0]
    equal = Random(20, stratify="equal", random_state=0).fit(X, y)
    assert counts(equal.sample_indices_)[3] == 1  # a class of one gives what it has
    assert sorted(counts(equal.sample_indices_)[:3]) == [6, 6, 7]
    assert counts(equal.select(100)) == [60, 30, 9, 1]


def test_every_row_is_as_likely(data):
    hits = np.zeros(20)
    for seed in range(400):
        hits[Random(5, random_state=seed).fit(data[0][:20]).sample_indices_] += 1
    # 100 expected of each, standard deviation 8.7
    assert np.abs(hits - 100).max() < 35


def test_seeds(data):
    rows = [Random(0.2, random_state=seed).fit(*data).sample_indices_ for seed in (0, 0, 1)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])
    before = np.random.get_state()[1].copy()
    selector = Random(0.2, random_state=0).fit(*data)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    again = clone(selector).fit(*data)
    np.testing.assert_array_equal(again.sample_indices_, selector.sample_indices_)


def test_select_other_budgets(data):
    selector = Random(0.2, random_state=0).fit(*data)
    np.testing.assert_array_equal(selector.select(), selector.sample_indices_)
    larger = selector.select(0.5)
    assert len(larger) == 50
    assert set(selector.sample_indices_) < set(larger)
    selector.select()[:] = 0  # a copy
    assert selector.sample_indices_[-1] != 0
    with pytest.raises(ValueError, match=r"budget must be .*n_samples=100.* got 101"):
        selector.select(101)


@pytest.mark.parametrize("budget", [0, -1, 101, 0.0, 1.5, -0.5, np.nan])
def test_budget_out_of_range(data, budget):
    with pytest.raises(ValueError, match=rf"budget must be an int in \[1.*got {budget}"):
        Random(budget).fit(*data)


def test_budget_of_wrong_type(data):
    for budget in ("half", None, True):
        with pytest.raises(TypeError, match="budget must be an int"):
            Random(budget).fit(*data)


def test_other_errors(data):
    X, y = data
    with pytest.raises(ValueError, match="requires y to be passed"):
        Random(stratify="equal").fit(X)
    with pytest.raises(ValueError, match="stratify"):
        Random(stratify="equl").fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Random().fit(X, y[:-1])
    with pytest.raises(ValueError, match="NaN"):
        Random().fit(np.where(X > 1, np.nan, X), y)
    with pytest.raises(ValueError, match="y must be finite"):
        Random(stratify="equal").fit(X, np.r_[np.inf, X[1:, 0]])


def test_images_one_class_and_targets():
    rng = np.random.default_rng(0)
    images = rng.random((40, 1, 4, 4))
    assert Random(4).fit(images).n_features_in_ == 16
    one_class = Random(4, stratify="equal", random_state=0).fit(images, np.zeros(40))
    assert len(one_class.sample_indices_) == 4
    assert one_class.classes_.tolist() == [0]
    targets = rng.normal(size=40)
    selector = Random(10, stratify="equal", random_state=0).fit(images, targets)
    assert selector.task_ == "regression"
    order = targets.argsort().argsort()  # ranks: each tenth of the targets gives one row
    np.testing.assert_array_equal(np.sort(order[selector.sample_indices_] // 4), np.arange(10))


def test_fit_resample_keeps_containers(data):
    X, y = data
    selector = Random(0.3, stratify="equal", random_state=0)
    X_part, y_part = selector.fit_resample(X, y)
    rows = selector.sample_indices_
    np.testing.assert_array_equal(X_part, X[rows])
    np.testing.assert_array_equal(y_part, y[rows])

    frame = pd.DataFrame(X, columns=list("uvw"), index=np.arange(100) + 1000)
    frame["w"] = frame["w"].astype(np.float32)
    X_part, y_part = selector.fit_resample(frame, pd.Series(y, name="label", index=frame.index))
    pd.testing.assert_frame_equal(X_part, frame.iloc[rows])
    assert y_part.name == "label"
    assert y_part.index.equals(frame.index[rows])
    assert list(selector.feature_names_in_) == ["u", "v", "w"]

    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix):
        X_part, _ = selector.fit_resample(kind(X), y)
        assert type(X_part) is kind
        np.testing.assert_array_equal(X_part.toarray(), X[rows])

    images = X.reshape(100, 3, 1, 1)
    X_part, y_part = selector.fit_resample(images, list(y))
    np.testing.assert_array_equal(X_part, images[rows])
    assert y_part == list(y[rows])
    assert Random(5).fit_resample(images)[1] is None


@pytest.mark.parametrize(
    "labels, message",
    [
        ([0, np.nan, 1], "y must have a label in each row; got nan in row 1"),
        (["a", None, "b"], "y must have a label in each row; got None in row 1"),
        (["a", "b", pd.NA], "y must have a label in each row; got <NA> in row 2"),
        (["a", 1, "b"], "y must hold labels of one kind"),
    ],
)
def test_missing_labels_are_no_classes(labels, message):
    y = np.array(labels * 20, dtype=object)
    with pytest.raises(ValueError, match=message):
        Random(6, stratify="equal").fit(np.zeros((60, 1)), y)


def test_numbers_as_objects_are_numbers():
    X, y = np.zeros((30, 1)), np.repeat([0, 1, 2], 10)
    selector = Random(6, stratify="equal", random_state=0).fit(X, y.astype(object))
    assert selector.classes_.dtype.kind == "i"
    continuous = Random(6, stratify="equal", random_state=0).fit(X, (y + 0.5).astype(object))
    assert continuous.task_ == "regression"


def test_targets_beyond_float32_are_refused():
    y = np.linspace(0, 1e39, 30)
    with pytest.raises(ValueError, match="y must be finite as float32; got inf"):
        Random(6, stratify="equal").fit(np.zeros((30, 1)), y)
