"""What each readout of a trained network gives for rows, on the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.backend import Array
from lab.trainers import LocalTrainer, Trainer
from lab.trainers.forward_forward import ForwardForwardTrainer

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """logs: log probabilities (N, K) of each readout by name. goodness: its sum under the best label (N,), or None."""

    logs: dict[str, Floats]
    goodness: Floats | None = None


def ask(trainer: Trainer, x: Array) -> Answers:
    """The answers for rows x (N, *shape), in the units of the training rows.

    Log probabilities of goodness are made from goodness itself: as float32 probabilities most of them would be 0.
    """
    if not len(x):
        return Answers({})
    if isinstance(trainer, ForwardForwardTrainer):
        evidence = trainer.goodness(x).astype(np.float64)
        logs = {"goodness": _log_softmax(evidence)}
        if trainer.readout.head != "none":
            logs["softmax"] = _log(trainer._outputs(x, lambda rows: trainer.ops.to_host(trainer.head_answer(rows))))
        return Answers(logs, evidence.max(axis=1))
    name = trainer.answers_by if isinstance(trainer, LocalTrainer) else "output"
    return Answers({name: _log(trainer.predict_proba(x))})


def _log(probabilities: Array) -> Floats:
    """Logarithms of probabilities (N, K); those that float32 has rounded to 0 count as its smallest number."""
    p = np.asarray(probabilities, dtype=np.float64)
    found: Floats = np.log(np.maximum(p, np.finfo(np.float32).tiny))
    return found


def _log_softmax(scores: Floats) -> Floats:
    shifted = scores - scores.max(axis=1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found
