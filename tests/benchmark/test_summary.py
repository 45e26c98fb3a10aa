import numpy as np
import pandas as pd
import pytest

from sksubsel.benchmark import format_table, rank_agreement, speedup_at, summarize


def made_up(**columns):
    """A table of two methods, two architectures and three seeds at 10 %."""
    accuracy = {
        ("class-balanced random", "a"): [0.50, 0.54, 0.52],
        ("class-balanced random", "b"): [0.90, 0.90, 0.90],
        ("m", "a"): [0.52, 0.58, 0.57],
        ("m", "b"): [0.90, 0.92, 0.91],
    }
    rows = [
        (method, 0.1, arch, seed, value)
        for (method, arch), values in accuracy.items()
        for seed, value in enumerate(values)
    ]
    table = pd.DataFrame(rows, columns=["method", "budget", "arch", "seed", "accuracy"])
    costs = {"setup_time": 0.0, "gb_minutes": 0.5, "energy": np.nan}
    return table.assign(
        rar=0.2, selection_time=1.0, training_time=3.0, speedup=5.0, **costs, **columns
    )


def test_summary():
    base, method = summarize(made_up()).itertuples()
    assert (base.n_archs, base.n_seeds) == (2, 3)
    assert base.accuracy == pytest.approx(0.71)
    means = np.array([0.70, 0.72, 0.71])  # of the architectures, seed by seed
    assert base.accuracy_se == pytest.approx(means.std(ddof=1) / np.sqrt(3))
    assert base.training_time == 3
    assert np.isnan(base.gain) and np.isnan(base.p_value)
    gains = np.array([1.0, 3.0, 3.0])  # means of (2, 0), (4, 2) and (5, 1) points
    assert method.gain == pytest.approx(gains.mean())
    assert method.gain_se == pytest.approx(gains.std(ddof=1) / np.sqrt(3))
    t = gains.mean() / (gains.std(ddof=1) / np.sqrt(3))  # of 2 degrees of freedom
    assert method.p_value == pytest.approx(2 * (0.5 - t / (2 * np.sqrt(2 + t**2))))


def test_summary_without_its_reference():
    table = made_up()
    assert summarize(table, reference=None).gain.isna().all()
    alone = summarize(table[table.method == "m"])
    assert alone.gain.isna().all()
    one = summarize(table[table.seed == 0])
    assert one.gain.iloc[1] == pytest.approx(1.0) and np.isnan(one.p_value.iloc[1])


def test_text():
    text = format_table(summarize(made_up()))
    header, base, method = text.splitlines()
    assert "10%" in base and "+2.33" not in base
    assert "+2.33 +- 0.67 " in method and "*" not in method  # p = .073
    table = made_up()
    table.loc[table.method == "m", "accuracy"] += 0.2
    assert "*" in format_table(summarize(table))
    assert len({len(line) for line in (header, base, method)}) == 1


def test_text_of_one_seed():
    """Columns stay where they are, without errors that nobody knows."""
    table = made_up()
    header, base, method = format_table(summarize(table[table.seed == 0])).splitlines()
    assert "+1.00" in method and "nan" not in method and "+-" not in base + method
    assert len({len(line) for line in (header, base, method)}) == 1
    at = header.index("gain") + len("gain")
    assert method[:at].split()[-1] == "+1.00"
    assert method[: header.index(" n ") + 2].split()[-1] == "1"


def test_speedup_at():
    table = pd.DataFrame(
        {
            "method": ["full data"] + ["m"] * 3 + ["bad"],
            "budget": [1.0, 0.1, 0.02, 0.05, 0.1],
            "rar": [0.0, 0.05, 0.25, 0.15, 0.3],
            "speedup": [1.0, 8.0, 64.0, 16.0, 9.0],
        }
    )
    found = speedup_at(table, (0.1, 0.15, 0.2, 0.5))
    assert list(found.index) == ["m", "bad"]
    # half way from .05 to .15: the geometric mean of 8 and 16
    np.testing.assert_allclose(found.loc["m"], [np.sqrt(128), 16, 32, 64])
    np.testing.assert_allclose(found.loc["bad"], [np.nan, np.nan, np.nan, 9])


def test_speedup_at_of_a_curve_that_turns():
    """Between neighbouring budgets alone, and wherever the curve comes down."""
    table = pd.DataFrame(
        {
            "method": ["m"] * 3 + ["turning"] * 4,
            "budget": [0.05, 0.01, 0.1, 0.04, 0.01, 0.02, 0.08],
            "rar": [0.12, 0.3, 0.15, 0.1, 0.3, 0.1, 0.3],
            "speedup": [10.0, 40.0, 5.0, 8.0, 32.0, 16.0, 2.0],
        }
    )
    found = speedup_at(table, (0.1, 0.2, 0.3))
    np.testing.assert_allclose(found.loc["m"], [np.nan, 10 * 4 ** (4 / 9), 40])
    np.testing.assert_allclose(found.loc["turning"], [16, np.sqrt(16 * 32), 32])


def test_speedup_at_of_counts_beside_fractions():
    """50 rows are fewer than a fifth of 1,000, whatever the numbers say."""
    table = pd.DataFrame(
        {
            "method": "m",
            "budget": [50, 0.2, 100],
            "n_selected": [50, 200, 100],
            "rar": [0.3, 0.1, 0.2],
            "speedup": [32.0, 8.0, 12.0],
        }
    )
    found = speedup_at(table, (0.15, 0.25))
    np.testing.assert_allclose(found.loc["m"], [np.sqrt(96), np.sqrt(384)])


