"""Disks that fail: at a given operation, by an error or by the process's death; and one that remembers everything."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lab.record import storage

FAULTS = ("kill", "ENOSPC", "EIO")


class Killed(BaseException):
    """The process's death by SIGKILL, as far as its disk can tell: nothing is written, cleared or closed after it."""


class Faulty(storage.Disk):
    """Counts the operations, and fails the one called `number` (from 1): of a write, half is done before that."""

    def __init__(self, number: int = 0, fault: str = "EIO") -> None:
        self.number, self.fault = number, fault
        self.count, self.dead = 0, False
        self.names: list[str] = []

    def _meet(self, name: str) -> bool:
        if self.dead:
            raise Killed
        self.count += 1
        self.names.append(name)
        return self.count == self.number

    def _fail(self, name: str) -> None:
        if self.fault == "kill":
            self.dead = True
            raise Killed
        code = getattr(errno, self.fault)
        raise OSError(code, os.strerror(code))

    def write(self, descriptor: int, data: storage.Buffer) -> int:
        if self._meet("write"):
            super().write(descriptor, data[: len(data) // 2])
            self._fail("write")
        return super().write(descriptor, data)


def _wrapped(name: str) -> Any:
    def operation(self: Faulty, *arguments: Any) -> Any:
        if name == "close" and self.dead:  # the kernel closes what a dead process held
            return os.close(*arguments)
        if self._meet(name):
            if name == "close":
                os.close(*arguments)
            self._fail(name)
        return getattr(storage.Disk, name)(self, *arguments)

    return operation


OPERATIONS = [name for name in vars(storage.Disk) if not name.startswith("_")]
for _name in OPERATIONS:
    if _name != "write":
        setattr(Faulty, _name, _wrapped(_name))


class Remembering(storage.Disk):
    """Does everything, and keeps a log of it from which the states that a power loss may leave can be made.

    A file's bytes are safe once it was fsynced, a name once its folder was.
    """

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self._paths: dict[int, Path] = {}

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self._paths[descriptor] = path
        self.log.append(("create", path))
        return descriptor

    def write(self, descriptor: int, data: storage.Buffer) -> int:
        done = super().write(descriptor, data)
        self.log.append(("write", self._paths[descriptor], bytes(data[:done])))
        return done

    def fsync(self, descriptor: int) -> None:
        super().fsync(descriptor)
        self.log.append(("fsync", self._paths[descriptor]))

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        self.log.append(("replace", source, target))

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        self.log.append(("link", source, target))

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self.log.append(("unlink", path))

    def fsync_folder(self, folder: Path) -> None:
        super().fsync_folder(folder)
        self.log.append(("fsync_folder", folder))

    def open(self, path: Path) -> BinaryIO:
        return super().open(path)


@contextmanager
def disk(instead: storage.Disk) -> Iterator[None]:
    """Another disk in the place of the true one."""
    before, storage.disk = storage.disk, instead
    try:
        yield
    finally:
        storage.disk = before
