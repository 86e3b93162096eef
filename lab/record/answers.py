"""Which test rows a run answered rightly, in its record: eight rows a byte, in base64.

10,000 rows take 1,668 characters. Two runs that answered the same rows can then be compared row by row.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

MOST = 100_000  # rows; of longer test sets nothing is kept


def packed(right: NDArray[np.bool_]) -> str | None:
    """The text for answers (N,), or None of more than `MOST` rows."""
    return base64.b64encode(np.packbits(right).tobytes()).decode("ascii") if len(right) <= MOST else None


def unpacked(text: object, n: int) -> NDArray[np.bool_] | None:
    """The answers (n,) in a text; None where it does not hold just so many."""
    if not isinstance(text, str) or not 0 < n <= MOST or len(text) != 4 * -(-n // 24):
        return None
    try:
        found = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (binascii.Error, ValueError):
        return None
    return np.unpackbits(found, count=n).astype(np.bool_) if len(found) == -(-n // 8) else None
