"""How far the approximator's probabilities can be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sksubsel._validation import check_positive, check_trained
from sksubsel.plotting._style import curve_style, finish_axes, import_pyplot
from sksubsel.samplers.kernels import check_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from typing_extensions import Self

    from sksubsel.zoo import ModelZoo

__all__ = ["ApproximatorCalibrationDisplay"]

_CURVES = {
    "label": "share of instances with the label",
    "prediction": "share so predicted by the network",
    "probability": "network's own probability",
}
_CHUNK = 2**22  # numbers at a time
_LEAST = 1e-12  # probabilities are cut here in KL, as ModelApproximator.score does


class ApproximatorCalibrationDisplay:
    """Reliability curves of the approximator: its probabilities against what comes true.

    Every triple of a trained architecture, an instance and a class goes into a bin by the
    probability that the approximator gives it. For each bin the curves show the mean probability
    that the trained network itself gave, how often the class is the instance's label, and how
    often it is what the network predicts. On the diagonal, probabilities are what they say. Above
    the curves, how many triples there are in each bin.

    Classes are pooled, not only the most probable one. Instances are those that the networks were
    trained on, so that "label" says how well these were learned, too.

    Make it with `from_estimator`.

    Parameters
    ----------
    bins : DataFrame
        One row a bin, ascending: "low" and "high", its edges; "count"; and the means "predicted",
        "label", "prediction" and "probability", NaN in empty bins.
    kl : ndarray of shape (A,)
        KL(trained || approximated) of each architecture, mean over instances, in nats.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of str to matplotlib Line2D
        By "label", "prediction" and "probability".
    count_ax_ : matplotlib Axes
        Of the counts.
    bars_ : matplotlib BarContainer
        The counts.
    text_ : matplotlib Text
        The mean KL.

    References
    ----------
    Niculescu-Mizil, Caruana, *Predicting good probabilities with supervised learning*, ICML 2005;
    the KL is that of Jain et al., NeurIPS 2023, Eq. 7.

    Examples
    --------
    >>> from sksubsel.plotting import ApproximatorCalibrationDisplay
    >>> display = ApproximatorCalibrationDisplay.from_estimator(
    ...     net, unseen, zoo_of_unseen
    ... )  # doctest: +SKIP
    >>> display.plot().figure_.savefig("calibration.png")  # doctest: +SKIP
    """

    def __init__(self, bins: pd.DataFrame, *, kl: np.ndarray):
        self.bins = bins
        self.kl = kl

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        archs: Any,
        zoo: ModelZoo,
        *,
        rows: ArrayLike | None = None,
        n_bins: int = 10,
    ) -> Self:
        """Compare what is approximated with what a zoo's networks do.

        Parameters
        ----------
        estimator : SubSelNet or ModelApproximator
            Fitted. Of a net its approximator, without what ``on_novel`` does.
        archs : list of architectures, or float array of shape (A, V, D)
            Those of the zoo; for a ModelApproximator their embeddings. Best ones not seen in fit.
        zoo : ModelZoo
            Of these architectures, over the instances of `fit`. Those trained count.
        rows : int array of shape (n,), or bool of shape (N,), default=None
            Instances to look at; None: all.
        n_bins : int, default=10
            Bins of equal width.

        Returns
        -------
        ApproximatorCalibrationDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If the approximator is of continuous labels, or architectures, zoo and instances do
            not fit together.

        Notes
        -----
        Time O(A n C); about 100 MB, whatever A, n and C.
        """
        check_positive(n_bins=n_bins)
        approximator = getattr(estimator, "approximator_", estimator)
        if hasattr(estimator, "encoder_"):
            zoo.check_architectures(archs)
            archs = estimator.encoder_.transform(archs)
        embeddings = np.asarray(archs)
        if len(embeddings) != len(zoo):
            raise ValueError(
                "embeddings and zoo must be about the same architectures; got "
                f"{len(embeddings)} embeddings and a zoo of {len(zoo)}"
            )
        check_trained(zoo)
        predictions = approximator.transform(embeddings[zoo.trained_])
        if approximator.task_ != "classification":
            raise ValueError("the approximator must predict class probabilities; got regression")
        if predictions.shape != zoo.predictions_.shape:
            raise ValueError(
                "zoo must be over the instances and classes that the approximator was fitted on; "
                f"got predictions of shape {predictions.shape} and {zoo.predictions_.shape}"
            )
        n_samples = predictions.shape[1]
        rows = np.arange(n_samples) if rows is None else check_rows(rows, n_samples, "rows")
        if len(rows) == 0:
            raise ValueError("rows must hold at least one instance; got none")
        bins, kl = _summarise(predictions, zoo, rows, n_bins)
        return cls(bins, kl=kl)

    def plot(
        self,
        ax: Any = None,
        *,
        curves: Sequence[str] = ("probability", "label"),
        counts: bool = True,
        legend: bool = True,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        curves : sequence of {"probability", "label", "prediction"}
            What to draw.
        counts : bool, default=True
            Draw the counts of the bins above the curves, on a logarithmic scale.
        legend : bool, default=True

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is no such curve.
        """
        for name in curves:
            if name not in _CURVES:
                raise ValueError(f"curves must be among {sorted(_CURVES)}; got {name!r}")
        plt = import_pyplot()
        if ax is None:
            _, ax = plt.subplots(figsize=(4.4, 4.8), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        ax.plot([0, 1], [0, 1], color="0.6", linestyle=":", linewidth=1.2, label="as predicted")
        filled = self.bins[self.bins["count"] > 0]
        self.lines_ = {}
        for name in curves:
            (self.lines_[name],) = ax.plot(
                filled["predicted"].to_numpy(), filled[name].to_numpy(), label=_CURVES[name],
                markersize=5.5, markeredgecolor="white", markeredgewidth=0.5, linewidth=1.4,
                clip_on=False, zorder=3, **curve_style(list(_CURVES).index(name)),
            )  # fmt: skip
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", anchor="SW")
        ax.set(xlabel="Approximated probability of a class", ylabel="Observed")
        n_archs = len(self.kl)
        self.text_ = ax.text(
            0.97, 0.03, f"KL {self.kl.mean():.3g} nats\n{n_archs} architecture{'s'[:n_archs > 1]}",
            transform=ax.transAxes, ha="right", va="bottom", fontsize="small",
        )  # fmt: skip
        self.count_ax_ = self.bars_ = None
        if counts:
            self._draw_counts()
        finish_axes(ax, False)
        if legend:
            ax.legend(
                frameon=False, fontsize="small", handlelength=2.2, loc="lower left",
                bbox_to_anchor=(0, 1.26 if counts else 1.02), borderaxespad=0.0,
            )  # fmt: skip
        return self

    def _draw_counts(self):
        low, high = self.bins["low"].to_numpy(), self.bins["high"].to_numpy()
        self.count_ax_ = strip = self.ax_.inset_axes([0, 1.06, 1, 0.16], sharex=self.ax_)
        self.bars_ = strip.bar(
            (low + high) / 2, self.bins["count"].to_numpy(), width=0.9 * (high - low), color="0.6"
        )
        from matplotlib import ticker

        strip.set_yscale("log")
        strip.yaxis.set_major_locator(ticker.LogLocator(numticks=3))
        strip.yaxis.set_minor_locator(ticker.NullLocator())
        strip.set_ylim(bottom=0.5)
        strip.tick_params(labelbottom=False, bottom=False, labelsize="small")
        strip.set_ylabel("Count", fontsize="small")
        strip.spines[["top", "right"]].set_visible(False)


def _summarise(predictions, zoo, rows, n_bins):
    """Bins and KL: sums over chunks of instances."""
    n_archs, _, n_classes = predictions.shape
    edges = np.linspace(0, 1, n_bins + 1)
    sums = np.zeros((5, n_bins))  # counts, and sums of the four columns
    kl = np.zeros(n_archs)
    n_parts = -(-len(rows) * n_archs * n_classes // _CHUNK)
    for part in np.array_split(rows, min(len(rows), n_parts)):
        guess = predictions.rows(part).astype(np.float64)  # (A, n, C)
        own = np.asarray(zoo.predictions_[:, part], dtype=np.float64)
        ratio = np.log(np.maximum(own, _LEAST)) - np.log(np.maximum(guess, _LEAST))
        kl += (own * ratio).sum(axis=(1, 2))
        is_label = np.broadcast_to(np.eye(n_classes)[zoo.y_[part]], own.shape)
        is_predicted = np.eye(n_classes)[own.argmax(axis=2)]
        place = np.searchsorted(edges[1:-1], guess.ravel(), side="right")
        sums[0] += np.bincount(place, minlength=n_bins)
        for total, values in zip(sums[1:], (guess, is_label, is_predicted, own)):
            total += np.bincount(place, values.ravel(), n_bins)
    bins = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": sums[0].astype(np.int64)})
    with np.errstate(invalid="ignore"):
        for name, total in zip(("predicted", *_CURVES), sums[1:]):
            bins[name] = total / sums[0]
    return bins, kl / len(rows)
