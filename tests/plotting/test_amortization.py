import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from sksubsel.plotting import AmortizationDisplay

COLUMNS = [
    "method", "budget", "arch", "seed", "setup_time", "selection_time", "shared", "training_time"
]  # fmt: skip


def trainings():
    """At budget 0.1: random 1 + 2 k, ours 31 + 3 k, slow 12 k seconds; all data take 10 k."""
    return pd.DataFrame(
        [
            ("full data", 1.0, "a", 0, 99.0, 99.0, None, 8.0),  # only the training time counts
            ("full data", 1.0, "b", 0, 99.0, 99.0, None, 12.0),
            ("random", 0.1, "a", 0, 0.0, 0.5, True, 1.0),
            ("random", 0.1, "b", 0, 0.0, 1.5, True, 3.0),
            ("ours", 0.1, "a", 0, 30.0, 0.5, False, 2.0),
            ("ours", 0.1, "b", 0, 30.0, 1.5, False, 2.0),
            ("ours", 0.1, "a", 1, 32.0, 1.0, False, 2.0),
            ("ours", 0.1, "b", 1, 32.0, 1.0, False, 2.0),
            ("slow", 0.1, "a", 0, 0.0, 10.0, False, 2.0),
            ("ours", 0.1, "c", 0, 30.0, 1.0, False, np.nan),  # left out
            ("random", 0.5, "a", 0, 0.0, 1.0, True, 5.0),
            ("ours", 0.5, "a", 0, 30.0, 1.0, False, 5.0),
        ],
        columns=COLUMNS,
    )


def display(**options):
    return AmortizationDisplay.from_frame(trainings(), **{"budget": 0.1, **options})


def test_times_are_means():
    shown = display()
    assert shown.times["method"].tolist() == ["random", "ours", "slow"]
    np.testing.assert_allclose(shown.times["once"], [1, 31, 0])  # a shared selection counts here
    np.testing.assert_allclose(shown.times["each"], [2, 3, 12])
    assert shown.full_time == 10
    assert (shown.budget, shown.n_archs) == (0.1, 100)
    other = display(budget=0.5)
    assert other.times["method"].tolist() == ["random", "ours"]
    np.testing.assert_allclose(other.times[["once", "each"]], [[1, 5], [30, 6]])
    assert other.full_time == 10


def test_break_even():
    assert display().break_even_ == {"random": 1, "ours": 5, "slow": None}  # 31 / (10 - 3) = 4.4
    assert display(n_archs=2).break_even_["ours"] == 5  # beyond what is shown
    assert all(type(k) is int for k in list(display().break_even_.values())[:2])
    times = pd.DataFrame({"method": ["tie", "same"], "once": [14.0, 0.0], "each": [3.0, 10.0]})
    # 14 + 2 * 3 = 2 * 10: below, not level; and a method that costs as much never gets there
    assert AmortizationDisplay(times, full_time=10.0).break_even_ == {"tie": 3, "same": None}


def test_break_even_is_where_the_curve_crosses():
    rng = np.random.RandomState(0)
    times = pd.DataFrame({"method": list("abcdefgh"), "once": 50 * rng.rand(8)})
    times["each"] = 4 * rng.rand(8)
    shown = AmortizationDisplay(times, full_time=5.0).plot()
    for name, first in shown.break_even_.items():
        below = shown.curves_[name].get_ydata() < 5
        assert below[first - 1 :].all() and not below[: first - 1].any()


def test_budget_may_be_left_out_if_there_is_one():
    table = trainings()
    shown = AmortizationDisplay.from_frame(table[table["budget"] != 0.5])
    assert shown.budget == 0.1
    pd.testing.assert_frame_equal(shown.times, display().times)
    message = r"budget must be one of those in table besides 'full data', \[0.1, 0.5\]; got "
    with pytest.raises(ValueError, match=message + "None"):
        AmortizationDisplay.from_frame(table)
    with pytest.raises(ValueError, match=message + "0.2"):
        AmortizationDisplay.from_frame(table, budget=0.2)
    with pytest.raises(ValueError, match=message + r"1\.0"):
        AmortizationDisplay.from_frame(table, budget=1.0)


