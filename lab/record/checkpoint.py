"""Checkpoints: a safetensors file whose every bit is covered by a SHA-256, written atomically and read without trust.

The file is an ordinary `.safetensors` file, so any tool opens it. Its metadata hold `header` (a JSON object of the
caller's: version, step, ...) and `sha256`: the digest over the whole file with the digest's own 64 characters as zeros.
safetensors itself has no checksum: nearly every flipped bit would load in silence.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError
from lab.record import storage

Array: TypeAlias = NDArray[Any]

FORMAT = "lab-checkpoint-1"
_HEADER_LIMIT = 1 << 24  # bytes of the table of tensors with our header in it
_EMPTY = "0" * 64
_PIECE = 1 << 22
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES = {np.dtype(text): name for name, text in _DTYPES.items()}


def write_checkpoint(
    path: str | os.PathLike[str],
    arrays: Mapping[str, Array],
    header: Mapping[str, Any],
    keep: str | os.PathLike[str] | None = None,
) -> None:
    """Write `arrays` and the JSON object `header` to `path` atomically, without a second copy of the arrays in memory.

    `keep` is the name under which the checkpoint that was at `path` goes on. Raises DataError for what the format
    cannot hold (an object array, a header that is no JSON), StorageError where the disk refuses; a checkpoint that was
    there before is then intact.
    """
    tensors = {name: _plain(name, array) for name, array in arrays.items()}
    # Wide types first, as the format's own writer does: every tensor then starts at a multiple of its item size.
    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    table, position = {}, 0
    for name in order:
        array = tensors[name]
        end = position + array.nbytes
        table[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [position, end]}
        position = end
    try:
        text = json.dumps(dict(header), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"the header of {path} is no JSON: {error}") from error

    digest = hashlib.sha256(_head(text, _EMPTY, table))
    for name in order:
        digest.update(_bytes(tensors[name]))

    def pieces() -> Iterator[storage.Buffer]:
        yield _head(text, digest.hexdigest(), table)
        for name in order:
            yield _bytes(tensors[name])

    storage.write_atomic(path, pieces(), keep)


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the header of a checkpoint; nothing is allocated for an array before its size has been checked.

    Raises DataError where the file is missing, not a checkpoint, truncated, or altered by as much as one bit.
    """
    source = Path(path)
    try:
        with storage.disk.open(source) as file:
            size = os.fstat(file.fileno()).st_size
            head = _read_head(file, size)
            table, header, stated = _parse_head(head[8:], size - len(head))
            digest = hashlib.sha256(head.replace(stated.encode(), _EMPTY.encode(), 1))
            arrays: dict[str, Array] = {}
            for name, dtype, shape in table:
                array: Array = np.empty(shape, dtype)
                _fill(file, array, digest)
                arrays[name] = array
            if file.read(1):
                raise ValueError("it goes on behind its end")
    except FileNotFoundError:
        raise DataError(f"checkpoint {source} does not exist") from None
    except OSError as error:
        raise DataError(f"checkpoint {source} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"checkpoint {source} is damaged: {error}; remove it and run again") from None
    if digest.hexdigest() != stated:
        raise DataError(f"checkpoint {source} is damaged: its SHA-256 does not match; remove it and run again")
    return arrays, header


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The header alone, in little time, for those who look on: its digest is not checked, so nothing may rest on it.

    Raises DataError where the file is missing or not a checkpoint.
    """
    source = Path(path)
    try:
        with storage.disk.open(source) as file:
            size = os.fstat(file.fileno()).st_size
            head = _read_head(file, size)
        return _parse_head(head[8:], size - len(head))[1]
    except OSError as error:
        raise DataError(f"checkpoint {source} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"checkpoint {source} is damaged: {error}") from None


def _plain(name: str, array: Array) -> Array:
    array = np.asarray(array)
    little = array.dtype.newbyteorder("<")
    if little not in _NAMES:
        raise DataError(f"array {name!r} of type {array.dtype} cannot be saved; use one of {', '.join(_DTYPES)}")
    return np.asarray(array, dtype=little, order="C")


def _bytes(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _head(header: str, digest: str, table: Mapping[str, object]) -> bytes:
    metadata = {"format": FORMAT, "sha256": digest, "header": header}
    text = json.dumps({"__metadata__": metadata, **table}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _read_head(file: Any, size: int) -> bytes:
    start: bytes = file.read(8)
    if len(start) < 8:
        raise ValueError("it is truncated")
    (length,) = struct.unpack("<Q", start)
    if length > min(_HEADER_LIMIT, size - 8):
        raise ValueError(f"its header claims {length} bytes of {size}")
    rest: bytes = file.read(length)
    if len(rest) < length:
        raise ValueError("it is truncated")
    return start + rest


def _parse_head(text: bytes, body: int) -> tuple[list[tuple[str, str, tuple[int, ...]]], dict[str, Any], str]:
    """The tensors in file order, the caller's header and the stated digest; ValueError unless all fits `body` bytes."""
    parsed = storage.parse_json(text)
    metadata = parsed.pop("__metadata__", None) if isinstance(parsed, dict) else None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ValueError(f"it is no {FORMAT} file")
    stated, header = metadata.get("sha256"), storage.parse_json(str(metadata.get("header")))
    if not isinstance(stated, str) or len(stated) != 64 or not isinstance(header, dict):
        raise ValueError("its header is incomplete")
    found = sorted((_entry(name, entry) for name, entry in parsed.items()), key=lambda item: item[3:])
    position = 0
    for name, dtype, shape, begin, end in found:
        if begin != position or end - begin != math.prod(shape) * np.dtype(dtype).itemsize:
            raise ValueError(f"tensor {name!r} has a wrong place or size")
        position = end
    if position != body:
        raise ValueError(f"it has {body} bytes of tensors instead of {position}")
    return [item[:3] for item in found], header, stated


def _entry(name: str, entry: Any) -> tuple[str, str, tuple[int, ...], int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r} has a wrong description")
    shape, offsets = entry["shape"], entry["data_offsets"]
    dtype = _DTYPES.get(str(entry["dtype"]))
    if dtype is None or not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2 or len(shape) > 32:
        raise ValueError(f"tensor {name!r} has a wrong description")
    return name, dtype, tuple(shape), offsets[0], offsets[1]


def _sizes(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _fill(file: Any, array: Array, digest: Any) -> None:
    view = _bytes(array)
    while view:
        read = file.readinto(view[:_PIECE])
        if not read:
            raise ValueError("it is truncated")
        digest.update(view[:read])
        view = view[read:]
