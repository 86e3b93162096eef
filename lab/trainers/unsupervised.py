"""Forward-forward without labels: images against hybrids of two images, and a linear readout that names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from lab.backend import Array, Kernels
from lab.errors import UsageError
from lab.layers import Ctx
from lab.networks import Block, Defaults, Network, NetworkSpec
from lab.objectives import Goodness, PairObjective, Rows
from lab.optimizers import SGD, Optimizer
from lab.registry import register, unknown
from lab.schema import convert
from lab.trainers.hybrids import Hybrids
from lab.trainers.local import Figures, Pass
from lab.trainers.program import of_others
from lab.trainers.readout import LinearReadout
from lab.trainers.schedule import BlockSchedule
from lab.trainers.unlabelled import UnlabelledTrainer


@register("trainer", "unsupervised")
class UnsupervisedTrainer(UnlabelledTrainer):
    """Each block learns to tell images from hybrids of two images (Hinton 2022, section 3.2).

    Positive rows are images as they are, negative rows hybrids (lab.trainers.hybrids), drawn anew at each step. No
    label is in any row: a softmax head on what blocks pass on of the positive rows is trained beside them.

    objective  one that compares such rows; default: lab.objectives.Goodness by the recipe
    readout    of the head; see lab.trainers.readout.LinearReadout. The paper's is that of the last three blocks
    blurs      how often the masks' bits are blurred: regions grow with its root. The paper gives no number
    passes     joint | separate, as in ForwardForwardTrainer
    The rest as in LocalTrainer. Default optimizer: the recipe's averaged gradient at rate 0.01, decay 0.001, cool-down.
    """

    defaults = Defaults(norm="length", init="lecun")
    objective: PairObjective

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: PairObjective | None = None,
        readout: LinearReadout | None = None,
        blurs: int = 6,
        passes: Literal["joint", "separate"] = "joint",
        schedule: BlockSchedule = "simultaneous",
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        if passes not in ("joint", "separate"):
            raise UsageError(unknown("passes", passes, ("joint", "separate")))
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
        self.readout, self.passes = readout or LinearReadout(), passes
        self.blurs = convert(blurs, int, "blurs")
        if self.blurs < 0:
            raise UsageError(f"blurs={blurs} is no number of times; use 0 for masks of single pixels, or more")
        if self.batch_size < 2:
            raise UsageError("an image is mixed with another one of its batch; use batch_size=2 or more")
        if passes == "separate" and self.objective.paired:
            raise UsageError(
                f"{type(self.objective).__name__} compares each positive row with its negative one, "
                "which passes=separate shows apart; use passes=joint"
            )

    def _start(self) -> None:
        if self.network.masked:
            raise UsageError(
                f"{self.network.label} is masked, and rows of different lengths cannot be mixed; use others"
            )
        super()._start()
        self._hybrids = Hybrids.of(self.in_shape, self.blurs, self.ops)

    def options(self) -> dict[str, str]:
        return super().options() | {"blurs": str(self.blurs), "passes": self.passes}

    # -- training ------------------------------------------------------------------------------------------------
    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> Figures:
        if not self._rides_along:
            figures = self.read(images, target, rate, ctx)
            return figures | self.update_blocks(self.shown(images, ctx), ctx)
        seen: dict[str, Array] = {}
        figures = self.update_blocks(self.shown(images, ctx), ctx, lambda block, each: self._keep(block, each, seen))
        with self.ops.usage.during("readout", "readout", every=True):
            return figures | self.learn(seen.items, target, rate)

    def shown(self, images: Array, ctx: Ctx) -> list[tuple[Array, Rows]]:
        """The rows of each pass: images, and a hybrid of each; of a batch of one image there is none."""
        n, ops = len(images), self.ops
        more = n if n > 1 else 0
        with ops.usage.during("hybrids", "activations"):
            if self.passes == "joint":
                rows = ops.empty((n + more, *images.shape[1:]))
                rows[:n] = images
                if more:
                    self._hybrids.write(images, rows[n:], ctx.noise, ops)
                return [(rows, Rows(n, slice(0, n), slice(n, n + more)))]
            found = [(images, Rows(n, slice(0, n), slice(0, 0)))]
            if more:
                hybrids = ops.empty(images.shape)
                self._hybrids.write(images, hybrids, ctx.noise, ops)
                found.append((hybrids, Rows(n, slice(0, 0), slice(0, n))))
            return found

    @property
    def _rides_along(self) -> bool:
        """Whether the head learns from the positive rows' own pass, instead of from one of its own.

        It needs all blocks' outputs once, by weights from before the step, and those it counts kept until its end.
        """
        return self.schedule == "simultaneous" and self.readout.head != "recomputed"

    def _keep(self, block: Block, passes: Sequence[Pass], seen: dict[str, Array]) -> None:
        """Keep what a counted block passed on of the positive rows."""
        if block.name in self._head.blocks:
            first = passes[0]
            rows = first.values[block.name][first.rows.positive]
            with self.ops.usage.during("readout", "readout", every=True):
                kept = self.ops.empty((len(rows), self._head.weights[block.name].shape[0]))
                kept[...] = rows.reshape(kept.shape)
            seen[block.name] = kept

    def _unrepeatable(self) -> str:
        if self.schedule != "simultaneous":
            return super()._unrepeatable()
        return of_others(self, UnsupervisedTrainer, self.objective)

    # -- figures for the record ----------------------------------------------------------------------------------
    def cost(self) -> dict[str, Any]:
        """Rows are the positive and the negative one; more where the head has a pass of its own, or runs it twice."""
        reading = 0 if self._rides_along else 2 if self.readout.head == "recomputed" else 1
        return self._costs(reading, (1 if self.passes == "joint" else 2) + reading)
