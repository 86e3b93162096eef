"""Reading named members of .deb, .tar.gz and .zip files in memory: nothing is extracted, so no name leads elsewhere.

A .deb is an `ar` archive (8 bytes "!<arch>\\n", then members of a 60-byte header each) whose member data.tar.* holds
the files. Source: the manual pages deb(5) and ar(5).
"""

from __future__ import annotations

import importlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lab.errors import DataError

BUDGET = 2**28  # bytes that an archive may unpack to; CIFAR-10's, the largest here, has 184 million
MEMORY = 2**27  # bytes that an .xz stream may ask for to be unpacked
_PIECE = 2**16
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, struct.error, EOFError, OSError,
           ValueError, RuntimeError)  # fmt: skip


class Unpacked:
    """The unpacked bytes of `count` bytes of a file, by a decompressor of lzma's form; refuses more than BUDGET."""

    def __init__(self, file: IO[bytes], count: int, decompressor: Any) -> None:
        self._file, self._left, self._decompressor = file, count, decompressor
        self._budget = BUDGET

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer only at the end."""
        pieces: list[bytes] = []
        while size and not self._decompressor.eof:
            data = b""
            if self._decompressor.needs_input:
                data = self._file.read(min(_PIECE, self._left))
                self._left -= len(data)
                if not data:
                    raise EOFError("the file is cut off")
            pieces.append(self._decompressor.decompress(data, size))
            size -= len(pieces[-1])
            self._budget -= len(pieces[-1])
            if self._budget < 0:
                raise ValueError(f"it unpacks to more than {BUDGET} bytes")
        return b"".join(pieces)


class Inflater:
    """zlib's decompressor of a .gz stream in lzma's form."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    def decompress(self, data: bytes, size: int) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, size)


def tgz_members(path: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of the members of a .tar.gz that `limits` names, each with the most bytes it may have.

    Raises DataError where one is missing, there twice, no plain file, too large, or the archive is damaged.
    """
    with path.open("rb") as file, _damage(path):
        yield from _members(Unpacked(file, path.stat().st_size, Inflater()), limits, path)


def deb_members(path: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of the files of a .deb that `limits` names; as `tgz_members`."""
    with path.open("rb") as file, _damage(path):
        suffix, count = _find_data(file)
        yield from _members(Unpacked(file, count, _decompressor(suffix)), limits, path)


def zip_members(path: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """Yield name and contents of the members of a .zip (a wheel is one) that `limits` names; as `tgz_members`."""
    with path.open("rb") as file, _damage(path), zipfile.ZipFile(file) as archive:
        missing = set(limits)
        for info in archive.infolist():
            name, limit = info.filename, limits.get(info.filename)
            if limit is None:
                continue
            if name not in missing:
                raise DataError(f"{path.name} holds {name} twice")
            if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(f"{path.name} holds {name} encrypted or packed unusually")
            if info.file_size > limit:
                raise DataError(f"{path.name}: {name} is no plain file of at most {limit} bytes")
            with archive.open(info) as member:
                data = member.read(limit + 1)  # the stated size may be a lie, and reading on checks the CRC
            if len(data) > limit:
                raise DataError(f"{path.name}: {name} is no plain file of at most {limit} bytes")
            missing.discard(name)
            yield name, data
        _require_none(missing, path)


def _require_none(missing: set[str], path: Path) -> None:
    if missing:
        raise DataError(f"{path.name} does not hold {', '.join(sorted(missing))}")


def _members(stream: Unpacked, limits: Mapping[str, int], path: Path) -> Iterator[tuple[str, bytes]]:
    missing = set(limits)
    with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]  # a stream: it has read alone
        for member in archive:
            name = member.name.removeprefix("./")
            if name not in limits:
                continue
            if name not in missing:
                raise DataError(f"{path.name} holds {name} twice")
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.size > limits[name]:
                raise DataError(f"{path.name}: {name} is no plain file of at most {limits[name]} bytes")
            contents = archive.extractfile(member)
            data = contents.read() if contents else b""
            if len(data) != member.size:
                raise EOFError(f"{name} is cut off")
            missing.discard(name)
            yield name, data
    _require_none(missing, path)


def _find_data(file: IO[bytes]) -> tuple[str, int]:
    """Move to the beginning of the member data.tar.* of a .deb; return its last suffix and its length."""
    if file.read(8) != b"!<arch>\n":
        raise ValueError("it is no .deb file")
    while len(header := file.read(60)) == 60:
        name, length = header[:16].decode("ascii").strip().rstrip("/"), int(header[48:58])
        if header[58:] != b"`\n" or length < 0:
            raise ValueError("a member's header is wrong")
        if name.startswith("data.tar"):
            return name.removeprefix("data.tar"), length
        file.seek(length + length % 2, 1)
    raise ValueError("it has no member data.tar")


def _decompressor(suffix: str) -> Any:
    if suffix == ".xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)
    if suffix == ".gz":
        return Inflater()
    if suffix == ".zst":
        try:
            return importlib.import_module("compression.zstd").ZstdDecompressor()
        except ImportError:
            raise DataError(
                "its files are packed as .zst, which Python reads from 3.14 on; install the package"
            ) from None
    raise ValueError(f"its files are packed as {suffix!r}")


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise DataError(f"{path.name} is damaged ({str(error)[:160]})") from None
