"""How well a trained network answers: of locally trained blocks each readout, and each block by itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.backend import Array, Backend
from lab.data.dataset import Split

if TYPE_CHECKING:
    from lab.trainers.local import LocalTrainer


def evaluate(trainer: LocalTrainer, split: Split) -> dict[str, Any]:
    """Accuracies as fractions: of the readout that predicts, of each readout, and of each block's evidence alone.

    "loss" is the mean cross-entropy of the readout that predicts; of a text there are bits per character as well.
    """
    ops, by = trainer.ops, trainer.answers_by
    right = {by: 0}
    alone: dict[str, int] = {}
    surprise = {by: 0.0}
    for part, images in trainer._chunks(split.x, split.scale):
        target = ops.resident(split.y[part])
        found, scores = trainer.answers(images)
        for name, table in found.items():
            surprise[name] = surprise.get(name, 0.0) + nats(table, target, ops)
        for tables, counts in ((found, right), (scores, alone)):
            for name, table in tables.items():
                counts[name] = counts.get(name, 0) + int((table.argmax(axis=1) == target).sum())
    n = max(1, len(split))
    accuracy = right.get(by, 0) / n
    return {
        "n": len(split),
        "loss": surprise[by] / n,
        "accuracy": accuracy,
        "error": 1 - accuracy,
        **bits_per_character(split, surprise[by]),
        **{
            f"{key}_{name}": v
            for name, total in surprise.items()
            for key, v in bits_per_character(split, total).items()
        },
        **{f"accuracy_{name}": count / n for name, count in right.items()},
        "blocks": [{"name": name, "accuracy": count / n} for name, count in alone.items()],
    }


def evaluate_numbers(trainer: LocalTrainer, split: Split) -> dict[str, Any]:
    """Of numbers that were learnt as bins: "rmse" of the readout that predicts, "rmse_..." of each, as targets are.

    "loss" is half the mean squared error, "r2" the share of the targets' variance that is explained.
    """
    squares: dict[str, float] = {}
    for part, images in trainer._chunks(split.x, split.scale):
        for name, table in trainer.answers(images)[0].items():
            error = trainer.expected(trainer.ops.to_host(table)) - split.y[part]
            squares[name] = squares.get(name, 0.0) + float(error @ error)
    n, own = max(1, len(split)), squares.get(trainer.answers_by, 0.0)
    spread = float(((split.y - split.y.mean()) ** 2).sum()) if len(split) else 0.0
    return {
        "n": len(split),
        "loss": own / n / 2,
        "r2": 1 - own / spread if spread else 0.0,
        "rmse": math.sqrt(own / n),
        **{f"rmse_{name}": math.sqrt(total / n) for name, total in squares.items()},
    }


def nats(probabilities: Array, target: Array, ops: Backend) -> float:
    """-log of the probabilities (N, K) given to the labels `target` (N,), summed over rows."""
    chosen = probabilities[ops.xp.arange(len(target)), target]
    return -float(ops.xp.log(ops.xp.maximum(chosen, np.finfo(ops.dtype).tiny)).sum())


def bits_per_character(split: Split, total: float) -> dict[str, float]:
    """What a model of a text is compared by: the `total` nats of its characters as bits a character; {} of no text."""
    return {"bits_per_character": total / max(1, len(split)) / math.log(2)} if split.alphabet else {}
