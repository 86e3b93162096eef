"""Chance: what a network is worth that has learnt nothing."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from lab.backend import Array, Kernels
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import Ctx
from lab.networks import Defaults, Network, NetworkSpec
from lab.optimizers import SGD
from lab.random import generator
from lab.registry import register, unknown
from lab.trainers.base import Trainer
from lab.trainers.evaluation import bits_per_character, nats

_TILT = 1e-3  # how far a guess may stand out: enough to be the most probable class, and no claim


@register("trainer", "chance")
class ChanceTrainer(Trainer):
    """Guesses: every class is equally probable, but for a trifle drawn from the seed that makes one of them the answer.

    guess   equal: as above; prior: every class is as probable as it is frequent among the training rows, (n_k + 1) out
            of (n + K), which of a text is the unigram model
    The floor of every figure that a report shows, through the same loop, rows and tests as what it is a floor for.
    The network is built and left as it is; `optimizer` is of no use. All options as in Trainer.
    """

    family = "chance"
    defaults = Defaults(norm="none", init="he")

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        guess: Literal["equal", "prior"] = "equal",
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        super().__init__(
            network, optimizer=SGD(0.1), seed=seed, batch_size=batch_size, backend=backend, dtype=dtype,
            threads=threads, kernels=kernels,
        )  # fmt: skip
        if guess not in ("equal", "prior"):
            raise UsageError(unknown("guess", guess, ("equal", "prior")))
        self.guess = guess

    def _labelled(self) -> bool:
        return False

    def _check_task(self) -> None:
        if self.task != "classification":
            raise UsageError("chance guesses classes, but y holds numbers; use backprop with model=linear")

    def _start(self) -> None:
        """Nothing is learnt but how frequent classes are."""
        self._prior = self.ops.zeros((self.n_outputs,), kind="weights")
        self._prior[...] = 1 / self.n_outputs

    def _meet(self, train: Split) -> None:
        if self.guess == "prior":
            counts = np.bincount(train.y, minlength=self.n_outputs) + 1
            self._prior[...] = self.ops.asarray(counts / counts.sum())

    def _arrays(self) -> dict[str, Array]:
        return super()._arrays() | ({"prior": self._prior} if self.guess == "prior" else {})

    def options(self) -> dict[str, str]:
        return super().options() | {"guess": self.guess}

    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> dict[str, Array | float]:
        return {"loss": math.log(self.n_outputs)}

    def _answer(self, images: Array) -> Array:
        drawn = generator(self.seed, "chance").random((len(images), self.n_outputs))
        tilted = (
            np.tile(self.ops.to_host(self._prior), (len(images), 1)) if self.guess == "prior" else 1 + _TILT * drawn
        )
        p: Array = (tilted / tilted.sum(axis=1, keepdims=True)).astype(self.ops.dtype)
        return p

    def _evaluate(self, split: Split) -> dict[str, Any]:
        right, loss = 0, 0.0
        for part, images in self._chunks(split.x, split.scale):
            p = self._answer(images)
            right += int((p.argmax(axis=1) == split.y[part]).sum())
            loss += nats(self.ops.resident(p), self.ops.resident(split.y[part]), self.ops)
        n = max(1, len(split))
        found = {"n": len(split), "loss": loss / n, "accuracy": right / n, "error": 1 - right / n}
        return found | bits_per_character(split, loss)

    def describe(self) -> dict[str, Any]:
        """Its name says that nobody trained it: it is not compared as if somebody had."""
        found = super().describe()
        return found | {"label": f"{found['label']}, guessing"}

    def cost(self) -> dict[str, Any]:
        """Nothing."""
        return {"rows_per_sample": 1, "passes_per_step": 0, "passes_per_prediction": 0}
