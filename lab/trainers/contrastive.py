"""Self-contrastive learning: blocks learn without labels which images go together, and a linear readout names them."""

from __future__ import annotations

from typing import Any

from lab.backend import Array, Kernels, Shape
from lab.errors import UsageError
from lab.layers import Ctx
from lab.networks import Defaults, Network, NetworkSpec
from lab.objectives import ContrastObjective, Rows, SelfContrast
from lab.optimizers import Adam, Optimizer
from lab.random import generator
from lab.registry import register
from lab.trainers.local import Figures
from lab.trainers.readout import LinearReadout
from lab.trainers.schedule import BlockSchedule
from lab.trainers.unlabelled import UnlabelledTrainer


@register("trainer", "contrastive")
class ContrastiveTrainer(UnlabelledTrainer):
    """Each block learns from images beside themselves and beside others (Chen et al., Nature Communications 2025).

    A step: positive rows [x, x], negative rows [x, x'] with x' another image of the batch. The network reads both
    halves as one row, twice as many channels (C, H, W), features (F,) or features a step (T, F), so that its first
    block sums what it makes of each. Labels reach the blocks in no way: a softmax head, trained beside them on what
    they make of [x, x], is what answers.

    objective  one that compares such rows; default: lab.objectives.SelfContrast
    readout    of the head; see lab.trainers.readout.LinearReadout
    The rest as in LocalTrainer. Default optimizer: Adam, rate 0.001, cool-down over the second half.
    """

    defaults = Defaults(norm="length", init="he")
    objective: ContrastObjective

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: ContrastObjective | None = None,
        readout: LinearReadout | None = None,
        schedule: BlockSchedule = "simultaneous",
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        super().__init__(
            network,
            optimizer=optimizer or Adam(schedule="cooldown"),
            objective=objective or SelfContrast(),
            schedule=schedule,
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.readout = readout or LinearReadout()
        if self.batch_size < 2:
            raise UsageError("an image is contrasted with another one of its batch; use batch_size=2 or more")

    def _shown(self, in_shape: Shape) -> Shape:
        axis = self._axis(in_shape)
        return (*in_shape[:axis], 2 * in_shape[axis], *in_shape[axis + 1 :])

    def _start(self) -> None:
        if self.network.masked:
            raise UsageError(
                f"{self.network.label} is masked, and rows of different lengths cannot stand side by side; use others"
            )
        super()._start()

    # -- training ------------------------------------------------------------------------------------------------
    def _start_epoch(self, epoch: int, epochs: int, n: int) -> None:
        super()._start_epoch(epoch, epochs, n)
        self._draws = generator(self.seed, "contrast", epoch).random(-(-n // self.batch_size))

    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> Figures:
        assert isinstance(step, int)
        n, ops = len(images), self.ops
        figures = self.read(images, target, rate, ctx)
        with ops.usage.during("pairs", "activations"):
            rows = ops.empty((2 * n if n > 1 else 1, *self.network.in_shape))
            self._beside(images, images, rows[:n])
            if n > 1:  # every image meets the one so many places further on in the batch, whose order is random
                shift = 1 + int(self._draws[step] * (n - 1))
                self._beside(images[:-shift], images[shift:], rows[n : 2 * n - shift])
                self._beside(images[-shift:], images[:shift], rows[2 * n - shift :])
        shown = [(rows, Rows(n, slice(0, n), slice(n, len(rows))))]
        del images, rows
        return figures | self.update_blocks(shown, ctx)

    def presented(self, images: Array) -> Array:
        return self._beside(images, images)

    def _unrepeatable(self) -> str:
        return "the host draws for each step by how many places images are shifted"

    def _beside(self, x: Array, other: Array, out: Array | None = None) -> Array:
        """Rows [x, other]."""
        out = self.ops.empty((len(x), *self.network.in_shape)) if out is None else out
        axis = self._axis(x.shape[1:]) + 1
        half = x.shape[axis]
        for part, at in ((x, slice(0, half)), (other, slice(half, None))):
            out[(*(slice(None),) * axis, at)] = part
        return out

    @staticmethod
    def _axis(shape: Shape) -> int:
        """Which axis of a row the two images meet along: channels, features, or features a step."""
        return 1 if len(shape) == 2 else 0

    def cost(self) -> dict[str, Any]:
        """Rows are the positive, the negative and the head's, which is passed once more where it is recomputed."""
        reading = 2 if self.readout.head == "recomputed" else 1
        return self._costs(reading, 1 + reading)
