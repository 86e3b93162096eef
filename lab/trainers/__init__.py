"""Trainers: ways of training one and the same network."""

from __future__ import annotations

from lab.trainers.backprop import BackpropTrainer
from lab.trainers.base import Trainer
from lab.trainers.chance import ChanceTrainer
from lab.trainers.contract import check_trainer
from lab.trainers.contrastive import ContrastiveTrainer
from lab.trainers.deep_supervision import DeepSupervisionTrainer
from lab.trainers.ensemble import Ensemble
from lab.trainers.feedback_alignment import FeedbackAlignmentTrainer
from lab.trainers.forward_forward import ForwardForwardTrainer
from lab.trainers.history import EpochRecord
from lab.trainers.local import LocalTrainer, Pass
from lab.trainers.node_perturbation import NodePerturbationTrainer
from lab.trainers.parallel import LayerParallelTrainer
from lab.trainers.readout import EvidenceReadout, LinearReadout, Readout
from lab.trainers.recurrent import RecurrentTrainer
from lab.trainers.rollouts import RolloutTrainer
from lab.trainers.scikit_learn import ScikitLearnTrainer
from lab.trainers.stopping import EarlyStop
from lab.trainers.supervised import LocalSupervisedTrainer
from lab.trainers.surrogate_backprop import SurrogateBackpropTrainer
from lab.trainers.unlabelled import UnlabelledTrainer
from lab.trainers.unsupervised import UnsupervisedTrainer

__all__ = [
    "BackpropTrainer",
    "ChanceTrainer",
    "ContrastiveTrainer",
    "DeepSupervisionTrainer",
    "EarlyStop",
    "Ensemble",
    "EpochRecord",
    "EvidenceReadout",
    "FeedbackAlignmentTrainer",
    "ForwardForwardTrainer",
    "LayerParallelTrainer",
    "LinearReadout",
    "LocalSupervisedTrainer",
    "LocalTrainer",
    "NodePerturbationTrainer",
    "Pass",
    "Readout",
    "RecurrentTrainer",
    "RolloutTrainer",
    "ScikitLearnTrainer",
    "SurrogateBackpropTrainer",
    "Trainer",
    "UnlabelledTrainer",
    "UnsupervisedTrainer",
    "check_trainer",
]
