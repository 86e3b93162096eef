"""Backprop through boxes that cannot be differentiated, by a stand-in for their derivative."""

from __future__ import annotations

from typing import Literal

from lab.backend import Array, Kernels
from lab.errors import UsageError
from lab.layers import BlackBox, Ctx
from lab.networks import Network, NetworkSpec
from lab.objectives import Loss
from lab.optimizers import Optimizer
from lab.random import generator
from lab.registry import register, unknown
from lab.trainers.backprop import BackpropTrainer
from lab.trainers.surrogates import LearnedModel, StraightThrough


@register("trainer", "surrogate_backprop")
class SurrogateBackpropTrainer(BackpropTrainer):
    """Forward through the true black boxes, backward through a surrogate of each.

    surrogate   learned: a small model of each box, fitted to what went in and came out while training (compare Hinton
                2022, section 1: what backprop needs where a part of the forward computation is unknown); straight: the
                box is passed over, dx = dy
    hidden      units of a learned model's hidden layer; 0: it is linear
    model_rate  the learned models' learning rate (Adam)
    The rest as in BackpropTrainer, without its lean-memory forms. Without a box it is backprop.
    """

    family = "surrogate_backprop"

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer | None = None,
        objective: Loss | None = None,
        label: Literal["none", "neutral"] = "none",
        surrogate: Literal["learned", "straight"] = "learned",
        hidden: int = 0,
        model_rate: float = 0.001,
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        if surrogate not in ("learned", "straight"):
            raise UsageError(unknown("surrogate", surrogate, ("learned", "straight")))
        if hidden < 0 or not model_rate > 0:
            raise UsageError(
                f"hidden={hidden} model_rate={model_rate} make no model of a box; use at least 0, and above 0"
            )
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
        self.surrogate, self.hidden, self.model_rate = surrogate, hidden, model_rate

    def _start(self) -> None:
        super()._start()
        self.models: dict[str, LearnedModel] = {}
        boxes = [layer for layer in self.network.layers() if isinstance(layer, BlackBox)]
        for i, box in enumerate(boxes):
            box.surrogate = StraightThrough()
            if self.surrogate == "learned":
                rng = generator(self.seed, "surrogate", i)
                model = LearnedModel(box.in_shape, self.hidden, self.model_rate, self.ops, rng)
                box.surrogate = self.models[f"box{i + 1}"] = model

    def _arrays(self) -> dict[str, Array]:
        models = {f"surrogate/{name}.{k}": a for name, model in self.models.items() for k, a in model.arrays().items()}
        return super()._arrays() | models

    def options(self) -> dict[str, str]:
        return super().options() | {name: str(getattr(self, name)) for name in ("surrogate", "hidden", "model_rate")}

    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> dict[str, Array | float]:
        figures = super()._step(images, target, index, step, rate, ctx)
        for name, model in self.models.items():
            model.learn()
            figures[f"{name}/unexplained"] = model.unexplained
        return figures
