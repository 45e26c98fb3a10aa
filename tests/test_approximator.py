from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.special import softmax
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import FunctionTransformer

from sksubsel import ModelApproximator
from sksubsel.nn.pairs import PairLoss
from sksubsel.predictions import ArrayPredictions, as_predictions


def _fake_zoo(n_archs=60, n_samples=300, n_classes=3, seed=0, task="classification"):
    """A zoo whose networks' outputs depend on the architecture through two numbers."""
    rng = np.random.default_rng(seed)
    embeddings = rng.standard_normal((n_archs, 4, 6)).astype(np.float32)
    embeddings[::3, 0] = np.nan  # some with three nodes
    sharpness = 1 + 0.9 * np.tanh(2 * embeddings[:, -1, 0])
    X = rng.standard_normal((n_samples, 5)).astype(np.float32)
    logits = 2 * (X @ rng.standard_normal((5, n_classes)))
    zoo = SimpleNamespace(task_=task, X_=X, trained_=np.arange(n_archs))
    if task == "classification":
        zoo.predictions_ = softmax(sharpness[:, None, None] * logits, axis=-1).astype(np.float16)
        zoo.y_ = logits.argmax(1)
        zoo.classes_ = np.arange(n_classes)
    else:
        zoo.predictions_ = (100 + 50 * sharpness[:, None, None] * logits[None, :, :1]).astype("f4")
        zoo.y_ = zoo.predictions_.mean(0)[:, 0]
        zoo.classes_ = None
    return embeddings, _Sized(zoo)


class _Sized:
    def __init__(self, zoo):
        self.__dict__.update(vars(zoo))

    def __len__(self):
        return len(self.trained_)

    def take(self, index):
        part = _Sized(self)
        part.trained_ = np.arange(len(index))
        part.predictions_ = self.predictions_[index]
        return part


@pytest.fixture(scope="module")
def data():
    return _fake_zoo()


@pytest.fixture(scope="module")
def fitted(data):
    embeddings, zoo = data
    return ModelApproximator(random_state=0).fit(embeddings[:48], zoo.take(np.arange(48)))


def test_probabilities_shape_and_sum(fitted, data):
    proba = fitted.predict_proba(data[0][48:])
    assert proba.shape == (12, 300, 3) and proba.dtype == np.float32
    np.testing.assert_allclose(proba.sum(-1), 1, rtol=1e-5)


def test_unseen_architectures_are_predicted_better_than_by_the_mean(fitted, data):
    held_out = data[1].take(np.arange(48, 60))
    assert fitted.score(data[0][48:], held_out) > 0.7 * fitted.score_mean(held_out)


def test_score_is_the_mean_kl_written_out(fitted, data):
    held_out = data[1].take(np.arange(48, 60))
    p = held_out.predictions_.astype(float)
    q = fitted.predict_proba(data[0][48:]).astype(float)
    kl = (p * (np.log(np.maximum(p, 1e-12)) - np.log(q))).sum(-1).mean()
    assert fitted.score(data[0][48:], held_out) == pytest.approx(-kl, rel=1e-6)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("approximator", ["attention", "feedforward", "lstm"])
def test_every_form_learns(approximator, residual):
    embeddings, zoo = _fake_zoo(n_archs=30, n_samples=100)
    model = ModelApproximator(
        approximator, residual=residual, max_epochs=15, batch_size=512, lr=3e-3,
        early_stopping=False, random_state=0,
    ).fit(embeddings, zoo)  # fmt: skip
    assert model.history_[-1]["train_loss"] < model.history_[0]["train_loss"]
    uniform = -np.log(3) - np.nanmean(
        (zoo.predictions_.astype(float) * np.log(zoo.predictions_.astype(float) + 1e-12)).sum(-1)
    )
    assert model.score(embeddings, zoo) > uniform