def test_order_of_counts_beside_fractions():
    """Also where a method selects nearly all whatever the budget."""
    sizes = {50: 50, 0.2: 200, 100: 100, 1.0: 1000}
    table = pd.DataFrame(
        [
            {"method": method, "budget": budget, "n_selected": size, "arch": arch, "seed": 0,
             "accuracy": 0.5 + 0.1 * (arch == "b")}
            for budget, n in sizes.items()
            for method, size in {"m": n, "other": n, "keeps most": 900}.items()
            for arch in "ab"
        ]
    )  # fmt: skip
    full = table.budget == 1.0
    table.loc[full, "method"] = "full data"
    assert summarize(table).budget.tolist() == [50] * 3 + [100] * 3 + [0.2] * 3 + [1.0]
    assert rank_agreement(table, k=1).budget.tolist() == [50] * 3 + [100] * 3 + [0.2] * 3


def test_speedup_at_where_the_budget_does_not_matter():
    """As many rows for each, or not known how many: in the order of the budgets then."""
    table = pd.DataFrame(
        {
            "method": "m",
            "budget": [0.2, 0.05, 0.1],
            "rar": [0.1, 0.4, 0.2],
            "speedup": [8.0, 32, 12],
        }
    )
    expected = speedup_at(table, (0.15, 0.3))
    for n_selected in (900, np.nan):
        found = speedup_at(table.assign(n_selected=n_selected), (0.15, 0.3))
        pd.testing.assert_frame_equal(found, expected)


def test_amortized_speedup():
    """Without selections that serve all, of the others with them."""
    table = pd.DataFrame(
        {
            "method": ["full data", "full data", "once", "each"],
            "budget": [1.0, 1.0, 0.1, 0.1],
            "arch": "a",
            "rar": [0.0, 0.0, 0.05, 0.05],
            "speedup": [1.0, 1.0, 2.0, 2.0],
            "shared": [np.nan, np.nan, True, False],
            "selection_time": [0.0, 0.0, 8.0, 8.0],
            "training_time": [18.0, 22.0, 2.0, 2.0],
        }
    )
    found = speedup_at(table, (0.1,), by="amortized")
    assert found[0.1].to_dict() == pytest.approx({"once": 10.0, "each": 2.0})
    with pytest.raises(ValueError, match=r"columns \['shared'\] where by='amortized'"):
        speedup_at(table.drop(columns="shared"), by="amortized")
    with pytest.raises(ValueError, match=r"columns \['rar', 'arch'\] where by='amortized'"):
        speedup_at(table.drop(columns=["arch", "rar"]), by="amortized")


def test_speedup_by_steps():
    """Of each architecture its own, whatever the clock said; none of what was not counted."""
    table = pd.DataFrame(
        {
            "method": ["full data"] * 3 + ["m"] * 2 + ["unknown"],
            "budget": [1.0] * 3 + [0.1] * 3,
            "arch": ["a", "a", "b", "a", "b", "a"],
            "rar": [0.0] * 3 + [0.04, 0.06, 0.0],
            "speedup": [1.0] * 3 + [2.0] * 3,
            "n_steps": [90, 110, 300, 10, 10, np.nan],
        }
    )
    found = speedup_at(table, (0.05, 0.01), by="steps")
    np.testing.assert_allclose(found.loc["m"], [(10 + 30) / 2, np.nan])
    assert found.loc["unknown"].isna().all()
    assert speedup_at(table, (0.05,)).loc["m"].item() == pytest.approx(2)
    with pytest.raises(
        ValueError, match=r"by must be one of \['time', 'amortized', 'steps'\]; got 'energy'"
    ):
        speedup_at(table, by="energy")
    with pytest.raises(ValueError, match=r"columns \['n_steps'\] where by='steps'"):
        speedup_at(table.drop(columns="n_steps"), by="steps")


def test_rank_agreement():
    accuracy = {
        "full data": [0.9, 0.8, 0.7, 0.6],
        "same": [0.5, 0.4, 0.3, 0.2],
        "two swapped": [0.5, 0.6, 0.3, 0.2],
        "reverse": [0.1, 0.2, 0.3, 0.4],
    }
    rows = [
        (method, 1.0 if method == "full data" else 0.1, arch, seed, value + 0.01 * seed)
        for method, values in accuracy.items()
        for arch, value in zip("abcd", values)
        for seed in (0, 1)
    ]
    table = pd.DataFrame(rows, columns=["method", "budget", "arch", "seed", "accuracy"])
    found = rank_agreement(table, k=1).set_index("method")
    np.testing.assert_allclose(found.kendall_tau, [1, 4 / 6, -1])
    np.testing.assert_allclose(found.jaccard, [1, 0, 0])
    np.testing.assert_allclose(found.regret, [0, 0.1, 0.3], atol=1e-12)
    none = rank_agreement(table[table.method == "full data"])
    assert len(none) == 0 and list(none) == list(rank_agreement(table))
    few = rank_agreement(table[table.arch.isin(["a", "b"])], k=2)
    assert few.jaccard.isna().all() and few.kendall_tau.notna().all()
