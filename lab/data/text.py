"""A text as data: windows of characters, and for each the character that follows.

The file is UTF-8; line ends become one newline character, and every other character counts as it is. The alphabet is
that of the whole file, in the order of the characters' code points: the test part cannot hold an unknown one, and
nothing else is learnt of it. Windows overlap, so the parts are cut from the text and not drawn from shuffled windows:
see the split rule.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from lab.data.cache import read_limited
from lab.data.parts import Parts
from lab.errors import DataError, UsageError

LARGEST_FILE = 2**28  # bytes
LARGEST_ROWS = 2**31  # bytes that the windows may take
SYMBOLS = 256  # characters that fit a byte


def read_text(
    path: Path, window: int = 10, stride: int = 1, symbols: str | None = None, *, remedy: str = "correct the path"
) -> Parts:
    """Return the windows of the text file at `path`. `remedy` ends the sentence where it cannot be read.

    window  characters that the next one is predicted from
    stride  how far the next window begins: 1 has every character predicted
    symbols the characters that are told apart, as one text; see `reduced`. None: all that occur

    Raises UsageError for a window or stride below 1, DataError for a file that is missing, no text, or too short.
    """
    text = decode(read_limited(path, LARGEST_FILE, remedy), str(path))
    return text_parts(text if symbols is None else reduced(text, symbols), window, stride, str(path))


def reduced(text: str, symbols: str) -> str:
    """The text in a small alphabet: capitals become small where only those are in it, all else a space, spaces one.

    Raises UsageError for an alphabet without a space, which is what others become.
    """
    if " " not in symbols:
        raise UsageError(f"symbols={symbols!r} has no space, which every other character becomes; add one")
    kept = "".join(c if c in symbols else c.lower() if c.lower() in symbols else " " for c in text)
    return re.sub(" +", " ", kept)


def decode(data: bytes, what: str) -> str:
    """The text in the bytes of a UTF-8 file, with every line ending in one newline. Raises DataError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{what} is no UTF-8 text ({error.reason} in byte {error.start}); save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def text_parts(text: str, window: int, stride: int, what: str, source: str = "") -> Parts:
    """Return the windows of `text`; see `read_text`. `what` names it in errors."""
    if window < 1 or stride < 1:
        raise UsageError(f"window={window} stride={stride} cut no text into rows; use whole numbers from 1")
    points = np.frombuffer(text.encode("utf-32-le"), "<u4")
    if len(points) < window + 3:
        raise DataError(
            f"{what} has {len(points)} characters, too few for windows of {window}; use a smaller window or more text"
        )
    alphabet, codes = np.unique(points, return_inverse=True)
    if not 2 <= len(alphabet) <= SYMBOLS:
        raise DataError(
            f"{what} holds {len(alphabet)} different characters, and 2 to {SYMBOLS} can be told apart; "
            "replace the rare ones"
        )
    rows = (len(codes) - window - 1) // stride + 1
    if rows * window > LARGEST_ROWS:
        raise UsageError(
            f"window={window} stride={stride} make {rows} rows of {what}, more than {LARGEST_ROWS} bytes; "
            "use a larger stride or a smaller window"
        )
    cut = np.lib.stride_tricks.sliding_window_view(codes.astype(np.uint8).reshape(-1), window + 1)[::stride]
    return Parts(
        train=(np.ascontiguousarray(cut[:, :window]), cut[:, window]),
        n_classes=len(alphabet),
        classes=tuple(map(chr, alphabet)),
        default_valid=0.1,
        source=source or f"the text {Path(what).name}",
        alphabet=len(alphabet),
        gap=window // stride,
    )
