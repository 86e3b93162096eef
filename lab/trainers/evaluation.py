"""How well a network of locally trained blocks answers: each readout, and each block by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lab.data.dataset import Split

if TYPE_CHECKING:
    from lab.trainers.local import LocalTrainer


def evaluate(trainer: LocalTrainer, split: Split) -> dict[str, Any]:
    """Accuracies as fractions: of the readout that predicts, of each readout, and of each block's evidence alone.

    "loss" is the mean cross-entropy of the readout that predicts.
    """
    ops, by = trainer.ops, trainer.answers_by
    names = [block.name for block in trainer.network.blocks]
    right = {by: 0}
    alone = dict.fromkeys(names, 0)
    loss = 0.0
    for part, images in trainer._chunks(split.x, split.scale):
        target = ops.resident(split.y[part])
        found, scores = trainer.answers(images)
        chosen = found[by][ops.xp.arange(len(target)), target]
        loss -= float(ops.xp.log(ops.xp.maximum(chosen, np.finfo(ops.dtype).tiny)).sum())
        for name, table in found.items():
            right[name] = right.get(name, 0) + int((table.argmax(axis=1) == target).sum())
        for name, table in zip(names, scores, strict=True):
            alone[name] += int((table.argmax(axis=1) == target).sum())
    n = max(1, len(split))
    accuracy = right.get(by, 0) / n
    return {
        "n": len(split),
        "loss": loss / n,
        "accuracy": accuracy,
        "error": 1 - accuracy,
        **{f"accuracy_{name}": count / n for name, count in right.items()},
        "blocks": [{"name": name, "accuracy": count / n} for name, count in alone.items()],
    }
