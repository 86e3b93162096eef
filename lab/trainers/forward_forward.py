"""Forward-forward: two forward passes, and an objective of its own for every block."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np

from lab.backend import Array, Kernels
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import Ctx, settle
from lab.networks import Defaults, Network, NetworkSpec
from lab.objectives import Goodness, LocalObjective, Rows
from lab.optimizers import SGD, Optimizer, gain
from lab.random import generator
from lab.registry import register, unknown
from lab.trainers import negatives as drawing
from lab.trainers.base import Trainer
from lab.trainers.negatives import Negatives
from lab.trainers.readout import Readout, SoftmaxHead


@register("trainer", "forward_forward")
class ForwardForwardTrainer(Trainer):
    """Each block learns from its own activities on positive and negative rows (Hinton 2022, arXiv 2212.13345).

    A step: one pass with the neutral label trains the softmax head and gives the beliefs that hard negatives are drawn
    from; then, block by block, forward on positive rows (image with its label) and negative rows (image with a wrong
    one), local objective, backward inside the block, that block's update; its output by the old weights goes on. Given
    its rows, no block's update reads anything of the blocks above it.

    objective  a local objective; default: lab.objectives.Goodness by the recipe
    readout    how the trained network answers; see lab.trainers.readout.Readout
    negatives  hard: drawn at each step from the head's probabilities, the true class masked; uniform: any wrong label,
               drawn at each step; fixed: one wrong label an image, drawn once (known to be worse)
    passes     joint: positive and negative rows in one batch; separate: one after the other, gradients summed, which
               holds half the rows at a time and gives the same update up to rounding
    schedule   simultaneous: all blocks learn at every step; greedy: one block after the other, each for its share of
               the epochs with a learning-rate schedule of its own
    The rest as in Trainer. Default optimizer: the recipe's averaged gradient at rate 0.01, decay 0.001, cool-down.
    """

    family: ClassVar[str] = "forward_forward"
    defaults: ClassVar[Defaults] = Defaults(norm="length", init="lecun")

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: LocalObjective | None = None,
        readout: Readout | None = None,
        negatives: Negatives = "hard",
        passes: Literal["joint", "separate"] = "joint",
        schedule: Literal["simultaneous", "greedy"] = "simultaneous",
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        for name, value, valid in (
            ("negatives", negatives, ("hard", "uniform", "fixed")),
            ("passes", passes, ("joint", "separate")),
            ("schedule", schedule, ("simultaneous", "greedy")),
        ):
            if value not in valid:
                raise UsageError(unknown(name, value, valid))
        super().__init__(
            network,
            optimizer=optimizer or SGD(0.01, 0.9, dampening=0.9, weight_decay=0.001, schedule="cooldown"),
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.objective: LocalObjective = objective or Goodness()
        self.readout = readout or Readout()
        self.negatives, self.passes, self.schedule = negatives, passes, schedule
        if negatives == "hard" and self.readout.head == "none":
            raise UsageError("negatives=hard are drawn from the softmax head; choose a head, or negatives=uniform")

    # -- building ------------------------------------------------------------------------------------------------
    def _labelled(self) -> bool:
        if not self.network.blocks:
            raise UsageError(f"{self.network.label} has no hidden block to ask for goodness; use an mlp, or backprop")
        return True

    def _check_task(self) -> None:
        if self.task != "classification":
            raise UsageError(
                "forward-forward needs class labels, but y holds numbers; use backprop or ForwardForwardRegressor"
            )
        if self.n_outputs < 2:
            raise UsageError(f"forward-forward needs at least 2 classes, got {self.n_outputs}: no label would be wrong")

    def _start(self) -> None:
        network = self.network
        self._counted = {block.name for block in self.readout.counted(network)}
        self._optimizers = {block.name: self.optimizer.start(block.params, self.ops) for block in network.blocks}
        self._objectives = {block.name: self.objective.start(block.shape, self.ops) for block in network.blocks}
        self._head = SoftmaxHead(self.readout, network, self.ops)

    def _arrays(self) -> dict[str, Array]:
        arrays = {f"weights/{name}": p for name, p in self.network.block_parameters().items()}
        arrays |= {f"statistics/{name}": s for name, s in self.network.block_statistics().items()}
        for block in self.network.blocks:
            arrays |= {f"optimizer/{block.name}.{k}": a for k, a in self._optimizers[block.name].items()}
            arrays |= {f"objective/{block.name}.{k}": a for k, a in self._objectives[block.name].items()}
        return arrays | self._head.arrays()

    def options(self) -> dict[str, str]:
        own = ("objective", "readout", "negatives", "passes", "schedule")
        return super().options() | {name: str(getattr(self, name)) for name in own}

    # -- training ------------------------------------------------------------------------------------------------
    def _check_epochs(self, epochs: int) -> None:
        depth = len(self.network.blocks)
        if self.schedule == "greedy" and epochs < depth:
            raise UsageError(f"schedule=greedy gives each of {depth} blocks its own epochs; {epochs} are too few")

    def _start_epoch(self, epoch: int, epochs: int, n: int) -> None:
        if self.negatives == "fixed":
            draws = generator(self.seed, "negatives", "fixed").random(n)
        else:
            draws = generator(self.seed, "negatives", epoch).random(n)
        self._draws = self.ops.resident(draws)
        depth = len(self.network.blocks)
        if self.schedule == "simultaneous":
            self._active, self._gain = range(depth), gain(self.optimizer.schedule, epoch, epochs)
            return
        block = (epoch - 1) * depth // epochs  # `_check_epochs` saw to it that every block gets one
        first, last = -(-block * epochs // depth), -(-(block + 1) * epochs // depth)
        self._active = range(block, block + 1)
        self._gain = gain(self.optimizer.schedule, epoch - first, last - first)

    def _step(
        self, images: Array, target: Array, index: Array, step: int, rate: float, ctx: Ctx
    ) -> dict[str, Array | float]:
        seen: dict[str, Array | float] = {}
        label = self.network.label_input
        assert label is not None
        probabilities = base = None
        if self.readout.head != "none":
            with self.ops.usage.during("readout", "readout", every=True):
                neutral, base = self.network.labelled(images, [label.neutral(len(images), self.ops)], self.ops)
                probabilities, loss = self._head.learn(neutral, target, ctx, rate, self._sound_head)
                del neutral
                seen["head/loss"] = loss
        wrong = self.draw_negatives(probabilities, target, index, step)
        with self.ops.usage.during("label", "activations"):
            labels = [label.one_hot(target, self.ops), label.one_hot(wrong, self.ops)]
            n = len(images)
            if self.passes == "joint":
                parts = [(labels, Rows(n, slice(0, n), slice(n, 2 * n)))]
            else:
                parts = [
                    (labels[:1], Rows(n, slice(0, n), slice(0, 0))),
                    (labels[1:], Rows(n, slice(0, 0), slice(0, n))),
                ]
            passes = []
            for shown, rows in parts:
                x, base = self.network.labelled(images, shown, self.ops, base)
                passes.append((x, rows))
        del images, labels, probabilities, parts, shown, x, base
        return seen | self.update_blocks(passes, ctx)

    def _sound_head(self, loss: Array) -> None:
        if self.ops.name == "numpy":
            self._check_finite(loss, "the softmax head")

    def draw_negatives(self, probabilities: Array | None, target: Array, index: Array, step: int) -> Array:
        """A wrong label for each image of the batch: (N,) like `target`."""
        xp = self.ops.xp
        if self.negatives == "hard":
            assert probabilities is not None
            start = step * self.batch_size
            return drawing.hard(xp, probabilities, target, self._draws[start : start + len(target)])
        # drawn by the image's place in the data, so that "fixed" stays with the image
        return drawing.uniform(xp, self.n_outputs, target, self._draws[index])

    def update_blocks(self, passes: list[tuple[Array, Rows]], ctx: Ctx) -> dict[str, Array | float]:
        """One local update of every active block from labelled rows; `passes` is emptied. Returns figures to record.

        This is the whole of the method: no block's update reads what lies above it.
        """
        network, usage = self.network, self.ops.usage
        contexts = [replace(ctx, noise=replace(ctx.noise, stream=i + 1)) for i in range(len(passes))]
        all_rows = [rows for _, rows in passes]
        values: list[dict[str, Array]] = []
        with usage.during("input", "activations"):
            while passes:
                x, _ = passes.pop(0)
                contexts[len(values)] = network.context(x, contexts[len(values)])
                values.append({"input": network.enter(x, ctx)})
                del x
        seen: dict[str, Array | float] = {}
        total: Array | float = 0.0
        for i, block in enumerate(network.blocks[: self._active.stop]):
            active = i in self._active
            loss: Array | float = 0.0
            grads: dict[str, Array] = {}
            outputs = []
            for value, rows, pass_ctx in zip(values, all_rows, contexts, strict=True):
                with usage.during(f"{block.name} forward", "activations"):
                    inputs = [value[source.name] for source in block.sources]
                    h, cache = block.respond(inputs, pass_ctx.keeping(active))
                if active:
                    with usage.during(f"{block.name} objective", "activations"):
                        signal = self.objective(h, rows, self._objectives[block.name], self.ops)
                    loss = loss + signal.loss
                    seen |= {f"{block.name}/{figure}": value for figure, value in signal.seen.items()}
                    with usage.during(f"{block.name} backward", "activations"):
                        nothing = [False] * len(block.sources)
                        _, part = block.backward(signal.dh, cache, pass_ctx, signal.dz, need_dx=nothing)
                    settle(block.stats, block.statistics(cache))
                    for key, g in part.items():
                        if key in grads:
                            grads[key] += g
                        else:
                            grads[key] = g
                    del signal, part, g
                outputs.append(h)
                del h, cache, inputs
            if active:
                if self.ops.name == "numpy":
                    self._check_finite(loss, block.name)
                with usage.during(f"{block.name} update", "workspace"):
                    self.optimizer.step(block.params, grads, self._optimizers[block.name], self.ops, self._gain)
                seen[f"{block.name}/loss"] = loss
                total = total + loss
            del grads
            unread = network.unread_after(i)
            with usage.during(f"{block.name} pass on", "activations"):
                for value, pass_ctx in zip(values, contexts, strict=True):
                    for name in unread:
                        del value[name]
                    if i + 1 < self._active.stop:
                        value[block.name], _ = block.pass_on(outputs.pop(0), pass_ctx.keeping(False))
        seen["loss"] = total
        return seen

    # -- answering -----------------------------------------------------------------------------------------------
    def block_scores(self, images: Array) -> Array:
        """Evidence of each block for each label: (blocks, N, K) on the device; K forward passes."""
        ops = self.ops
        ctx = Ctx(ops)
        scores = ops.empty((len(self.network.blocks), len(images), self.n_outputs))
        base = None
        for k in range(self.n_outputs):
            one = ops.zeros((len(images), self.n_outputs))
            one[:, k] = 1
            x, base = self.network.labelled(images, [one], ops, base)
            for i, (_, h, _) in enumerate(self.network.walk(x, ctx)):
                scores[i, :, k] = self.objective.evidence(h, ops)
        return scores

    def goodness(self, x: Array) -> Array:
        """The counted blocks' evidence for each label (N, K), on the host, for rows x (N, *shape) as in `predict`."""
        return self._outputs(x, lambda images: self.ops.to_host(self._counted_evidence(self.block_scores(images))))

    def _counted_evidence(self, scores: Array) -> Array:
        """The evidence summed over the counted blocks: (N, K)."""
        total = self.ops.zeros(scores.shape[1:])
        for i, block in enumerate(self.network.blocks):
            if block.name in self._counted:
                total += scores[i]
        return total

    def _goodness_probabilities(self, scores: Array) -> Array:
        """Softmax over labels of the evidence summed over the counted blocks."""
        return self._head.softmax(self._counted_evidence(scores))

    def _softmax_probabilities(self, images: Array) -> Array:
        label = self.network.label_input
        assert label is not None
        neutral, _ = self.network.labelled(images, [label.neutral(len(images), self.ops)], self.ops)
        return self._head.probabilities(neutral, Ctx(self.ops))

    def _answer(self, images: Array) -> Array:
        if self.readout.answer == "softmax":
            return self.ops.to_host(self._softmax_probabilities(images))
        return self.ops.to_host(self._goodness_probabilities(self.block_scores(images)))

    def _evaluate(self, split: Split) -> dict[str, Any]:
        names = [block.name for block in self.network.blocks]
        right = dict.fromkeys(["goodness", "softmax", *names], 0)
        loss = 0.0
        for part, images in self._chunks(split.x, split.scale):
            target = self.ops.resident(split.y[part])
            scores = self.block_scores(images)
            found = {"goodness": self._goodness_probabilities(scores)}
            if self.readout.head != "none":
                found["softmax"] = self._softmax_probabilities(images)
            chosen = found[self.readout.answer][self.ops.xp.arange(len(target)), target]
            loss -= float(self.ops.xp.log(self.ops.xp.maximum(chosen, np.finfo(self.ops.dtype).tiny)).sum())
            for name, table in [*found.items(), *zip(names, scores, strict=True)]:
                right[name] += int((table.argmax(axis=1) == target).sum())
        n = max(1, len(split))
        accuracy = {name: count / n for name, count in right.items()}
        result = {
            "n": len(split),
            "loss": loss / n,
            "accuracy": accuracy[self.readout.answer],
            "error": 1 - accuracy[self.readout.answer],
            "accuracy_goodness": accuracy["goodness"],
            "blocks": [{"name": name, "accuracy": accuracy[name]} for name in names],
        }
        if self.readout.head != "none":
            result["accuracy_softmax"] = accuracy["softmax"]
        return result

    # -- figures for the record ----------------------------------------------------------------------------------
    def describe(self) -> dict[str, Any]:
        self._check_built()
        head = sum(int(v.size) for v in self._head.weights.values())
        return {**self.network.describe(), "head_parameters": head}

    def cost(self) -> dict[str, Any]:
        """Rows are the positive, the negative and, for the head, the neutral one, once more where it is recomputed.

        A step's floating-point operations: every row forward, and weight gradients of positive and negative rows; the
        blocks' inputs need no gradient. An answer by goodness is a forward pass for each label. Blocks that read the
        input see the image once for all labels, where they can (lab.backend.labelled).
        """
        self._check_built()
        network = self.network
        forward = sum(block.flops() for block in network.blocks)
        shared = sum(block.flops() for block in network.input_readers()) if network.shares_images else 0
        head = 2 * sum(int(v.size) for v in self._head.weights.values())
        neutral = {"none": 0, "recomputed": 2}.get(self.readout.head, 1)
        per_sample = (forward - shared) * (2 + neutral + 2) + 2 * shared + 2 * head
        by_goodness = self.n_outputs * (forward - shared) + shared
        return {
            "rows_per_sample": 2 + neutral,
            "passes_per_step": 2 + neutral,
            "passes_per_prediction": self.n_outputs if self.readout.answer == "goodness" else 1,
            "flops_per_step": self.batch_size * per_sample,
            "flops_per_prediction": by_goodness if self.readout.answer == "goodness" else forward + head,
        }
