"""A layer beside PyTorch's with the same weights, in float64: output and all gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lab.backend import NumpyBackend
from lab.layers import Ctx, Layer

Array = NDArray[Any]
REASON = "PyTorch is not installed; it comes with the extra: pip install -e '.[bench]'"


def check_against_torch(
    layer: Layer,
    x: Array,
    reference: Callable[[Any, dict[str, Any]], Any],
    *,
    train: bool = True,
    tolerance: float = 1e-10,
) -> Any:
    """`reference(x, params)` is the same map on tensors; differences are relative to the largest value of an array."""
    torch = pytest.importorskip("torch", reason=REASON)
    rng = np.random.default_rng(0)
    ops = NumpyBackend("float64")
    layer.build(x.shape[1:], ops, rng)
    for p in layer.params.values():
        p += 0.1 * rng.standard_normal(p.shape)
    ctx = Ctx(ops, train=train, keep=True)
    y, cache = layer.forward(x, ctx)
    dy = rng.standard_normal(y.shape)
    dx, grads = layer.backward(dy, cache, ctx)

    tensor = torch.tensor(x, requires_grad=True)
    params = {name: torch.tensor(p, requires_grad=True) for name, p in layer.params.items()}
    out = reference(tensor, params)
    out.backward(torch.tensor(dy))
    pairs = {"y": (y, out.detach()), "dx": (dx, tensor.grad)}
    pairs |= {f"d{name}": (grads[name], p.grad) for name, p in params.items()}
    for what, (found, expected) in pairs.items():
        right = expected.numpy()
        assert found.shape == right.shape, f"{what}: shape {found.shape} instead of {right.shape}"
        worst = float(np.abs(found - right).max(initial=0))
        assert worst <= tolerance * max(1e-3, float(np.abs(right).max(initial=0))), f"{what} is off by {worst:.3g}"
    return torch