def test_plot():
    shown = display(n_archs=4)
    assert shown.plot() is shown
    assert list(shown.curves_) == ["random", "ours", "slow"]
    for line in shown.curves_.values():
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_allclose(shown.curves_["random"].get_ydata(), [3, 2.5, 7 / 3, 2.25])
    np.testing.assert_allclose(shown.curves_["ours"].get_ydata(), [34, 18.5, 40 / 3, 10.75])
    np.testing.assert_allclose(shown.curves_["slow"].get_ydata(), [12, 12, 12, 12])
    np.testing.assert_array_equal(shown.full_line_.get_ydata(), [10, 10])
    assert shown.full_line_.get_linestyle() == "--"
    assert shown.full_line_.axes is shown.ax_
    assert shown.figure_ is shown.ax_.figure
    names = [text.get_text() for text in shown.ax_.get_legend().get_texts()]
    assert names == ["random", "ours", "slow", "full data"]
    assert shown.ax_.get_xlabel() == "Architectures served"
    assert shown.ax_.get_ylabel() == "Cost per architecture (s)"


def test_plot_on_given_axes():
    figure, axes = plt.subplots(1, 2)
    shown = display().plot(axes[1], legend=False)
    assert shown.ax_ is axes[1]
    assert shown.figure_ is figure
    assert axes[1].get_legend() is None
    assert not axes[0].lines
    assert len(plt.get_fignums()) == 1


def test_wide_axes_are_logarithmic():
    shown = display().plot()
    assert (shown.ax_.get_xscale(), shown.ax_.get_yscale()) == ("log", "log")
    shown.figure_.canvas.draw()
    assert "50" in [text.get_text() for text in shown.ax_.get_xticklabels()]
    times = pd.DataFrame({"method": ["a"], "once": [0.0], "each": [4.0]})
    narrow = AmortizationDisplay(times, full_time=10.0, n_archs=3).plot()
    assert (narrow.ax_.get_xscale(), narrow.ax_.get_yscale()) == ("linear", "linear")
    # the line of all data counts, too
    assert AmortizationDisplay(times, full_time=13.0).plot().ax_.get_yscale() == "log"


def test_a_single_architecture():
    shown = display(n_archs=1).plot()
    shown.figure_.canvas.draw()
    np.testing.assert_allclose(shown.curves_["ours"].get_ydata(), [34])


def test_categories():
    table = trainings().astype({"method": "category"})
    pd.testing.assert_frame_equal(
        AmortizationDisplay.from_frame(table, budget=0.1).times.astype({"method": object}),
        display().times.astype({"method": object}),
    )


def test_errors():
    with pytest.raises(
        ValueError,
        match=r"table must have the columns \['shared', 'setup_time'\]; got \['method', 'budget'",
    ):
        AmortizationDisplay.from_frame(trainings().drop(columns=["setup_time", "shared"]))
    table = trainings()
    with pytest.raises(ValueError, match=r"row of method 'full data' .* got the methods \['random"):
        AmortizationDisplay.from_frame(table[table["method"] != "full data"], budget=0.1)
    with pytest.raises(ValueError, match=r"besides 'full data', \[\]; got None"):
        AmortizationDisplay.from_frame(table[table["method"] == "full data"])
    ours = table["method"] == "ours"
    with pytest.raises(ValueError, match=r"row of method 'ours' with all of \['setup_time', 'sel"):
        AmortizationDisplay.from_frame(
            table.assign(setup_time=np.where(ours, np.nan, 1)), budget=0.1
        )
    for n_archs in (0, 2.0, True):
        with pytest.raises(
            ValueError, match=f"n_archs must be an int of at least 1; got {n_archs}"
        ):
            display(n_archs=n_archs)


@pytest.mark.parametrize("values", [(True, False), (None, None), ("False", "False")])
def test_shared_is_one_bool_for_each_method(values):
    table = trainings()
    table["shared"] = table["shared"].astype(object)
    table.loc[[2, 3], "shared"] = values
    with pytest.raises(
        ValueError, match=r"shared must be one bool for all rows of method 'random'"
    ):
        AmortizationDisplay.from_frame(table, budget=0.1)


@pytest.mark.parametrize("column", ["setup_time", "selection_time", "training_time"])
@pytest.mark.parametrize("value", [-1.0, np.inf])
def test_times_must_be_times(column, value):
    table = trainings()
    table.loc[8, column] = value  # of "slow"
    with pytest.raises(
        ValueError, match=rf"{column} must be in \[0, inf\); got {value} for method 'slow'"
    ):
        AmortizationDisplay.from_frame(table, budget=0.1)
    table = trainings()
    table.loc[1, "training_time"] = value
    with pytest.raises(ValueError, match=f"training_time .* got {value} for method 'full data'"):
        AmortizationDisplay.from_frame(table, budget=0.1)


def test_without_matplotlib(no_matplotlib):
    times = pd.DataFrame({"method": ["a"], "once": [1.0], "each": [2.0]})
    display = AmortizationDisplay(times, full_time=5.0)
    assert display.break_even_ == {"a": 1}
    with pytest.raises(ImportError, match=r"pip install 'sksubsel\[plot\]'"):
        display.plot()