def test_regression_in_the_units_of_y():
    embeddings, zoo = _fake_zoo(task="regression")
    model = ModelApproximator(max_epochs=60, lr=3e-3, random_state=0).fit(embeddings, zoo)
    out = model.predict_proba(embeddings)
    assert out.shape == (60, 300, 1)
    assert model.score(embeddings, zoo) > 0.9 * model.score_mean(zoo)
    assert abs(out.mean() - zoo.predictions_.mean()) < 0.1 * zoo.predictions_.std()


def test_a_prediction_does_not_depend_on_its_company(fitted, data):
    together = np.asarray(fitted.transform(data[0]))
    alone = np.asarray(fitted.transform(data[0][5:6]))
    np.testing.assert_allclose(together[5], alone[0], atol=1e-6)


def test_predictions_are_sized_sliceable_and_lazy(fitted, data):
    predictions = fitted.transform(data[0])
    assert len(predictions) == 60 and predictions.shape == (60, 300, 3)
    part = predictions[[3, 5]]
    assert part.shape == (2, 300, 3) and part.embeddings.shape == (2, 4, 6)
    np.testing.assert_allclose(np.asarray(part)[1], np.asarray(predictions)[5], atol=1e-6)
    assert predictions[2].shape == (1, 300, 3)
    np.testing.assert_allclose(
        predictions.rows([4, 9]), np.asarray(predictions)[:, [4, 9]], atol=1e-6
    )
    chunks = list(predictions.chunks(60 * 100))
    assert [rows for rows, _ in chunks] == [slice(0, 100), slice(100, 200), slice(200, 300)]


def test_same_seed_same_predictions(data):
    embeddings, zoo = data
    outputs = [
        ModelApproximator(max_epochs=2, random_state=3)
        .fit(embeddings, zoo)
        .predict_proba(embeddings)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*outputs)


def test_only_trained_architectures_supervise(data):
    embeddings, zoo = data
    part = zoo.take(np.arange(60))
    part.trained_ = np.array([1, 4, 9])
    part.predictions_ = zoo.predictions_[[1, 4, 9]]
    part.__class__ = type("_Partial", (_Sized,), {"__len__": lambda self: 60})
    model = ModelApproximator(max_epochs=2, random_state=0).fit(embeddings, part)
    assert len(model.transform(embeddings)) == 60


def test_a_single_architecture(data):
    model = ModelApproximator(max_epochs=2, random_state=0).fit(data[0][:1], data[1].take([0]))
    assert np.isfinite(model.predict_proba(data[0])).all()


def test_a_single_architecture_is_predicted_for_all(data):
    """What there is to learn from it would be counted twice, beside its own outputs as the mean."""
    one = data[1].take([0])
    model = ModelApproximator(random_state=0).fit(data[0][:1], one)
    assert model.n_epochs_ == 0 and model.transform(data[0]).same_for_all
    assert model.score(data[0][:1], one) == pytest.approx(model.score_mean(one), abs=1e-6)
    plain = ModelApproximator(residual=False, max_epochs=2, random_state=0)
    assert plain.fit(data[0][:1], one).n_epochs_ == 2


