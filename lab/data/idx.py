"""Reading .gz files of the idx format (MNIST's and Fashion-MNIST's) without trusting a byte of them.

The format: two zero bytes, a type byte (8 = uint8), the number of dimensions d, d big-endian 32-bit lengths, then the
values in C order. Source: the description on the MNIST site, http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.data.cache import read_limited
from lab.errors import DataError


def read_idx(
    path: Path, shape: tuple[int, ...], *, packed: str = "", contents: str = "", top: int = 255, remedy: str
) -> NDArray[np.uint8]:
    """Return the values of the idx file `path`, which must have exactly `shape` and no value above `top`.

    packed, contents: SHA-256 of the .gz file and of what is in it; an empty one is not checked.
    remedy: ends each error's sentence ("run ..."). The array is read-only.

    Raises DataError that names the file, what was found, and the remedy.
    """
    data = read_limited(path, packed_limit(shape), remedy)
    if packed and (digest := hashlib.sha256(data).hexdigest()) != packed:
        raise DataError(f"{path} is altered: its SHA-256 is {digest} and not {packed}; {remedy}")
    return parse_idx(data, shape, contents=contents, top=top, what=str(path), remedy=remedy)


def parse_idx(
    packed: bytes, shape: tuple[int, ...], *, contents: str = "", top: int = 255, what: str, remedy: str
) -> NDArray[np.uint8]:
    """Return the values in the bytes of a .gz idx file; as `read_idx`, with `what` to call it by.

    At most one byte more than `shape` asks for is ever unpacked, so a file that swells or whose header lies is refused
    before it takes memory.
    """
    header = 4 + 4 * len(shape)
    size = header + math.prod(shape)
    data = _unpack(packed, size, what, remedy)
    if len(data) < header:
        raise DataError(f"{what} holds {len(data)} bytes and not {size}; {remedy}")
    if data[:3] != b"\0\0\x08" or data[3] != len(shape):
        raise DataError(f"{what} starts with {data[:4].hex()} and not {8:06x}{len(shape):02x}; {remedy}")
    found = tuple(int(n) for n in np.frombuffer(data, ">u4", len(shape), 4))
    if found != shape:
        raise DataError(f"{what} says its dimensions are {found} and not {shape}; {remedy}")
    if len(data) != size:
        more = " or more" if len(data) > size else ""
        raise DataError(f"{what} holds {len(data)}{more} bytes and not {size}; {remedy}")
    if contents and (digest := hashlib.sha256(data).hexdigest()) != contents:
        raise DataError(f"{what} is altered: its contents have SHA-256 {digest} and not {contents}; {remedy}")
    values = np.frombuffer(data, np.uint8, offset=header).reshape(shape)
    if top < 255 and values.size and (high := int(values.max())) > top:
        raise DataError(f"{what} holds the label {high} in row {int(values.argmax())} and not 0 to {top}; {remedy}")
    return values


def packed_limit(shape: tuple[int, ...]) -> int:
    """Return the most bytes that the .gz idx file of such an array can have."""
    size = 4 + 4 * len(shape) + math.prod(shape)
    return size + size // 1000 + 1024  # deflate adds five bytes to each block that it cannot shrink


def _unpack(data: bytes, size: int, what: str, remedy: str) -> bytes:
    """Return what the one .gz member `data` holds, at most size + 1 bytes of it."""
    stream = zlib.decompressobj(wbits=31)
    try:
        result = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise DataError(f"{what} is no sound .gz file ({error}); {remedy}") from None
    if len(result) > size:
        return result
    if not stream.eof:
        raise DataError(f"{what} is cut off after {len(result)} of {size} unpacked bytes; {remedy}")
    if stream.unused_data:
        raise DataError(f"{what} has {len(stream.unused_data)} bytes after its end; {remedy}")
    return result
