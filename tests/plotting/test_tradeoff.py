import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from sksubsel.plotting import TradeoffDisplay
from sksubsel.plotting._style import curve_style


def runs():
    return pd.DataFrame(
        [  # method, budget, speedup, rar; out of order on purpose
            ("random", 0.10, 8.0, 0.10),
            ("random", 0.05, 20.0, 0.30),
            ("random", 0.10, 12.0, 0.20),
            ("ours", 0.05, 18.0, 0.12),
            ("ours", 0.10, 9.0, 0.06),
            ("ours", 0.10, np.nan, 0.06),
        ],
        columns=["method", "budget", "speedup", "rar"],
    )


def test_points_are_means_with_standard_errors():
    points = TradeoffDisplay.from_frame(runs()).points
    assert points["method"].tolist() == ["random", "random", "ours", "ours"]
    assert points["budget"].tolist() == [0.05, 0.10, 0.05, 0.10]
    np.testing.assert_allclose(points["x"], [20, 10, 18, 9])
    np.testing.assert_allclose(points["y"], [0.30, 0.15, 0.12, 0.06])
    # two values d apart: standard error d / 2
    np.testing.assert_allclose(points["x_error"], [0, 2, 0, 0])
    np.testing.assert_allclose(points["y_error"], [0, 0.05, 0, 0])


def test_errors_are_of_the_means_of_seeds():
    """Not of how far apart the architectures are, which are the same in all seeds."""
    table = pd.DataFrame(
        {
            "method": "m",
            "budget": 0.1,
            "arch": ["a", "b", "a", "b"],
            "seed": [0, 0, 1, 1],
            "speedup": [10.0, 30.0, 14.0, 34.0],
            "rar": [0.1, 0.3, 0.1, 0.3],
        }
    )
    points = TradeoffDisplay.from_frame(table).points
    np.testing.assert_allclose(points[["x", "y"]], [[22, 0.2]])
    np.testing.assert_allclose(points[["x_error", "y_error"]], [[2, 0]], atol=1e-12)
    alone = pd.DataFrame([["m", 0.1, "a", 2, 500.0, 0.9]], columns=table.columns)
    points = TradeoffDisplay.from_frame(pd.concat([table, alone])).points
    np.testing.assert_allclose(points[["x_error", "y_error"]], [[2, 0]], atol=1e-12)


def test_counts_beside_fractions_are_in_the_order_of_what_was_selected():
    table = pd.DataFrame(
        {
            "method": "m",
            "budget": [50, 0.2, 100],
            "n_selected": [50, 200, 100],
            "speedup": [32.0, 8.0, 12.0],
            "rar": [0.3, 0.1, 0.2],
        }
    )
    points = TradeoffDisplay.from_frame(table).points
    assert points["budget"].tolist() == [50, 100, 0.2]
    assert "size" not in points
    by_number = TradeoffDisplay.from_frame(table.drop(columns="n_selected")).points
    assert by_number["budget"].tolist() == [0.2, 50, 100]


def test_plot():
    display = TradeoffDisplay.from_frame(runs())
    assert display.plot() is display
    assert list(display.curves_) == ["random", "ours"]
    line = display.curves_["ours"].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [18, 9])
    np.testing.assert_allclose(line.get_ydata(), [0.12, 0.06])
    assert display.figure_ is display.ax_.figure
    assert [t.get_text() for t in display.ax_.get_legend().get_texts()] == ["random", "ours"]
    assert "Speed-up" in display.ax_.get_xlabel()
    assert "Relative accuracy reduction" in display.ax_.get_ylabel()
    display.figure_.canvas.draw()
    assert "10%" in [t.get_text() for t in display.ax_.get_yticklabels()]


def test_plot_on_given_axes():
    figure, axes = plt.subplots(1, 2)
    display = TradeoffDisplay.from_frame(runs(), x="budget", y="speedup").plot(
        axes[1], legend=False
    )
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert axes[1].get_legend() is None
    assert not axes[0].lines
    assert len(plt.get_fignums()) == 1


def test_wide_ratios_are_logarithmic():
    table = runs()
    assert TradeoffDisplay.from_frame(table).plot().ax_.get_xscale() == "linear"
    table.loc[0, "speedup"] = 200.0
    assert TradeoffDisplay.from_frame(table).plot().ax_.get_xscale() == "log"
    assert TradeoffDisplay.from_frame(table, x="rar", y="speedup").plot().ax_.get_yscale() == "log"


def test_other_columns():
    table = runs().rename(columns={"method": "who", "budget": "size"})
    table["loss"] = table["rar"] * 2
    display = TradeoffDisplay.from_frame(table, y="loss", method="who", budget="size").plot()
    assert display.ax_.get_ylabel() == "loss"
    np.testing.assert_allclose(display.points["y"], [0.60, 0.30, 0.24, 0.12])


def test_errors():
    with pytest.raises(ValueError, match=r"table must have the columns \['rar'\]; got \['method'"):
        TradeoffDisplay.from_frame(runs().drop(columns="rar"))
    with pytest.raises(ValueError, match="at least one row with 'speedup' and 'rar'"):
        TradeoffDisplay.from_frame(runs().assign(rar=np.nan))


def test_styles_differ():
    styles = [tuple(curve_style(k).values()) for k in range(70)]
    assert len(set(styles)) == 70
    assert len({style[1] for style in styles[:10]}) == 10  # by marker alone


def test_without_matplotlib(no_matplotlib):
    table = pd.DataFrame({"method": ["a"], "budget": [1], "speedup": [2.0], "rar": [0.1]})
    display = TradeoffDisplay.from_frame(table)
    with pytest.raises(ImportError, match=r"pip install 'sksubsel\[plot\]'"):
        display.plot()


def test_many_methods_and_wide_losses():
    """All names fit beside axes as high as they are; failures do not hide what works."""
    names = [f"method {k}" for k in range(30)]
    table = pd.DataFrame({"method": names, "budget": 0.1, "speedup": np.arange(1.0, 31)})
    table["rar"] = np.geomspace(0.04, 0.8, 30)
    display = TradeoffDisplay.from_frame(table).plot()
    assert display.ax_.get_yscale() == "log"
    display.figure_.canvas.draw()
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert {"5%", "10%", "50%"} <= set(labels)
    legend = display.ax_.get_legend().get_window_extent()
    assert legend.height <= display.ax_.get_window_extent().height * 1.15
    table.loc[0, "rar"] = -0.01  # better than all data
    assert TradeoffDisplay.from_frame(table).plot().ax_.get_yscale() == "linear"
