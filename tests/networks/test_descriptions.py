"""Descriptions: what they make of their options, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.backend import NumpyBackend
from lab.errors import UsageError
from lab.layers import Ctx, GroupNorm, LengthNorm, Sequential
from lab.networks import Defaults, Network, cnn, gru, linear, local_fields, lstm, mlp, rnn

LENGTH, NONE = Defaults("length", "lecun"), Defaults("none", "he")


def built(
    spec: Any, shape: tuple[int, ...], labelled: bool = True, k: int = 10, defaults: Defaults = LENGTH
) -> Network:
    net: Network = spec.make(shape, k, defaults)
    net.build(shape, k, NumpyBackend("float64"), 0, labelled=labelled)
    return net


@pytest.mark.parametrize(
    ("spec", "shape", "shapes"),
    [
        (cnn(channels=(8, 16)), (1, 28, 28), [(8, 14, 14), (16, 7, 7)]),
        (cnn(channels=(8, 16), pool="avg", pool_blocks=(2,)), (1, 28, 28), [(8, 28, 28), (16, 14, 14)]),
        (cnn(channels=(8, 16), kernel=(5, 3), stride=(2, 1), padding=(2, 0), pool="none"), (3, 31, 31),
         [(8, 16, 16), (16, 14, 14)]),
        (local_fields(), (1, 28, 28), [(128, 4, 4), (220, 3, 3), (512, 2, 2)]),
        (rnn(units=5, depth=2), (1, 28, 28), [(28, 5), (5,)]),
        (lstm(units=5, output="steps"), (7, 3), [(7, 5)]),
        (gru(units=5), (7, 3), [(5,)]),
        (gru(units=5, masked=True), (7, 3), [(5,)]),
        (linear(units=4), (6,), [(4,)]),
        (linear(), (6,), []),
    ],
)  # fmt: skip
def test_shapes(spec: Any, shape: tuple[int, ...], shapes: list[tuple[int, ...]]) -> None:
    for labelled in (True, False):
        if shapes or not labelled:
            assert [block.shape for block in built(spec, shape, labelled).blocks] == shapes


@pytest.mark.parametrize("label", ["features", "pixels", "channels", "pattern", None])
def test_a_centred_network_sees_no_brightness_and_the_whole_label(label: Any) -> None:
    flat = label in ("features", "pixels")
    spec = mlp(2, 20, center=True, label=label) if flat else cnn(channels=(3,), center=True, label=label or "auto")
    net = built(spec, (3, 16, 16), labelled=label is not None)
    x = np.random.default_rng(0).random((4, 3, 16, 16))
    brighter = x + 3.0

    def respond(images: Any, label: int = 3) -> Any:
        ops, (first, *_) = NumpyBackend("float64"), net.blocks
        if net.label_input is not None and net._written:
            images = net.labelled(images, [net.label_input.one_hot(np.full(len(images), label), ops)], ops)[0]
        return first.respond([net.enter(images, Ctx(ops))], Ctx(ops))[0]

    np.testing.assert_allclose(respond(brighter), respond(x), rtol=1e-9, atol=1e-9)
    if label is not None:
        assert np.abs(respond(x, 3) - respond(x, 4)).max() > 1e-3


@pytest.mark.parametrize(
    ("shape", "mode"),
    [((1, 28, 28), "pixels"), ((1, 5, 5), "features"), ((28, 13), "features"), ((30,), "features")],
)
def test_where_a_flat_label_goes(shape: tuple[int, ...], mode: str) -> None:
    """Over pixels where an image has a border to spare; a sequence would lose its first step, and its mask."""
    label = mlp(depth=1, width=3).make(shape, 10, LENGTH).label_input
    assert label is not None and label.mode == mode


def weights(net: Network, block: int = 0) -> Any:
    return next(p for name, p in net.blocks[block].params.items() if name.endswith("W"))


def test_the_published_local_fields() -> None:
    """Hinton 2022, section 3.2: three hidden layers of 2048, 1980 and 2048 units."""
    assert [int(np.prod(b.shape)) for b in built(local_fields(), (1, 28, 28)).blocks] == [2048, 1980, 2048]


def test_groups_of_convolutions() -> None:
    fans = [weights(built(cnn(channels=(20, 20, 20, 20, 20), pool="none", groups=groups, grouped=grouped), (1, 8, 8),
                          labelled=False), i).shape[1] for groups, grouped in ((5, "all"), ("classes", "alternate"))
            for i in range(5)]  # fmt: skip
    assert fans == [1, 4, 4, 4, 4, 1, 2, 20, 2, 20]


@pytest.mark.parametrize("spec", [mlp(width=20, norm="group"), cnn(channels=(20, 20), norm="group", pool="none")])
def test_group_norm_hides_each_stretch(spec: Any) -> None:
    """What is passed on has mean 0 and unit variance over each class's stretch, and no parameters of its own."""
    net = built(spec, (1, 4, 4), labelled=False)
    assert all(isinstance(block.norm, GroupNorm) and not block.norm.params for block in net.blocks)
    x = np.random.default_rng(0).random((3, 1, 4, 4))
    for _, h, passed in net.walk(x, Ctx(NumpyBackend("float64"))):
        stretches, raw = passed.reshape(3, 10, -1), h.reshape(3, 10, -1)
        alive = raw.std(axis=2) > 0.05  # far above what the norm adds to a variance
        assert alive.any()
        np.testing.assert_allclose(stretches.mean(axis=2), 0, atol=1e-9)
        np.testing.assert_allclose(stretches.std(axis=2)[alive], 1, atol=0.05)


