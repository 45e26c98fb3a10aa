"""Selection during training: one callback, and a strategy a file that tells it what to select."""

from sksubsel.baselines.adaptive.callback import SubsetCallback
from sksubsel.baselines.adaptive.craig import CRAIGStrategy
from sksubsel.baselines.adaptive.glister import GLISTERStrategy
from sksubsel.baselines.adaptive.gradients import LastLayerGradients
from sksubsel.baselines.adaptive.gradmatch import GradMatchStrategy
from sksubsel.baselines.adaptive.infobatch import InfoBatchStrategy
from sksubsel.baselines.adaptive.milo import MILOStrategy
from sksubsel.baselines.adaptive.rs2 import RS2Strategy
from sksubsel.baselines.adaptive.strategy import Selection, Strategy, View
from sksubsel.baselines.adaptive.turns import TurnsStrategy
from sksubsel.baselines.adaptive.warmup import WarmUpStrategy

__all__ = [
    "CRAIGStrategy",
    "GLISTERStrategy",
    "GradMatchStrategy",
    "InfoBatchStrategy",
    "LastLayerGradients",
    "MILOStrategy",
    "RS2Strategy",
    "Selection",
    "Strategy",
    "SubsetCallback",
    "TurnsStrategy",
    "View",
    "WarmUpStrategy",
]
