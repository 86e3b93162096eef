"""Trainers: ways of training one and the same network."""

from __future__ import annotations

from lab.trainers.backprop import BackpropTrainer
from lab.trainers.base import Trainer
from lab.trainers.feedback_alignment import FeedbackAlignmentTrainer
from lab.trainers.forward_forward import ForwardForwardTrainer
from lab.trainers.history import EpochRecord
from lab.trainers.local import LocalTrainer, Pass
from lab.trainers.parallel import LayerParallelTrainer
from lab.trainers.readout import Readout
from lab.trainers.stopping import EarlyStop

__all__ = [
    "BackpropTrainer",
    "EarlyStop",
    "EpochRecord",
    "FeedbackAlignmentTrainer",
    "ForwardForwardTrainer",
    "LayerParallelTrainer",
    "LocalTrainer",
    "Pass",
    "Readout",
    "Trainer",
]