def test_global_seeds_are_left_alone(data, monkeypatch):
    """Where more are held out than judge at a time, too."""
    monkeypatch.setattr("sksubsel.nn.pairs.MAX_ARCHS", 4)
    approximator = ModelApproximator(max_epochs=1, random_state=0)
    found = []
    loss = PairLoss.forward
    monkeypatch.setattr(PairLoss, "forward", lambda *args: found.append(loss(*args)) or found[-1])
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        approximator.fit(*data)
        assert torch.equal(torch.get_rng_state(), before)
    found = [float(one.detach()) for one in found]
    assert found[: len(found) // 2] == found[len(found) // 2 :]


def test_score_of_another_zoo(data, fitted):
    embeddings, zoo = data[0][48:], data[1].take(np.arange(48, 60))
    with pytest.raises(ValueError, match="got 12 embeddings and a zoo of 6"):
        fitted.score(embeddings, data[1].take(np.arange(48, 54)))
    for labels in (zoo.y_[::-1], np.append(zoo.y_, 0)):
        other = zoo.take(np.arange(12))
        other.y_ = labels
        for score in (lambda zoo: fitted.score(embeddings, zoo), fitted.score_mean):
            with pytest.raises(ValueError, match="zoo must be over the N=300 instances of fit"):
                score(other)


def test_score_of_a_zoo_in_which_nothing_is_trained(data, fitted):
    embeddings, other = data[0][48:], data[1].take(np.arange(48, 60))
    other.trained_ = np.empty(0, dtype=np.int64)
    for score in (lambda zoo: fitted.score(embeddings, zoo), fitted.score_mean):
        with pytest.raises(ValueError, match="zoo must hold at least one trained architecture"):
            score(other)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda X: np.where(X > 2, np.nan, X), "features must be finite as float32; got nan"),
        (lambda X: np.repeat(X, 2, axis=0), r"features must .* N=300 instances; got \(600, 5\)"),
        (lambda X: X[:, 0], r"features must have shape \(N, F\).*got \(300,\)"),
        (lambda X: X[:, :0], r"features must have shape \(N, F\).*got \(300, 0\)"),
        (lambda X: X.astype(str) + "x", "features must be numbers"),
    ],
)
def test_what_transformers_may_not_give(data, function, message):
    with pytest.raises(ValueError, match=message):
        ModelApproximator(features=FunctionTransformer(function)).fit(*data)


def test_features_of_appended_instances(data):
    embeddings, zoo = data
    first = zoo.take(np.arange(60))
    first.X_, first.y_, first.predictions_ = zoo.X_[:200], zoo.y_[:200], zoo.predictions_[:, :200]
    transformer = FunctionTransformer(lambda X: X if len(X) > 100 else X / 0)
    model = ModelApproximator(features=transformer, max_epochs=0).fit(embeddings, first)
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match="features must be finite"):
        model.partial_fit(embeddings, zoo)
    assert len(model.features_) == 200


def test_sparse_and_supervised_transformers(data):
    embeddings, zoo = data
    model = ModelApproximator(features=FunctionTransformer(sparse.csr_matrix), max_epochs=0)
    np.testing.assert_array_equal(model.fit(embeddings, zoo).features_, zoo.X_)
    model.set_params(features=LinearDiscriminantAnalysis()).fit(embeddings, zoo)
    expected = LinearDiscriminantAnalysis().fit_transform(zoo.X_, zoo.y_)
    np.testing.assert_array_equal(model.features_, expected.astype(np.float32))


def test_errors(data, fitted):
    embeddings, zoo = data
    with pytest.raises(ValueError, match="got 3 embeddings and a zoo of 60"):
        ModelApproximator().fit(embeddings[:3], zoo)
    with pytest.raises(ValueError, match=r"embeddings must have shape \(A, V, D\)"):
        ModelApproximator().fit(embeddings[0], zoo)
    with pytest.raises(ValueError, match="missing nodes are NaN at the front"):
        fitted.transform(embeddings[:1, ::-1])
    with pytest.raises(ValueError, match="must have D=6"):
        fitted.transform(embeddings[:, :, :4])
    with pytest.raises(ValueError, match="approximator"):
        ModelApproximator("transformer").fit(embeddings, zoo)


def test_plain_arrays_as_predictions():
    array = np.full((2, 5, 3), 1 / 3)
    predictions = as_predictions(array)
    assert isinstance(predictions, ArrayPredictions) and predictions.shape == (2, 5, 3)
    assert as_predictions(array[0]).shape == (1, 5, 3)
    assert predictions[1].shape == (1, 5, 3)
    with pytest.raises(ValueError, match="N=6 training instances"):
        as_predictions(array, 6)
    with pytest.raises(ValueError, match="C=4 outputs"):
        as_predictions(array, 5, 4)
    array[1, 2, 0] = np.nan
    with pytest.raises(ValueError, match=r"predictions\[1\] must be finite; got nan in row 2"):
        as_predictions(array)
    with pytest.raises(ValueError, match="float array of shape"):
        as_predictions(np.zeros((2, 5, 3), dtype=int))


