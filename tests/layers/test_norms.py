"""BatchNorm and GroupNorm: against differences, against PyTorch, and running statistics that count once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend
from lab.errors import UsageError
from lab.layers import BatchNorm, Conv2D, Ctx, GroupNorm, ReLU, Sequential, settle
from tests.layers.against_torch import REASON, check_against_torch
from tests.layers.contract import check_contract
from tests.layers.gradcheck import check_layer

SHAPES = st.one_of(
    st.tuples(st.sampled_from([2, 4, 6])),
    st.tuples(st.sampled_from([2, 4, 6]), st.integers(1, 3), st.integers(1, 3)),
)


def rows(*shape: int, seed: int = 0) -> Any:
    return 3 + 2 * np.random.default_rng(seed).standard_normal(shape)


def primed(layer: BatchNorm, shape: tuple[int, ...], ops: Backend) -> BatchNorm:
    layer.build(shape, ops, np.random.default_rng(0))
    layer.stats["mean"][...] = ops.asarray(np.linspace(-1, 1, layer.stats["mean"].size))
    layer.stats["var"][...] = ops.asarray(np.linspace(0.5, 2, layer.stats["var"].size))
    return layer


class Settled(BatchNorm):
    """A BatchNorm whose running statistics are not the initial ones."""

    def build(self, in_shape: Any, ops: Backend, rng: Any) -> Any:
        super().build(in_shape, ops, rng)
        self.stats["mean"][...] = 0.3
        self.stats["var"][...] = 1.7
        return in_shape


@given(n=st.integers(0, 4), shape=SHAPES | st.tuples(st.integers(1, 3), st.integers(1, 3)), affine=st.booleans())
def test_batch_norm_gradients(n: int, shape: tuple[int, ...], affine: bool) -> None:
    layer = BatchNorm(affine=affine, eps=1e-2)
    check_layer(layer, rows(n, *shape))
    check_layer(Settled(affine=affine), rows(n, *shape), train=False)


@given(n=st.integers(0, 3), shape=SHAPES, groups=st.sampled_from([1, 2]), affine=st.booleans())
def test_group_norm_gradients(n: int, shape: tuple[int, ...], groups: int, affine: bool) -> None:
    check_layer(GroupNorm(groups, affine=affine, eps=1e-2), rows(n, *shape))


@settings(max_examples=15)
@given(n=st.integers(2, 4), shape=SHAPES, groups=st.sampled_from([1, 2]))
def test_equal_to_torch(n: int, shape: tuple[int, ...], groups: int) -> None:
    functional = pytest.importorskip("torch", reason=REASON).nn.functional
    x = rows(n, *shape)

    def batch(t: Any, p: Any) -> Any:
        return functional.batch_norm(t, None, None, p["gamma"], p["beta"], training=True, eps=1e-5)

    def group(t: Any, p: Any) -> Any:
        return functional.group_norm(t, groups, p["gamma"], p["beta"], eps=1e-5)

    check_against_torch(BatchNorm(), x, batch)
    check_against_torch(GroupNorm(groups), x, group)


def test_running_statistics_equal_torch_and_serve_outside_training() -> None:
    torch = pytest.importorskip("torch", reason=REASON)
    ops = NumpyBackend("float64")
    layer, theirs = BatchNorm(momentum=0.3), torch.nn.BatchNorm2d(4, momentum=0.3).double()
    layer.build((4, 2, 3), ops, np.random.default_rng(0))
    for step in range(3):
        x = rows(5, 4, 2, 3, seed=step)
        _, cache = layer.forward(x, Ctx(ops, train=True, keep=True))
        settle(layer.stats, layer.statistics(cache))
        theirs(torch.tensor(x))
    np.testing.assert_allclose(layer.stats["mean"], theirs.running_mean.numpy(), rtol=1e-12)
    np.testing.assert_allclose(layer.stats["var"], theirs.running_var.numpy(), rtol=1e-12)
    x = rows(2, 4, 2, 3, seed=9)
    y, _ = layer.forward(x, Ctx(ops))
    np.testing.assert_allclose(y, theirs.eval()(torch.tensor(x)).detach().numpy(), rtol=1e-10)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (3, 4, 2)])
def test_a_channel_is_standardised(shape: tuple[int, ...], ops: Backend) -> None:
    layer = BatchNorm(eps=1e-12)
    layer.build(shape, ops, np.random.default_rng(0))
    y = ops.to_host(layer.forward(ops.asarray(rows(8, *shape)), Ctx(ops, train=True))[0])
    axes = (0, 2, 3) if len(shape) == 3 else tuple(range(len(shape)))
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=axes), 1, rtol=1e-9)


def test_a_group_is_standardised_within_its_row(ops: Backend) -> None:
    layer = GroupNorm(2, eps=1e-12)
    layer.build((4, 3, 2), ops, np.random.default_rng(0))
    x = rows(5, 4, 3, 2)
    y = ops.to_host(layer.forward(ops.asarray(x), Ctx(ops, train=True))[0])
    np.testing.assert_allclose(y.reshape(5, 2, 12).mean(axis=2), 0, atol=1e-12)
    np.testing.assert_allclose(y.reshape(5, 2, 12).var(axis=2), 1, rtol=1e-9)
    alone = ops.to_host(layer.forward(ops.asarray(x[2:3]), Ctx(ops, train=True))[0])
    assert np.array_equal(alone[0], y[2])


def test_passes_change_no_statistics(ops: Backend) -> None:
    layer = primed(BatchNorm(), (3, 2, 2), ops)
    before = {name: ops.to_host(s).copy() for name, s in layer.stats.items()}
    ctx = Ctx(ops, train=True, keep=True)
    x = ops.asarray(rows(4, 3, 2, 2))
    _, cache = layer.forward(x, ctx)
    _, again = layer.forward(x, ctx)
    first, second = layer.statistics(cache), layer.statistics(again)
    for name, was in before.items():
        assert np.array_equal(ops.to_host(layer.stats[name]), was)
        assert np.array_equal(ops.to_host(first[name]), ops.to_host(second[name]))
    settle(layer.stats, first)
    settle(layer.stats, second)  # of a pass that was recomputed: the same values once more
    assert np.array_equal(ops.to_host(layer.stats["mean"]), ops.to_host(first["mean"]))
    assert not np.array_equal(ops.to_host(layer.stats["mean"]), before["mean"])
    _, outside = layer.forward(x, Ctx(ops, keep=True))
    assert layer.statistics(outside) == {}


def test_too_few_values_leave_the_statistics_alone() -> None:
    ops = NumpyBackend("float64")
    layer = BatchNorm()
    layer.build((3,), ops, np.random.default_rng(0))
    ctx = Ctx(ops, train=True, keep=True)
    assert layer.statistics(layer.forward(rows(0, 3), ctx)[1]) == {}
    y, cache = layer.forward(rows(1, 3), ctx)
    assert layer.statistics(cache).keys() == {"mean"}
    assert np.array_equal(y, np.zeros((1, 3)))


def test_sequential_forwards_statistics() -> None:
    ops = NumpyBackend("float64")
    body = Sequential([Conv2D(2), Sequential([BatchNorm(), ReLU()]), Conv2D(2, 1), BatchNorm()])
    body.build((1, 4, 4), ops, np.random.default_rng(0))
    assert body.stats.keys() == {"1.0.mean", "1.0.var", "3.mean", "3.var"}
    _, cache = body.forward(rows(3, 1, 4, 4), Ctx(ops, train=True, keep=True))
    found = body.statistics(cache)
    assert found.keys() == body.stats.keys()
    settle(body.stats, found)
    inner = body.layers[3]
    assert np.array_equal(inner.stats["mean"], found["3.mean"])


@pytest.mark.parametrize("shape", [(4,), (3, 4), (4, 3, 2)])
@pytest.mark.parametrize("train", [True, False])
def test_contract(shape: tuple[int, ...], train: bool) -> None:
    check_contract(BatchNorm, *shape, train=train)
    if len(shape) != 2:
        check_contract(lambda: GroupNorm(2), *shape, train=train)
        check_contract(lambda: GroupNorm(4, affine=False), *shape, train=train)


@pytest.mark.parametrize(
    ("make", "shape", "words"),
    [
        (lambda: BatchNorm(momentum=0), (4,), "momentum=0"),
        (lambda: BatchNorm(eps=0), (4,), "eps=0"),
        (BatchNorm, (4, 2, 2, 2), "shape (4, 2, 2, 2)"),
        (lambda: GroupNorm(0), (4,), "groups=0"),
        (lambda: GroupNorm(eps=-1), (4,), "eps=-1"),
        (lambda: GroupNorm(4), (6, 2, 2), "groups=4 does not divide 6 channels; valid: 1, 2, 3, 6"),
        (GroupNorm, (4, 2), "takes rows or images"),
    ],
)
def test_misfits_are_one_sentence(make: Any, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        make().build(shape, NumpyBackend(), np.random.default_rng(0))
    assert words in str(raised.value)
