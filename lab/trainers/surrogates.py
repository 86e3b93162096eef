"""What a trainer believes of a black box, in the place of the derivative that the box has not."""

from __future__ import annotations

from math import prod

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.layers import Ctx, Dense, Flatten, Grads, Layer, Sequential, Tanh
from lab.optimizers import Adam


class StraightThrough:
    """The box as if it were not there: dx = dy (Bengio, Leonard and Courville 2013, arXiv 1308.3432, section 3)."""

    def pull_back(self, x: Array, y: Array, dy: Array, ctx: Ctx) -> Array:
        return dy


class LearnedModel:
    """A small network m fitted to the pairs (x, y) that passes leave: dx = dy dm/dx, at the x that went in.

    hidden = 0: m(x) = x A + c; more: m(x) = tanh(x C + d) A + c with so many hidden units. It descends

        L = 1/(N I) sum |m(x) - y|^2

    by Adam, one step for each batch seen, on that batch's own pairs, so the box is run no more often for it. What it
    cannot know is the box's noise: at best m(x) is the mean of y given x, whose derivative is what a gradient of the
    expected loss needs (to first order in the noise).
    """

    def __init__(self, in_shape: Shape, hidden: int, learning_rate: float, ops: Backend, rng: np.random.Generator):
        size, self._ops = prod(in_shape), ops
        inside: list[Layer] = [Dense(hidden), Tanh()] if hidden else []
        self.model = Sequential([Flatten(), *inside, Dense(size)])
        self.model.build(in_shape, ops, rng)
        self._optimizer = Adam(learning_rate)
        self._state = self._optimizer.start(self.model.params, ops)
        self._waiting: Grads = {}
        self.unexplained: Array | float = 1.0  # |m(x) - y|^2 / |y - mean y|^2 of the batch seen last

    def arrays(self) -> dict[str, Array]:
        """What training changes, by name."""
        return self.model.params | {f"optimizer.{key}": a for key, a in self._state.items()}

    def pull_back(self, x: Array, y: Array, dy: Array, ctx: Ctx) -> Array:
        """dy through the model as it is; its own gradient waits for `learn`."""
        xp, ctx = self._ops.xp, ctx.keeping()
        found, cache = self.model.forward(x, ctx)
        error = found - y.reshape(found.shape)
        spread = y.reshape(found.shape) - y.reshape(found.shape).mean(axis=0)
        self.unexplained = (error**2).sum() / xp.maximum((spread**2).sum(), np.finfo(self._ops.dtype).tiny)
        dx, _ = self.model.backward(dy.reshape(found.shape), cache, ctx)
        error *= 2 / max(1, error.size)
        _, self._waiting = self.model.backward(error, cache, ctx, need_dx=False)
        assert dx is not None
        return dx

    def learn(self) -> None:
        """One step down the loss of the pairs seen last."""
        if self._waiting:
            self._optimizer.step(self.model.params, self._waiting, self._state, self._ops)
        self._waiting = {}
