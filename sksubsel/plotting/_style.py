"""What the displays share: matplotlib on demand, and curves told apart without colour."""

from __future__ import annotations

import io
from typing import Literal

# Okabe and Ito's palette for all kinds of colour vision, its yellow left out (too pale for lines).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
_DASHES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")
_NARROW = 4.0  # inches, of axes that a legend beside them would leave too little of


def import_pyplot():
    """Return `matplotlib.pyplot`; ImportError naming the extra where it is not installed."""
    try:
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError(
            "plotting needs matplotlib, which is not installed; "
            "install it with: pip install 'sksubsel[plot]'"
        ) from error
    return matplotlib.pyplot


def figure_svg(figure) -> bytes:
    """A figure as an SVG file that needs no other, the same bytes each time; it is closed.

    Parameters
    ----------
    figure : matplotlib Figure
        Such as ``display.figure_``.

    Returns
    -------
    bytes
        UTF-8, with an XML declaration; text is drawn, so that no font is asked for.
    """
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "sksubsel", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    import_pyplot().close(figure)
    return file.getvalue()


def as_text(name) -> str:
    """A user's name for something as matplotlib draws it, dollars and all."""
    return str(name).replace("$", r"\$")


def curve_style(k: int) -> dict:
    """Colour, marker and dashes of the k-th curve; no two of the first 70 are the same."""
    return {
        "color": colour_of(k),
        "marker": marker_of(k),
        "linestyle": dashes_of(k // len(_COLOURS)),
    }


def colour_of(k: int) -> str:
    """Colour of the k-th thing; together with `marker_of` no two of the first 70 are the same."""
    return _COLOURS[k % len(_COLOURS)]


def marker_of(k: int) -> str:
    """Marker of the k-th thing."""
    return _MARKERS[k % len(_MARKERS)]


def dashes_of(k: int) -> Literal["-", "--", ":", "-."]:
    """Dashes of the k-th kind of curve."""
    return _DASHES[k % len(_DASHES)]


def tint(colour, share=0.25):
    """A pale form of a colour, on which black text is legible."""
    from matplotlib.colors import to_rgb

    return tuple(1 - share * (1 - part) for part in to_rgb(colour))


def new_axes(legend: bool, n_curves: int = 0):
    """Axes of a new figure, with room for a legend of all curves beside them if there is one."""
    plt = import_pyplot()
    size = (8.4, max(3.6, 0.21 * n_curves)) if legend else (5.2, 3.6)
    _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def log_scale_if_wide(axis, values) -> bool:
    """Make an axis logarithmic where its positive values span more than 1 to 3; say whether."""
    from matplotlib import ticker

    if not (values.min() > 0 and values.max() > 3 * values.min()):
        return False
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.set_minor_formatter(ticker.NullFormatter())
    return True


def finish_axes(ax, legend: bool, handles=None) -> None:
    """Grid behind the curves, no box around them, the legend beside or above them."""
    ax.grid(visible=True, color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if legend:
        _place_legend(ax, handles)


def _place_legend(ax, handles) -> None:
    """A legend beside the axes, or above them where they are narrow; never on the curves."""
    if handles is None:
        handles, _ = ax.get_legend_handles_labels()
    width = ax.get_window_extent().width / ax.figure.dpi  # inches
    style = {"handles": handles, "frameon": False, "fontsize": "small", "handlelength": 2.6}
    if width > _NARROW:
        ax.legend(**style, loc="upper left", bbox_to_anchor=(1.01, 1.0))
        return
    longest = max(len(str(handle.get_label())) for handle in handles)
    n_columns = int(max(1, width // (0.55 + 0.08 * longest)))
    ax.legend(
        **style, loc="lower left", bbox_to_anchor=(0.0, 1.02), borderaxespad=0.0,
        ncols=min(n_columns, len(handles)), columnspacing=1.0,
    )  # fmt: skip
