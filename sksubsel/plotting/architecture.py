"""An architecture drawn as a graph."""

from __future__ import annotations

from collections import Counter
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from sksubsel.architectures import as_architecture
from sksubsel.plotting._layout import layered_layout
from sksubsel.plotting._node_text import FONT, box_of, texts_of
from sksubsel.plotting._style import colour_of, import_pyplot, marker_of, tint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from sksubsel.plotting._layout import Layout

__all__ = ["ArchitectureDisplay"]

_MAX_LABELLED = 30  # nodes that get text of their own, unless it is asked for
_LEAST_FONT = 4.5  # points; nobody can read what is smaller
_DOT = 9.0  # size of a node without text
_GAPS = {True: (7.0, 15.0), False: (4.0, 9.0)}  # beside and below nodes, in points
_EDGE = "0.4"
_PLAIN = {"input", "output"}  # white, so that the colours are left for the others


class ArchitectureDisplay:
    """Drawing of an architecture: operations in layers from the input on, edges as arrows.

    A node stands in the layer of its longest path from the input, and below (in columns that lead
    upwards, above) all that it takes its input from. Operations are told apart by colour and by
    text; where there are too many nodes for text, by colour, shape and a legend.

    Make it with `from_architecture`.

    Parameters
    ----------
    arch : Architecture
    layout : Layout
        Places of nodes and ways of edges, in points.
    texts : list of str or None
        Text of each node; None draws no text, but a legend.
    vocabulary : tuple of str
        Operations in the order of their colours.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    nodes_ : list of matplotlib Patch, or dict of str to PathCollection
        A box for each node; without text, the dots of each operation.
    labels_ : list of matplotlib Text
        Empty without text.
    edges_ : list of matplotlib FancyArrowPatch
        In the order of ``arch.edges``.

    Examples
    --------
    >>> from sksubsel.plotting import ArchitectureDisplay
    >>> from sksubsel.spaces import NASBench101
    >>> cell = NASBench101().sample(1, random_state=0)[0]
    >>> display = ArchitectureDisplay.from_architecture(cell)
    >>> display.plot().figure_.savefig("cell.png")  # doctest: +SKIP
    """

    def __init__(
        self, arch: Any, layout: Layout, *, texts: list[str] | None, vocabulary: tuple[str, ...]
    ):
        self.arch = arch
        self.layout = layout
        self.texts = texts
        self.vocabulary = vocabulary

    @classmethod
    def from_architecture(
        cls,
        arch: Any,
        *,
        attributes: bool = False,
        labels: bool | str = "auto",
        vocabulary: Sequence[str] | None = None,
        n_columns: int | None = None,
    ) -> Self:
        """Lay an architecture out.

        Parameters
        ----------
        arch : architecture
            Anything that :func:`~sksubsel.architectures.as_architecture` takes.
        attributes : bool, default=False
            Write the nodes' attributes under their operations.
        labels : bool or "auto", default="auto"
            Whether nodes have text. "auto": of at most 30 nodes.
        vocabulary : sequence of str, default=None
            Operations in the order of colours, so that several architectures have the same ones;
            those missing in it come last. None: the architecture's own, sorted.
        n_columns : int, default=None
            Columns that a long graph is folded into; None: as fills a page of 4 to 5 best.

        Returns
        -------
        ArchitectureDisplay

        Raises
        ------
        TypeError
            If `arch` is no architecture.
        ValueError
            If it is an invalid one, or another parameter is out of its range.

        Notes
        -----
        Time O(L (E + P)) for L layers and P places where edges pass a layer: a third of a
        second for 150 nodes.
        """
        arch = as_architecture(arch)
        if labels not in (True, False, "auto"):
            raise ValueError(f'labels must be True, False or "auto"; got {labels!r}')
        if n_columns is not None and (
            isinstance(n_columns, bool) or not isinstance(n_columns, Integral) or n_columns < 1
        ):
            raise ValueError(f"n_columns must be an int of at least 1 or None; got {n_columns!r}")
        if labels == "auto":
            labels = arch.n_nodes <= _MAX_LABELLED
        own = sorted(set(arch.ops) - _PLAIN)
        given = () if vocabulary is None else tuple(vocabulary)
        vocabulary = (*given, *(op for op in own if op not in given))
        texts = texts_of(arch, attributes) if labels else None
        layout = _lay_out(arch, texts, n_columns)
        return cls(arch, layout, texts=texts, vocabulary=vocabulary)

    def plot(self, ax: Any = None, *, legend: bool | str = "auto") -> Self:
        """Draw the graph.

        Text is as large as the axes allow, at most 10 points; where it would be smaller than 4.5
        points it is left out, and there is a legend.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure of the drawing's own size.
        legend : bool or "auto", default="auto"
            Name the operations beside the drawing, with their numbers. "auto": where nodes have
            no text.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot()
        with_legend = (self.texts is None) if legend == "auto" else legend
        if ax is None:
            ax = self._own_axes(plt, with_legend)
        self.ax_, self.figure_ = ax, ax.figure
        layout, texts = self.layout, self.texts
        scale = self._frame(layout, texts is None, with_legend)
        if texts is not None and FONT * scale < _LEAST_FONT:
            layout, texts = _lay_out(self.arch, None, None), None
            scale = self._frame(layout, True, legend is not False)
        self.labels_: list = []
        if texts is None:
            self._draw_dots(layout, scale)
        else:
            self._draw_boxes(layout, texts, scale)
        self._draw_edges(layout, texts is None, scale)
        return self

    def _own_axes(self, plt, legend):
        """Axes of a new figure in which a point of the layout is a point on paper."""
        low, high = _limits(self.layout, self.texts is None)
        width, height = (high - low) / 72
        if legend:
            width += 0.5 + 0.085 * max(map(len, self._legend_texts().values()))
            height = max(height, 0.3 + 0.19 * len(self._legend_texts()))
        _, ax = plt.subplots(figsize=(max(1.5, width), max(1.5, height)), layout="constrained")
        return ax

    def _frame(self, layout, dots, legend):
        """Prepare the axes; points on paper for a point of the layout, once all has its place."""
        low, high = _limits(layout, dots)
        self.ax_.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        self.ax_.set_aspect("equal")
        self.ax_.set_axis_off()
        if legend:
            self._legend()
        figure = self.figure_.figure  # of a subfigure the whole figure
        figure.draw_without_rendering()
        box = self.ax_.get_window_extent()
        return float(box.width / figure.dpi * 72 / (high - low)[0])

    def _draw_dots(self, layout, scale):
        self.nodes_: dict | list = {}
        for op in dict.fromkeys(self.arch.ops):
            chosen = [k for k, each in enumerate(self.arch.ops) if each == op]
            self.nodes_[op] = self.ax_.scatter(
                *layout.positions[chosen].T, s=(_DOT * scale) ** 2, zorder=3, **self._dot(op)
            )

    def _draw_boxes(self, layout, texts, scale):
        from matplotlib.patches import FancyBboxPatch

        self.nodes_ = boxes = []
        for op, text, (x, y), (w, h) in zip(
            self.arch.ops, texts, layout.positions, _sizes(self.arch, texts)
        ):
            colour = self._colour(op)
            box = FancyBboxPatch(
                (x - w / 2, y - h / 2), w, h,
                boxstyle="round,pad=0,rounding_size=3", edgecolor=colour,
                facecolor="white" if op in _PLAIN else tint(colour),
                linewidth=min(scale, 1.2), zorder=3,
            )  # fmt: skip
            boxes.append(self.ax_.add_patch(box))
            label = self.ax_.text(
                x, y, text, ha="center", va="center", fontsize=min(10, FONT * scale),
                linespacing=1.1, zorder=4,
            )  # fmt: skip
            self.labels_.append(label)

    def _draw_edges(self, layout, dots, scale):
        from matplotlib.patches import FancyArrowPatch
        from matplotlib.path import Path

        self.edges_ = []
        for vertices in _curves(layout, dots):
            codes = [Path.MOVETO, *[Path.CURVE4] * (len(vertices) - 1)]
            arrow = FancyArrowPatch(
                path=Path(vertices, codes), arrowstyle="-|>", color=_EDGE, zorder=2,
                mutation_scale=(5.0 if dots else 7.0) * scale, capstyle="butt", joinstyle="miter",
                linewidth=(0.6 if dots else 0.8) * min(scale, 1.2),
            )  # fmt: skip
            self.edges_.append(self.ax_.add_patch(arrow))

    def _legend_texts(self):
        counts = Counter(self.arch.ops)
        ops = [op for op in ("input", *self.vocabulary, "output") if op in counts]
        return {op: op if counts[op] == 1 else f"{op} ({counts[op]})" for op in ops}

    def _legend(self):
        from matplotlib.lines import Line2D

        texts = self._legend_texts()
        height = self.ax_.bbox.height / self.figure_.dpi * 72
        size = float(np.clip(height / (1.45 * len(texts) + 1), _LEAST_FONT, 8.3))
        handles = []
        for op, text in texts.items():
            style = self._dot(op)
            handle = Line2D(
                [], [], linestyle="none", label=text, marker=style["marker"], markersize=0.7 * size,
                markerfacecolor=style["facecolors"], markeredgecolor=style["edgecolors"],
                markeredgewidth=style["linewidths"],
            )  # fmt: skip
            handles.append(handle)
        self.ax_.legend(
            handles=handles, frameon=False, fontsize=size, handletextpad=0.2, labelspacing=0.3,
            loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2,
        )  # fmt: skip

    def _dot(self, op):
        if op in _PLAIN:
            return {"facecolors": "white", "edgecolors": "0.3", "linewidths": 0.9, "marker": "s"}
        marker = marker_of(self.vocabulary.index(op))
        return {
            "facecolors": self._colour(op), "edgecolors": "white", "linewidths": 0.3,
            "marker": marker,
        }  # fmt: skip

    def _colour(self, op):
        return "0.45" if op in _PLAIN else colour_of(self.vocabulary.index(op))


def _sizes(arch, texts):
    """Width and height of each node in points, (V, 2)."""
    if texts is None:
        return np.full((arch.n_nodes, 2), _DOT)
    return np.array([box_of(text.split("\n")) for text in texts])


def _lay_out(arch, texts, n_columns):
    gap = _GAPS[texts is not None]
    return layered_layout(arch.edges, _sizes(arch, texts), gap=gap, n_columns=n_columns)


def _curves(layout, dots):
    """For each edge the vertices of cubic Bezier curves, (n, 2)."""
    gap = _GAPS[not dots][1]
    return [_curve(*parts, gap) for parts in zip(layout.routes, layout.headings)]


def _limits(layout, dots):
    """Lower left and upper right corner of all that is drawn."""
    curves = np.concatenate(_curves(layout, dots))
    low = np.minimum(curves.min(axis=0), 0)
    high = np.maximum(curves.max(axis=0), layout.size)
    return low - 3, high + 3


def _curve(points, headings, gap):
    """Vertices of a smooth path through points, each passed up or down: cubic Bezier, (n, 2)."""
    vertices = [points[0]]
    for start, stop, leaving, arriving in zip(points, points[1:], headings, headings[1:]):
        reach = 0.5 * abs(stop[1] - start[1])
        if leaving != arriving:  # from one column to the next
            reach = gap + 0.12 * abs(stop[0] - start[0])
        along = np.array([0, reach])
        vertices += [start + leaving * along, stop - arriving * along, stop]
    return np.array(vertices)
