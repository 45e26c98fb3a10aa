"""What the displays share: matplotlib on demand, and curves told apart without colour."""

from __future__ import annotations

# Okabe and Ito's palette for all kinds of colour vision, its yellow left out (too pale for lines).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
_DASHES = ("-", "--", ":", "-.")


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


def curve_style(k: int) -> dict:
    """Colour, marker and dashes of the k-th curve; no two of the first 70 are the same."""
    return {
        "color": _COLOURS[k % len(_COLOURS)],
        "marker": _MARKERS[k % len(_MARKERS)],
        "linestyle": _DASHES[k // len(_COLOURS) % len(_DASHES)],
    }


def new_axes(legend: bool):
    """Axes of a new figure, with room for a legend beside the curves if there will be one."""
    plt = import_pyplot()
    _, ax = plt.subplots(figsize=(8.4 if legend else 5.2, 3.6), layout="constrained")
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


def finish_axes(ax, legend: bool) -> None:
    """Grid behind the curves, no box around them, the legend beside them."""
    ax.grid(visible=True, color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if legend:
        ax.legend(
            frameon=False, fontsize="small", handlelength=2.6,
            loc="upper left", bbox_to_anchor=(1.01, 1.0),  # beside the curves, never on them
        )  # fmt: skip
