"""The black box: what it does, that its noise is new in every pass and can be had again, and who has its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.backend import NumpyBackend
from lab.errors import UsageError
from lab.layers import BlackBox, Ctx, Noise

OPS = NumpyBackend("float64")
X = np.random.default_rng(0).standard_normal((400, 30))


def built(*shape: int, seed: int = 0, **options: Any) -> BlackBox:
    box = BlackBox(**options)
    assert box.build(shape or (30,), OPS, np.random.default_rng(seed)) == (shape or (30,))
    return box


def out(box: BlackBox, x: Any = X, step: int = 0, stream: int = 0) -> Any:
    return box.forward(x, Ctx(OPS, Noise(0, step, stream)))[0]


def test_without_strength_nothing_happens() -> None:
    assert np.array_equal(out(built(strength=0.0)), X)


@pytest.mark.parametrize("levels", [2, 4, 5])
def test_all_inputs_are_mixed_and_rounded(levels: int) -> None:
    box = built(levels=levels, noise=0.0, flips=0.0)
    y = out(box)
    values = np.linspace(-2, 2, levels)
    assert np.allclose(np.unique(y.round(12)), values)
    mixed = X @ box._mixing
    assert np.abs(y - np.clip(mixed, -2, 2)).max() <= 2 / (levels - 1) + 1e-12  # half a step
    assert abs(mixed.std() - 1) < 0.1 and abs(np.corrcoef(X[:, 0], y[:, 0])[0, 1]) < 0.5
    half = out(built(levels=levels, noise=0.0, flips=0.0, strength=0.5))
    assert np.allclose(half, (X + y) / 2)


def test_noise_and_flips_are_as_large_as_they_say() -> None:
    still = out(built(levels=4, noise=0.0, flips=0.0))
    ratio = out(built(levels=4, noise=0.3, flips=0.1)) / still
    assert (ratio < 0).mean() == pytest.approx(0.1, abs=0.01)
    assert np.abs(ratio).mean() == pytest.approx(1, abs=0.01) and np.abs(ratio).std() == pytest.approx(0.3, abs=0.01)


def test_noise_is_new_in_every_pass_and_the_same_when_asked_again() -> None:
    box = built()
    first = out(box, step=3)
    assert np.array_equal(first, out(box, step=3)) and np.array_equal(first, out(built(), step=3))
    for other in (out(box, step=4), out(box, step=3, stream=1), out(built(seed=1), step=3)):
        assert (first != other).mean() > 0.4


def test_rows_of_any_shape() -> None:
    x = X[:, :24].reshape(400, 2, 3, 4)
    flat = out(built(24), X[:, :24])
    assert np.array_equal(out(built(2, 3, 4), x).reshape(400, 24), flat)


def test_only_a_surrogate_has_a_gradient() -> None:
    class Tripled:
        def pull_back(self, x: Any, y: Any, dy: Any, ctx: Ctx) -> Any:
            assert np.array_equal(x, X) and np.array_equal(y, found)
            return 3 * dy

    box, ctx = built(), Ctx(OPS, keep=True)
    found, cache = box.forward(X, ctx)
    assert cache is None and box.backward(X, cache, ctx, need_dx=False) == (None, {})
    with pytest.raises(UsageError, match="no derivative to send a gradient through; use trainer=surrogate_backprop"):
        box.backward(X, cache, ctx)
    box.surrogate = Tripled()
    found, cache = box.forward(X, ctx)
    assert np.array_equal(box.backward(X, cache, ctx)[0], 3 * X)


@pytest.mark.parametrize(
    "options", [{"strength": 1.1}, {"strength": -0.1}, {"levels": 1}, {"noise": -1.0}, {"flips": 2.0}]
)
def test_what_is_no_box_is_refused(options: Any) -> None:
    with pytest.raises(UsageError, match=f"BlackBox needs .*{next(iter(options))}"):
        BlackBox(**options)
