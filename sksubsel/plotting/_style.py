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
