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
    "lab.data": ("Dataset", "Split", "load_dataset"),
    "lab.errors": ("DataError", "Diverged", "LabError", "UsageError"),
    "lab.networks": ("Block", "Network", "Source", "linear", "mlp"),
    "lab.objectives": ("CrossEntropy", "Goodness", "SquaredError"),
    "lab.optimizers": ("SGD", "Adam"),
    "lab.registry": ("register",),
    "lab.trainers": ("BackpropTrainer", "EpochRecord", "ForwardForwardTrainer", "Readout", "Trainer"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = ["__version__", *_HOME_OF]  # noqa: PLE0604  (names are resolved by __getattr__)

if TYPE_CHECKING:
    from lab.data import Dataset, Split, load_dataset
    from lab.errors import DataError, Diverged, LabError, UsageError
    from lab.networks import Block, Network, Source, linear, mlp
    from lab.objectives import CrossEntropy, Goodness, SquaredError
    from lab.optimizers import SGD, Adam
    from lab.registry import register
    from lab.trainers import BackpropTrainer, EpochRecord, ForwardForwardTrainer, Readout, Trainer


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lab' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
