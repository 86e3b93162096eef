"""Objectives: losses of a network's output, and local objectives of one block's activities."""

from __future__ import annotations

from lab.objectives.base import LocalObjective, Loss, Rows, Signal
from lab.objectives.goodness import Goodness
from lab.objectives.losses import CrossEntropy, SquaredError

__all__ = ["CrossEntropy", "Goodness", "LocalObjective", "Loss", "Rows", "Signal", "SquaredError"]
