"""Stateless randomness: each draw is named by (seed, key...), so nothing has to be saved and a resumed run is exact."""

from __future__ import annotations

import operator
import zlib
from typing import SupportsIndex

import numpy as np

from lab.errors import UsageError

_LIMIT = 2**32


def generator(seed: SupportsIndex, *key: SupportsIndex | str) -> np.random.Generator:
    """Return a fresh generator for the stream `key` of `seed`: the same arguments always give the same numbers.

    `generator(0, "weights", "block1")` and `generator(0, "shuffle", epoch)` are independent streams: the key becomes
    the spawn key of a `numpy.random.SeedSequence`. A text is reduced by CRC-32, which, unlike `hash`, is the same in
    every process. A number and a text never give the same stream. The caller draws from what it gets and drops it.

    Raises UsageError where the seed is not in 0 .. 2**64 - 1 or a number of the key not in 0 .. 2**32 - 1.
    """
    words: list[int] = []
    for part in key:
        # Two words for each part: without the first, the number 907060870 and the text "hello" would share a stream.
        words += [1, zlib.crc32(part.encode())] if isinstance(part, str) else [0, _whole(part, "random key", _LIMIT)]
    entropy = _whole(seed, "seed", _LIMIT**2)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=tuple(words))))


def _whole(value: SupportsIndex, what: str, limit: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise UsageError(f"{what}={value!r} is no whole number; use one from 0 to {limit - 1}") from None
    if not 0 <= number < limit:
        raise UsageError(f"{what}={number} is out of range; use a whole number from 0 to {limit - 1}")
    return number
