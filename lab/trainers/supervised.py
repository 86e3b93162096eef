"""Local supervised learning: each block learns the labels by itself, from images as they are."""

from __future__ import annotations

from typing import Any

from lab.backend import Array, Kernels
from lab.layers import Ctx
from lab.networks import Defaults, Network, NetworkSpec
from lab.objectives import ClassObjective, CrossEntropy, MonoForward, Rows
from lab.optimizers import Adam, Optimizer
from lab.registry import register
from lab.trainers.local import Figures, LocalTrainer
from lab.trainers.program import of_others
from lab.trainers.readout import EvidenceReadout
from lab.trainers.schedule import BlockSchedule


@register("trainer", "local")
class LocalSupervisedTrainer(LocalTrainer):
    """Each block learns from its own activities on the images and their labels; one pass, no negative rows.

    objective  one that gives evidence for each class; default: lab.objectives.MonoForward
    readout    which blocks' evidence is summed; default: all
    The rest as in LocalTrainer. Default optimizer: Adam, rate 0.001, cool-down over the second half.
    """

    defaults = Defaults(norm="none", init="he")
    takes_numbers = True
    objective: ClassObjective

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: ClassObjective | None = None,
        readout: EvidenceReadout | None = None,
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
            objective=objective or MonoForward(),
            schedule=schedule,
            seed=seed,
            batch_size=batch_size,
            backend=backend,
            dtype=dtype,
            threads=threads,
            kernels=kernels,
        )
        self.readout = readout or EvidenceReadout()

    def _labelled(self) -> bool:
        return False

    def _start(self) -> None:
        super()._start()
        self._counted = {block.name for block in self.readout.counted(self.network)}

    def options(self) -> dict[str, str]:
        return super().options() | {"readout": str(self.readout)}

    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> Figures:
        shown = [(images, Rows(len(images), slice(0, len(images)), target=target, n_classes=self.n_outputs))]
        del images
        return self.update_blocks(shown, ctx)

    def _unrepeatable(self) -> str:
        if self.schedule != "simultaneous":
            return super()._unrepeatable()
        return of_others(self, LocalSupervisedTrainer, self.objective)

    # -- answering -----------------------------------------------------------------------------------------------
    def block_scores(self, images: Array) -> dict[str, Array]:
        """Evidence of each block for each class, (N, K) by the block's name; one forward pass."""
        ctx = self.network.context(images, Ctx(self.ops))
        return {
            block.name: self.objective.evidence(h, self.n_outputs, self._objectives[block.name], ctx)
            for block, h, _ in self.network.walk(images, ctx)
        }

    def answers(self, images: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        scores = self.block_scores(images)
        return {"evidence": self._probabilities(scores)}, scores

    @property
    def answers_by(self) -> str:
        return "evidence"

    def _answer(self, images: Array) -> Array:
        return self.ops.to_host(self._probabilities(self.block_scores(images)))

    def _probabilities(self, scores: dict[str, Array]) -> Array:
        """Softmax over classes of the evidence summed over the counted blocks."""
        found = [scores[name] for name in scores if name in self._counted]
        total = self.ops.zeros(found[0].shape)
        for evidence in found:
            total += evidence
        return CrossEntropy().probabilities(total, self.ops)

    def cost(self) -> dict[str, Any]:
        """One row a sample: forward, weight gradients, and twice the forward again of the objectives' parameters.

        The blocks' inputs need no gradient, but the objectives' projections do.
        """
        self._check_built()
        forward = sum(block.flops() for block in self.network.blocks)
        own = sum(self.objective.flops(block.shape, self._own[block.name]) for block in self.network.blocks)
        return {
            "rows_per_sample": 1,
            "passes_per_step": 1,
            "passes_per_prediction": 1,
            "flops_per_step": self.batch_size * (2 * forward + 3 * own),
            "flops_per_prediction": forward + own,
        }
