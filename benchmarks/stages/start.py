"""Importing a SubSelNet and selecting in a fresh process, beside importing the dependencies."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import joblib

from benchmarks._measure import Timed, in_turn
from benchmarks._table import beside, judged
from sksubsel import (
    ArchitectureClassifier,
    ArchitectureEncoder,
    ModelApproximator,
    ModelZoo,
    SubSelNet,
)
from sksubsel.datasets import load_digits_images
from sksubsel.spaces import NASBench101

ROOT = Path(__file__).resolve().parents[2]
DEPENDENCIES = "torch", "sklearn", "skorch", "dgl"
GOAL, GOAL_SECONDS = 1.3, 1.0
MODES = "inductive", "transductive"  # the default, whose rows are kept, and one that solves anew
IMPORT = "from sksubsel import SubSelNet"  # `import sksubsel` alone loads nothing
SELECT = """
import joblib
net, arch = joblib.load({path!r})
net.select(arch)
"""
TIMER = """
import time
start = time.perf_counter()
{code}
print(time.perf_counter() - start)
try:  # not getrusage, whose peak is at least that of the process that started this one
    lines = open("/proc/self/status").read().splitlines()
except OSError:
    lines = ["VmHWM: nan"]
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


def fresh(code):
    """Seconds of some code in a fresh process, without the interpreter's own start; and its MB."""
    command = [sys.executable, "-c", TIMER.format(code=code)]
    output = subprocess.check_output(command, text=True, cwd=ROOT).splitlines()
    return Timed(float(output[-2]), 1.024e-3 * float(output[-1]))


def run(scale, repeats, full=False):
    core = ", ".join(name for name in DEPENDENCIES if importlib.util.find_spec(name))
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{mode}.joblib") for mode in MODES]
        n_samples = _dump(paths, scale)
        names = IMPORT, f"import {core}", *MODES
        codes = (IMPORT, f"import {core}", *(SELECT.format(path=path) for path in paths))
        # the first, uncounted, fills the disk cache and writes bytecode
        sides = in_turn(
            {name: lambda code=code: fresh(code) for name, code in zip(names, codes)}, 2 * repeats
        )
    for name, what, goal in (
        (names[0], IMPORT, f"<= {GOAL} times as long"),
        *(
            (
                mode,
                f"joblib.load and a first select ({mode}, design, N={n_samples:,})",
                f"<= {GOAL_SECONDS} s more",
            )
            for mode in MODES
        ),
    ):
        line = beside(
            "start",
            f"{what}, in a fresh process",
            sides,
            (name, names[1]),
            goal=goal,
            ratio=sides[name].seconds / sides[names[1]].seconds,
            ratio_of="times as long",
            ours_mb=None,
            theirs_mb=None,
            note=f"peak of the process {sides[name].result:,.0f} MB, with the dependencies alone "
            f"{sides[names[1]].result:,.0f} MB",
        )
        met = line.ratio <= GOAL if name == names[0] else line.ours - line.theirs <= GOAL_SECONDS
        line.met = judged(met, scale)
        yield line


def _dump(paths, scale):
    """A net of each mode fitted on digits, with an architecture it has not seen, in a file each."""
    X, y = load_digits_images(return_X_y=True)
    X, y = X[: max(200, round(scale * len(X)))], y[: max(200, round(scale * len(y)))]
    space = NASBench101(stem_channels=4, n_stacks=1, n_cells=1)
    archs = space.sample(6, random_state=0)
    recipe = ArchitectureClassifier(build=space.build, max_epochs=1)
    zoo = ModelZoo(recipe, random_state=0).fit(archs[:-1], X, y)
    for mode, path in zip(MODES, paths):
        net = SubSelNet(
            mode=mode,
            budget=100,
            encoder=ArchitectureEncoder(max_epochs=10),
            approximator=ModelApproximator(max_epochs=2, early_stopping=False),
            on_novel="ignore",
            random_state=0,
        ).fit(archs[:-1], zoo)
        joblib.dump((net, archs[-1]), path)
    return len(X)
