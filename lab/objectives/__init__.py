"""Objectives: losses of a network's output, and local objectives of one block's activities."""

from __future__ import annotations

from lab.objectives.base import LocalObjective, Loss, Rows, Signal
from lab.objectives.binary import BinaryCrossEntropy
from lab.objectives.goodness import Goodness
from lab.objectives.hinge import Hinge
from lab.objectives.losses import CrossEntropy, SquaredError

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Goodness",
    "Hinge",
    "LocalObjective",
    "Loss",
    "Rows",
    "Signal",
    "SquaredError",
]
