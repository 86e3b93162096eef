"""The recurrent layers that tests go over, and rows and masks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from lab.backend import Backend
from lab.layers import GRU, LSTM, RNN, Ctx, Layer
from lab.layers.recurrent import Recurrent

CELLS: dict[str, Callable[..., Recurrent]] = {
    "rnn": RNN,
    "rnn relu": lambda *a, **k: RNN(*a, activation="relu", **k),
    "lstm": LSTM,
    "gru": GRU,
}
EVERY_CELL = pytest.mark.parametrize("cell", CELLS)
BPTT = st.one_of(st.none(), st.integers(1, 7))
OUTPUT = st.sampled_from(["last", "steps"])


def rows(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


class Masked(Layer):
    """A layer under a given mask."""

    def __init__(self, inner: Layer, mask: Any) -> None:
        self.inner, self.mask = inner, mask

    def build(self, in_shape: Any, ops: Backend, rng: Any) -> Any:
        shape = self.inner.build(in_shape, ops, rng)
        self.params = self.inner.params
        return shape

    def forward(self, x: Any, ctx: Ctx) -> Any:
        return self.inner.forward(x, Ctx(ctx.ops, keep=ctx.keep, mask=self.mask))

    def backward(self, dy: Any, cache: Any, ctx: Ctx, need_dx: bool = True) -> Any:
        return self.inner.backward(dy, cache, ctx, need_dx)


def any_mask(n: int, steps: int, seed: int) -> Any:
    """Steps missing anywhere, and whole rows missing too."""
    mask = np.random.default_rng(seed).random((n, steps)) < 0.6
    mask[: n // 3] = False
    return mask
