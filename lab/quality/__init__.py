"""Beyond accuracy: what else a trained classifier is asked, on its test rows, once training is over.

    from lab.quality import measure
    print(measure(trainer, data, ["calibration", "outliers"]))

    calibration  whether a probability of 80 % is right in 80 of 100 cases: see `calibration`
    corruption   accuracy on noisy, blurred, moved and faded images: see `corruption`
    outliers     whether images of another kind can be told by the scores they get: see `outliers`
    devices      accuracy of the same weights on other analog devices: see `devices`

Every readout is asked: of forward-forward the goodness and the softmax head, of backprop its output layer. What a
trainer or a data set has no answer to is left out. Nothing that training made is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lab.quality.names import MEASURES, Measure

if TYPE_CHECKING:
    from lab.data import Dataset
    from lab.trainers import Trainer

__all__ = ["MEASURES", "Measure", "measure"]


def measure(trainer: Trainer, data: Dataset, names: Sequence[str] = MEASURES) -> dict[str, Any]:
    """Figures by name of the measure; {} for regression and for texts, which these measures say nothing of.

    Raises UsageError for an unknown name.
    """
    from lab.errors import UsageError
    from lab.quality.calibration import calibration
    from lab.quality.corruption import corruption
    from lab.quality.devices import devices
    from lab.quality.outliers import outliers
    from lab.registry import unknown

    for name in names:
        if name not in MEASURES:
            raise UsageError(unknown("measure", name, MEASURES))
    if data.task != "classification" or data.train.alphabet or not len(data.test):
        return {}
    known = {"calibration": calibration, "corruption": corruption, "outliers": outliers, "devices": devices}
    found = {name: known[name](trainer, data) for name in MEASURES if name in names}
    return {name: figures for name, figures in found.items() if figures}
