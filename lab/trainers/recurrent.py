"""Recurrent forward-forward: image and label clamped at the ends, top-down connections, and a net that settles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.backend import Array, Kernels
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import Ctx
from lab.networks import Defaults, Network, NetworkSpec
from lab.objectives import PairObjective
from lab.optimizers import Optimizer
from lab.registry import register
from lab.schema import convert
from lab.trainers.forward_forward import ForwardForwardTrainer
from lab.trainers.local import Figures
from lab.trainers.negatives import Negatives
from lab.trainers.readout import Readout
from lab.trainers.settling import FirstPass, SettlingPass, settle


@register("trainer", "recurrent")
class RecurrentTrainer(ForwardForwardTrainer):
    """Forward-forward for a network with top-down connections, which settles (Hinton 2022, section 3.4).

    A step: one pass from the bottom up gives the first states, under no label. A softmax head on what they pass on is
    trained, and its beliefs choose the wrong labels: that costs no pass more, while beliefs by goodness would take all
    iterations for every label. Then image and label are clamped, right labels on one half of the rows and wrong ones on
    the other, and the blocks settle (lab.trainers.settling). At every iteration every block is updated by its own
    objective, asked of its new state: gradients go neither to another block nor to an earlier iteration.

    The network answers by the goodness of its states with each label clamped, averaged over the counted iterations, or
    by the head, after the first pass alone.

    iterations  how often all blocks are visited after the first pass
    damping     the share of its last state that a block's new one keeps, before it is normalised
    counted     the first and the last iteration whose goodness counts for an answer
    The rest as in ForwardForwardTrainer.
    """

    defaults = Defaults(norm="length", init="lecun", top_down=True)
    iterates = True
    takes_numbers = False

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: PairObjective | None = None,
        readout: Readout | None = None,
        negatives: Negatives = "hard",
        iterations: int = 8,
        damping: float = 0.3,
        counted: tuple[int, ...] = (3, 5),
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        super().__init__(
            network,
            optimizer=optimizer,
            objective=objective,
            readout=readout,
            negatives=negatives,
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.iterations = convert(iterations, int, "iterations")
        self.damping = convert(damping, float, "damping")
        self.counted: tuple[int, ...] = convert(counted, tuple[int, ...], "counted")
        if self.iterations < 1:
            raise UsageError(f"iterations={iterations} leave nothing to settle; use 1 or more")
        if not 0 <= self.damping < 1:
            raise UsageError(f"damping must be at least 0 and below 1, got {damping}")
        if len(self.counted) != 2 or not 1 <= self.counted[0] <= self.counted[1] <= self.iterations:
            raise UsageError(
                f"counted={list(self.counted)} names no first and last of {self.iterations} iterations; "
                f"use two numbers from 1 to {self.iterations}"
            )

    # -- building ------------------------------------------------------------------------------------------------
    def _labelled(self) -> bool:
        label = self.network.label_input
        if not self.network.blocks or not self.network.delayed or label is None or label.mode != "clamp":
            raise UsageError(
                f"{self.network.label} has no top-down connections and no label above its blocks; "
                "use an mlp or local_fields, with top_down=true"
            )
        return True

    def options(self) -> dict[str, str]:
        own = ("iterations", "damping", "counted")
        return super().options() | {name: str(getattr(self, name)) for name in own}

    # -- training ------------------------------------------------------------------------------------------------
    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> Figures:
        figures: Figures = {}
        probabilities = None
        label, usage = self.network.label_input, self.ops.usage
        assert label is not None
        with usage.during("first pass", "activations"):
            first = FirstPass.over(self.network, images, ctx.keeping(False))
        if self.readout.head != "none":
            with usage.during("readout", "readout", every=True):
                read = self._read(first)
                probabilities, figures["head/loss"] = self._head.learn(lambda: read, target, rate, self.sound_head)
                del read
        wrong = self.draw_negatives(probabilities, target, index, step)
        with usage.during("label", "activations"):
            labels = [label.one_hot(target, self.ops), label.one_hot(wrong, self.ops)]
            each = first.clamped(self.network, labels, self.rows(target)[0], ctx, self.damping)
        del images, first, labels
        return figures | self.learn_while_settling(each)

    def learn_while_settling(self, each: SettlingPass) -> Figures:
        """All iterations, each with one local update of every block; returns figures to record, their means."""
        sums: Figures = {}
        blocks = self.network.blocks
        for _ in range(self.iterations):
            passed_on = {}
            for i, block in enumerate(blocks):
                figures, (passed_on[block.name],) = self.learn_block(i, [each])
                for name, value in figures.items():
                    sums[name] = sums.get(name, 0.0) + value / self.iterations
            each.values |= passed_on
            del passed_on
        return sums | {"loss": sum((sums[f"{block.name}/loss"] for block in blocks), 0.0)}

    def _read(self, first: FirstPass) -> list[tuple[str, Array]]:
        """What the head reads, as its own `activities` would give it."""
        return [(name, n.reshape(len(n), -1)) for name, n in first.values.items() if name in self._head.blocks]

    def _unrepeatable(self) -> str:
        return "the recurrent trainer's steps are made one by one"

    # -- answering -----------------------------------------------------------------------------------------------
    def neutral(self, images: Array) -> tuple[Any, Any]:
        """The images themselves: the first pass reads no label."""
        return images, None

    def course(self, images: Array, labels: Sequence[Array], iterations: int) -> Array:
        """Evidence of each block for each of `labels`, each (N,), at each iteration: (T, blocks, N, len(labels))."""
        ops, network, label = self.ops, self.network, self.network.label_input
        assert label is not None
        ctx = Ctx(ops)
        first = FirstPass.over(network, images, ctx)
        scores = ops.empty((iterations, len(network.blocks), len(images), len(labels)))
        for k, of_rows in enumerate(labels):
            each = first.clamped(network, [label.one_hot(of_rows, ops)], self.rows(of_rows)[0], ctx, self.damping)
            for t, states in enumerate(settle(network, each, iterations)):
                for i, (block, s) in enumerate(zip(network.blocks, states, strict=True)):
                    scores[t, i, :, k] = self.objective.evidence(s, self._objectives[block.name], ctx)
        return scores

    def _evidence(self, images: Array, labels: Sequence[Array], base: Any = None) -> Array:
        return self._averaged(self.course(images, labels, self.counted[1]))

    def _averaged(self, course: Array) -> Array:
        """The mean over the counted iterations: (blocks, N, K)."""
        found: Array = course[self.counted[0] - 1 : self.counted[1]].mean(axis=0)
        return found

    def answers(self, images: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        every = [self.ops.xp.full(len(images), k) for k in range(self.n_outputs)]
        course = self.course(images, every, self.iterations)
        found, alone = self._answers_from(images, self._averaged(course))
        return found, alone | {f"{t + 1}": self._counted_evidence(course[t]) for t in range(self.iterations)}

    def _evaluate(self, split: Split) -> dict[str, Any]:
        """As of every local trainer, and "iterations": how well the goodness of each iteration by itself answers."""
        found = super()._evaluate(split)
        rows, n = found["blocks"], len(self.network.blocks)
        course = [{"iteration": int(row["name"]), "accuracy": row["accuracy"]} for row in rows[n:]]
        return {**found, "blocks": rows[:n], "iterations": course}

    # -- figures for the record ----------------------------------------------------------------------------------
    def cost(self) -> dict[str, Any]:
        """A row is passed once from the bottom up; then, once with each of two labels, forward at every iteration.

        A step's floating-point operations are these and the weight gradients of every iteration; an answer by goodness
        settles as far as the last counted iteration with every label, one by the head takes the first pass alone.
        """
        self._check_built()
        blocks, by = self.network.blocks, self.answers_by
        first, whole = sum(b.flops(delayed=False) for b in blocks), sum(b.flops() for b in blocks)
        head = 2 * sum(int(v.size) for v in self._head.weights.values())
        labels = {"goodness": self.n_outputs, "softmax": 0, "shortlist": self.readout.shortlist}[by]
        asked = first + labels * self.counted[1] * whole
        return {
            "rows_per_sample": 1 + 2 * self.iterations,
            "passes_per_step": 1 + self.iterations,
            "passes_per_prediction": 1 + labels * self.counted[1],
            "flops_per_step": self.batch_size * (first + 4 * self.iterations * whole + 2 * head),
            "flops_per_prediction": asked + (0 if by == "goodness" else head),
        }
