"""scikit-learn's MLPClassifier, trained by the lab's loop: somebody else's backprop on the very same batches."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.backend import Array, Kernels
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import Ctx
from lab.networks import Defaults, Network, NetworkSpec
from lab.optimizers import Adam
from lab.registry import register
from lab.trainers.base import Trainer
from lab.trainers.evaluation import nats

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier

_NOTHING = 1e-300  # a learning rate: scikit-learn takes none of 0


@register("trainer", "scikit_learn")
class ScikitLearnTrainer(Trainer):
    """One call of `MLPClassifier.partial_fit` a batch, which is one update by Adam on the mean cross-entropy.

    The description of the network says how many units each layer has and the activation; its blocks must be fully
    connected, one after the other, without norms. Weights, gradients and updates are scikit-learn's own (its Glorot
    initial weights, drawn from `seed`); batches, their order, the learning rate's schedule and all figures are those of
    every other trainer. An independent implementation that ends elsewhere than backprop here would show an error.

    alpha      scikit-learn's squared penalty on weights, divided by the rows of a batch
    optimizer  lab.optimizers.Adam without decay; default: rate 0.001, cool-down over the second half
    The rest as in Trainer; on the CPU only.
    """

    family = "backprop"
    defaults = Defaults(norm="none", init="glorot")
    optimizer: Adam

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Adam | None = None,
        alpha: float = 0.0001,
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        optimizer = optimizer or Adam(schedule="cooldown")
        if backend != "numpy":
            raise UsageError(f"scikit-learn trains on the CPU; use backend=numpy instead of {backend}")
        if optimizer.weight_decay or optimizer.l1 or optimizer.l2 or alpha < 0:
            raise UsageError("scikit-learn's Adam has no decay; use weight_decay=0 l1=0 l2=0, and alpha of 0 or more")
        super().__init__(
            network, optimizer=optimizer, seed=seed, batch_size=batch_size, backend=backend, dtype=dtype,
            threads=threads, kernels=kernels,
        )  # fmt: skip
        self.alpha = alpha

    def _labelled(self) -> bool:
        return False

    def _check_task(self) -> None:
        if self.task != "classification":
            raise UsageError("scikit_learn is a classifier here, but y holds numbers; use backprop")

    def _start(self) -> None:
        from sklearn.neural_network import MLPClassifier

        widths, activation = self._layers()
        o = self.optimizer
        self._model: MLPClassifier = MLPClassifier(
            widths, activation=activation, solver="adam", alpha=self.alpha, batch_size=self.batch_size,
            learning_rate_init=_NOTHING, beta_1=o.beta1, beta_2=o.beta2, epsilon=o.eps,
            random_state=self.seed, shuffle=False,
        )  # fmt: skip
        # Its arrays come to be with its first rows, and a checkpoint needs them before: a row of zeros makes them, at a
        # rate that no weight notices, and what the moments keep of it is taken back.
        rows = np.zeros((1, math.prod(self.in_shape)), self.ops.dtype)
        self._fit(rows, np.zeros(1, np.int64), classes=np.arange(self.n_outputs))
        for moment in self._moments():
            moment[...] = 0
        self._count = np.zeros(1, np.int64)
        self._set_count()

    def _layers(self) -> tuple[tuple[int, ...], str]:
        names = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "logistic", "Identity": "identity"}
        blocks = self.network.blocks
        kinds = {type(block.activation).__name__ for block in blocks}
        plain = self.network.input_norm is None and all(block.norm is None for block in blocks)
        if not blocks or not plain or any(len(block.shape) != 1 for block in blocks) or len(kinds) != 1:
            raise UsageError(
                f"{self.network.label} is not what scikit-learn has; use model=mlp model.norm=none, dropout=0"
            )
        kind = kinds.pop()
        if kind not in names:
            raise UsageError(f"scikit-learn has no activation {kind}; use relu, tanh, sigmoid or identity")
        return tuple(int(block.shape[0]) for block in blocks), names[kind]

    def _weights(self) -> list[Array]:
        return [*self._model.coefs_, *self._model.intercepts_]

    def _moments(self) -> list[Array]:
        return [*self._model._optimizer.ms, *self._model._optimizer.vs]

    def _set_count(self) -> None:
        """scikit-learn counts its updates in plain numbers; here they are an array, which a checkpoint can hold."""
        self._model._optimizer.t = int(self._count[0])

    def _arrays(self) -> dict[str, Array]:
        weights = {f"weights/{i}": w for i, w in enumerate(self._weights())}
        moments = {f"optimizer/{i}": m for i, m in enumerate(self._moments())}
        return {**weights, **moments, "optimizer/count": self._count}

    def options(self) -> dict[str, str]:
        return super().options() | {"alpha": repr(self.alpha)}

    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> dict[str, Array | float]:
        self._set_count()
        self._model._optimizer.learning_rate_init = self.optimizer.learning_rate * float(rate)
        self._fit(images.reshape(len(images), -1), target)
        self._count[0] += 1
        self._check_finite(self._model.loss_, "scikit-learn's network")
        return {"loss": float(self._model.loss_)}

    def _fit(self, rows: Array, target: Array, **more: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a last batch that is smaller than the others is no news
            self._model.partial_fit(rows, target, **more)

    def _answer(self, images: Array) -> Array:
        found: Array = self._model.predict_proba(images.reshape(len(images), -1))
        return found.astype(self.ops.dtype, copy=False)

    def _evaluate(self, split: Split) -> dict[str, Any]:
        right, loss = 0, 0.0
        for part, images in self._chunks(split.x, split.scale):
            p = self._answer(images)
            right += int((p.argmax(axis=1) == split.y[part]).sum())
            loss += nats(p, split.y[part], self.ops)
        n = max(1, len(split))
        return {"n": len(split), "loss": loss / n, "accuracy": right / n, "error": 1 - right / n}

    def describe(self) -> dict[str, Any]:
        """Its name says whose network it is: it is none of the lab's, and not compared as if it were."""
        found = super().describe()
        return found | {"label": f"{found['label']} of scikit-learn"}

    def memory(self) -> dict[str, Any]:
        """Nothing: what scikit-learn allocates is not counted by the lab's backend."""
        return {}

    def cost(self) -> dict[str, Any]:
        """As of backprop."""
        once, first = self.network.flops(), sum(block.flops() for block in self.network.input_readers())
        return {
            "rows_per_sample": 1, "passes_per_step": 1, "passes_per_prediction": 1,
            "flops_per_step": self.batch_size * (3 * once - first), "flops_per_prediction": once,
        }  # fmt: skip
