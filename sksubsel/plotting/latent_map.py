"""What the encoder makes of architectures, in two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.decomposition import PCA

from sksubsel._validation import check_finite
from sksubsel.architectures import as_architectures
from sksubsel.plotting._style import import_pyplot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike
    from typing_extensions import Self

    from sksubsel.zoo import ModelZoo

__all__ = ["LatentMapDisplay"]


class LatentMapDisplay:
    """Map of architectures: their embeddings in two dimensions, coloured by accuracy.

    An architecture is the mean of its nodes' embeddings, and the map the first two principal
    components of these means over all architectures given. What differs in the order of nodes
    alone is left out by the mean, and what varies in further directions by the map: points near
    each other need not be alike.

    Make it with `from_estimator` or `from_zoo`.

    Parameters
    ----------
    points : ndarray of shape (A, 2)
        Coordinates along the two components.
    accuracies : ndarray of shape (A,) or None
        NaN where it is not known.
    explained_variance_ratio : ndarray of shape (2,)
        Share of the variance of the means along each component.
    label : str, default="Accuracy"
        What the colours show.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    scatter_ : matplotlib PathCollection or None
        Architectures of known accuracy; None if there are none.
    unknown_ : matplotlib PathCollection or None
        The others.
    colorbar_ : matplotlib Colorbar or None

    Examples
    --------
    >>> from sksubsel import ArchitectureEncoder
    >>> from sksubsel.plotting import LatentMapDisplay
    >>> from sksubsel.spaces import NASBench101
    >>> cells = NASBench101().sample(20, random_state=0)
    >>> encoder = ArchitectureEncoder(max_epochs=5, random_state=0).fit(cells)
    >>> display = LatentMapDisplay.from_estimator(encoder, cells, [0.9] * 10 + [0.8] * 10)
    >>> display.points.shape
    (20, 2)
    >>> display.plot().figure_.savefig("map.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        points: np.ndarray,
        *,
        accuracies: np.ndarray | None,
        explained_variance_ratio: np.ndarray,
        label: str = "Accuracy",
    ):
        self.points = points
        self.accuracies = accuracies
        self.explained_variance_ratio = explained_variance_ratio
        self.label = label

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        archs: Iterable[Any],
        accuracies: ArrayLike | None = None,
        *,
        label: str = "Accuracy",
    ) -> Self:
        """Embed architectures and find their two principal components.

        Parameters
        ----------
        estimator : ArchitectureEncoder or SubSelNet
            Fitted; of a net its encoder.
        archs : list of architectures
            At least two.
        accuracies : array-like of shape (A,), default=None
            NaN for architectures that were not trained; None for all of them.
        label : str, default="Accuracy"
            What the colours show.

        Returns
        -------
        LatentMapDisplay

        Raises
        ------
        NotFittedError
            If the encoder is not fitted.
        ValueError
            If lengths differ, accuracies are infinite, or all embeddings are the same or of a
            single number.

        Notes
        -----
        Time O(A D min(A, D)) beside that of ``transform``.
        """
        archs = as_architectures(archs)
        encoder = getattr(estimator, "encoder_", estimator)
        embeddings = np.nanmean(encoder.transform(archs), axis=1, dtype=np.float64)  # (A, D)
        if accuracies is not None:
            accuracies = np.asarray(accuracies, dtype=float)
            if accuracies.shape != (len(archs),):
                raise ValueError(
                    f"accuracies must have shape (A,)=({len(archs)},), one for each architecture; "
                    f"got {accuracies.shape}"
                )
            check_finite(accuracies[~np.isnan(accuracies)], "accuracies")
        if embeddings.shape[1] < 2:
            raise ValueError(
                "embeddings must have at least two dimensions; got an encoder of latent_dim="
                f"{embeddings.shape[1]}"
            )
        if np.ptp(embeddings, axis=0).max() == 0:
            raise ValueError(
                f"archs must have at least two different embeddings; got {len(archs)} "
                "architecture(s) with the same one"
            )
        pca = PCA(n_components=2, svd_solver="full")
        points = pca.fit_transform(embeddings)
        return cls(
            points,
            accuracies=accuracies,
            explained_variance_ratio=pca.explained_variance_ratio_,
            label=label,
        )

    @classmethod
    def from_zoo(cls, estimator: Any, zoo: ModelZoo) -> Self:
        """The architectures of a zoo, with the accuracies of those that were trained.

        Parameters
        ----------
        estimator : ArchitectureEncoder or SubSelNet
        zoo : ModelZoo

        Returns
        -------
        LatentMapDisplay
        """
        accuracies = np.full(len(zoo), np.nan)
        accuracies[zoo.trained_] = zoo.accuracies_
        label = "Accuracy" if zoo.task_ == "classification" else "R²"
        return cls.from_estimator(estimator, zoo.architectures_, accuracies, label=label)

    def plot(self, ax: Any = None, *, cmap: Any = "cividis", colorbar: bool = True) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        cmap : str or matplotlib Colormap, default="cividis"
            The default looks the same to all kinds of colour vision.
        colorbar : bool, default=True

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot()
        if ax is None:
            _, ax = plt.subplots(figsize=(5.2, 4.0), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.scatter_ = self.unknown_ = self.colorbar_ = None
        n_archs = len(self.points)
        known = np.zeros(n_archs, dtype=bool)
        if self.accuracies is not None:
            known = ~np.isnan(self.accuracies)
        if not known.all():
            self.unknown_ = ax.scatter(
                *self.points[~known].T, s=_dot_size(n_archs) / 2, facecolors="none",
                edgecolors="0.6", linewidths=0.7, zorder=2, label="not trained",
            )  # fmt: skip
        if known.any():
            assert self.accuracies is not None
            # The worst first, so that the good ones lie on top.
            order = np.flatnonzero(known)[np.argsort(self.accuracies[known], kind="stable")]
            self.scatter_ = ax.scatter(
                *self.points[order].T, c=self.accuracies[order], cmap=cmap, s=_dot_size(len(order)),
                edgecolors="0.2", linewidths=0.4, zorder=3, label="trained",
            )  # fmt: skip
            if colorbar:
                self.colorbar_ = self.figure_.colorbar(self.scatter_, ax=ax, label=self.label)
                self.colorbar_.outline.set_visible(False)
        if known.any() and not known.all():
            ax.legend(
                frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0, 1),
                ncols=2, borderaxespad=0.1, handletextpad=0.1, columnspacing=1.0,
            )  # fmt: skip
        for axis, k in ((ax.xaxis, 0), (ax.yaxis, 1)):
            share = 100 * self.explained_variance_ratio[k]
            axis.set_label_text(f"Component {k + 1} ({share:.0f}% of variance)")
        ax.spines[["top", "right"]].set_visible(False)
        return self


def _dot_size(n_dots):
    """Area of a dot in square points: the smaller the more there are."""
    return float(np.clip(2500 / n_dots, 6, 36))
