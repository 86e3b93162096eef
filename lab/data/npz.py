"""A user's own data: one .npz file, as `np.savez("mine.npz", x=x, y=y)` writes it, read without trusting a byte of it.

x: (N, *shape) numbers; bytes (uint8) are taken as images and scaled by 1/255. y: (N,) whole numbers are class labels (0
to K - 1, or any K values, which are numbered in rising order), real numbers are the targets of a regression. Optional:
x_valid, y_valid and x_test, y_test; x_train, y_train are other names of x, y.

Nothing is unpickled. An array is refused before memory is taken for it where its stated size does not fit the file.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lab.data.parts import Pair, Parts
from lab.errors import DataError

NAMES = ("x", "y", "x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test")
HEADER = 10_000  # bytes of a member's header, numpy's own bound
SMALL, SWELL = 2**26, 250  # a file that unpacks to more than SMALL bytes may not grow more than SWELL-fold


def read_npz(path: Path) -> Parts:
    """Return the parts in the .npz file at `path`. Raises DataError that names the file and the remedy."""
    if path.suffix.lower() != ".npz":
        raise DataError(f'{path} is no .npz file; save your data as one with np.savez("{path.stem}.npz", x=x, y=y)')
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            file.seek(0, 2)
            arrays = {name: _member(archive, info, path) for name, info in _listed(archive, path, file.tell()).items()}
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; correct the path") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}; correct the path or its rights") from error
    # zipfile raises NotImplementedError for a compression that it does not know
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, struct.error) as error:
        raise DataError(f"{path} is damaged or no .npz file ({error}); write it again with np.savez") from None

    def pair(part: str) -> Pair | None:
        x, y = arrays.get(f"x{part}"), arrays.get(f"y{part}")
        if x is None and y is None:
            return None
        if x is None or y is None:
            there, missing = ("x", "y") if y is None else ("y", "x")
            raise DataError(f"{path} holds {there}{part} without {missing}{part}; store both")
        return x, y

    train, other = pair(""), pair("_train")
    if train and other:
        raise DataError(f"{path} holds both x, y and x_train, y_train; keep one of them")
    train = train or other
    if train is None:
        raise DataError(f'{path} holds no x and y; write them with np.savez("{path.name}", x=x, y=y)')
    return Parts(train=train, valid=pair("_valid"), test=pair("_test"), source=f"the file {path.name}")


def _listed(archive: zipfile.ZipFile, path: Path, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's members by array name, none of which claims more bytes than the file can hold."""
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name not in NAMES or name == info.filename:
            raise DataError(f"{path} holds {info.filename[:80]!r}; only arrays named {', '.join(NAMES)} belong there")
        if name in found:
            raise DataError(f"{path} holds {name} twice; write it again with np.savez")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{path} holds {name} encrypted or packed unusually; write it again with np.savez")
        found[name] = info
    packed = sum(info.compress_size for info in found.values())
    unpacked = sum(info.file_size for info in found.values())
    if packed > size:
        raise DataError(f"{path} claims {packed} bytes of arrays in a file of {size}; write it again with np.savez")
    if unpacked > max(SMALL, SWELL * packed):
        raise DataError(
            f"{path} would unpack from {packed} to {unpacked} bytes; if that is right, use np.savez, unpacked"
        )
    return found


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    """Return one array, read into memory only after its header's shape has been found to fit the member's size."""
    what = f"{path}: {info.filename.removesuffix('.npy')}"
    try:
        with archive.open(info) as file:
            shape, fortran, dtype = _header(file)
            if dtype.hasobject:
                raise DataError(f"{what} holds Python objects, which are never unpickled; store plain numbers")
            if dtype.kind not in "buif":
                raise DataError(f"{what} has dtype {dtype}, which is not numbers; store numbers")
            count = 1
            for length in shape:
                count *= int(length)
            left = info.file_size - file.tell()
            if min(shape, default=0) < 0 or count * dtype.itemsize != left:
                raise DataError(f"{what} says it is {dtype} of shape {shape} but has {left} bytes; write it again")
            data = file.read(left)
            if len(data) != left or file.read(1):
                raise DataError(f"{what} is cut off after {len(data)} of {left} bytes; write it again with np.savez")
    except (ValueError, EOFError, struct.error, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{what} is damaged ({str(error)[:120]}); write it again with np.savez") from None
    except (RuntimeError, NotImplementedError) as error:
        raise DataError(f"{what} cannot be unpacked ({str(error)[:120]}); write it again with np.savez") from None
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether in Fortran order, and dtype. Raises ValueError."""
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file, max_header_size=HEADER)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(file, max_header_size=HEADER)
    except (OSError, zlib.error, zipfile.BadZipFile):
        raise
    except Exception as error:  # numpy reads the header as a Python literal, which can fail in a dozen ways
        raise ValueError(f"its header is none: {str(error).partition(chr(10))[0]}") from None
    raise ValueError(f"version {version} of the .npy format is unknown")
