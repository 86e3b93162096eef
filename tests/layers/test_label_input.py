"""A label in every form that an input has a place for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.backend import Backend, NumpyBackend
from lab.errors import UsageError
from lab.layers import Ctx, Dense, Flatten, ImageRows, LabelInput, Sequential, Tanh
from lab.layers.label_input import waves
from lab.networks import Block, Network
from tests.layers.contract import check_contract
from tests.layers.gradcheck import check_layer

K = 3


def written(mode: Any, x: Any, ops: Backend, scale: float = 2.0) -> Any:
    """Rows x with labels 0, 2 and then with the neutral one."""
    label = LabelInput(mode, scale=scale)
    shape = label.build(x.shape[1:], K)
    out = label.embed(ops.asarray(x), [label.one_hot(ops.xp.asarray([0, 2]), ops), label.neutral(2, ops)], ops)
    assert out.shape == (4, *shape)
    return ops.to_host(out)


def test_channels(ops: Backend) -> None:
    x = np.random.default_rng(0).random((2, 2, 4, 5))
    out = written("channels", x, ops)
    assert np.array_equal(out[:2, :2], x) and np.array_equal(out[2:, :2], x)
    for row, expected in zip(out[:, 2:], [[2, 0, 0], [0, 0, 2], [2 / 3] * 3, [2 / 3] * 3], strict=True):
        np.testing.assert_allclose(row, np.broadcast_to(np.reshape(expected, (3, 1, 1)), (3, 4, 5)))


def test_pattern(ops: Backend) -> None:
    x = np.random.default_rng(0).random((2, 2, 4, 5))
    out, P = written("pattern", x, ops), waves(K, 4, 5)
    assert np.array_equal(out[:2, :2], x) and np.array_equal(out[2:, :2], x)
    for row, expected in zip(out[:, 2], [2 * P[0], 2 * P[2], 2 * P.mean(axis=0), 2 * P.mean(axis=0)], strict=True):
        np.testing.assert_allclose(row, expected, atol=1e-12)


@pytest.mark.parametrize(("n", "size"), [(10, (8, 8)), (10, (28, 28)), (8, (3, 3)), (6, (7, 1)), (100, (32, 32))])
def test_waves_are_orthogonal(n: int, size: tuple[int, int]) -> None:
    P = waves(n, *size).reshape(n, -1)
    np.testing.assert_allclose(P @ P.T / P.shape[1], np.eye(n), atol=1e-12)
    np.testing.assert_allclose(P.sum(axis=1), 0, atol=1e-9)


@pytest.mark.parametrize("image", [False, True])
def test_steps(image: bool, ops: Backend) -> None:
    x = np.random.default_rng(0).random((2, 2, 4, 5) if image else (2, 4, 10))
    out = written("steps", x, ops)
    sequence = x.transpose(0, 2, 1, 3).reshape(2, 4, 10) if image else x
    assert np.array_equal(out[:2, :, :10], sequence) and np.array_equal(out[2:, :, :10], sequence)
    for row, expected in zip(out[:, :, 10:], [[2, 0, 0], [0, 0, 2], [2 / 3] * 3, [2 / 3] * 3], strict=True):
        np.testing.assert_allclose(row, np.broadcast_to(expected, (4, 3)))


def test_image_rows() -> None:
    rng = np.random.default_rng(0)
    for shape in ((2, 3, 4), (1, 4, 4), (3, 5)):
        check_layer(ImageRows(), rng.standard_normal((2, *shape)))
        check_contract(ImageRows, *shape)
    x = rng.standard_normal((2, 2, 3, 4))
    layer, ops = ImageRows(), NumpyBackend("float64")
    assert layer.build((2, 3, 4), ops, rng) == (3, 8)
    assert np.array_equal(layer.forward(x, Ctx(ops))[0][1, 2], np.concatenate([x[1, 0, 2], x[1, 1, 2]]))


@pytest.mark.parametrize(("mode", "shares"), [("pixels", True), ("features", True), ("channels", False),
                                              ("pattern", False), ("steps", False)])  # fmt: skip
def test_rows_are_shared_where_a_label_has_one_place(mode: Any, shares: bool) -> None:
    """A fully connected network sees the same numbers either way."""
    ops = NumpyBackend("float64")
    body = Sequential([Flatten(), Dense(4)])
    net = Network([Block("block1", body, Tanh())], Dense(K), label_input=LabelInput(mode))
    net.build((2, 4, 5), K, ops, 0, labelled=True)
    assert net.shares_images is shares
    x, label = np.random.default_rng(0).random((6, 2, 4, 5)), LabelInput(mode)
    label.build((2, 4, 5), K)
    labels = [label.one_hot(np.arange(6) % K, ops), label.neutral(6, ops)]
    rows, _ = net.labelled(x, labels, ops)
    ((_, h, _),) = net.walk(rows, Ctx(ops))
    assert net.label_input is not None
    expected, _ = net.blocks[0].respond([net.label_input.embed(x, labels, ops)], Ctx(ops))
    np.testing.assert_allclose(h, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("mode", "shape", "words"),
    [
        ("channels", (30,), "use label=features"),
        ("pattern", (4, 10), "use label=steps"),
        ("pattern", (1, 2, 2), "has 0 waves for images of 2 x 2, too few for 3 classes; use label=channels"),
        ("steps", (30,), "takes sequences"),
        ("pixels", (1, 1, 3), "use label=features"),
    ],
)
def test_labels_that_do_not_fit(mode: Any, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        LabelInput(mode).build(shape, K)
    assert words in str(raised.value) and "\n" not in str(raised.value)
