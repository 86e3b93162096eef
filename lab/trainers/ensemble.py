"""Ensemble: several trained networks that answer together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.backend import Array
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.trainers.base import Trainer

_SAME = ("task", "in_shape", "n_outputs", "scale", "alphabet")


class Ensemble:
    """The mean of the members' class probabilities, or of their predicted numbers (Hansen and Salamon 1990).

    Members are trained trainers of any kind, of networks of any form, for the same rows and classes: those of a sweep
    over seeds, or a backprop and a forward-forward one. Each answers by its own readout, and each counts alike.

        trainers = [lab.BackpropTrainer(lab.mlp(), seed=seed) for seed in range(5)]
        for trainer in trainers:
            list(trainer.fit(data.train, epochs=5))
        print(lab.Ensemble(trainers).evaluate(data.test))

    Raises UsageError where a member is not trained or answers another question.
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        self.trainers = list(trainers)
        if not self.trainers:
            raise UsageError("an ensemble of 0 trainers has no answer; give it at least one that is trained")
        first = self.trainers[0]
        for i, trainer in enumerate(self.trainers):
            if not trainer.n_outputs:
                raise UsageError(f"member {i} of the ensemble has no network yet; train it or load a checkpoint first")
            for name in _SAME:
                if (one := getattr(trainer, name)) != (other := getattr(first, name)):
                    raise UsageError(f"member {i} has {name}={one}, member 0 {other}; use members for the same data")
        self.task = first.task

    def __len__(self) -> int:
        return len(self.trainers)

    def predict_proba(self, x: Array) -> Array:
        """Class probabilities (N, K), float64, for rows x (N, *shape) in the units of the training rows."""
        if self.task != "classification":
            raise UsageError("an ensemble of regressions has no probabilities; use predict")
        return self._mean([trainer.predict_proba(x) for trainer in self.trainers])

    def predict(self, x: Array) -> Array:
        """Class labels (N,) int64, or targets (N,) float64, for rows x (N, *shape)."""
        if self.task == "classification":
            labels: Array = self.predict_proba(x).argmax(axis=1)
            return labels
        return self._mean([trainer.predict(x) for trainer in self.trainers])

    def evaluate(self, split: Split) -> dict[str, Any]:
        """How well they answer on `split`, as `Trainer.evaluate`; "members" holds the same figures of each alone.

        "loss" is the cross-entropy of the probabilities, or half the mean squared error, whatever they were trained on.
        """
        for trainer in self.trainers:
            trainer._check_split(split)
        classes = self.task == "classification"
        found = [trainer.predict_proba(split.x) if classes else trainer.predict(split.x) for trainer in self.trainers]
        figures = _of_classes if classes else _of_numbers
        return {**figures(self._mean(found), split), "members": [figures(one, split) for one in found]}

    def _mean(self, found: list[Array]) -> Array:
        total = np.zeros(found[0].shape, np.float64)
        for one in found:
            total += one
        return total / len(found)


def _of_classes(probabilities: Array, split: Split) -> dict[str, Any]:
    n, chosen = max(1, len(split)), probabilities[np.arange(len(split)), split.y]
    loss = -float(np.log(np.maximum(chosen, np.finfo(probabilities.dtype).tiny)).sum(dtype=np.float64)) / n
    accuracy = int((probabilities.argmax(axis=1) == split.y).sum()) / n
    text = {"bits_per_character": loss / math.log(2)} if split.alphabet else {}
    return {"n": len(split), "loss": loss, "accuracy": accuracy, "error": 1 - accuracy, **text}


def _of_numbers(predicted: Array, split: Split) -> dict[str, Any]:
    n = max(1, len(split))
    squares = float(((predicted - split.y) ** 2).sum())
    spread = float(((split.y - split.y.mean()) ** 2).sum()) if len(split) else 0.0
    r2 = 1 - squares / spread if spread else 0.0
    return {"n": len(split), "loss": squares / n / 2, "r2": r2, "rmse": math.sqrt(squares / n)}
