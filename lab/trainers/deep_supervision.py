"""Backprop with deep supervision: every block answers too, and its error goes back through all blocks below it."""

from __future__ import annotations

from typing import Any, Literal

from lab.backend import Array, Kernels
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import Ctx, Dense, Flatten, Grads, Sequential
from lab.networks import Network, NetworkSpec
from lab.objectives import CrossEntropy
from lab.optimizers import Optimizer
from lab.random import generator
from lab.registry import register
from lab.trainers.backprop import BackpropTrainer
from lab.trainers.backward import Deliver, back_through, run_blocks


@register("trainer", "deep_supervision")
class DeepSupervisionTrainer(BackpropTrainer):
    """Backprop on L = CE(head) + weight sum_l CE(head_l), with a linear head on each block l but the last.

    Lee et al. 2015, "Deeply-supervised nets". It is what a local rule of supervised blocks is to be held against: the
    same heads and targets, but the gradient of each goes through all blocks below. The network's own head answers;
    what each block's says by itself is recorded.

    weight  of the blocks' errors; 0.3 as of the auxiliary classifiers of Szegedy et al. 2015, section 5
    The rest as in BackpropTrainer.
    """

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        weight: float = 0.3,
        label: Literal["none", "neutral"] = "none",
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        if weight < 0:
            raise UsageError(f"weight={weight:g} would train the blocks to answer wrongly; use 0 or more")
        super().__init__(
            network,
            optimizer=optimizer,
            objective=CrossEntropy(),
            label=label,
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.weight = weight

    def _start(self) -> None:
        self._heads: dict[str, Sequential] = {}
        for i, block in enumerate(self.network.blocks[:-1]):
            head = Sequential([Flatten(), Dense(self.n_outputs)])
            head.build(block.shape, self.ops, generator(self.seed, "init", "head", i))
            self._heads[block.name] = head
        super()._start()
        more = {f"{name}.head": head.params for name, head in self._heads.items()}
        self._units |= more
        self._optimizers |= {unit: self.optimizer.start(params, self.ops) for unit, params in more.items()}

    def _arrays(self) -> dict[str, Array]:
        own = {f"weights/{name}.head.{k}": p for name, head in self._heads.items() for k, p in head.params.items()}
        return super()._arrays() | own

    def options(self) -> dict[str, str]:
        return super().options() | {"weight": repr(self.weight)}

    def _pass(
        self, images: Array, target: Array, ctx: Ctx, deliver: Deliver, statistics: dict[str, Array], of: int = 0
    ) -> Array:
        network, usage = self.network, self.ops.usage
        waiting: dict[str, Array] = {}  # gradients of what blocks pass on: first those of their own heads
        own: dict[str, Grads] = {}
        total = self.ops.zeros((), kind="activations")
        x = self._presented(images)
        ctx = network.context(x, ctx)
        values = {"input": network.enter(x, ctx)}
        del x
        caches = []
        for i, block in enumerate(network.blocks):
            caches += run_blocks(network, range(i, i + 1), values, ctx)
            if (head := self._heads.get(block.name)) is None:
                continue
            with usage.during(f"{block.name} head", "activations"):
                output, cache = head.forward(values[block.name], ctx)
                loss, error = self.loss(output, target, self.ops)
                error *= self.weight
                sent, own[f"{block.name}.head"] = head.backward(error, cache, ctx)
                assert sent is not None
                waiting[block.name] = sent
                total = total + self.weight * loss
                del output, cache, error, sent
        with usage.during("loss", "activations"):
            output, cache = network.head.forward(values.pop(network.last), ctx)
            loss, error = self.loss(output, target, self.ops)
            total = total + loss
            del output
        if self.ops.name == "numpy":
            self._check_finite(total, "the output")
        upstream, grads = network.head.backward(error, cache, ctx, need_dx=bool(network.blocks))
        statistics |= {f"head.{key}": s for key, s in network.head.statistics(cache).items()}
        del cache, error
        if upstream is not None:
            waiting[network.last] = upstream
        del upstream
        deliver("head", grads)
        for unit, found in own.items():
            deliver(unit, found)
        back_through(network, range(len(network.blocks)), caches, waiting, ctx, deliver, statistics)
        return total

    def _evaluate(self, split: Split) -> dict[str, Any]:
        right = dict.fromkeys(self._heads, 0)
        for part, images in self._chunks(split.x, split.scale):
            target, ctx = self.ops.resident(split.y[part]), Ctx(self.ops)
            for block, _, passed in self.network.walk(self._presented(images), ctx):
                if block.name in right:
                    output, _ = self._heads[block.name].forward(passed, ctx)
                    right[block.name] += int((output.argmax(axis=1) == target).sum())
        found = super()._evaluate(split)
        alone = [{"name": name, "accuracy": n / max(1, len(split))} for name, n in right.items()]
        last = [{"name": block.name, "accuracy": found["accuracy"]} for block in self.network.blocks[-1:]]
        return found | {"blocks": [*alone, *last]}

    def describe(self) -> dict[str, Any]:
        found = super().describe()
        return found | {"head_parameters": found["head_parameters"] + self._head_size()}

    def _head_size(self) -> int:
        return sum(int(p.size) for head in self._heads.values() for p in head.params.values())

    def cost(self) -> dict[str, Any]:
        """As of backprop, with three products for each weight of the blocks' heads."""
        found = super().cost()
        extra = sum(head.flops() for head in self._heads.values())
        return found | {"flops_per_step": found["flops_per_step"] + self.batch_size * 3 * extra}

    def _check_task(self) -> None:
        if self.task != "classification":
            raise UsageError("deep supervision needs class labels, but y holds numbers; use backprop")
        super()._check_task()
