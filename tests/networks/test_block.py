"""Block: several sources are summed without touching what a body keeps, and running statistics are passed on."""

from __future__ import annotations

import numpy as np
import pytest

from lab.backend import NumpyBackend
from lab.errors import UsageError
from lab.layers import BatchNorm, Ctx, Dense, LengthNorm, Sequential, Tanh
from lab.networks import Block, Source
from tests.layers.gradcheck import assert_close, numeric_gradient

SOURCES = (Source("input"), Source("block1"), Source("block2"))


def three_sources(ops: NumpyBackend) -> Block:
    """A block whose bodies end in a layer that keeps its output."""
    block = Block("block3", [Sequential([Dense(3), Tanh()]) for _ in SOURCES], Tanh(), LengthNorm(), SOURCES)
    block.build([(4,), (5,), (2,)], ops, np.random.default_rng(0))
    return block


def test_gradients_of_several_sources() -> None:
    ops = NumpyBackend("float64")
    block, rng = three_sources(ops), np.random.default_rng(1)
    inputs = [rng.standard_normal((3, n)) for n in (4, 5, 2)]
    ctx = Ctx(ops, train=True, keep=True)
    h, cache = block.respond(inputs, ctx)
    dh = rng.standard_normal(h.shape)
    dxs, grads = block.backward(dh, cache, ctx)

    def value() -> float:
        return float((block.respond(inputs, ctx.keeping(False))[0] * dh).sum())

    for x, dx in zip(inputs, dxs, strict=True):
        assert dx is not None
        assert_close(dx, numeric_gradient(value, x), "dx")
    assert grads.keys() == block.params.keys()
    for name, p in block.params.items():
        assert_close(grads[name], numeric_gradient(value, p), name)


def test_statistics_are_named_by_source() -> None:
    ops = NumpyBackend("float64")
    bodies = [Sequential([Dense(3), BatchNorm()]), Dense(3)]
    block = Block("block2", bodies, Tanh(), None, SOURCES[:2])
    block.build([(4,), (5,)], ops, np.random.default_rng(0))
    assert block.stats.keys() == {"input.1.mean", "input.1.var"}
    rng = np.random.default_rng(0)
    _, cache = block.respond([rng.standard_normal((6, n)) for n in (4, 5)], Ctx(ops, train=True, keep=True))
    found = block.statistics(cache)
    assert found.keys() == block.stats.keys()
    assert all(np.isfinite(s).all() for s in found.values())


def test_sources_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="3 sources and 1 bodies"):
        Block("block1", Dense(3), Tanh(), None, SOURCES)
    block = Block("block1", [Dense(3), Dense(4)], Tanh(), None, SOURCES[:2])
    with pytest.raises(UsageError, match="they are summed and must agree"):
        block.build([(2,), (2,)], NumpyBackend(), np.random.default_rng(0))
