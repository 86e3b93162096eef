"""UnlabelledTrainer: blocks that learn without labels, and a linear readout beside them that names what they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from lab.backend import Array
from lab.layers import Ctx
from lab.trainers.head import SoftmaxHead
from lab.trainers.local import Figures, LocalTrainer
from lab.trainers.readout import LinearReadout


class UnlabelledTrainer(LocalTrainer):
    """A local trainer whose blocks see no label; its softmax head, which reaches into no block, is what answers.

    A subclass makes the rows that blocks learn from, and shows the network an image as `presented` says.
    """

    readout: LinearReadout

    def _labelled(self) -> bool:
        return False

    def _start(self) -> None:
        super()._start()
        self._head = SoftmaxHead(self.readout, self.network, self.ops)

    def _arrays(self) -> dict[str, Array]:
        return super()._arrays() | self._head.arrays()

    def options(self) -> dict[str, str]:
        return super().options() | {"readout": str(self.readout)}

    def presented(self, images: Array) -> Array:
        """The rows by which the network is asked about `images`."""
        return images

    # -- training ------------------------------------------------------------------------------------------------
    def read(self, images: Array, target: Array, rate: float | Array, ctx: Ctx) -> Figures:
        """One update of the head from a forward pass of its own."""
        with self.ops.usage.during("readout", "readout", every=True):
            rows = self.presented(images)
            return self.learn(partial(self._head.activities, rows, ctx), target, rate)

    def learn(
        self, activities: Callable[[], Iterable[tuple[str, Array]]], target: Array, rate: float | Array
    ) -> Figures:
        """One update of the head from the counted blocks' `activities`, as SoftmaxHead.learn asks for them."""
        return {"head/loss": self._head.learn(activities, target, rate, self._sound_head)[1]}

    def _sound_head(self, loss: Array) -> None:
        if self.ops.name == "numpy":
            self._check_finite(loss, "the softmax head")

    # -- answering -----------------------------------------------------------------------------------------------
    def answers(self, images: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        logits = self._head.logits(self.presented(images), Ctx(self.ops))
        return {"softmax": self._head.together(logits)}, logits

    @property
    def answers_by(self) -> str:
        return "softmax"

    def _answer(self, images: Array) -> Array:
        return self.ops.to_host(self._head.probabilities(self.presented(images), Ctx(self.ops)))

    # -- figures for the record ----------------------------------------------------------------------------------
    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "head_parameters": sum(int(v.size) for v in self._head.weights.values())}

    def _costs(self, reading: int, passes: int) -> dict[str, Any]:
        """Two rows an image for the blocks, forward and weight gradients, and `reading` more for the head alone.

        passes  forward passes a step
        """
        self._check_built()
        forward = sum(block.flops() for block in self.network.blocks)
        head = 2 * sum(int(v.size) for v in self._head.weights.values())
        return {
            "rows_per_sample": 2 + reading,
            "passes_per_step": passes,
            "passes_per_prediction": 1,
            "flops_per_step": self.batch_size * (forward * (2 + reading + 2) + 2 * head),
            "flops_per_prediction": forward + head,
        }
