"""Backprop: one error, sent back through all blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from lab.backend import Array, Kernels
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import Ctx, Grads, settle
from lab.networks import Defaults, Network, NetworkSpec
from lab.objectives import CrossEntropy, Loss, SquaredError
from lab.optimizers import Adam, Optimizer
from lab.registry import register
from lab.trainers.backward import Deliver, backward, forward
from lab.trainers.base import Trainer
from lab.trainers.evaluation import bits_per_character, nats
from lab.trainers.program import of_others


@register("trainer", "backprop")
class BackpropTrainer(Trainer):
    """Forward through all blocks, loss, backward through all blocks, one optimizer step (Rumelhart et al. 1986).

    objective  a loss of the output: CrossEntropy (default for labels), BinaryCrossEntropy (two classes, one output),
               Hinge, SquaredError (default for numbers)
    label      none: rows as they are; neutral: with the label that says nothing in them, the very tensor that a
               forward-forward network reads
    update     after: all gradients are computed, then applied; during: each block is updated as the backward pass
               leaves it, so that no full set of gradients exists
    recompute  0: every cache is kept; k: only what every k-th block reads is, and the rest is made again in the
               backward pass
    micro_batches  a batch is passed in so many parts, whose gradients are summed
    The last three change what is in memory and not the update (but for rounding), so micro_batches are refused where
    rows are normalised by the statistics of their batch.
    The rest as in Trainer. Default optimizer: Adam, rate 0.001, cool-down over the second half.
    """

    family = "backprop"
    defaults = Defaults(norm="none", init="he")

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: Loss | None = None,
        label: Literal["none", "neutral"] = "none",
        update: Literal["after", "during"] = "after",
        recompute: int = 0,
        micro_batches: int = 1,
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        if label not in ("none", "neutral"):
            raise UsageError(f"unknown label {label!r}; valid: none, neutral")
        if update not in ("after", "during"):
            raise UsageError(f"unknown update {update!r}; valid: after, during")
        if recompute < 0 or micro_batches < 1:
            raise UsageError(
                f"recompute={recompute} micro_batches={micro_batches} make no pass; use at least 0 and at least 1"
            )
        if update == "during" and micro_batches > 1:
            raise UsageError(
                f"update=during applies each gradient at once, but micro_batches={micro_batches} have to be "
                "summed first; use micro_batches=1 or update=after"
            )
        super().__init__(
            network,
            optimizer=optimizer or Adam(schedule="cooldown"),
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.objective, self.label = objective, label
        self.update, self.recompute, self.micro_batches = update, recompute, micro_batches

    def _labelled(self) -> bool:
        return self.label == "neutral"

    def _check_task(self) -> None:
        if self.task == "regression" and self.label == "neutral":
            raise UsageError("label=neutral needs class labels, but y holds numbers; use label=none")
        self.loss: Loss = self.objective or (CrossEntropy() if self.task == "classification" else SquaredError())
        self._head_outputs()

    def _head_outputs(self) -> int:
        return self.loss.outputs(self.task, self.n_outputs)

    def _start(self) -> None:
        if self.micro_batches > 1 and (found := sorted(self.network.statistics())):
            raise UsageError(
                f"micro_batches={self.micro_batches} would normalise each part of a batch by itself, since "
                f"{found[0].rpartition('.')[0]} takes statistics over the batch; use micro_batches=1, or another norm"
            )
        self._units: dict[str, dict[str, Array]] = {"head": self.network.head.params} | {
            block.name: block.params for block in self.network.blocks
        }
        self._optimizers = {unit: self.optimizer.start(params, self.ops) for unit, params in self._units.items()}

    def _arrays(self) -> dict[str, Array]:
        states = self._optimizers.items()
        return super()._arrays() | {f"optimizer/{unit}.{k}": a for unit, state in states for k, a in state.items()}

    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> dict[str, Array | float]:
        statistics: dict[str, Array] = {}

        def update(unit: str, grads: Grads) -> None:
            self.adjust(grads)
            with self.ops.usage.during(f"{unit} update", "workspace"):
                self.optimizer.step(self._units[unit], grads, self._optimizers[unit], self.ops, rate)

        if self.update == "during":
            loss = self._pass(images, target, ctx, update, statistics)
        else:
            loss, grads = self.gradients(images, target, ctx, statistics)
            for unit, params in self._units.items():
                update(unit, {key: grads.pop(f"{unit}.{key}") for key in params})
        settle(self.network.statistics(), statistics)
        return {"loss": loss}

    def _unrepeatable(self) -> str:
        return of_others(self, BackpropTrainer, self.loss)

    def adjust(self, grads: Grads) -> None:
        """Change a block's (or the head's) gradients in place before they are applied: for a subclass to fill in."""

    def gradients(
        self, images: Array, target: Array, ctx: Ctx, statistics: dict[str, Array] | None = None
    ) -> tuple[Array, dict[str, Array]]:
        """The loss of a batch and its gradient with respect to every parameter, by name.

        `statistics` is filled with what the running statistics become; nothing of the network is changed here.
        """
        grads: dict[str, Array] = {}

        def collect(unit: str, found: Grads) -> None:
            for key, g in found.items():
                if (name := f"{unit}.{key}") in grads:
                    grads[name] += g
                else:
                    grads[name] = g

        total: Array | None = None
        n = len(images)
        size = -(-n // self.micro_batches) if n else 1
        for start in range(0, max(1, n), size):
            rows = slice(start, start + size)
            part = replace(ctx, noise=replace(ctx.noise, first_row=start))
            loss = self._pass(images[rows], target[rows], part, collect, {} if statistics is None else statistics, of=n)
            total = loss if total is None else total + loss
        assert total is not None
        return total, grads

    def _pass(
        self, images: Array, target: Array, ctx: Ctx, deliver: Deliver, statistics: dict[str, Array], of: int = 0
    ) -> Array:
        """Forward and backward of one batch, or of a part of one of `of` rows; returns its share of the mean loss."""
        with self.ops.usage.during("forward", "activations"):
            output, tape = forward(self.network, self._presented(images), ctx, self.recompute)
        with self.ops.usage.during("loss", "activations"):
            share = len(images) / of if of else 1.0
            loss, upstream = self.loss(output, target, self.ops)
            if share != 1:
                loss = loss * share
                upstream *= share
            del output
        if self.ops.name == "numpy":
            self._check_finite(loss, "the output")
        backward(self.network, tape, upstream, ctx, deliver, statistics)
        return loss

    def _presented(self, images: Array) -> Any:
        """The rows as the network is to read them."""
        if self.label == "none":
            return images
        label = self.network.label_input
        assert label is not None
        return self.network.labelled(images, [label.neutral(len(images), self.ops)], self.ops)[0]

    def _answer(self, images: Array) -> Array:
        output, _ = forward(self.network, self._presented(images), Ctx(self.ops))
        scores = output if self.task == "regression" else self.loss.probabilities(output, self.ops)
        return self.ops.to_host(scores)

    def _evaluate(self, split: Split) -> dict[str, Any]:
        loss = right = squares = surprise = 0.0
        for part, images in self._chunks(split.x, split.scale):
            target = self.ops.resident(split.y[part])
            output, _ = forward(self.network, self._presented(images), Ctx(self.ops))
            loss += float(self.loss(output, target, self.ops)[0]) * len(images)
            if self.task == "classification":
                # a single output is the log odds of the second class
                chosen = output.argmax(axis=1) if output.shape[1] > 1 else output[:, 0] > 0
                right += int((chosen == target).sum())
                if split.alphabet:
                    surprise += nats(self.loss.probabilities(output, self.ops), target, self.ops)
            else:
                squares += float(((output[:, 0] - target) ** 2).sum())
        n = max(1, len(split))
        if self.task == "classification":
            found = {"n": len(split), "loss": loss / n, "accuracy": right / n, "error": 1 - right / n}
            return found | bits_per_character(split, surprise)
        spread = float(((split.y - split.y.mean()) ** 2).sum()) if len(split) else 0.0
        r2 = 1 - squares / spread if spread else 0.0
        return {"n": len(split), "loss": loss / n, "r2": r2, "rmse": float(np.sqrt(squares / n))}

    def cost(self) -> dict[str, Any]:
        """One row a sample; forward, weight gradients, and input gradients but for what reads the input.

        With `recompute` most blocks run forward twice.
        """
        self._check_built()
        once = self.network.flops()
        first = sum(block.flops() for block in self.network.input_readers()) if self.network.blocks else once
        depth, k = len(self.network.blocks), self.recompute
        again = sum(block.flops() for block in self.network.blocks[: (depth - 1) // k * k]) if k and depth else 0
        return {
            "rows_per_sample": 1,
            "passes_per_step": min(self.micro_batches, self.batch_size),
            "passes_per_prediction": 1,
            "flops_per_step": self.batch_size * (3 * once - first + again),
            "flops_per_prediction": once,
        }
