"""Direct feedback alignment: the output's error reaches every block by a random matrix of its own."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, Literal

from lab.backend import Array, Kernels
from lab.errors import UsageError
from lab.layers import Cache, Ctx
from lab.networks import Block, Defaults, Network, NetworkSpec
from lab.objectives import Loss
from lab.optimizers import Optimizer
from lab.random import generator
from lab.registry import register
from lab.trainers.backprop import BackpropTrainer
from lab.trainers.backward import Deliver
from lab.trainers.program import of_others


@register("trainer", "feedback_alignment")
class FeedbackAlignmentTrainer(BackpropTrainer):
    """Forward through all blocks, loss, and its error straight to each block (Nokland 2016, arXiv 1609.01596).

    With e = dL/do (N, K), the gradient of the loss with respect to the K outputs, block l learns from

        dh_l = e B_l                    B_l (K, size of h_l) random, fixed, in the place of dL/dh_l
        delta_l = dh_l * f'(z_l)        and on inside the block by its exact gradient, through time too

    and the head from its true gradient. So a block's update needs the output's error and nothing of the blocks above
    it: no weights are sent back, and blocks could be updated in any order.

    feedback_scale  B_l ~ N(0, feedback_scale^2 / size of h_l): at 1, e B_l is about as long as e, as backprop's
                    gradient is behind a head that is drawn like that. B_l depends on the seed and the block alone
    caches          kept: of all blocks, until the error is known; recomputed: a second forward pass makes one block's
                    at a time and updates it there, so that activations do not grow with the depth
    The rest as in BackpropTrainer, without its lean-memory forms. Default optimizer: Adam, rate 0.001, cool-down.
    """

    family = "feedback_alignment"
    defaults = Defaults(norm="none", init="he")

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: Loss | None = None,
        label: Literal["none", "neutral"] = "none",
        feedback_scale: float = 1.0,
        caches: Literal["kept", "recomputed"] = "kept",
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        if caches not in ("kept", "recomputed"):
            raise UsageError(f"unknown caches {caches!r}; valid: kept, recomputed")
        if not feedback_scale > 0:
            raise UsageError(f"feedback_scale={feedback_scale} sends no error; use a number above 0")
        super().__init__(
            network,
            optimizer=optimizer,
            objective=objective,
            label=label,
            update="during",  # nothing waits for a gradient from above, so that only one block's is ever held
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.feedback_scale, self.caches = feedback_scale, caches

    def _start(self) -> None:
        if not self.network.blocks:
            raise UsageError(f"{self.network.label} has no hidden block to send an error to; use an mlp, or backprop")
        super()._start()
        k = self._head_outputs()
        self.feedback: dict[str, Array] = {}
        for i, block in enumerate(self.network.blocks):
            size = prod(block.shape)
            draw = generator(self.seed, "feedback", i).standard_normal((k, size)) * (self.feedback_scale / size**0.5)
            self.feedback[block.name] = self.ops.asarray(draw, kind="weights")

    def _unrepeatable(self) -> str:
        return of_others(self, FeedbackAlignmentTrainer, self.loss)

    def options(self) -> dict[str, str]:
        # `caches` changes what is in memory and not the update
        return super().options() | {"feedback_scale": str(self.feedback_scale)}

    def _pass(
        self, images: Array, target: Array, ctx: Ctx, deliver: Deliver, statistics: dict[str, Array], of: int = 0
    ) -> Array:
        network, usage = self.network, self.ops.usage
        x = self._presented(images)
        ctx = network.context(x, ctx)
        again = self.caches == "recomputed"
        kept: list[Cache] = []
        with usage.during("forward", "activations"):
            for _, n, cache in self._visits(x, ctx.keeping(not again)):
                kept.append(cache)
                last = n
                del n, cache
            output, head = network.head.forward(last, ctx)
            del last
        with usage.during("loss", "activations"):
            loss, error = self.loss(output, target, self.ops)
            del output
        if self.ops.name == "numpy":
            self._check_finite(loss, "the output")
        with usage.during("head backward", "activations"):
            _, grads = network.head.backward(error, head, ctx, need_dx=False)
            statistics |= {f"head.{key}": s for key, s in network.head.statistics(head).items()}
            del head
        deliver("head", grads)
        del grads
        if again:
            for block, n, cache in self._visits(x, ctx):
                del n
                self._learn(block, cache, error, ctx, deliver, statistics)
                del cache
        else:
            del x
            for block in network.blocks:
                self._learn(block, kept.pop(0), error, ctx, deliver, statistics)
        return loss

    def _learn(
        self, block: Block, cache: Cache, error: Array, ctx: Ctx, deliver: Deliver, statistics: dict[str, Array]
    ) -> None:
        """Deliver one block's gradients: from the output's error, whatever lies between."""
        with self.ops.usage.during(f"{block.name} backward", "activations"):
            dh = self.ops.affine(error, self.feedback[block.name], None).reshape(len(error), *block.shape)
            _, grads = block.backward(dh, cache, ctx, need_dx=[False] * len(block.sources))
            del dh
        statistics |= {f"{block.name}.{key}": s for key, s in block.statistics(cache).items()}
        deliver(block.name, grads)

    def _visits(self, x: Any, ctx: Ctx) -> Iterator[tuple[Block, Array, Cache]]:
        """Forward through all blocks: each with what it passes on, and its cache where ctx.keep."""
        network = self.network
        values = {"input": network.enter(x, ctx)}
        for i, block in enumerate(network.blocks):
            with self.ops.usage.during(f"{block.name} forward", "activations"):
                h, cache = block.respond([values[source.name] for source in block.sources], ctx)
                values[block.name], _ = block.pass_on(h, ctx.keeping(False))
            del h
            yield block, values[block.name], cache
            del cache
            for name in network.unread_after(i):
                del values[name]

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "feedback_parameters": sum(int(b.size) for b in self.feedback.values())}

    def cost(self) -> dict[str, Any]:
        """One row a sample; forward, weight gradients, and an error product for each block: no input gradients.

        With caches=recomputed the blocks run forward twice.
        """
        self._check_built()
        once = self.network.flops()
        again = sum(block.flops() for block in self.network.blocks) if self.caches == "recomputed" else 0
        feedback = sum(2 * int(b.size) for b in self.feedback.values())
        return {
            "rows_per_sample": 1,
            "passes_per_step": 1 if self.caches == "kept" else 2,
            "passes_per_prediction": 1,
            "flops_per_step": self.batch_size * (2 * once + again + feedback),
            "flops_per_prediction": once,
        }
