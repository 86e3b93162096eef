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
from lab.objectives.goodness import Goodness
from lab.objectives.hinge import Hinge
from lab.objectives.losses import CrossEntropy, SquaredError

__all__ = [
    "BinaryCrossEntropy",
    "ClassObjective",
    "ContrastObjective",
    "CrossEntropy",
    "Goodness",
    "Hinge",
    "LocalObjective",
    "Loss",
    "PairObjective",
    "Rows",
    "Signal",
    "SquaredError",
]
