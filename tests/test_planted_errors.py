"""Errors planted one at a time, each of which the lab's own checks must catch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lab.backend import NumpyBackend, numpy_backend, written
from lab.backend.base import Backend
from lab.layers import (
    Dense,
    Dropout,
    LabelInput,
    LeakyReLU,
    LengthNorm,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Swish,
    Tanh,
)
from lab.networks.block import Block
from lab.objectives import CrossEntropy, Goodness, SquaredError
from lab.trainers import negatives
from lab.trainers.backprop import BackpropTrainer
from tests.layers.gradcheck import check_layer
from tests.layers.test_basic_layers import rows
from tests.objectives.test_goodness import both, check_goodness
from tests.objectives.test_losses import check_loss
from tests.trainers.checks import check_backprop_gradients, check_locality, check_recipe

Check = Callable[[], None]
Plant = Callable[[Any], None]


def layer_check(make: Callable[[], Any]) -> Check:
    return lambda: check_layer(make(), rows(3, 4))


def loss_check(loss: Any, labels: bool) -> Check:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 4, 3) if labels else rng.standard_normal((3, 4))
    return lambda: check_loss(loss, rng.standard_normal((3, 4)), target)


def goodness_check(**options: Any) -> Check:
    h = np.random.default_rng(0).standard_normal((6, 4))
    return lambda: check_goodness(Goodness(**options), h, both(3))


def after(owner: Any, name: str, change: Callable[..., Any]) -> Plant:
    """Replace a method by one that changes what the right one returns: change(result, *arguments)."""
    right = getattr(owner, name)
    return lambda patch: patch.setattr(owner, name, lambda *a, **k: change(right(*a, **k), *a, **k))


def _affine_backward(change: Callable[..., Any]) -> Plant:
    right = Backend.affine_backward

    def wrong(ops: Any, x: Any, W: Any, dy: Any, bias: bool, need_dx: bool, written: bool = True) -> Any:
        return change(*right(ops, x, W, dy, bias, need_dx, written), x, W, dy)

    return lambda patch: patch.setattr(Backend, "affine_backward", wrong)


def _leak(patch: Any) -> None:
    """Block l+1 changes block l's weights by the gradient it would have sent down."""
    right, below = Block.backward, []

    def wrong(block: Block, dh: Any, cache: Any, ctx: Any, dz: Any = None, need_dx: Any = None) -> Any:
        dxs, grads = right(block, dh, cache, ctx, dz, None)
        if block.name == "block1":
            below.clear()
        elif below and dxs[0] is not None:
            for p in below[-1].params.values():
                p -= 0.1 * dxs[0].mean()
        below.append(block)
        return dxs, grads

    patch.setattr(Block, "backward", wrong)


def _peer_after_use(patch: Any) -> None:
    right = Goodness._peers

    def wrong(self: Any, h: Any, rows: Any, state: Any) -> Any:
        before = state["mean_activity"].copy()
        found = right(self, h, rows, state)
        return found[0], (before - before.mean()) * self.peer / rows.n

    patch.setattr(Goodness, "_peers", wrong)


def _signal(change: Callable[[Any, Any], Any]) -> Plant:
    right = Goodness.__call__

    def wrong(self: Any, h: Any, rows: Any, state: Any, ctx: Any) -> Any:
        signal = right(self, h, rows, state, ctx)
        return replace(signal, dh=change(written(signal.dh, ctx.ops).copy(), rows))

    return lambda patch: patch.setattr(Goodness, "__call__", wrong)


def _negate_negatives(dh: Any, rows: Any) -> Any:
    dh[rows.negative] *= -1
    return dh


def _sequential_stops_early(patch: Any) -> None:
    right = Sequential.backward

    def wrong(self: Any, dy: Any, cache: Any, ctx: Any, need_dx: bool = True) -> Any:
        dx, grads = right(self, dy, cache, ctx, need_dx)
        return dx, {k: g * (0 if k.startswith("0.") else 1) for k, g in grads.items()}

    patch.setattr(Sequential, "backward", wrong)


def _pass_back_skips_the_norm(patch: Any) -> None:
    patch.setattr(Block, "pass_back", lambda self, dn, cache, ctx: dn)


def _true_label_drawn(patch: Any) -> None:
    patch.setattr(negatives, "hard", lambda ops, p, target, u: (ops.xp.cumsum(p, axis=1) <= u[:, None]).sum(axis=1))


def _other_gain(patch: Any) -> None:
    patch.setattr("lab.trainers.local.gain", lambda schedule, epoch, epochs: 1.0)


def _sgd(change: Callable[..., tuple[float, float, float, float]]) -> Plant:
    right = NumpyBackend.sgd_step

    def wrong(ops: Any, w: Any, g: Any, v: Any, *numbers: float) -> None:
        right(ops, w, g, v, *change(*numbers))

    return lambda patch: patch.setattr(NumpyBackend, "sgd_step", wrong)