def test_residuals_keep_a_class_in_its_stretch() -> None:
    """Where channels grow, what a class's stretch read goes on in that class's stretch."""
    net = built(cnn(channels=(20, 40), residual=True, norm="group", pool="none"), (1, 4, 4), labelled=False)
    for p in net.blocks[1].params.values():
        p[...] = 0
    ops = NumpyBackend("float64")
    x = np.random.default_rng(0).standard_normal((2, 20, 4, 4))
    h, _ = net.blocks[1].respond([x], Ctx(ops))
    stretches = h.reshape(2, 10, 4, 4, 4)
    np.testing.assert_allclose(stretches[:, :, 2:], np.maximum(x, 0).reshape(2, 10, 2, 4, 4))
    assert not stretches[:, :, :2].any()


def test_batch_norm_is_before_the_activation() -> None:
    for spec in (mlp(depth=2, width=6, norm="batch"), cnn(channels=(4, 4), norm="batch")):
        net = built(spec, (1, 4, 4), labelled=False)
        assert net.input_norm is None and all(block.norm is None for block in net.blocks)
        for block in net.blocks:
            assert {name.rsplit(".", 1)[1] for name in block.params} == {"W", "gamma", "beta"}  # and no bias
            assert block.stats
        ops = NumpyBackend("float64")
        x = np.random.default_rng(0).random((50, 1, 4, 4))
        z, _ = net.blocks[0].bodies[0].forward(x, Ctx(ops, train=True))
        if len(z.shape) == 2:  # pooling follows in the other, and no longer has mean 0
            np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize(
    ("spec", "shape", "axes"),
    [
        (cnn(channels=(4,), where="position"), (1, 4, 4), (1,)),
        (cnn(channels=(4,)), (1, 4, 4), None),
        (local_fields(channels=(4,), kernel=2, stride=2, where="position"), (1, 4, 4), (1,)),
        (rnn(output="steps", where="step"), (3, 4), (2,)),
        (rnn(output="steps"), (3, 4), None),
        (rnn(output="steps", masked=True), (3, 4), (2,)),
        (rnn(where="step"), (3, 4), None),  # the last state has no steps
    ],
)
def test_what_length_is_divided_out(spec: Any, shape: tuple[int, ...], axes: Any) -> None:
    norm = built(spec, shape).blocks[-1].norm
    assert isinstance(norm, LengthNorm) and norm.axes == axes


def test_auto_is_the_trainers() -> None:
    for spec, shape in ((cnn(channels=(4,)), (1, 4, 4)), (local_fields(channels=(4,), kernel=2, stride=2), (1, 4, 4)),
                        (mlp(depth=1), (4,)), (gru(), (3, 4)), (linear(units=3), (4,))):  # fmt: skip
        made = [spec.make(shape, 3, defaults) for defaults in (LENGTH, NONE)]
        assert [net.input_norm is None for net in made] == [False, True]
        assert [net.blocks[0].norm is None for net in made] == [False, True]


