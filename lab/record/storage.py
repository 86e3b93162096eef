"""Every disk access of a run: atomic writes, bounded reads, and one place where a test can make any of them fail."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from lab.errors import DataError, StorageError

Buffer: TypeAlias = bytes | bytearray | memoryview

TEMPORARY = ".tmp"  # what an interrupted write leaves behind ends so
_PIECE = 1 << 24  # bytes a single write call gets: large enough to be fast, small enough to be interrupted
_DEPTH = 64  # nesting a JSON file may have
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


class Disk:
    """The operations of the operating system that a run may use; a test puts a failing one in the place of `disk`."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)

    def write(self, descriptor: int, data: Buffer) -> int:
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def fsync_folder(self, folder: Path) -> None:
        if os.name == "nt":  # a folder cannot be opened there; the rename itself is durable
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def mkdir(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def rmdir(self, path: Path) -> None:
        path.rmdir()

    def read(self, path: Path, limit: int) -> bytes:
        with open(path, "rb") as file:
            return file.read(limit)

    def open(self, path: Path) -> BinaryIO:
        return open(path, "rb")

    def append(self, path: Path) -> BinaryIO:
        return open(path, "ab")


disk = Disk()


def write_atomic(
    path: str | os.PathLike[str], data: Buffer | Iterable[Buffer], keep: str | os.PathLike[str] | None = None
) -> None:
    """Write `data` (or its pieces, one after another) so that `path` holds the old contents or the new, never both.

    A temporary file in the same folder is written, fsynced and renamed, then the folder is fsynced: after a return the
    contents survive a power loss. `keep` is the name that what `path` held before goes on under; it is given when the
    new contents are safe already. Raises StorageError where any of it fails; the temporary is then removed and what
    `path` held before is intact, under one of its two names.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}{TEMPORARY}")
    pieces = [data] if isinstance(data, bytes | bytearray | memoryview) else data
    with _refusals("write", target):
        try:
            descriptor = disk.create(temporary)
            try:
                for piece in pieces:
                    _write_all(descriptor, piece)
                disk.fsync(descriptor)
            finally:
                disk.close(descriptor)
            if keep is not None and target.exists():
                disk.replace(target, Path(keep))
            disk.replace(temporary, target)
            disk.fsync_folder(target.parent)
        except BaseException:
            with suppress(OSError):  # the first error is the one to report; clear_temporaries removes the rest later
                disk.unlink(temporary)
            raise


def _write_all(descriptor: int, data: Buffer) -> None:
    if not len(data):
        return  # an empty view cannot be cast
    view = memoryview(data).cast("B")
    while view:  # a write may take less than it was given
        view = view[disk.write(descriptor, view[:_PIECE]) :]


def write_json_atomic(path: str | os.PathLike[str], value: object) -> None:
    """Write `value` as JSON, readable by people and by every parser: NaN and infinity are refused (DataError)."""
    try:
        text = json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} cannot be written as JSON: {error}") from error
    write_atomic(path, text.encode() + b"\n")


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """The contents of a file of at most `limit` bytes. Raises DataError where it is missing, unreadable or larger."""
    source = Path(path)
    try:
        data = disk.read(source, limit + 1)
    except FileNotFoundError:
        raise DataError(f"{source} does not exist") from None
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror or error}") from error
    if len(data) > limit:
        raise DataError(f"{source} is larger than the {limit} bytes it may have; it is not a file of this program")
    return data


def read_json(path: str | os.PathLike[str], limit: int = 1 << 26) -> Any:
    """The value in a JSON file. Raises DataError where it is too large, too deep, not JSON, or names a key twice."""
    text = read_bytes(path, limit)
    try:
        return parse_json(text)
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}; move it away and run again") from None


def parse_json(text: bytes | str) -> Any:
    """The value of a JSON text with strict rules: UTF-8, no NaN, no key twice, at most 64 levels. Raises ValueError."""
    # Given bytes, the library would guess among five encodings, and load the modules of those it has not got yet.
    plain = text if isinstance(text, str) else bytes(text).decode("utf-8")
    try:
        value = json.loads(plain, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _too_deep(value):
        raise ValueError(f"it is nested more than {_DEPTH} levels deep")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ())
        ]
        if not level:
            return False
    return True


def open_log(path: str | os.PathLike[str]) -> BinaryIO:
    """A file to write lines behind those that it has; nothing depends on them. Raises StorageError."""
    with _refusals("write", Path(path)):
        return disk.append(Path(path))


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and its parents; one that is there is left as it is. Raises StorageError."""
    folder = Path(path)
    with _refusals("make the folder", folder):
        disk.mkdir(folder)
    return folder


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file; one that is not there is no error. Raises StorageError."""
    with _refusals("remove", Path(path)):
        disk.unlink(Path(path))


def remove_folder(path: str | os.PathLike[str]) -> None:
    """Remove an empty folder. Raises StorageError."""
    with _refusals("remove the folder", Path(path)):
        disk.rmdir(Path(path))


def rename(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Give a file another name in the same folder, in one durable step. Raises StorageError."""
    with _refusals("rename", Path(source)):
        disk.replace(Path(source), Path(target))
        disk.fsync_folder(Path(target).parent)


def copy_by_link(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Give a file's contents a second name in the same folder, in place of what had it. Raises StorageError.

    Files that are only ever replaced may share their bytes; where a file system has no links, they are copied.
    """
    temporary = Path(target).with_name(f".{Path(target).name}.{secrets.token_hex(6)}{TEMPORARY}")
    with _refusals("write", Path(target)):
        try:
            try:
                disk.link(Path(source), temporary)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                with disk.open(Path(source)) as file:
                    write_atomic(target, iter(lambda: file.read(_PIECE), b""))
                return
            disk.replace(temporary, Path(target))
            disk.fsync_folder(Path(target).parent)
        except BaseException:
            with suppress(OSError):
                disk.unlink(temporary)
            raise


def clear_temporaries(folder: str | os.PathLike[str]) -> list[Path]:
    """Remove what a killed writer left in `folder`; only for the holder of its lock. Returns what was removed."""
    left = sorted(Path(folder).glob(f".*{TEMPORARY}"))
    for path in left:
        remove(path)
    return left


@contextmanager
def _refusals(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = {
            errno.ENOSPC: "free some disk space and run again",
            errno.EDQUOT: "your disk quota is used up: free some space and run again",
            errno.EFBIG: "the file size limit of this shell is too small: raise it (ulimit -f) and run again",
            errno.EROFS: "choose a folder that can be written with runs=FOLDER",
            errno.EACCES: "choose a folder that can be written with runs=FOLDER",
            errno.EPERM: "choose a folder that can be written with runs=FOLDER",
            errno.ENOTDIR: "a file stands where a folder is needed: move it or choose another with runs=FOLDER",
            errno.EEXIST: "a file stands where a folder is needed: move it or choose another with runs=FOLDER",
        }.get(error.errno or 0, "look after the disk and run again")
        raise StorageError(f"cannot {what} {path}: {error.strerror or error}; {remedy}") from error
