"""Forward-forward: two forward passes, and an objective of its own for every block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Self

from lab.backend import Array, Kernels
from lab.data.batches import Batches, places
from lab.errors import UsageError
from lab.layers import Ctx
from lab.networks import Defaults, Network, NetworkSpec
from lab.objectives import Goodness, PairObjective, Rows
from lab.optimizers import SGD, Optimizer
from lab.random import generator
from lab.registry import register, unknown
from lab.schema import convert
from lab.trainers import negatives as drawing
from lab.trainers.beliefs import Beliefs
from lab.trainers.goodness_answers import GoodnessAnswers
from lab.trainers.head import SoftmaxHead
from lab.trainers.local import Figures
from lab.trainers.negatives import Negatives
from lab.trainers.program import of_others
from lab.trainers.readout import Readout
from lab.trainers.schedule import BlockSchedule


@register("trainer", "forward_forward")
class ForwardForwardTrainer(GoodnessAnswers):
    """Each block learns from its own activities on positive and negative rows (Hinton 2022, arXiv 2212.13345).

    A step: one pass with the neutral label trains the softmax head and gives the beliefs that hard negatives are drawn
    from; then every block is updated (LocalTrainer) from positive rows (image with its label) and negative rows (image
    with a wrong one).

    objective  one that compares such rows; default: lab.objectives.Goodness by the recipe
    readout    how the trained network answers; see lab.trainers.readout.Readout
    negatives  hard: drawn at each step from the head's probabilities, the true class masked; uniform: any wrong label,
               drawn at each step; fixed: one wrong label an image, drawn once (known to be worse)
    passes     joint: positive and negative rows in one batch; separate: one after the other, gradients summed, which
               holds half the rows at a time and gives the same update up to rounding
    phase      0: positive and negative rows at every step; k: k steps of positive rows alone, then k of negative ones
               alone, and so on (Hinton 2022, on sleep: it can hold where gradients are remembered over many phases)
    belief_delay  steps by which hard negatives lag behind: the head sees each batch so many steps before the blocks
               learn from it, and its beliefs of that time choose the wrong labels. 0: beliefs of the same step
    The rest as in LocalTrainer. Default optimizer: the recipe's averaged gradient at rate 0.01, decay 0.001, cool-down.
    """

    defaults = Defaults(norm="length", init="lecun")
    takes_numbers = True
    objective: PairObjective

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: PairObjective | None = None,
        readout: Readout | None = None,
        negatives: Negatives = "hard",
        passes: Literal["joint", "separate"] = "joint",
        schedule: BlockSchedule = "simultaneous",
        phase: int = 0,
        belief_delay: int = 0,
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
        ):
            if value not in valid:
                raise UsageError(unknown(name, value, valid))
        super().__init__(
            network,
            optimizer=optimizer or SGD(0.01, 0.9, dampening=0.9, weight_decay=0.001, schedule="cooldown"),
            objective=objective or Goodness(),
            schedule=schedule,
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.readout = readout or Readout()
        self.negatives, self.passes = negatives, passes
        self.phase = convert(phase, int, "phase")
        if self.phase < 0:
            raise UsageError(
                f"phase={phase} is no number of steps; use 0 for both kinds of rows at every step, or more"
            )
        self.belief_delay = convert(belief_delay, int, "belief_delay")
        if self.belief_delay < 0 or (self.belief_delay and negatives != "hard"):
            raise UsageError(
                f"belief_delay={belief_delay} does not fit negatives={negatives}; use 0, or 1 and more with hard ones"
            )
        if negatives == "hard" and self.readout.head == "none":
            raise UsageError("negatives=hard are drawn from the softmax head; choose a head, or negatives=uniform")
        if (passes == "separate" or self.phase) and self.objective.paired:
            raise UsageError(
                f"{type(self.objective).__name__} compares each positive row with its negative one, "
                "which passes=separate and phases show apart; use passes=joint and phase=0"
            )

    # -- building ------------------------------------------------------------------------------------------------
    def _labelled(self) -> bool:
        if not self.network.blocks:
            raise UsageError(
                f"{self.network.label} has no hidden block to ask for goodness; give linear units, or use backprop"
            )
        return True

    def _start(self) -> None:
        super()._start()
        self._counted = {block.name for block in self.readout.counted(self.network)}
        self._head = SoftmaxHead(self.readout, self.network, self.ops)
        self._draws: Array | None = None
        self._beliefs = Beliefs(self.belief_delay, self.batch_size, self.n_outputs, self.ops)

    def _arrays(self) -> dict[str, Array]:
        return super()._arrays() | self._head.arrays() | self._beliefs.arrays()

    def options(self) -> dict[str, str]:
        own = ("readout", "negatives", "passes", "phase", "belief_delay")
        return super().options() | {name: str(getattr(self, name)) for name in own}

    # -- training ------------------------------------------------------------------------------------------------
    def _start_epoch(self, epoch: int, epochs: int, n: int) -> None:
        super()._start_epoch(epoch, epochs, n)
        key = "fixed" if self.negatives == "fixed" else epoch
        self._draws = self.ops.renewed(self._draws, generator(self.seed, "negatives", key).random(n))

    def _train_epoch(self, batches: Batches, rate: float, on_step: Callable[[Self], None] | None) -> None:
        self._batches = batches
        super()._train_epoch(batches, rate, on_step)

    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> Figures:
        figures: Figures = {}
        probabilities = base = None
        if self.belief_delay:
            assert isinstance(step, int)
            if step == 0:
                for batch in range(min(self.belief_delay, len(self._batches))):
                    self._look_at(batch, step, rate)
            probabilities, figures["head/loss"] = self._beliefs.of(step, len(images))
        elif self.readout.head != "none":
            probabilities, figures["head/loss"], base = self.believe(images, target, rate, ctx)
        wrong = self.draw_negatives(probabilities, target, index, step)
        if self.belief_delay and isinstance(step, int) and step + self.belief_delay < len(self._batches):
            self._look_at(step + self.belief_delay, step, rate)
        shown = self.shown(images, target, wrong, base)
        if self.phase:
            shown = [shown[self.progress.step // self.phase % 2]]
        del images, probabilities, base
        return figures | self.update_blocks(shown, ctx)

    def _unrepeatable(self) -> str:
        if self.belief_delay:
            return "belief_delay has the host choose which beliefs each step is given"
        if self.phase:
            return "phase has steps of positive rows and steps of negative ones"
        if self.schedule != "simultaneous":
            return super()._unrepeatable()
        return of_others(self, ForwardForwardTrainer, self.objective)

    def _look_at(self, batch: int, step: int, rate: float | Array) -> None:
        """The head sees a batch, at step `step`, before the blocks learn from it."""
        images, target, _ = self._batches[batch]
        ctx = self._ctx(self.progress.step + batch - step)
        probabilities, loss, _ = self.believe(images, target, rate, ctx)
        self._beliefs.put(batch, probabilities, loss)

    def believe(self, images: Array, target: Array, rate: float | Array, ctx: Ctx) -> tuple[Array, Array, Any]:
        """The neutral pass: the head's probabilities, its loss, its update; and what other rows of `images` share."""
        assert self.network.label_input is not None
        with self.ops.usage.during("readout", "readout", every=True):
            neutral, base = self.neutral(images)
            activities = partial(self._head.activities, neutral, ctx)
            probabilities, loss = self._head.learn(activities, target, rate, self.sound_head)
        return probabilities, loss, base

    def shown(self, images: Array, target: Array, wrong: Array, base: Any = None) -> list[tuple[Any, Rows]]:
        """The rows of each pass: `images` with their labels and with `wrong` ones. `base` as `neutral` gave it."""
        label = self.network.label_input
        assert label is not None
        with self.ops.usage.during("label", "activations"):
            labels = [label.one_hot(target, self.ops), label.one_hot(wrong, self.ops)]
            carried = [labels] if self._together else [labels[:1], labels[1:]]
            found = []
            for each, rows in zip(carried, self.rows(target), strict=True):
                x, base = self.network.labelled(images, each, self.ops, base)
                found.append((x, rows))
        return found

    def rows(self, target: Array) -> list[Rows]:
        """Which rows are what in each pass over images with labels `target`."""
        n = len(target)
        if self._together:
            return [Rows(n, slice(0, n), slice(n, 2 * n), target)]
        return [Rows(n, slice(0, n), slice(0, 0), target), Rows(n, slice(0, 0), slice(0, n), target)]

    @property
    def _together(self) -> bool:
        """Whether positive and negative rows are in one pass."""
        return self.passes == "joint" and not self.phase

    def sound_head(self, loss: Array) -> None:
        """Raise Diverged unless the head's loss is finite; on a GPU that is seen at the end of the epoch."""
        if self.ops.name == "numpy":
            self._check_finite(loss, "the softmax head")

    def draw_negatives(self, probabilities: Array | None, target: Array, index: Array, step: int | Array) -> Array:
        """A wrong label for each image of the batch: (N,) like `target`."""
        assert self._draws is not None, "drawn when an epoch starts"
        if self.negatives == "hard":
            assert probabilities is not None
            drawn = self._draws[places(self.ops, step, self.batch_size, len(target))]
            return drawing.hard(self.ops, probabilities, target, drawn)
        # drawn by the image's place in the data, so that "fixed" stays with the image
        return drawing.uniform(self.ops, self.n_outputs, target, self._draws[index])

    # -- figures for the record ----------------------------------------------------------------------------------
    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "head_parameters": sum(int(v.size) for v in self._head.weights.values())}

    def cost(self) -> dict[str, Any]:
        """Rows are the positive, the negative and, for the head, the neutral one, once more where it is recomputed.

        A step's floating-point operations: every row forward, and weight gradients of positive and negative rows; the
        blocks' inputs need no gradient. An answer by goodness is a forward pass for each label, one by a shortlist is
        one for each label of the list and one that ranks them. Blocks that read the input see the image once for all
        labels, where they can (lab.backend.labelled), and their weights its gradient once a pass; late beliefs are of
        other images.
        """
        self._check_built()
        network = self.network
        forward = sum(block.flops() for block in network.blocks)
        shared = sum(block.flops() for block in network.input_readers()) if network.shares_images else 0
        head = 2 * sum(int(v.size) for v in self._head.weights.values())
        neutral = {"none": 0, "recomputed": 2}.get(self.readout.head, 1)
        kinds = 1 if self.phase else 2  # of rows at a step
        once = (2 if self.belief_delay else 1) + (1 if self.passes == "joint" else kinds)
        per_sample = (forward - shared) * (kinds + neutral + kinds) + once * shared + 2 * head
        by, listed = self.answers_by, self.readout.shortlist
        passes = {"goodness": self.n_outputs, "softmax": 1, "shortlist": 1 + listed}[by]
        asked = passes * (forward - shared) + shared
        return {
            "rows_per_sample": kinds + neutral,
            "passes_per_step": kinds + neutral,
            "passes_per_prediction": passes,
            "flops_per_step": self.batch_size * per_sample,
            "flops_per_prediction": asked + (0 if by == "goodness" else head),
        }
