"""Objectives: losses of a network's output, and local objectives of one block's activities."""

from __future__ import annotations

from lab.objectives.base import (
    ClassObjective,
    ContrastObjective,
    LocalObjective,
    Loss,
    PairObjective,
    Rows,
    Signal,
)
from lab.objectives.binary import BinaryCrossEntropy
from lab.objectives.cwcomp import CwComp
from lab.objectives.deeper_forward import DeeperForward
from lab.objectives.goodness import Goodness
from lab.objectives.hinge import Hinge
from lab.objectives.losses import CrossEntropy, SquaredError
from lab.objectives.mono_forward import MonoForward
from lab.objectives.predsim import PredSim
from lab.objectives.self_contrast import SelfContrast
from lab.objectives.symba import SymBa

__all__ = [
    "BinaryCrossEntropy",
    "ClassObjective",
    "ContrastObjective",
    "CrossEntropy",
    "CwComp",
    "DeeperForward",
    "Goodness",
    "Hinge",
    "LocalObjective",
    "Loss",
    "MonoForward",
    "PairObjective",
    "PredSim",
    "Rows",
    "SelfContrast",
    "Signal",
    "SquaredError",
    "SymBa",
]
