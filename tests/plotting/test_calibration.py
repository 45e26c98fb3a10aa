from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sksubsel.plotting import ApproximatorCalibrationDisplay
from sksubsel.plotting import calibration as module
from sksubsel.predictions import ArrayPredictions


class Fixed:
    """An approximator of given probabilities."""

    task_ = "classification"

    def __init__(self, proba):
        self.proba = proba

    def transform(self, embeddings):
        return ArrayPredictions(self.proba[: len(embeddings)])


def made(n_archs=3, n_samples=50, n_classes=4, seed=0):
    """Guesses, and a zoo: embeddings do not matter."""
    rng = np.random.default_rng(seed)
    guess, own = rng.dirichlet(np.ones(n_classes), (2, n_archs, n_samples)).astype(np.float32)
    zoo = Zoo(own.astype(np.float16), rng.integers(0, n_classes, n_samples))
    return Fixed(guess), np.zeros((n_archs, 2, 3), dtype=np.float32), zoo


class Zoo(SimpleNamespace):
    def __init__(self, own, y):
        super().__init__(predictions_=own, y_=y, trained_=np.arange(len(own)))

    def __len__(self):
        return len(self.predictions_)


def by_hand(guess, own, y, n_bins):
    """Triple after triple."""
    sums = np.zeros((n_bins, 5))
    for a, i, c in np.ndindex(guess.shape):
        k = min(int(guess[a, i, c] * n_bins), n_bins - 1)
        sums[k] += (
            1, guess[a, i, c], y[i] == c, own[a, i].argmax() == c, own[a, i, c],
        )  # fmt: skip
    return sums[:, 0], sums[:, 1:] / np.maximum(sums[:, :1], 1)


@pytest.mark.parametrize("chunk", [module._CHUNK, 60])
def test_bins_are_means_over_triples(chunk, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    model, embeddings, zoo = made()
    display = ApproximatorCalibrationDisplay.from_estimator(model, embeddings, zoo, n_bins=4)
    counts, means = by_hand(model.proba, zoo.predictions_.astype(float), zoo.y_, 4)
    bins = display.bins
    assert bins["count"].tolist() == counts.tolist()
    columns = ["predicted", "label", "prediction", "probability"]
    np.testing.assert_allclose(bins[columns], means, rtol=1e-5)
    np.testing.assert_allclose(bins[["low", "high"]], [[0, 0.25], [0.25, 0.5], [0.5, 0.75],
                                                       [0.75, 1]])  # fmt: skip


def test_some_instances():
    model, embeddings, zoo = made()
    rows = np.array([40, 3, 7])
    display = ApproximatorCalibrationDisplay.from_estimator(model, embeddings, zoo, rows=rows)
    part = Fixed(model.proba[:, rows]), embeddings, Zoo(zoo.predictions_[:, rows], zoo.y_[rows])
    same = ApproximatorCalibrationDisplay.from_estimator(*part)
    assert display.bins.round(9).equals(same.bins.round(9))
    np.testing.assert_allclose(display.kl, same.kl)


def test_kl_is_the_score(tiny):
    embeddings = tiny.encoder.transform(tiny.archs)
    display = ApproximatorCalibrationDisplay.from_estimator(tiny.approximator, embeddings, tiny.zoo)
    assert display.kl.shape == (6,)
    expected = tiny.approximator.score(embeddings, tiny.zoo)
    assert -display.kl.mean() == pytest.approx(expected, rel=1e-6)
    alone = [tiny.approximator.score(embeddings[[a]], tiny.zoo[[a]]) for a in range(6)]
    np.testing.assert_allclose(-display.kl, alone, rtol=1e-5)
    net = SimpleNamespace(encoder_=tiny.encoder, approximator_=tiny.approximator)
    same = ApproximatorCalibrationDisplay.from_estimator(net, tiny.archs, tiny.zoo)
    np.testing.assert_array_equal(display.kl, same.kl)


def test_a_perfect_approximator_lies_on_the_diagonal():
    _, embeddings, zoo = made()
    model = Fixed(zoo.predictions_.astype(np.float32))
    display = ApproximatorCalibrationDisplay.from_estimator(model, embeddings, zoo)
    filled = display.bins["count"] > 0
    bins = display.bins[filled]
    np.testing.assert_allclose(bins["predicted"], bins["probability"], rtol=1e-6)
    np.testing.assert_allclose(display.kl, 0, atol=1e-9)


def test_plot():
    model, embeddings, zoo = made()
    model.proba = 0.5 * model.proba + 0.125  # no bin beyond 0.625
    display = ApproximatorCalibrationDisplay.from_estimator(model, embeddings, zoo)
    figure, axes = plt.subplots(1, 2)
    assert display.plot(axes[1], curves=["label", "prediction"]) is display
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert len(plt.get_fignums()) == 1
    filled = display.bins[display.bins["count"] > 0]
    assert 0 < len(filled) < 10
    assert list(display.lines_) == ["label", "prediction"]
    for name, line in display.lines_.items():
        np.testing.assert_array_equal(line.get_xdata(), filled["predicted"])
        np.testing.assert_array_equal(line.get_ydata(), filled[name])
    assert [bar.get_height() for bar in display.bars_] == display.bins["count"].tolist()
    assert display.text_.get_text() == f"KL {display.kl.mean():.3g} nats\n3 architectures"
    plain = display.plot(counts=False, legend=False)
    assert plain.bars_ is None
    assert plain.ax_.get_legend() is None
    assert list(plain.lines_) == ["probability", "label"]


def test_errors(tiny):
    model, embeddings, zoo = made()
    make = ApproximatorCalibrationDisplay.from_estimator
    with pytest.raises(ValueError, match="got 2 embeddings and a zoo of 3"):
        make(model, embeddings[:2], zoo)
    with pytest.raises(ValueError, match="n_bins must be a positive int; got 0"):
        make(model, embeddings, zoo, n_bins=0)
    with pytest.raises(ValueError, match=r"rows must be in \[0, N=50\); got 3 to 50"):
        make(model, embeddings, zoo, rows=[3, 50])
    with pytest.raises(ValueError, match="rows must hold at least one instance"):
        make(model, embeddings, zoo, rows=[])
    with pytest.raises(ValueError, match=r"got predictions of shape \(3, 50, 4\) and \(3, 20, 4\)"):
        make(model, embeddings, Zoo(zoo.predictions_[:, :20], zoo.y_[:20]))
    model.task_ = "regression"
    with pytest.raises(ValueError, match="must predict class probabilities; got regression"):
        make(model, embeddings, zoo)
    zoo.trained_ = zoo.trained_[:0]
    with pytest.raises(ValueError, match="zoo must hold at least one trained architecture"):
        make(model, embeddings, zoo)
    net = SimpleNamespace(encoder_=tiny.encoder, approximator_=tiny.approximator)
    with pytest.raises(ValueError, match="the zoo must be of the architectures passed"):
        make(net, tiny.unseen, tiny.zoo)
    display = make(*made())
    with pytest.raises(ValueError, match=r"curves must be among \['label', .* got 'truth'"):
        display.plot(curves=["truth"])


def test_without_matplotlib(no_matplotlib):
    display = ApproximatorCalibrationDisplay.from_estimator(*made())
    with pytest.raises(ImportError, match=r"pip install 'sksubsel\[plot\]'"):
        display.plot()
