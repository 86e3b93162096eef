"""What keeps runs safe is taken out, piece by piece: the checks of this folder notice each."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.errors import Busy, DataError
from lab.record import checkpoint, storage
from lab.record.checkpoint import read_checkpoint
from lab.record.store import RunFolder
from tests.reliability.faults import Faulty, Killed, Remembering, disk
from tests.reliability.test_corruption import damages
from tests.reliability.test_power import check_generations, newest, write_generations

Patch = pytest.MonkeyPatch


def check_power(folder: Path, through: type[Remembering] = Remembering) -> None:
    """What a write promised survives a power loss."""
    check_generations(folder, through())


def check_kills(folder: Path) -> None:
    """What a write promised survives a kill, and a disk error, at each operation."""
    counting = Faulty()
    list(write_generations(folder, counting))
    for number in range(1, counting.count + 1):
        shutil.rmtree(folder)
        folder.mkdir()
        promised = 0
        with pytest.raises(Killed):
            for promised in write_generations(folder, Faulty(number, "kill")):  # noqa: B007 - used after the kill
                pass
        assert newest(folder) >= promised, f"operation {number}"


def check_flips(folder: Path) -> None:
    """Every damage to a checkpoint is found."""
    list(write_generations(folder, storage.Disk(), 1))
    path = folder / "checkpoint.safetensors"
    for damaged in damages(path.read_bytes()):
        path.write_bytes(damaged)
        with pytest.raises(DataError):
            read_checkpoint(path)


def check_owners(folder: Path) -> None:
    """A run has one owner."""
    with RunFolder(folder).lock(), pytest.raises(Busy), RunFolder(folder).lock():
        pass


class NoSync(Remembering):
    def fsync(self, descriptor: int) -> None:
        pass


class NoFolderSync(Remembering):
    def fsync_folder(self, folder: Path) -> None:
        pass


def in_place(patch: Patch) -> None:
    def write(path: Path, data: Any, keep: Path | None = None) -> None:
        descriptor = storage.disk.create(Path(path)) if not Path(path).exists() else storage.os.open(path, 1 | 512)
        for piece in data:
            storage.disk.write(descriptor, piece)
        storage.disk.fsync(descriptor)
        storage.disk.close(descriptor)

    patch.setattr(storage, "write_atomic", write)


def no_hash(patch: Patch) -> None:
    class Blind:
        """Any contents have the digest that is stated."""

        def __init__(self, data: bytes = b"") -> None:
            pass

        def update(self, data: object) -> None:
            pass

        def hexdigest(self) -> str:
            return "a" * 64

    patch.setattr(checkpoint.hashlib, "sha256", Blind)


def no_lock(patch: Patch) -> None:
    @contextmanager
    def lock(folder: RunFolder) -> Iterator[None]:
        yield

    patch.setattr(RunFolder, "lock", lock)


MUTATIONS: dict[str, tuple[Callable[[Path], None], Callable[[Patch], None]]] = {
    "no fsync of the file": (lambda folder: check_power(folder, NoSync), lambda patch: None),
    "no fsync of the folder": (lambda folder: check_power(folder, NoFolderSync), lambda patch: None),
    "no rename": (check_kills, in_place),
    "no hash": (check_flips, no_hash),
    "no lock": (check_owners, no_lock),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


@pytest.mark.parametrize("check", [check_power, check_kills, check_flips, check_owners])
def test_the_checks_pass_as_the_code_is(check: Callable[[Path], None], folder: Path) -> None:
    check(folder)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_each_piece_is_missed(mutation: str, folder: Path, monkeypatch: Patch, tally: Counter[str]) -> None:
    check, take_out = MUTATIONS[mutation]
    take_out(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(folder)
    tally[f"{mutation}: noticed"] += 1


def test_a_dead_disk_does_nothing_more(tmp_path: Path) -> None:
    """The simulated death itself: nothing is cleared after it, as nothing is after a true one."""
    with disk(Faulty(2, "kill")), pytest.raises(Killed):
        storage.write_atomic(tmp_path / "a", b"x" * 100)
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".tmp") and left.stat().st_size == 50
