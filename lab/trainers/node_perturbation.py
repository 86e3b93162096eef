"""Node perturbation: units learn from whether a nudge to them raised the reward, and from nothing else."""

from __future__ import annotations

import zlib
from typing import Any, Literal

from lab.backend import Array, Kernels, Shape
from lab.errors import UsageError
from lab.layers import Cache, Ctx
from lab.networks import Network, NetworkSpec
from lab.objectives import CrossEntropy
from lab.optimizers import Optimizer
from lab.registry import register
from lab.trainers.backprop import BackpropTrainer
from lab.trainers.backward import Deliver


@register("trainer", "node_perturbation")
class NodePerturbationTrainer(BackpropTrainer):
    """Every unit is nudged at random, and what that did to the row's loss is its gradient's estimate.

    Each row is passed twice, all inputs z of activations (and the outputs) nudged by xi and by -xi, xi = +-nudge with
    equal chances, independently for each unit and row. With the row's losses L+ and L-

        s = (L+ - L-) / (2 nudge^2),    estimate of dL/dz = s xi

    and on from z to the block's own parameters by its own inputs, of both passes by halves. Since E[xi_i xi_j] is
    nudge^2 for i = j and else 0, the estimate's mean is dL/dz up to terms of order nudge^2; its variance grows with the
    number of units, which is why reward alone learns slowly. Nothing is sent back through anything, so what lies
    between blocks may be unknown; it is run twice a row. Reward is minus the loss, log softmax(o)[y].

    Sources: Williams 1992 (REINFORCE), Flower and Jabri 1992 (summed weight neuron perturbation), Fiete and Seung 2006;
    the name as in the review by Lillicrap et al. 2020, whose spectrum it is one end of.

    nudge  size of xi, against inputs of activations of about 1
    label  as in BackpropTrainer; the rest too, without its lean-memory forms
    """

    family = "node_perturbation"

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: CrossEntropy | None = None,
        label: Literal["none", "neutral"] = "none",
        nudge: float = 0.01,
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        if not nudge > 0:
            raise UsageError(f"nudge={nudge} changes nothing; use a number above 0")
        super().__init__(
            network,
            optimizer=optimizer,
            objective=objective,
            label=label,
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.nudge = nudge

    def _check_task(self) -> None:
        if self.task != "classification":
            raise UsageError("node_perturbation needs class labels, but y holds numbers; use backprop")
        super()._check_task()

    def options(self) -> dict[str, str]:
        return super().options() | {"nudge": str(self.nudge)}

    def _pass(
        self, images: Array, target: Array, ctx: Ctx, deliver: Deliver, statistics: dict[str, Array], of: int = 0
    ) -> Array:
        network, usage, xp, n = self.network, self.ops.usage, self.ops.xp, len(images)
        x = self._twice(images)
        ctx = network.context(x, ctx)
        nudges: dict[str, Array] = {}
        caches: dict[str, Cache] = {}
        with usage.during("forward", "activations"):
            values = {"input": network.enter(x, ctx)}
            del x
            for i, block in enumerate(network.blocks):
                nudges[block.name] = self._nudge(block.name, (n, *block.shape), ctx)
                inputs = [values[source.name] for source in block.sources]
                h, caches[block.name] = block.respond(inputs, ctx, nudges[block.name])
                values[block.name], _ = block.pass_on(h, ctx.keeping(False))
                del h, inputs
                for name in network.unread_after(i):
                    del values[name]
            output, head = network.head.forward(values.pop(network.last), ctx)
            nudges["head"] = self._nudge("head", (n, *output.shape[1:]), ctx)
            output = output + nudges["head"]
        with usage.during("loss", "activations"):
            losses, _ = self.ops.softmax_loss(output, xp.concatenate([target, target]))
            loss: Array = losses.sum() / max(1, 2 * n)
            slope = (losses[:n] - losses[n:]) / (2 * self.nudge**2) / max(1, 2 * n)
            slopes = xp.concatenate([slope, -slope])  # the second pass was nudged the other way
            del output
        if self.ops.name == "numpy":
            self._check_finite(loss, "the output")
        for name in nudges:
            nudges[name] *= slopes.reshape(-1, *(1,) * (nudges[name].ndim - 1))
        _, grads = network.head.backward(nudges["head"], head, ctx, need_dx=False)
        statistics |= {f"head.{key}": s for key, s in network.head.statistics(head).items()}
        deliver("head", grads)
        for block in network.blocks:
            with usage.during(f"{block.name} backward", "activations"):
                nothing = self.ops.zeros((2 * n, *block.shape))
                estimate = slice(0, 2 * n), nudges.pop(block.name)
                cache = caches.pop(block.name)
                _, grads = block.backward(nothing, cache, ctx, estimate, need_dx=[False] * len(block.sources))
                statistics |= {f"{block.name}.{key}": s for key, s in block.statistics(cache).items()}
                del nothing, estimate, cache
            deliver(block.name, grads)
            del grads
        return loss

    def _twice(self, images: Array) -> Any:
        """The rows as the network is to read them, all of them and all of them again."""
        label = self.network.label_input
        if self.label == "none" or label is None:
            twice: Array = self.ops.xp.concatenate([images, images])
            return twice
        neutral = label.neutral(len(images), self.ops)
        rows, _ = self.network.labelled(images, [neutral, neutral], self.ops)
        return rows

    def _nudge(self, name: str, shape: Shape, ctx: Ctx) -> Array:
        """[xi, -xi] for n rows of `shape` (n, ...): (2n, ...)."""
        found = self.ops.empty((2 * shape[0], *shape[1:]))
        u = ctx.noise.uniform(zlib.crc32(f"nudge {name}".encode()), shape, self.ops)
        found[: shape[0]] = self.ops.xp.where(u < 0.5, -self.nudge, self.nudge)
        found[shape[0] :] = -found[: shape[0]]
        return found

    def cost(self) -> dict[str, Any]:
        """Two rows a sample, forward and weight gradients; no input gradients."""
        self._check_built()
        once = self.network.flops()
        return {
            "rows_per_sample": 2,
            "passes_per_step": 2,
            "passes_per_prediction": 1,
            "flops_per_step": self.batch_size * 4 * once,
            "flops_per_prediction": once,
        }
