"""Kernels for the GPU without one: each compiles for it, and its very source run on the CPU equals its reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.backend import Backend, CupyBackend, NumpyBackend, ScaledRows, cuda
from lab.errors import UsageError
from tests.backend.nvrtc import compiled
from tests.backend.on_host import HostKernels, kernels

TOLERANCE = {"float32": 2e-5, "float64": 1e-13}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("architecture", [80, 90])
def test_the_kernels_compile_for_a_gpu(architecture: int, dtype: str) -> None:
    flags = ("--std=c++17", f"--gpu-architecture=compute_{architecture}", *cuda.options(dtype))
    code = compiled(cuda.source(), flags)
    entries = {line.split()[2].rstrip("(") for line in code.splitlines() if ".visible .entry" in line}
    assert entries == kernels().keys()


class Case:
    """Inputs for one operation, drawn once, so that two backends are given the same."""

    def __init__(self, ops: Backend, n: int, width: int, seed: int) -> None:
        self.ops, self.n, self.width = ops, n, width
        self._rng = np.random.default_rng(seed)

    def rows(self, *shape: int) -> Any:
        return self.ops.asarray(self._rng.standard_normal(shape or (self.n, self.width)))

    def positive(self, *shape: int) -> Any:
        return self.ops.asarray(self._rng.random(shape))

    def labels(self, k: int) -> Any:
        return self.ops.resident(self._rng.integers(0, k, self.n))

    def places(self, of: int) -> Any:
        return self.ops.resident(self._rng.integers(0, of, self.n))

    def bytes(self, m: int) -> Any:
        return self.ops.resident(self._rng.integers(0, 256, (m, self.width), np.uint8))

    def draws(self) -> Any:
        u = self._rng.random(self.n)
        u[:2] = (0, 1 - 2**-53)[: len(u[:2])]
        return self.ops.resident(u)

    def number(self, value: float, dtype: Any = None) -> Any:
        out = self.ops.empty((), dtype)
        out[...] = value
        return out


def relu_backward(c: Case) -> Any:
    y = c.ops.relu(c.rows())
    rows = c.rows()
    into = c.rows()
    scaled = c.ops.relu_backward(ScaledRows(rows, c.positive(c.n)), y)
    own = c.ops.relu_backward(ScaledRows(y, c.positive(c.n)), y)
    return c.ops.relu_backward(c.rows(), y), scaled, own, c.ops.relu_backward(c.rows(), y, out=into), into


def affine(c: Case) -> Any:
    x, W, b = c.rows(c.n, 3), c.rows(3, c.width), c.rows(c.width)
    return c.ops.affine(x, W, b), c.ops.affine(x, W, None)


def norm(c: Case) -> Any:
    x = c.rows()
    x[:1] = 0
    if c.n > 2 and c.width:
        x[1, 0], x[2, 0] = np.inf, np.nan
    y, r = c.ops.length_norm(x, (1,), 1e-12)
    z, s = c.ops.length_norm(c.rows(c.n, c.width, 2), (1, 2), 1e-12)
    return y, r, z, s, c.ops.length_norm_backward(c.rows(c.n, c.width, 2), z, s, (1, 2))


def labelled(c: Case) -> Any:
    label = c.ops.one_hot(c.labels(4), 4)
    mixed = c.positive(c.n, 4)
    total, at_label, out = c.rows(), c.rows(4, c.width), c.rows()
    product, columns, b, scale = c.rows(), c.rows(4, c.width), c.rows(c.width), c.positive(c.n, 1)
    results = [label, total, at_label]
    for each, given, bias in ((label, scale, b), (mixed, None, b), (mixed, scale, None), (label, None, None)):
        into = c.ops.empty(out.shape)
        c.ops.add_labels(product, each, columns, given, bias, into)
        c.ops.add_label_gradients(c.rows(), each, given, total, at_label)
        results.append(into)
    return results


def draws(c: Case) -> Any:
    shares = c.positive(c.n, 5)
    target = c.labels(5)
    shares[:, 1] = 0  # no share: never drawn
    shares[: c.n // 3] = c.ops.one_hot(target, 5)[: c.n // 3]  # all belief is in the true class
    shares[-1:] = np.nan
    return c.ops.other_by_share(shares, target, c.draws()), c.ops.other_evenly(5, target, c.draws())


def gathers(c: Case) -> Any:
    return c.ops.gather(c.bytes(7), c.places(7), 1 / 255), c.ops.gather(c.rows(7, c.width), c.places(7), 0.5)


def losses(c: Case) -> Any:
    output, target = c.rows(c.n, 6), c.labels(6)
    output *= 30
    g = c.rows(c.n, 2, 3)
    g *= 100
    parts = slice(c.n // 2, c.n)
    return (
        c.ops.softmax(output),
        *c.ops.softmax_loss(output, target),
        *c.ops.logistic_loss(g, 3.0, 0.7, parts),
        *c.ops.logistic_loss(g, 3.0, -0.7, slice(0, 0)),
    )


def steps(c: Case) -> Any:
    results = []
    for v, rate, decay in ((None, 0.1, 0.0), (c.rows(), 0.1, 0.01), (c.rows(), c.number(0.1), 0.01)):
        w = c.rows()
        c.ops.sgd_step(w, c.rows(), v, rate, 0.9, 0.4, decay)
        results += [w] if v is None else [w, v]
    w, x, dy, v = c.rows(3, c.width), c.rows(c.n, 3), c.rows(), c.rows(3, c.width)
    _, product, _ = c.ops.affine_backward(x, w, dy, False, False, written=False)
    c.ops.sgd_step(w, product, v, 0.1, 0.9, 0.9, 0.01)
    results += [w, v]
    for step, rate in ((1, 0.01), (7, c.number(0.01)), (c.number(7, np.int64), 0.01)):
        w, m, v = c.rows(), c.rows(), c.positive(c.n, c.width)
        c.ops.adam_step(w, c.rows(), m, v, rate, 0.9, 0.999, 1e-8, 0.05, step)
        results += [w, m, v]
    return results


def noise(c: Case) -> Any:
    key = (0xFFFFFFF1, 5)
    return [
        c.ops.uniform((c.n, c.width), key, step, 0x80000001, first)
        for step in (0, 5 << 32 | 7, c.number(7, np.int64))
        for first in (0, 1, 6)
    ]


def sums(c: Case) -> Any:
    x = c.rows()
    out = c.ops.empty(x.shape)
    c.ops.scale_rows(x, c.rows(c.n), out)
    return c.ops.row_squares(x), out, c.ops.relu(x), c.ops.relu(x, out=x)


CASES = [relu_backward, affine, norm, labelled, draws, gathers, losses, steps, noise, sums]


def compare(case: Any, fused: Backend, n: int, width: int) -> None:
    """The operations of `case` give the same by `fused` and by the reference."""
    reference = NumpyBackend(fused.dtype.name, kernels="numpy")
    with np.errstate(all="ignore"):
        expected, found = (case(Case(ops, n, width, seed=3)) for ops in (reference, fused))
    tolerance = TOLERANCE[fused.dtype.name]
    for i, (e, f) in enumerate(zip(expected, found, strict=True)):
        got = fused.to_host(f)
        assert (got.dtype, got.shape) == (e.dtype, e.shape), i
        if e.dtype.kind in "iu" or case is noise:
            np.testing.assert_array_equal(got, e, err_msg=str(i))
        else:
            np.testing.assert_allclose(got, e, rtol=tolerance, atol=tolerance, err_msg=str(i))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "width"), [(6, 5), (9, 300), (1, 1), (0, 3)])
def test_kernels_on_the_cpu(case: Any, dtype: str, n: int, width: int) -> None:
    compare(case, HostKernels(dtype), n, width)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernels", ["auto", "cupy"])
def test_kernels_on_the_gpu(case: Any, dtype: str, kernels: Any) -> None:
    try:
        fused = CupyBackend(dtype, kernels=kernels)
    except UsageError as error:
        pytest.skip(str(error))
    for n, width in ((6, 5), (200, 2000), (1, 1), (0, 3)):
        compare(case, fused, n, width)


def test_no_kernel_is_left_out() -> None:
    ops = HostKernels("float64")
    for case in CASES:
        with np.errstate(all="ignore"):
            case(Case(ops, 6, 5, seed=0))
    assert ops.launched == kernels().keys()
