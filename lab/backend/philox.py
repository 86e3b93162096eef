"""Counter-based random numbers: Philox 4x32-10, the same bits on CPU and GPU, with no state to save.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 3.3: ten rounds of
    (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)),
the key growing by (W0, W1) after each round. A draw is a pure function of (key, counter): a resumed or recomputed pass
sees the numbers it saw the first time.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_MASK = 0xFFFFFFFF


def philox(xp: ModuleType, counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """Ten rounds over uint64 arrays (or scalars) holding 32-bit words; returns four such arrays."""
    c0, c1, c2, c3 = (xp.asarray(c, dtype=xp.uint64) for c in counter)
    k0, k1 = key
    mask, half = xp.uint64(_MASK), xp.uint64(32)
    for _ in range(10):
        p0, p1 = c0 * xp.uint64(_M0), c2 * xp.uint64(_M1)
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ xp.uint64(k0), p1 & mask, (p0 >> half) ^ c3 ^ xp.uint64(k1), p0 & mask
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


def uniforms(xp: ModuleType, n: int, key: tuple[int, int], step: Any, stream: int, first: int = 0) -> Any:
    """`n` float32 uniforms in [0, 1) for (key, step, stream) from element `first` on: shape (n,), 24 random bits each.

    The step is a number, or a 0-d integer array on the device. Counter words: (element // 4, stream, step low, step
    high); the four outputs serve four neighbouring elements.
    """
    begin = first // 4
    quads = -(-(first + n) // 4) - begin
    zero = xp.zeros(quads, dtype=xp.uint64)
    step = zero + (xp.uint64(step) if isinstance(step, int) else step.astype(xp.uint64))
    words = philox(
        xp,
        (xp.arange(begin, begin + quads, dtype=xp.uint64), zero + xp.uint64(stream), step & xp.uint64(_MASK),
         step >> xp.uint64(32)),
        key,
    )  # fmt: skip
    bits = xp.stack(words, axis=1).reshape(-1)[first - 4 * begin :][:n]
    return (bits >> xp.uint64(8)).astype(xp.float32) * xp.float32(2.0**-24)
