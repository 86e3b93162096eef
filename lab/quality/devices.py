"""Devices: what weights that were learnt on one analog device are worth on others (Hinton 2022, section 9).

The weights are copied, as they are, to devices of other gains and offsets; nothing is learnt there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lab.layers import AnalogDense

if TYPE_CHECKING:
    from lab.data import Dataset
    from lab.trainers import Trainer

ROWS = 2000  # the first ones of the test rows
OTHERS = 4  # devices that weights are copied to


def devices(trainer: Trainer, data: Dataset) -> dict[str, Any]:
    """{"rows", "own": accuracy on the device it learnt on, "copied": the mean over others, "each": [of each of them]}.

    Nothing of a network that is on no device.
    """
    there = [layer for layer in trainer.network.layers() if isinstance(layer, AnalogDense)]
    if not there:
        return {}
    x, y, own = data.test.x[:ROWS], data.test.y[:ROWS], there[0].device

    def on(device: int) -> float:
        for layer in there:
            layer.install(device, trainer.ops)
        return float((trainer.predict(x) == y).mean())

    others = [device for device in range(1, OTHERS + 2) if device != own][:OTHERS]
    try:
        each = [on(device) for device in others]
    finally:
        found = on(own)  # and so it is left as it was
    return {"rows": len(y), "own": found, "copied": float(np.mean(each)), "each": each}
