"""Backprop: one error, sent back through all blocks."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from lab.backend import Array, Kernels
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import Ctx, settle
from lab.networks import Defaults, Network, NetworkSpec
from lab.objectives import CrossEntropy, Loss, SquaredError
from lab.optimizers import Adam, Optimizer
from lab.registry import register
from lab.trainers.base import Trainer


@register("trainer", "backprop")
class BackpropTrainer(Trainer):
    """Forward through all blocks, loss, backward through all blocks, one optimizer step (Rumelhart et al. 1986).

    objective  a loss of the output: cross_entropy (default for labels) or squared_error (default for numbers)
    label      none: rows as they are; neutral: with the label that says nothing in them, the very tensor that a
               forward-forward network reads
    The rest as in Trainer. Default optimizer: Adam, rate 0.001, cool-down over the second half.
    """

    family: ClassVar[str] = "backprop"
    defaults: ClassVar[Defaults] = Defaults(norm="none", init="he")

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: Loss | None = None,
        label: Literal["none", "neutral"] = "none",
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        if label not in ("none", "neutral"):
            raise UsageError(f"unknown label {label!r}; valid: none, neutral")
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

    def _labelled(self) -> bool:
        return self.label == "neutral"

    def _check_task(self) -> None:
        if self.task == "regression" and isinstance(self.objective, CrossEntropy):
            raise UsageError("objective=cross_entropy needs class labels, but y holds numbers; use squared_error")
        if self.task == "regression" and self.label == "neutral":
            raise UsageError("label=neutral needs class labels, but y holds numbers; use label=none")
        self.loss: Loss = self.objective or (CrossEntropy() if self.task == "classification" else SquaredError())

    def _start(self) -> None:
        delayed = [block.name for block in self.network.blocks if any(source.delay for source in block.sources)]
        if delayed:
            raise UsageError(
                f"{delayed[0]} reads a delayed source, which backprop does not unroll; use delay=0 sources"
            )
        self._params = self.network.parameters()
        self._optimizer_state = self.optimizer.start(self._params, self.ops)

    def _arrays(self) -> dict[str, Array]:
        return super()._arrays() | {f"optimizer/{name}": a for name, a in self._optimizer_state.items()}

    def _step(
        self, images: Array, target: Array, index: Array, step: int, rate: float, ctx: Ctx
    ) -> dict[str, Array | float]:
        statistics: dict[str, Array] = {}
        loss, grads = self.gradients(images, target, ctx, statistics)
        if self.ops.name == "numpy":
            self._check_finite(loss, "the output")
        with self.ops.usage.during("update", "workspace"):
            self.optimizer.step(self._params, grads, self._optimizer_state, self.ops, rate)
        settle(self.network.statistics(), statistics)
        return {"loss": loss}

    def gradients(
        self, images: Array, target: Array, ctx: Ctx, statistics: dict[str, Array] | None = None
    ) -> tuple[Array, dict[str, Array]]:
        """The loss of a batch and its gradient with respect to every parameter, by name.

        `statistics` is filled with what the running statistics become; nothing of the network is changed here.
        """
        statistics = {} if statistics is None else statistics
        usage, network = self.ops.usage, self.network
        with usage.during("forward", "activations"):
            output, caches, head_cache = self._forward(images, ctx)
        with usage.during("loss", "activations"):
            loss, upstream = self.loss(output, target, self.ops)
            del output
        with usage.during("head backward", "activations"):
            first, inner = network.head.backward(upstream, head_cache, ctx, need_dx=bool(network.blocks))
        statistics |= {f"head.{key}": s for key, s in network.head.statistics(head_cache).items()}
        grads = {f"head.{key}": g for key, g in inner.items()}
        del upstream, inner, head_cache
        waiting = {network.last: first}  # gradients of what blocks pass on, until the block itself is reached
        del first
        for block in reversed(network.blocks):
            cache, norm_cache = caches.pop()
            statistics |= {f"{block.name}.{key}": s for key, s in block.statistics(cache).items()}
            with usage.during(f"{block.name} backward", "activations"):
                dn = waiting.pop(block.name, None)
                if dn is None:  # nothing reads this block: the loss does not depend on it
                    grads.update({f"{block.name}.{key}": self.ops.zeros(p.shape) for key, p in block.params.items()})
                    continue
                dh = block.pass_back(dn, norm_cache, ctx)
                needs = [source.name != "input" for source in block.sources]
                dxs, inner = block.backward(dh, cache, ctx, need_dx=needs)
                del dn, dh, cache, norm_cache
                grads.update({f"{block.name}.{key}": g for key, g in inner.items()})
                for source, dx in zip(block.sources, dxs, strict=True):
                    if dx is None:
                        continue
                    if source.name in waiting:
                        waiting[source.name] = waiting[source.name] + dx
                    else:
                        waiting[source.name] = dx
                del dxs, inner
        return loss, grads

    def _forward(self, images: Array, ctx: Ctx) -> tuple[Array, list[Any], Any]:
        """The head's output, each block's caches in order, and the head's."""
        network = self.network
        if self.label == "neutral":
            assert network.label_input is not None
            neutral = network.label_input.neutral(len(images), self.ops)
            images, _ = network.labelled(images, [neutral], self.ops)
        values = {"input": network.enter(images, ctx)}
        del images
        caches = []
        for i, block in enumerate(network.blocks):
            h, cache = block.respond([values[source.name] for source in block.sources], ctx)
            values[block.name], norm_cache = block.pass_on(h, ctx)
            caches.append((cache, norm_cache))
            del h, cache, norm_cache
            for name in network.unread_after(i):
                del values[name]
        output, head_cache = network.head.forward(values[network.last], ctx)
        return output, caches, head_cache

    def _answer(self, images: Array) -> Array:
        output, _, _ = self._forward(images, Ctx(self.ops))
        scores = output if self.task == "regression" else self.loss.probabilities(output, self.ops)
        return self.ops.to_host(scores)

    def _evaluate(self, split: Split) -> dict[str, Any]:
        loss = right = squares = 0.0
        for part, images in self._chunks(split.x, split.scale):
            target = self.ops.resident(split.y[part])
            output, _, _ = self._forward(images, Ctx(self.ops))
            loss += float(self.loss(output, target, self.ops)[0]) * len(images)
            if self.task == "classification":
                right += int((output.argmax(axis=1) == target).sum())
            else:
                squares += float(((output[:, 0] - target) ** 2).sum())
        n = max(1, len(split))
        if self.task == "classification":
            return {"n": len(split), "loss": loss / n, "accuracy": right / n, "error": 1 - right / n}
        spread = float(((split.y - split.y.mean()) ** 2).sum()) if len(split) else 0.0
        r2 = 1 - squares / spread if spread else 0.0
        return {"n": len(split), "loss": loss / n, "r2": r2, "rmse": float(np.sqrt(squares / n))}

    def cost(self) -> dict[str, Any]:
        """One row a sample; forward, weight gradients, and input gradients but for what reads the input."""
        self._check_built()
        forward = self.network.flops()
        first = sum(block.flops() for block in self.network.input_readers()) if self.network.blocks else forward
        return {
            "rows_per_sample": 1,
            "passes_per_step": 1,
            "passes_per_prediction": 1,
            "flops_per_step": self.batch_size * (3 * forward - first),
            "flops_per_prediction": forward,
        }
