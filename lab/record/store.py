"""The store: one folder a run under `runs/`, named by the run's id.

runs/<id>/config.json              what was asked for; written before the run starts
runs/<id>/checkpoint.safetensors   where training stands; the final weights when it has ended
runs/<id>/checkpoint-previous...   the one before it; checkpoint-best...: the best by the validation rows
runs/<id>/record.json              what came out; exists exactly when the run has ended
runs/<id>/record-1.json ...        records of earlier tries that failed
runs/<id>/log.txt                  what the worker printed
runs/<id>/lock                     held by the worker, by the kernel, for as long as it lives
runs/sweeps/<name>/                which runs belong to a sweep
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.errors import Busy, DataError, OtherVersion, StorageError
from lab.record import storage
from lab.record.record import SCHEMA, RunRecord

_ID = re.compile(r"[0-9a-f]{16}\Z")


class RunFolder:
    """The files of one run."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.record_path = self.path / "record.json"
        self.config_path = self.path / "config.json"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.log = self.path / "log.txt"

    def write_config(self, run_id: str, config: dict[str, Any]) -> None:
        """Make the folder and write what the worker is to do."""
        storage.make_folder(self.path)
        storage.write_json_atomic(self.config_path, {"schema": SCHEMA, "run_id": run_id, "config": config})

    def read_config(self) -> tuple[str, dict[str, Any]]:
        """The run's id and its config. Raises DataError where the file is missing, damaged or of another version."""
        found = storage.read_json(self.config_path, limit=1 << 20)
        if not isinstance(found, dict) or found.get("schema") != SCHEMA:
            version = found.get("schema") if isinstance(found, dict) else None
            raise DataError(
                f"{self.config_path} has schema {version}, this version reads {SCHEMA}; "
                "use the version of the program that wrote it, or move its folder away and run again"
            )
        run_id, config = found.get("run_id"), found.get("config")
        if not isinstance(run_id, str) or not isinstance(config, dict):
            raise DataError(f"{self.config_path} is damaged; move its folder away and run again")
        return run_id, config

    def record(self) -> RunRecord | None:
        """The record of a run that has ended, else None; one that is damaged is none.

        Raises OtherVersion where it is of another version of the program.
        """
        if not self.record_path.exists():
            return None
        try:
            return RunRecord.read(self.record_path)
        except OtherVersion:
            raise
        except DataError:
            return None

    def set_record_aside(self) -> None:
        """Keep the record of a failed try under another name, so that the run can be made again; a damaged one too."""
        if self.record_path.exists():
            tries = 1 + sum(1 for _ in self.path.glob("record-*.json"))
            storage.rename(self.record_path, self.path / f"record-{tries}.json")

    def ended_since(self, moment: float) -> bool:
        """Whether the record was written after `moment` (seconds since 1970)."""
        try:
            return self.record_path.stat().st_mtime > moment
        except OSError:
            return False

    def mark(self) -> tuple[int, int] | None:
        """Changes whenever a new checkpoint is written; None where there is none."""
        try:
            found = self.checkpoint.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def discard(self) -> None:
        """Remove the folder of a run that never started; one that holds a result or a checkpoint is left alone."""
        if self.record_path.exists() or any(self.path.glob("checkpoint*")) or any(self.path.glob("record-*.json")):
            return
        for path in (self.config_path, self.log, self.path / "lock"):
            storage.remove(path)
        storage.remove_folder(self.path)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for the length of the `with`; the kernel lets go if this process dies. Raises Busy at once."""
        from filelock import FileLock, SoftFileLock, Timeout

        storage.make_folder(self.path)
        lock = FileLock(self.path / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise Busy(f"{self.path} is in use by another process; wait until it has ended and run again") from None
        except OSError as error:
            raise StorageError(f"cannot lock {self.path}: {error.strerror or error}; choose runs=FOLDER") from error
        try:
            # A lock that is a mere file would outlive a killed process, or let two processes in.
            if isinstance(lock, SoftFileLock):
                raise StorageError(f"the file system of {self.path} keeps no locks; choose another with runs=FOLDER")
            yield
        finally:
            lock.release()

    def busy(self) -> bool:
        """Whether a process holds the run now."""
        try:
            with self.lock():
                return False
        except Busy:
            return True


class Store:
    """All runs under one folder."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run, whether it exists or not. Raises DataError for what is no run id: it might be a path."""
        if not _ID.match(run_id):
            raise DataError(f"{run_id!r} is no run id; an id is 16 digits of 0-9 and a-f")
        return RunFolder(self.root / run_id)

    def ids(self) -> list[str]:
        """The ids of all runs that have a folder, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(entry.name for entry in os.scandir(self.root) if _ID.match(entry.name) and entry.is_dir())
