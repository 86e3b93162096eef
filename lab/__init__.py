"""A lab that trains one network by backpropagation and by forward-forward, and measures both alike.

    import lab

    data = lab.load_dataset("mnist")
    trainer = lab.ForwardForwardTrainer(lab.mlp(depth=3, width=500), seed=0)
    for epoch in trainer.fit(data.train, data.valid, epochs=5):
        print(epoch)
    print(trainer.evaluate(data.test))

Names are loaded when first used, so that `import lab` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "lab.data": ("Augment", "Dataset", "Split", "load_dataset"),
    "lab.errors": ("DataError", "Diverged", "LabError", "UsageError"),
    "lab.estimators": (
        "BackpropClassifier",
        "BackpropRegressor",
        "ForwardForwardClassifier",
        "ForwardForwardRegressor",
    ),
    "lab.networks": ("Block", "Network", "Source", "cnn", "gru", "linear", "local_fields", "lstm", "mlp", "rnn"),
    "lab.objectives": (
        "BinaryCrossEntropy",
        "CrossEntropy",
        "CwComp",
        "DeeperForward",
        "Goodness",
        "Hinge",
        "MonoForward",
        "PredSim",
        "SelfContrast",
        "SquaredError",
        "SymBa",
    ),
    "lab.optimizers": ("SGD", "Adam"),
    "lab.registry": ("register",),
    "lab.trainers": (
        "BackpropTrainer",
        "ContrastiveTrainer",
        "EarlyStop",
        "Ensemble",
        "EpochRecord",
        "EvidenceReadout",
        "FeedbackAlignmentTrainer",
        "ForwardForwardTrainer",
        "LayerParallelTrainer",
        "LinearReadout",
        "LocalSupervisedTrainer",
        "Readout",
        "RecurrentTrainer",
        "Trainer",
        "UnsupervisedTrainer",
        "check_trainer",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from lab.data import Augment as Augment
    from lab.data import Dataset as Dataset
    from lab.data import Split as Split
    from lab.data import load_dataset as load_dataset
    from lab.errors import DataError as DataError
    from lab.errors import Diverged as Diverged
    from lab.errors import LabError as LabError
    from lab.errors import UsageError as UsageError
    from lab.estimators import BackpropClassifier as BackpropClassifier
    from lab.estimators import BackpropRegressor as BackpropRegressor
    from lab.estimators import ForwardForwardClassifier as ForwardForwardClassifier
    from lab.estimators import ForwardForwardRegressor as ForwardForwardRegressor
    from lab.networks import Block as Block
    from lab.networks import Network as Network
    from lab.networks import Source as Source
    from lab.networks import cnn as cnn
    from lab.networks import gru as gru
    from lab.networks import linear as linear
    from lab.networks import local_fields as local_fields
    from lab.networks import lstm as lstm
    from lab.networks import mlp as mlp
    from lab.networks import rnn as rnn
    from lab.objectives import BinaryCrossEntropy as BinaryCrossEntropy
    from lab.objectives import CrossEntropy as CrossEntropy
    from lab.objectives import CwComp as CwComp
    from lab.objectives import DeeperForward as DeeperForward
    from lab.objectives import Goodness as Goodness
    from lab.objectives import Hinge as Hinge
    from lab.objectives import MonoForward as MonoForward
    from lab.objectives import PredSim as PredSim
    from lab.objectives import SelfContrast as SelfContrast
    from lab.objectives import SquaredError as SquaredError
    from lab.objectives import SymBa as SymBa
    from lab.optimizers import SGD as SGD
    from lab.optimizers import Adam as Adam
    from lab.registry import register as register
    from lab.trainers import (
        BackpropTrainer as BackpropTrainer,
    )
    from lab.trainers import (
        ContrastiveTrainer as ContrastiveTrainer,
    )
    from lab.trainers import (
        EarlyStop as EarlyStop,
    )
    from lab.trainers import (
        Ensemble as Ensemble,
    )
    from lab.trainers import (
        EpochRecord as EpochRecord,
    )
    from lab.trainers import (
        EvidenceReadout as EvidenceReadout,
    )
    from lab.trainers import (
        FeedbackAlignmentTrainer as FeedbackAlignmentTrainer,
    )
    from lab.trainers import (
        ForwardForwardTrainer as ForwardForwardTrainer,
    )
    from lab.trainers import (
        LinearReadout as LinearReadout,
    )
    from lab.trainers import (
        LocalSupervisedTrainer as LocalSupervisedTrainer,
    )
    from lab.trainers import (
        Readout as Readout,
    )
    from lab.trainers import (
        RecurrentTrainer as RecurrentTrainer,
    )
    from lab.trainers import (
        Trainer as Trainer,
    )
    from lab.trainers import (
        UnsupervisedTrainer as UnsupervisedTrainer,
    )
    from lab.trainers import (
        check_trainer as check_trainer,
    )


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lab' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
