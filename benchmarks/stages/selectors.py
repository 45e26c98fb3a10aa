"""Facility location and the other selectors, beside apricot and submodlib where they have them.

The data and both sides' calls are those of benchmarks/facility_location.py, which measures larger
sizes and each side's memory in a process of its own; benchmarks/baselines.py has the accuracies of
the selectors that are timed here alone.
"""

from __future__ import annotations

import importlib.util

import numpy as np

from benchmarks import baselines, facility_location
from benchmarks._measure import in_turn, once
from benchmarks._table import Line, beside, judged
from sksubsel.baselines import submodular

N_APRICOT, N_SUBMODLIB, N_ALONE = 10_000, 2_000, 20_000  # submodlib keeps a kernel as Python lists
SHARE = 0.1
GOAL, GOAL_MEMORY, GOAL_GAINS = 5, 1.0, 1e-4  # beside apricot's facility location


def run(scale, repeats, full=False):
    if importlib.util.find_spec("apricot") is None:
        yield _missing("apricot", "apricot-select")
    else:
        yield from _compare("apricot", _apricot, N_APRICOT, scale, repeats)
    if importlib.util.find_spec("submodlib") is None:
        yield _missing("submodlib", "submodlib-py")
    else:
        yield from _compare("submodlib", _submodlib, N_SUBMODLIB, scale, repeats)
    yield from _alone(max(500, round(scale * N_ALONE)))


def _compare(name, theirs, n_full, scale, repeats):
    n = max(300, round(scale * n_full))
    k = round(SHARE * n)
    kernel = facility_location.rbf(facility_location.clusters(n))
    small = np.ascontiguousarray(kernel[:50, :50])  # numba compiles for each memory layout
    facility_location.ours(small, 5, kernel="precomputed")
    functions = theirs(kernel, k)
    for function, their in functions.items():
        if name == "apricot":
            theirs(small, 5)[function]()  # compiles
        selector = getattr(submodular, function)(k, kernel="precomputed", **_same(function))
        names = "ours", name

        def mine(selector=selector):
            return selector.fit(kernel).gains_

        sides = in_turn(dict(zip(names, (mine, their))), repeats, warm_up=False)
        gains = [np.asarray(side.result, dtype=np.float64) for side in sides.values()]
        apart = np.abs(np.cumsum(gains[0])[-1] / np.cumsum(gains[1])[-1] - 1)
        aim = name == "apricot" and function == "FacilityLocation"
        line = beside(
            "selectors",
            f"{function}, lazy greedy, n={n:,}, k={k:,}, the same kernel given",
            sides,
            names,
            goal=f">= {GOAL} times as fast, no more memory, gains equal to {GOAL_GAINS}" * aim,
            note=f"the objectives attained differ by {apart:.1e}",
        )
        if aim:
            memory = line.ours_mb <= GOAL_MEMORY * max(line.theirs_mb, 1)
            line.met = judged(line.ratio >= GOAL and memory and apart <= GOAL_GAINS, scale)
        yield line


def _same(function):
    """Parameters with which both sides maximise the same."""
    return {"GraphCut": {"lam": 0.5}, "LogDeterminant": {"noise": 1.0}}.get(function, {})


def _apricot(kernel, k):
    """apricot's fits of a kernel that is given, by the name of our class."""

    def saturated():
        from apricot import SaturatedCoverageSelection

        selection = SaturatedCoverageSelection(
            k, alpha=0.25, metric="precomputed", optimizer="lazy"
        )
        return selection.fit(kernel).gains

    return {
        "FacilityLocation": lambda: facility_location.apricot(kernel, k, "precomputed"),
        "SaturatedCoverage": saturated,
    }


def _submodlib(kernel, k):
    """submodlib's, likewise."""
    import submodlib

    n = len(kernel)

    def maximise(function):
        gains = function.maximize(budget=k, optimizer="LazyGreedy", show_progress=False)
        return [gain for _, gain in gains]

    return {
        "FacilityLocation": lambda: maximise(
            submodlib.FacilityLocationFunction(n=n, mode="dense", sijs=kernel, separate_rep=False)
        ),
        "GraphCut": lambda: maximise(
            submodlib.GraphCutFunction(n=n, mode="dense", lambdaVal=0.5, ggsijs=kernel)
        ),
        "LogDeterminant": lambda: maximise(
            submodlib.LogDeterminantFunction(n=n, mode="dense", lambdaVal=1.0, sijs=kernel)
        ),
    }


def _alone(n):
    """Each selector of benchmarks/baselines.py, on clusters whose labels are 10 classes."""
    X = facility_location.clusters(n)
    y = facility_location.clusters(n, n_clusters=10)[:, :4] @ np.array([8, 4, 2, 1.0])
    y = np.searchsorted(np.quantile(y, np.linspace(0.1, 0.9, 9)), y)
    for name, selector in baselines.SELECTORS.items():
        selector.set_params(budget=SHARE)
        if "random_state" in selector.get_params():
            selector.set_params(random_state=0)
        side = once(lambda selector=selector: selector.fit(X, y))
        yield Line(
            "selectors",
            f"{name}, n={n:,}, 10 %",
            "",
            ours=side.seconds,
            ours_mb=side.peak,
        )


def _missing(module, package):
    return Line(
        "selectors",
        f"beside {module}: not measured",
        module,
        note=f"{module} is not installed: pip install {package}",
    )