def test_maximum_before_a_rising_activation_is_the_same_block() -> None:
    x = 9 * np.random.default_rng(0).standard_normal((20, 1, 4, 4))  # far into where swish falls
    ctx = Ctx(NumpyBackend("float64"))
    for act in ("relu", "swish"):
        net = built(cnn(channels=(3,), activation=act), (1, 4, 4), labelled=False, defaults=NONE)  # type: ignore[arg-type]
        body = net.blocks[0].bodies[0]
        assert isinstance(body, Sequential)
        z = body.layers[0].forward(x, ctx)[0]
        f = z * (z > 0) if act == "relu" else z / (1 + np.exp(-z))
        expected = f.reshape(20, 3, 2, 2, 2, 2).max(axis=(3, 5))
        np.testing.assert_allclose(net.blocks[0].respond([x], ctx)[0], expected, rtol=1e-12, atol=1e-12)


def build_all(spec: Any, shape: tuple[int, ...], labelled: bool = False) -> Any:
    return lambda: built(spec() if callable(spec) else spec, shape, labelled)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (build_all(cnn(), (30,)), "cnn takes images (C, H, W), but rows have shape (30,)"),
        (build_all(cnn(channels=(4,), kernel=9, padding=0), (1, 8, 8)), "use at most 8"),
        (build_all(cnn(channels=(4,), stride=3, padding=0), (1, 8, 8)), "use a stride that divides 5, or more padding"),
        (build_all(cnn(channels=(4,), kernel=4), (1, 8, 8)), "padding=same needs odd kernels"),
        (build_all(cnn(channels=(8, 9), groups=2), (1, 8, 8)), "groups=2 does not divide 8 input and 9 output"),
        (build_all(cnn(channels=(32,), norm="group"), (1, 8, 8)), "groups=10 does not divide 32 channels"),
        (build_all(cnn(channels=(4,) * 4), (1, 28, 28)), "block3: MaxPool2D pool=2 does not divide H=7; use 1 or 7"),
        (lambda: cnn(channels=()), "channels=[]"),
        (lambda: cnn(kernel=(3,)), "kernel=[3] has 1 entries for 2 blocks; give one, or 2"),
        (lambda: cnn(pool_blocks=(3,)), "pool_blocks=[3] does not fit 2 blocks"),
        (lambda: cnn(channels=(8, 4), residual=True), "channels that do not fall"),
        (lambda: cnn(stride=2, residual=True), "use stride 1 behind the first block"),
        (build_all(cnn(residual=True, channels=(4, 4), padding=0, pool="none"), (1, 8, 8)), "Residual cannot add"),
        (build_all(cnn(channels=(10, 25), residual=True, norm="group"), (1, 8, 8)), "groups=10 does not divide 25"),
        (lambda: cnn(label="features"), "valid: auto, channels, pattern, pixels"),  # type: ignore[arg-type]
        (build_all(local_fields(), (1, 8, 8)), "is larger than H=8"),
        (build_all(local_fields(), (30,)), "local_fields takes images"),
        (build_all(lstm(), (30,)), "lstm takes sequences (T, F), or images row by row"),
        (build_all(lstm(), (0, 3)), "at least 1 step"),
        (build_all(rnn(masked=True), (1, 8, 8)), "takes sequences (T, 1 + F)"),
        (build_all(rnn(masked=True, label="pixels"), (8, 3), labelled=True), "label input would write over"),
        (lambda: rnn(masked=True, where="row"), "use where=step"),
        (lambda: rnn(bptt=0), "bptt=0"),
        (lambda: gru(depth=0), "depth=0"),
        (lambda: lstm(units=0), "units=0"),
        (lambda: linear(units=-1), "units=-1"),
        (build_all(mlp(width=15, norm="group"), (4,)), "groups=10 does not divide 15"),
    ],
)  # fmt: skip
def test_misfits_are_one_sentence(make: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        make()
    assert words in str(raised.value) and "\n" not in str(raised.value)