def test_no_epochs_are_the_zoos_mean(data):
    embeddings, zoo = data
    model = ModelApproximator(max_epochs=0, random_state=0).fit(embeddings, zoo)
    mean = np.asarray(zoo.predictions_, dtype=np.float64).mean(axis=0)
    predictions = model.transform(embeddings[:3])
    np.testing.assert_allclose(np.asarray(predictions), [mean] * 3, atol=2e-3)
    assert model.n_epochs_ == 0 and predictions.same_for_all
    learned = ModelApproximator(max_epochs=1, early_stopping=False).fit(embeddings, zoo)
    assert learned.n_epochs_ == 1 and not learned.transform(embeddings).same_for_all
    assert not ArrayPredictions(np.asarray(predictions)).same_for_all
    with pytest.raises(ValueError, match="max_epochs must be at least 1 without residual; got 0"):
        ModelApproximator(max_epochs=0, residual=False).fit(embeddings, zoo)


def test_large_pools_keep_less_and_predict_the_same(data, monkeypatch):
    embeddings, zoo = data
    small = ModelApproximator(max_epochs=2, early_stopping=False, random_state=0)
    kept = small.fit(embeddings, zoo).predict_proba(embeddings[:3])
    monkeypatch.setattr("sksubsel.approximator._MAX_HIDDEN", 0)
    monkeypatch.setattr("sksubsel.approximator._MAX_BASE", 0)
    large = clone(small).fit(embeddings, zoo)
    assert large.hidden_ is None and large.base_.dtype == np.float16
    np.testing.assert_allclose(large.predict_proba(embeddings[:3]), kept, atol=2e-3)
    predictions = large.transform(embeddings[:3])
    some = np.array([7, 2, 250])
    np.testing.assert_allclose(predictions.rows(some), kept[:, some], atol=2e-3)
    assert large.score_mean(zoo) == pytest.approx(small.score_mean(zoo), abs=1e-3)


def test_mapped_features_and_predictions_are_not_copied(data, tmp_path):
    embeddings, zoo = data
    for name, array in (("X", zoo.X_.astype(np.float16)), ("p", zoo.predictions_)):
        np.save(tmp_path / name, array)
    zoo = zoo.take(np.arange(len(zoo)))
    zoo.X_ = np.load(tmp_path / "X.npy", mmap_mode="r")
    zoo.predictions_ = np.load(tmp_path / "p.npy", mmap_mode="r")
    model = ModelApproximator(
        features=FunctionTransformer(), max_epochs=1, early_stopping=False, random_state=0
    ).fit(embeddings, zoo)
    assert model.features_.dtype == np.float16 and np.shares_memory(model.features_, zoo.X_)
    zoo.X_ = zoo.X_.astype(np.float32)
    in_memory = clone(model).fit(embeddings, zoo)
    np.testing.assert_array_equal(
        model.predict_proba(embeddings[:2]), in_memory.predict_proba(embeddings[:2])
    )


def test_transformers_that_take_no_labels(tiny):
    class Half(TransformerMixin, BaseEstimator):
        def fit(self, X):
            return self

        def transform(self, X):
            return X.reshape(len(X), -1) / 2

    approximator = clone(tiny.approximator).set_params(features=Half())
    embeddings = np.zeros((len(tiny.zoo), 3, 4), dtype=np.float32)
    approximator.fit(embeddings, tiny.zoo)
    np.testing.assert_array_equal(approximator.features_, tiny.X.reshape(len(tiny.X), -1) / 2)
