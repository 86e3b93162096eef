"""The basic layers: gradients on random shapes, the contract, and what each one promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend
from lab.errors import UsageError
from lab.layers import (
    Center,
    Ctx,
    Dense,
    Dropout,
    Flatten,
    Identity,
    LabelInput,
    Layer,
    LeakyReLU,
    LengthNorm,
    Noise,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Swish,
    Tanh,
    Unflatten,
    activation,
)
from lab.layers.initializers import draw
from tests.layers.gradcheck import check_layer

FLAT = {
    "dense": lambda: Dense(4),
    "dense without bias": lambda: Dense(3, bias=False, init="he"),
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "swish": Swish,
    "softmax": Softmax,
    "identity": Identity,
    "length_norm": LengthNorm,
    "center": Center,
    "dropout": lambda: Dropout(0.4),
    "sequential": lambda: Sequential([Dropout(0.2), Dense(5), Tanh(), LengthNorm(), Dense(2)]),
}


def rows(n: int, *shape: int, seed: int = 0, contiguous: bool = True) -> Any:
    """Normal rows kept 0.05 away from the kinks at 0."""
    x = np.random.default_rng(seed).standard_normal((n, *shape))
    x += np.copysign(0.05, x)
    if contiguous:
        return x
    wide = np.zeros((n, *shape[:-1], 2 * shape[-1]))
    wide[..., ::2] = x
    return wide[..., ::2]


@pytest.mark.parametrize("name", FLAT)
@given(n=st.integers(0, 4), width=st.integers(1, 6), seed=st.integers(0, 99), contiguous=st.booleans())
def test_gradients(name: str, n: int, width: int, seed: int, contiguous: bool) -> None:
    check_layer(FLAT[name](), rows(n, width, seed=seed, contiguous=contiguous), seed=seed)


@given(n=st.integers(0, 3), shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)))
@pytest.mark.parametrize("axes", [None, (1,), (2, 3)])
def test_gradients_on_images(axes: tuple[int, ...] | None, n: int, shape: tuple[int, int, int]) -> None:
    check_layer(LengthNorm(axes), rows(n, *shape))
    check_layer(Center(), rows(n, *shape))
    check_layer(Flatten(), rows(n, *shape))
    check_layer(Unflatten(shape), rows(n, int(np.prod(shape))))


@pytest.mark.parametrize("name", FLAT)
def test_no_layer_keeps_an_array_of_a_pass(name: str, ops: Backend) -> None:
    layer = FLAT[name]()
    layer.build((6,), ops, np.random.default_rng(0))
    before = _arrays(layer)
    x = ops.asarray(rows(5, 6))
    y, cache = layer.forward(x, Ctx(ops, train=True, keep=True))
    layer.backward(ops.asarray(np.ones(y.shape)), cache, Ctx(ops, train=True, keep=True))
    assert _arrays(layer) == before


def _arrays(layer: Layer) -> list[int]:
    found = []
    for value in vars(layer).values():
        inner = list(value) if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
        for item in inner:
            found += _arrays(item) if isinstance(item, Layer) else [id(item)] if hasattr(item, "dtype") else []
    return sorted(found)


@pytest.mark.parametrize("name", FLAT)
def test_numpy_and_other_backends_agree(name: str, ops: Backend) -> None:
    reference, here = NumpyBackend("float64"), ops
    results = []
    for backend in (reference, here):
        layer = FLAT[name]()
        layer.build((6,), backend, np.random.default_rng(1))
        ctx = Ctx(backend, Noise(5, 2), train=True, keep=True)
        y, cache = layer.forward(backend.asarray(rows(4, 6)), ctx)
        dx, grads = layer.backward(backend.asarray(rows(*y.shape, seed=3)), cache, ctx)
        results.append([backend.to_host(a) for a in (y, dx, *grads.values())])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_dense_by_hand(ops: Backend) -> None:
    layer = Dense(2)
    layer.build((3,), ops, np.random.default_rng(0))
    layer.params["W"][...] = ops.asarray([[1, 2], [3, 4], [5, 6]])
    layer.params["b"][...] = ops.asarray([10, 20])
    y, cache = layer.forward(ops.asarray([[1, 0, -1]]), Ctx(ops, keep=True))
    assert ops.to_host(y).tolist() == [[6, 16]]
    dx, grads = layer.backward(ops.asarray([[1, -1]]), cache, Ctx(ops))
    assert dx is not None
    assert ops.to_host(dx).tolist() == [[-1, -1, -1]]
    assert ops.to_host(grads["W"]).tolist() == [[1, -1], [0, 0], [-1, 1]]
    assert ops.to_host(grads["b"]).tolist() == [1, -1]


def test_length_norm_keeps_direction_and_zero_rows(ops: Backend) -> None:
    layer = LengthNorm()
    layer.build((4,), ops, np.random.default_rng(0))
    x = np.array([[3.0, 0, 0, 4], [0, 0, 0, 0], [1e-12, 0, 0, 0]])
    y, cache = layer.forward(ops.asarray(x), Ctx(ops, keep=True))
    np.testing.assert_allclose(ops.to_host(y), [[1.2, 0, 0, 1.6], [0, 0, 0, 0], [2, 0, 0, 0]], rtol=1e-9)
    dx, _ = layer.backward(ops.asarray(np.ones((3, 4))), cache, Ctx(ops))
    assert dx is not None
    assert ops.to_host(dx)[1].tolist() == [0, 0, 0, 0]


def test_sigmoid_and_softmax_do_not_overflow(ops: Backend) -> None:
    x = ops.asarray([[-1e4, 0, 1e4]])
    for layer, expected in ((Sigmoid(), [0, 0.5, 1]), (Softmax(), [0, 0, 1])):
        y, _ = layer.forward(x, Ctx(ops))
        np.testing.assert_allclose(ops.to_host(y)[0], expected)


def test_dropout_is_a_function_of_seed_and_step(ops: Backend) -> None:
    layer = Dropout(0.3)
    layer.build((2000,), ops, np.random.default_rng(0))
    x = ops.asarray(np.ones((10, 2000)))

    def at(seed: int, step: int, stream: int = 0) -> Any:
        return ops.to_host(layer.forward(x, Ctx(ops, Noise(seed, step, stream), train=True))[0])

    assert np.array_equal(at(1, 1), at(1, 1))
    for other in (at(2, 1), at(1, 2), at(1, 1, 1)):
        assert (other != at(1, 1)).mean() > 0.3
    kept = at(1, 1)
    assert set(np.unique(kept)) == {0.0, 1 / 0.7}
    assert abs((kept > 0).mean() - 0.7) < 4 * (0.21 / kept.size) ** 0.5
    assert layer.forward(x, Ctx(ops))[0] is x


@pytest.mark.parametrize("mode", ["pixels", "features"])
def test_label_input(mode: Any, ops: Backend) -> None:
    label = LabelInput(mode, scale=2.0)
    shape = label.build((2, 3), 4)
    x = ops.asarray(np.arange(12.0).reshape(2, 2, 3) + 1)
    out = label.embed(x, [label.one_hot(ops.xp.asarray([0, 3]), ops), label.neutral(2, ops)], ops)
    assert out.shape == (4, *shape)
    flat = ops.to_host(out).reshape(4, -1)
    place = slice(0, 4) if mode == "pixels" else slice(6, 10)
    assert flat[:, place].tolist() == [[2, 0, 0, 0], [0, 0, 0, 2], [0.5] * 4, [0.5] * 4]
    rest = flat[:, 4:] if mode == "pixels" else flat[:, :6]
    clean = ops.to_host(x).reshape(2, 6)[:, 4:] if mode == "pixels" else ops.to_host(x).reshape(2, 6)
    assert np.array_equal(rest, np.concatenate([clean, clean]))


def test_initial_weights_are_paired_between_schemes() -> None:
    made = {init: draw(init, (300, 200), 300, 200, np.random.default_rng(7)) for init in ("lecun", "he", "glorot")}
    for init, variance in (("lecun", 1 / 300), ("he", 2 / 300), ("glorot", 2 / 500)):
        assert abs(made[init].var() / variance - 1) < 0.03
        np.testing.assert_allclose(made[init] / made["lecun"], (variance * 300) ** 0.5)
    assert not draw("zeros", (3, 2), 3, 2, np.random.default_rng(7)).any()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Dense(0), "units=0"),
        (lambda: Dropout(1.0), "rate=1.0"),
        (lambda: LeakyReLU(2.0), "slope=2.0"),
        (lambda: activation("rellu"), "did you mean 'relu'"),
        (lambda: Unflatten((2, 2)).build((5,), NumpyBackend(), np.random.default_rng(0)), "takes rows of 4 numbers"),
        (lambda: Dense(3).build((2, 2), NumpyBackend(), np.random.default_rng(0)), "put a Flatten before it"),
        (lambda: LengthNorm((3,)).build((2, 2), NumpyBackend(), np.random.default_rng(0)), "choose among (1, 2)"),
        (lambda: LabelInput("pixels").build((5,), 10), "use label=features"),
        (lambda: LabelInput("corner"), "valid: channels, clamp, features"),  # type: ignore[arg-type]
    ],
)
def test_misfits_are_one_sentence(make: Any, words: str) -> None:
    with pytest.raises(UsageError, match=r"\S") as raised:
        make()
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
