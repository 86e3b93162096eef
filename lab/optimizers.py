"""Optimizers: hyperparameters here, state outside, so that one object serves a whole network or one block at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from lab.backend import Array, Backend
from lab.errors import UsageError
from lab.registry import register
from lab.schedules import Schedule, check_schedule
from lab.schema import check

__all__ = ["SGD", "Adam", "Optimizer", "Schedule", "State"]

State: TypeAlias = dict[str, Array]


class Optimizer(Protocol):
    """Turns gradients into updates. `state` is made by `start` and belongs to the caller.

    One whose `takes_products` is true (it need not say so otherwise) may be given Products (lab.backend.product).
    """

    @property
    def learning_rate(self) -> float: ...

    @property
    def schedule(self) -> Schedule: ...

    def start(self, params: dict[str, Array], ops: Backend) -> State:
        """The state before the first update."""
        ...

    def step(
        self, params: dict[str, Array], grads: dict[str, Array], state: State, ops: Backend, gain: float | Array = 1.0
    ) -> None:
        """Update `params` and `state` in place; `gain` multiplies the learning rate."""
        ...


@register("optimizer", "sgd")
@dataclass(frozen=True)
class SGD:
    """v <- momentum v + (1 - dampening) g; w <- w - gain rate (v + weight_decay w).

    With dampening equal to momentum v is a running average of the gradient, as in Hinton's program. l2 and l1 add
    l2 w + l1 sign(w) to g, so they pass through v; weight_decay does not. Neither touches vectors (biases, scales).
    """

    learning_rate: float = 0.1
    momentum: float = 0.9
    dampening: float = 0.0
    weight_decay: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        _check("sgd", self, ("momentum", "dampening"))

    @property
    def takes_products(self) -> bool:
        """Whether a gradient is only added to the average: so it need not be written out."""
        return self.momentum > 0 and not (self.l1 or self.l2)

    def start(self, params: dict[str, Array], ops: Backend) -> State:
        if self.momentum == 0 and self.dampening == 0:
            return {}
        return {f"{name}.velocity": ops.zeros(p.shape, p.dtype, kind="optimizer") for name, p in params.items()}

    def step(
        self, params: dict[str, Array], grads: dict[str, Array], state: State, ops: Backend, gain: float | Array = 1.0
    ) -> None:
        rate = gain * self.learning_rate
        for name, g in grads.items():
            w = params[name]
            _penalise(g, w, self.l1, self.l2, ops)
            decay = self.weight_decay if w.ndim > 1 else 0.0
            velocity = state.get(f"{name}.velocity")
            ops.sgd_step(w, g, velocity, rate, self.momentum, self.dampening, decay)


@register("optimizer", "sgd_max_norm")
@dataclass(frozen=True)
class MaxNormSGD(SGD):
    """SGD, after which the weights that come into a unit are no longer than `max_norm` (Srivastava et al. 2014).

        w_j <- w_j min(1, max_norm / |w_j|)     for each column w_j of a matrix (inputs, units); the rest as it is

    so that a large rate and long memory may be used without weights that grow; they are what dropout was tuned with.
    """

    max_norm: float = 3.0

    def __post_init__(self) -> None:
        _check("sgd_max_norm", self, ("momentum", "dampening"))
        if not (self.max_norm > 0 and math.isfinite(self.max_norm)):
            raise UsageError(f"sgd_max_norm needs max_norm > 0, got max_norm={self.max_norm}")

    def step(
        self, params: dict[str, Array], grads: dict[str, Array], state: State, ops: Backend, gain: float | Array = 1.0
    ) -> None:
        super().step(params, grads, state, ops, gain)
        for name in grads:
            if (w := params[name]).ndim == 2:
                norms = ops.xp.sqrt((w * w).sum(axis=0))
                w *= self.max_norm / ops.xp.maximum(norms, self.max_norm)


@register("optimizer", "adam")
@dataclass(frozen=True)
class Adam:
    """Adam with bias correction and decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019).

    m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2; w <- w - gain rate (m^ / (sqrt(v^) + eps) + weight_decay w).
    l1, l2 and weight_decay as in SGD.
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    schedule: Schedule = "constant"

    def __post_init__(self) -> None:
        _check("adam", self, ("beta1", "beta2"))

    def start(self, params: dict[str, Array], ops: Backend) -> State:
        state: State = {"t": ops.counter()}
        for name, p in params.items():
            state[f"{name}.m"] = ops.zeros(p.shape, p.dtype, kind="optimizer")
            state[f"{name}.v"] = ops.zeros(p.shape, p.dtype, kind="optimizer")
        return state

    def step(
        self, params: dict[str, Array], grads: dict[str, Array], state: State, ops: Backend, gain: float | Array = 1.0
    ) -> None:
        state["t"] += 1
        t, rate = ops.value(state["t"]), gain * self.learning_rate
        for name, g in grads.items():
            w = params[name]
            _penalise(g, w, self.l1, self.l2, ops)
            ops.adam_step(
                w, g, state[f"{name}.m"], state[f"{name}.v"], rate, self.beta1, self.beta2,
                self.eps, self.weight_decay if w.ndim > 1 else 0.0, t,
            )  # fmt: skip


def _penalise(g: Array, w: Array, l1: float, l2: float, ops: Backend) -> None:
    """g += l2 w + l1 sign(w), the gradient of (l2 / 2) |w|^2 + l1 |w|, for matrices and tensors."""
    if w.ndim < 2 or not (l1 or l2):
        return
    scratch = ops.empty(w.shape, w.dtype, kind="workspace")
    if l2:
        ops.xp.multiply(w, l2, out=scratch)
        g += scratch
    if l1:
        ops.xp.sign(w, out=scratch)
        scratch *= l1
        g += scratch


def _check(name: str, optimizer: SGD | Adam, fractions: tuple[str, ...]) -> None:
    check(optimizer)
    check_schedule(optimizer.schedule)
    for field in ("learning_rate", "weight_decay", "l1", "l2"):
        value = getattr(optimizer, field)
        if not (value >= 0 and math.isfinite(value)):
            raise UsageError(f"{name} needs {field} >= 0, got {field}={value}")
    for field in fractions:
        value = getattr(optimizer, field)
        if not 0 <= value < 1:
            raise UsageError(f"{name} needs 0 <= {field} < 1, got {field}={value}")
