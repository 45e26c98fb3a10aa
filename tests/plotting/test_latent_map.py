from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from sksubsel.plotting import LatentMapDisplay


class Fixed:
    """An encoder of given embeddings."""

    def __init__(self, embeddings):
        self.embeddings = embeddings

    def transform(self, archs):
        return self.embeddings[: len(archs)]


def embeddings(n_archs=8, n_dims=4):
    out = np.random.default_rng(0).normal(size=(n_archs, 5, n_dims)).astype(np.float32)
    out[::2, :2] = np.nan  # smaller architectures
    return out


def principal(means):
    """Coordinates on the first two components and their shares of variance, by hand."""
    centred = means - means.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    return centred @ vectors[:, [-1, -2]], values[[-1, -2]] / values.sum()


def test_points_are_principal_components(tiny):
    archs = tiny.archs + tiny.unseen
    given = embeddings()
    display = LatentMapDisplay.from_estimator(Fixed(given), archs, np.arange(8) / 10)
    means = np.stack([each[~np.isnan(each[:, 0])].mean(axis=0) for each in given])
    points, shares = principal(means)
    np.testing.assert_allclose(np.abs(display.points), np.abs(points), atol=1e-6)
    np.testing.assert_allclose(display.explained_variance_ratio, shares, atol=1e-6)


def test_plot(tiny):
    accuracies = np.array([0.5, np.nan, 0.9, 0.7, np.nan, 0.6, 0.8, 0.4])
    archs = tiny.archs + tiny.unseen
    display = LatentMapDisplay.from_estimator(tiny.encoder, archs, accuracies)
    figure, axes = plt.subplots(1, 2, layout="constrained")
    assert display.plot(axes[1]) is display
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert len(plt.get_fignums()) == 1
    known = ~np.isnan(accuracies)
    order = np.flatnonzero(known)[np.argsort(accuracies[known])]
    np.testing.assert_array_equal(display.scatter_.get_offsets(), display.points[order])
    np.testing.assert_array_equal(display.scatter_.get_array(), accuracies[order])
    np.testing.assert_array_equal(display.unknown_.get_offsets(), display.points[~known])
    assert display.colorbar_.ax.get_ylabel() == "Accuracy"
    share = 100 * display.explained_variance_ratio
    assert axes[1].get_xlabel() == f"Component 1 ({share[0]:.0f}% of variance)"
    assert axes[1].get_ylabel() == f"Component 2 ({share[1]:.0f}% of variance)"
    assert display.scatter_.get_cmap().name == "cividis"


def test_from_zoo(tiny):
    zoo = tiny.zoo[[0, 1, 2, 3]]
    net = SimpleNamespace(encoder_=tiny.encoder)
    display = LatentMapDisplay.from_zoo(net, zoo)
    same = LatentMapDisplay.from_estimator(tiny.encoder, zoo.architectures_, zoo.accuracies_)
    np.testing.assert_array_equal(display.points, same.points)
    np.testing.assert_array_equal(display.accuracies, zoo.accuracies_)
    assert display.plot().unknown_ is None


def test_without_accuracies(tiny):
    display = LatentMapDisplay.from_estimator(tiny.encoder, tiny.archs).plot()
    assert display.scatter_ is None
    assert display.colorbar_ is None
    np.testing.assert_array_equal(display.unknown_.get_offsets(), display.points)


def test_errors(tiny):
    archs = tiny.archs
    with pytest.raises(ValueError, match=r"accuracies must have shape \(A,\)=\(6,\).* got \(2,\)"):
        LatentMapDisplay.from_estimator(tiny.encoder, archs, [0.1, 0.2])
    with pytest.raises(ValueError, match="accuracies must be finite; got inf"):
        LatentMapDisplay.from_estimator(tiny.encoder, archs, [0.1, np.inf, *[np.nan] * 4])
    for same in ([archs[0]], [archs[0]] * 3):
        with pytest.raises(ValueError, match="at least two different embeddings; got"):
            LatentMapDisplay.from_estimator(tiny.encoder, same)
    with pytest.raises(ValueError, match="at least two dimensions; got an encoder of latent_dim=1"):
        LatentMapDisplay.from_estimator(Fixed(embeddings(n_dims=1)), archs)


def test_without_matplotlib(tiny, no_matplotlib):
    display = LatentMapDisplay.from_estimator(tiny.encoder, tiny.archs)
    with pytest.raises(ImportError, match=r"pip install 'sksubsel\[plot\]'"):
        display.plot()
