"""A disk that counts what a run asks of it: operations by file, locks, and looks at names."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.record import storage

_LOCK = "lock"  # the name of the file that a run is locked by
_counting: list[tuple[Counter[str], str]] = []  # of the `locks_and_looks` that are open


class CountedDisk(storage.Disk):
    """Does what `storage.Disk` does, and counts it: `counts[file, operation]`, a file's temporaries being its own.

    durable: False leaves out waiting for the device (fsync), which is counted all the same: for made-up stores.
    """

    def __init__(self, durable: bool = True) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.durable = durable
        self._open: dict[int, str] = {}
        self._last = "folder"  # a folder is fsynced for the file that was renamed in it just before

    def _count(self, operation: str, argument: Path | int) -> bool:
        """Count; whether it is to be done."""
        if operation in ("write", "fsync", "close"):
            file = self._open.get(int(str(argument)), "other")
        elif operation == "fsync_folder":
            file = self._last
        else:
            file = "folder" if operation in ("mkdir", "rmdir") else file_of(Path(str(argument)))
        self._last = file
        self.counts[file, operation] += 1
        return self.durable or not operation.startswith("fsync")


def _counted(operation: str) -> Any:
    def done(self: CountedDisk, *arguments: Any) -> Any:
        # A rename or a link is for the file that gets the name.
        about = arguments[1] if operation in ("replace", "link") else arguments[0]
        if not self._count(operation, about):
            return None
        found = getattr(storage.Disk, operation)(self, *arguments)
        if operation == "create":
            self._open[found] = file_of(arguments[0])
        return found

    return done


for _name in [name for name in vars(storage.Disk) if not name.startswith("_")]:
    setattr(CountedDisk, _name, _counted(_name))


def file_of(path: Path) -> str:
    """Which of a run's files a path is: config, record, checkpoint, log, or another; a temporary is what it becomes."""
    name = path.name.removeprefix(".")
    return next((known for known in ("config", "record", "checkpoint", "log") if name.startswith(known)), "other")


@contextmanager
def counted(disk: CountedDisk) -> Iterator[CountedDisk]:
    """The disk of this process, in the place of the plain one."""
    before, storage.disk = storage.disk, disk
    try:
        yield disk
    finally:
        storage.disk = before


@contextmanager
def locks_and_looks(folder: Path) -> Iterator[Counter[str]]:
    """Counts, under a folder, openings of lock files, calls that lock or unlock, looks at names, and listings.

    Python tells of the former (sys.addaudithook) but not of looks, so `os.stat` is replaced for that long.
    """
    counts: Counter[str] = Counter()
    if not _counting:
        sys.addaudithook(_hook)
    _counting.append((counts, str(folder)))
    plain = os.stat

    def stat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if isinstance(path, str | os.PathLike) and str(path).startswith(str(folder)):
            counts["looks"] += 1
        return plain(path, *arguments, **options)

    os.stat = stat
    try:
        yield counts
    finally:
        os.stat = plain
        _counting[-1] = (Counter(), "\0")  # a hook cannot be taken out again


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _counting or event not in ("open", "fcntl.flock", "os.scandir", "os.listdir"):
        return
    counts, folder = _counting[-1]
    if event == "fcntl.flock":
        counts["locked or unlocked"] += folder != "\0"
    elif str(arguments[0]).startswith(folder):
        if event != "open":
            counts["listings"] += 1
        elif os.path.basename(str(arguments[0])) == _LOCK:
            counts["lock files opened"] += 1
