"""Operations of a backend against plain expressions, and the random numbers against their published values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lab.backend import Backend
from lab.backend.philox import philox, uniforms


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # known answers published with the generator (Random123, philox4x32 with 10 rounds)
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_known_answers(counter: Any, key: Any, expected: Any, ops: Backend) -> None:
    words = philox(ops.xp, tuple(ops.xp.asarray([c], dtype=ops.xp.uint64) for c in counter), key)
    assert tuple(int(w[0]) for w in words) == expected


def test_uniforms_are_uniform_and_distinct_between_streams(ops: Backend) -> None:
    u = ops.to_host(uniforms(ops.xp, 40_001, (3, 4), step=5, stream=6))
    assert u.dtype == np.float32
    assert len(u) == 40_001
    assert (u.min() >= 0, u.max() < 1) == (True, True)
    assert abs(u.mean() - 0.5) < 4 / math.sqrt(12 * len(u))
    counts = np.histogram(u, bins=16, range=(0, 1))[0]
    assert ((counts - len(u) / 16) ** 2 / (len(u) / 16)).sum() < 45  # chi-square, 15 degrees: p below 1e-4
    for other in ((3, 4, 5, 7), (3, 4, 6, 6), (3, 5, 5, 6), (2, 4, 5, 6)):
        k0, k1, step, stream = other
        v = ops.to_host(uniforms(ops.xp, 40_001, (k0, k1), step=step, stream=stream))
        assert abs(np.corrcoef(u, v)[0, 1]) < 0.03
    prefix = ops.to_host(uniforms(ops.xp, 10, (3, 4), step=5, stream=6))
    assert np.array_equal(prefix, u[:10])
    for first in (1, 4, 7):
        assert np.array_equal(ops.to_host(uniforms(ops.xp, 9, (3, 4), 5, 6, first)), u[first : first + 9])


def test_gather(ops: Backend) -> None:
    rng = np.random.default_rng(0)
    index = ops.xp.asarray([4, 0, 0])
    for x, scale in ((rng.integers(0, 256, (5, 2, 3)).astype(np.uint8), 1 / 255), (rng.standard_normal((5, 3)), 1.0)):
        got = ops.gather(ops.resident(x), index, scale)
        assert got.dtype == ops.dtype
        np.testing.assert_array_equal(ops.to_host(got), x[[4, 0, 0]] * scale)


def test_sgd_and_adam_against_their_formulas(ops: Backend) -> None:
    rng = np.random.default_rng(1)
    w0, g, v0 = (rng.standard_normal((4, 3)) for _ in range(3))
    w, v = ops.asarray(w0), ops.asarray(v0)
    ops.sgd_step(w, ops.asarray(g), v, 0.1, 0.9, 0.4, 0.02)
    v1 = 0.9 * v0 + 0.6 * g
    np.testing.assert_allclose(ops.to_host(v), v1, rtol=1e-14)
    np.testing.assert_allclose(ops.to_host(w), w0 - 0.1 * (v1 + 0.02 * w0), rtol=1e-13)
    w = ops.asarray(w0)
    ops.sgd_step(w, ops.asarray(g), None, 0.1, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(ops.to_host(w), w0 - 0.1 * g, rtol=1e-14)

    w, m, s = ops.asarray(w0), ops.asarray(v0), ops.asarray(v0**2)
    ops.adam_step(w, ops.asarray(g), m, s, 0.01, 0.9, 0.99, 1e-8, 0.05, 3)
    m1, s1 = 0.9 * v0 + 0.1 * g, 0.99 * v0**2 + 0.01 * g**2
    step = (m1 / (1 - 0.9**3)) / (np.sqrt(s1 / (1 - 0.99**3)) + 1e-8)
    np.testing.assert_allclose(ops.to_host(w), w0 - 0.01 * (step + 0.05 * w0), rtol=1e-12)
    np.testing.assert_allclose(ops.to_host(m), m1, rtol=1e-14)
    np.testing.assert_allclose(ops.to_host(s), s1, rtol=1e-13)
