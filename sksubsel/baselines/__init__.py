"""Selectors that do not depend on an architecture, to compare with: one class a file."""

from sksubsel.baselines.random import Random
from sksubsel.baselines.herding import Herding
from sksubsel.baselines.k_center import KCenterGreedy
from sksubsel.baselines.k_means_medoids import KMeansMedoids
from sksubsel.baselines.moderate import Moderate
from sksubsel.baselines.ridge_design import RidgeDesign
from sksubsel.baselines.submodular import (
    FacilityLocation,
    FeatureBased,
    GraphCut,
    LogDeterminant,
    SaturatedCoverage,
    SieveStreaming,
)
from sksubsel.baselines.craig import CRAIG
from sksubsel.baselines.glister import GLISTER
from sksubsel.baselines.grad_match import GradMatch
from sksubsel.baselines.adaptive import SubsetCallback
from sksubsel.baselines.dynamics import TrainingDynamics
from sksubsel.baselines.score_selector import ScoreSelector
from sksubsel.baselines.uncertainty import Uncertainty
from sksubsel.baselines.pruning import Pruning
from sksubsel.baselines.selection_via_proxy import SelectionViaProxy
from sksubsel.baselines.el2n import EL2N
from sksubsel.baselines.grand import GraNd
from sksubsel.baselines.forgetting import Forgetting
from sksubsel.baselines.aum import AUM
from sksubsel.baselines.tdds import TDDS
from sksubsel.baselines.dual import DUAL
from sksubsel.baselines.bottom_loss import BottomLoss
from sksubsel.baselines.ccs import CCS
from sksubsel.baselines.d2_pruning import D2Pruning

__all__ = [
    "AUM",
    "CCS",
    "CRAIG",
    "DUAL",
    "EL2N",
    "GLISTER",
    "TDDS",
    "BottomLoss",
    "D2Pruning",
    "FacilityLocation",
    "FeatureBased",
    "Forgetting",
    "GraNd",
    "GradMatch",
    "GraphCut",
    "Herding",
    "KCenterGreedy",
    "KMeansMedoids",
    "LogDeterminant",
    "Moderate",
    "Pruning",
    "Random",
    "RidgeDesign",
    "SaturatedCoverage",
    "ScoreSelector",
    "SelectionViaProxy",
    "SieveStreaming",
    "SubsetCallback",
    "TrainingDynamics",
    "Uncertainty",
]