dense = layer_check(lambda: Dense(4))
PLANTED: dict[str, tuple[Plant, Check]] = {
    "dx with the wrong sign": (_affine_backward(lambda dx, dW, db, *_: (None if dx is None else -dx, dW, db)), dense),
    "dx without the transpose": (_affine_backward(lambda dx, dW, db, x, W, dy: (dy @ W, dW, db)), dense),
    "dW transposed": (_affine_backward(lambda dx, dW, db, *_: (dx, dW.T, db)), dense),
    "dW divided by N": (_affine_backward(lambda dx, dW, db, x, W, dy: (dx, dW / len(x), db)), dense),
    "db forgotten": (_affine_backward(lambda dx, dW, db, *_: (dx, dW, db * 0)), dense),
    "db a mean": (_affine_backward(lambda dx, dW, db, x, W, dy: (dx, dW, db / len(x))), dense),
    "relu open everywhere": (
        lambda p: p.setattr(Backend, "relu_backward", lambda o, dy, y, out=None: dy), layer_check(ReLU),
    ),
    "leaky relu with another slope": (
        lambda p: p.setattr(LeakyReLU, "backward", lambda s, dy, c, x, need_dx=True: (dy * (c > 0), {})),
        layer_check(LeakyReLU),
    ),
    "sigmoid without 1 - y": (
        lambda p: p.setattr(Sigmoid, "backward", lambda s, dy, c, x, need_dx=True: (dy * c, {})),
        layer_check(Sigmoid),
    ),
    "tanh without the square": (
        lambda p: p.setattr(Tanh, "backward", lambda s, dy, c, x, need_dx=True: (dy * (1 - c), {})),
        layer_check(Tanh),
    ),
    "swish by the sigmoid alone": (
        lambda p: p.setattr(Swish, "backward", lambda s, dy, c, x, need_dx=True: (dy / (1 + np.exp(-c)), {})),
        layer_check(Swish),
    ),
    "softmax by its diagonal": (
        lambda p: p.setattr(Softmax, "backward", lambda s, dy, c, x, need_dx=True: (dy * c * (1 - c), {})),
        layer_check(Softmax),
    ),
    "norm without the projection": (
        lambda p: p.setattr(Backend, "length_norm_backward", lambda o, dy, y, r, axes: dy * r),
        layer_check(LengthNorm),
    ),
    "norm with a sum for the mean": (
        lambda p: p.setattr(
            Backend, "length_norm_backward", lambda o, dy, y, r, axes: r * (dy - y * (dy * y).sum(1, keepdims=True))
        ),
        layer_check(LengthNorm),
    ),
    "dropout not scaled back": (
        lambda p: p.setattr(Dropout, "backward", lambda s, dy, c, x, need_dx=True: (dy * (c > 0), {})),
        layer_check(lambda: Dropout(0.5)),
    ),
    "the first layer of a sequence forgotten": (
        _sequential_stops_early, layer_check(lambda: Sequential([Dense(3), Tanh(), Dense(2)])),
    ),
    "cross-entropy without 1/N": (
        after(CrossEntropy, "__call__", lambda f, s, output, *a: (f[0], f[1] * len(output))),
        loss_check(CrossEntropy(), True),
    ),
    "cross-entropy with the wrong sign": (
        after(CrossEntropy, "__call__", lambda f, *a: (f[0], -f[1])), loss_check(CrossEntropy(), True),
    ),
    "squared error without the half": (
        after(SquaredError, "__call__", lambda f, *a: (f[0], 2 * f[1])), loss_check(SquaredError(), False),
    ),
    "negative rows pushed up": (_signal(_negate_negatives), goodness_check()),
    "goodness without 1/N": (_signal(lambda dh, rows: dh * rows.n), goodness_check()),
    "mean goodness with the gradient of the sum": (
        _signal(lambda dh, rows: dh * 4), goodness_check(reduce="mean"),
    ),
    "backprop past the norm": (_pass_back_skips_the_norm, lambda: check_backprop_gradients("length")),
    "backprop with one block's gradient lost": (
        after(BackpropTrainer, "gradients", lambda f, *a: (f[0], {k: g * ("k1." not in k) for k, g in f[1].items()})),
        check_backprop_gradients,
    ),
    "a gradient leaking from block l+1 into l": (_leak, check_locality),
    "weight decay forgotten": (_sgd(lambda rate, momentum, damp, decay: (rate, momentum, damp, 0.0)), check_recipe),
    "gradient not averaged": (_sgd(lambda rate, momentum, damp, decay: (rate, momentum, 0.0, decay)), check_recipe),
    "peer term from the mean before its update": (_peer_after_use, check_recipe),
    "peer term with the wrong sign": (
        after(Goodness, "_peers", lambda f, *a: (f[0], -f[1])), check_recipe,
    ),
    "neutral label of zeros": (after(LabelInput, "neutral", lambda f, *a: f * 0), check_recipe),
    "negatives that may be right": (_true_label_drawn, check_recipe),
    "no cool-down": (_other_gain, check_recipe),
}  # fmt: skip


def test_at_least_twenty_errors_are_planted() -> None:
    assert len(PLANTED) >= 20


@pytest.mark.parametrize("name", PLANTED)
def test_planted_error_is_caught(name: str, monkeypatch: pytest.MonkeyPatch, tally: Counter[str]) -> None:
    monkeypatch.setattr(numpy_backend, "_has_numba", lambda: False)  # errors are planted in the reference operations
    plant, check = PLANTED[name]
    check()  # right as it stands
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check()
    tally["planted errors caught"] += 1
