"""The images that were selected, beside some that were not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sksubsel._validation import check_finite, check_positive
from sksubsel.plotting._style import as_text, import_pyplot
from sksubsel.samplers.kernels import check_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike
    from typing_extensions import Self

__all__ = ["SubsetDisplay"]

_GROUPS = ("selected", "rest")
_CELL = 0.42  # inches of an image in a figure of our own
_SPACE = 0.14  # between images, in widths of one
_TEXT = 0.42  # for a score below an image, in widths of one
_BETWEEN = 0.8  # between the selected and the rest, in widths of an image
_LARGEST, _LEAST = 8.0, 4.0  # points of a score's text
_SHAPES = (
    "X must be images of shape (N, channels, height, width) with 1 or 3 channels, or come with "
    "image_shape=(height, width) or (channels, height, width); got X of shape {}"
)


class SubsetDisplay:
    """Selected images and some of the rest, a row for each class, with their scores.

    Of each class and group `n_per_class` images are shown, evenly spaced in the order of their
    scores from high to low (without scores, of the rows): what is shown stands for all, not for
    the best.

    Make it with `from_selection`.

    Parameters
    ----------
    images : ndarray of shape (K, height, width, 3), float32
        What is shown, in [0, 1].
    cells : DataFrame of K rows
        "class"; "group", "selected" or "rest"; "place", from 0 on from left to right; "row", that
        of X; and "score", NaN without scores.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    images_ : list of matplotlib AxesImage
        In the order of `cells`.
    texts_ : list of matplotlib Text
        The scores, in this order; empty without scores, or where the axes are too small for them.

    Examples
    --------
    >>> from sksubsel.baselines import Herding
    >>> from sksubsel.datasets import load_digits_images
    >>> from sksubsel.plotting import SubsetDisplay
    >>> X, y = load_digits_images(return_X_y=True)
    >>> selector = Herding(50).fit(X, y)
    >>> display = SubsetDisplay.from_selection(X, y, selector.sample_indices_, n_per_class=3)
    >>> display.images.shape
    (60, 8, 8, 3)
    >>> display.plot().figure_.savefig("subset.png")  # doctest: +SKIP
    """

    def __init__(self, images: np.ndarray, cells: pd.DataFrame):
        self.images = images
        self.cells = cells

    @classmethod
    def from_selection(
        cls,
        X: Any,
        y: ArrayLike | None,
        rows: ArrayLike,
        scores: ArrayLike | None = None,
        *,
        n_per_class: int = 5,
        classes: Iterable[Any] | None = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> Self:
        """Choose what is shown.

        Parameters
        ----------
        X : array of shape (N, channels, height, width), or of any with N first and `image_shape`
            Images, grey (1 channel) or RGB (3). Values outside of [0, 1] are scaled by the least
            and largest value of what is shown.
        y : array-like of shape (N,) or None
            Class labels; None puts all in one row.
        rows : int array of shape (B,), or bool of shape (N,)
            The selected instances.
        scores : array-like of shape (N,), default=None
            NaN for instances that have none.
        n_per_class : int, default=5
            Images of each class and group, at most.
        classes : sequence of labels, default=None
            Which classes to show, from the top; None: all, sorted.
        image_shape : tuple, default=None
            (height, width) or (channels, height, width) of instances that are not images.

        Returns
        -------
        SubsetDisplay

        Raises
        ------
        ValueError
            If X holds no images or values that are not finite, lengths differ, `rows` are out of
            range, or a class is not in y.
        """
        check_positive(n_per_class=n_per_class)
        X = _as_images(X, image_shape)
        y = np.full(len(X), "all") if y is None else np.asarray(y)
        if y.shape != (len(X),):
            raise ValueError(f"y must have shape (N,)=({len(X)},); got {y.shape}")
        ranked = np.zeros(len(X))  # without scores all alike, in the order of rows
        if scores is not None:
            scores = np.asarray(scores, dtype=float)
            if scores.shape != (len(X),):
                raise ValueError(f"scores must have shape (N,)=({len(X)},); got {scores.shape}")
            ranked = np.where(np.isnan(scores), -np.inf, scores)
        selected = np.zeros(len(X), dtype=bool)
        selected[check_rows(rows, len(X), "rows")] = True
        found = np.unique(y).tolist()
        classes = found if classes is None else list(classes)
        if missing := [c for c in classes if c not in found]:
            raise ValueError(f"classes must be among those of y, {found}; got {missing}")
        cells = []
        for label in classes:
            for group in _GROUPS:
                own = np.flatnonzero((y == label) & (selected == (group == "selected")))
                own = own[np.argsort(-ranked[own], kind="stable")]
                chosen = np.linspace(0, len(own) - 1, min(n_per_class, len(own))).round()
                cells += [(label, group, k, own[i]) for k, i in enumerate(chosen.astype(int))]
        cells = pd.DataFrame(cells, columns=["class", "group", "place", "row"])
        cells["score"] = np.nan if scores is None else scores[cells["row"]]
        return cls(_colours(X[cells["row"].to_numpy()]), cells)

    def plot(self, ax: Any = None) -> Self:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure that fits.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot()
        classes = self.cells["class"].unique().tolist()
        n_columns = int(self.cells["place"].max()) + 1
        height, width = self.images.shape[1:3]
        ratio = height / width
        scored = bool(self.cells["score"].notna().any())
        pitch = ratio + _SPACE + (_TEXT if scored else 0.0)
        block = n_columns * (1 + _SPACE) - _SPACE
        left = {"selected": 0.0, "rest": block + _BETWEEN}
        size = 2 * block + _BETWEEN, len(classes) * pitch
        if ax is None:
            margins = 0.25 + 0.09 * max(len(str(c)) for c in classes), 0.35
            _, ax = plt.subplots(
                figsize=[max(1.5, _CELL * n + more) for n, more in zip(size, margins)],
                layout="constrained",
            )
        self.ax_, self.figure_ = ax, ax.figure
        self.images_: list = []
        self.texts_: list = []
        middles = np.arange(len(classes)) * pitch + ratio / 2
        for image, label, group, place in zip(
            self.images, self.cells["class"], self.cells["group"], self.cells["place"]
        ):
            x, y = left[group] + place * (1 + _SPACE), classes.index(label) * pitch
            self.images_.append(
                ax.imshow(image, extent=(x, x + 1, y + ratio, y), interpolation="nearest")
            )
        shown = set(zip(self.cells["class"], self.cells["group"]))
        for label, middle in zip(classes, middles):
            for group in _GROUPS:
                if (label, group) not in shown:
                    ax.text(left[group] + 0.1, middle, "none", color="0.45", va="center", size=7)
        ax.set(xlim=(-0.05, size[0] + 0.05), ylim=(size[1], -0.05), aspect="equal")
        ax.set_yticks(middles, [as_text(c) for c in classes])
        ax.set_xticks([left[group] + block / 2 for group in _GROUPS], _GROUPS)
        ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
        ax.spines[:].set_visible(False)
        if scored:
            self._write_scores(ratio)
        return self

    def _write_scores(self, ratio):
        """Scores below their images, in the largest text that fits."""
        figure = self.figure_.figure  # of a subfigure the whole figure
        figure.draw_without_rendering()
        box = self.ax_.get_window_extent()
        unit = box.width / figure.dpi * 72 / np.ptp(self.ax_.get_xlim())  # points of an image
        texts = _short(self.cells["score"].to_numpy())
        longest = max(map(len, texts))
        size = min(_LARGEST, 0.85 * _TEXT * unit, (1 + _SPACE) * unit / (0.66 * longest))
        if size < _LEAST:
            return
        for image, text in zip(self.images_, texts):
            low, high, bottom, _ = image.get_extent()
            self.texts_.append(
                self.ax_.text(
                    (low + high) / 2, bottom + 0.04, text, ha="center", va="top", fontsize=size
                )
            )  # fmt: skip


def _as_images(X, image_shape):
    """X as (N, channels, height, width) with 1 or 3 channels, not copied."""
    X = np.asarray(X)
    if image_shape is not None and X.ndim >= 1:
        shape = tuple(image_shape)
        if len(shape) == 2:
            shape = (1, *shape)
        if len(shape) != 3 or math.prod(shape) * len(X) != X.size:
            raise ValueError(
                "image_shape must be (height, width) or (channels, height, width) with as many "
                f"values as an instance, {X.shape[1:]}; got {tuple(image_shape)}"
            )
        X = X.reshape(len(X), *shape)
    if X.ndim != 4 or 0 in X.shape or X.shape[1] not in (1, 3) or X.dtype.kind not in "fiub":
        kind = "" if X.dtype.kind in "fiub" else f" and dtype {X.dtype}"
        raise ValueError(_SHAPES.format(X.shape) + kind)
    return X


def _colours(images):
    """Images (K, 1 or 3, height, width) as RGB in [0, 1], (K, height, width, 3)."""
    images = images.astype(np.float32)
    check_finite(images, "X")
    if len(images) and (images.min() < 0 or images.max() > 1):
        low, high = images.min(), images.max()
        images = (images - low) / (high - low or 1.0)
    return np.ascontiguousarray(
        np.broadcast_to(images.transpose(0, 2, 3, 1), (len(images), *images.shape[2:], 3))
    )


def _short(scores):
    """Scores as texts with as few digits as tell them apart, at most three significant ones."""
    known = scores[~np.isnan(scores)]
    largest = float(np.abs(known).max()) or 1.0
    n_digits = int(np.clip(2 - math.floor(math.log10(largest)), 0, 2))
    if not 1e-2 <= largest < 1e4:
        return ["" if s != s else f"{s:.0e}" for s in scores]
    return ["" if s != s else f"{s:.{n_digits}f}" for s in scores]
