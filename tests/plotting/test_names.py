"""What users call things is drawn as it stands, also where it would be mathematics."""

import numpy as np
import pytest

from sksubsel.plotting import ScoreDistributionDisplay, SubsetDisplay

pytest.importorskip("matplotlib")
NAME = "US$_$"  # no formula: alone, matplotlib raises of it


def test_classes(tmp_path):
    y = np.repeat([NAME, "b"], 5)
    displays = [
        SubsetDisplay.from_selection(np.random.default_rng(0).random((10, 1, 4, 4)), y, [0, 6]),
        ScoreDistributionDisplay.from_scores(np.arange(10.0), y, [0, 6]),
    ]
    for k, display in enumerate(displays):
        display.plot().figure_.savefig(tmp_path / f"{k}.png")
        ticks = [*display.ax_.get_xticklabels(), *display.ax_.get_yticklabels()]
        assert NAME in [tick.get_text().replace("\\$", "$") for tick in ticks]
