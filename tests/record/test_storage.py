"""Atomic writes: old or new contents, nothing left behind, one clear sentence."""

import errno
import os
from pathlib import Path

import pytest

from lab.errors import DataError, StorageError
from lab.record import storage


def test_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    storage.write_atomic(path, b"old")
    storage.write_atomic(path, [b"new", memoryview(b""), bytearray(b" words")])
    assert path.read_bytes() == b"new words"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


class Failing(storage.Disk):
    """Counts the operations and fails the one called `number` (from 1), after half of it where it is a write."""

    def __init__(self, number: int, error: int) -> None:
        self.number, self.error, self.count = number, error, 0

    def step(self) -> bool:
        self.count += 1
        return self.count == self.number

    def create(self, path: Path) -> int:
        if self.step():
            raise OSError(self.error, os.strerror(self.error))
        return super().create(path)

    def write(self, descriptor: int, data: storage.Buffer) -> int:
        if self.step():
            super().write(descriptor, data[: len(data) // 2])
            raise OSError(self.error, os.strerror(self.error))
        return super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        if self.step():
            raise OSError(self.error, os.strerror(self.error))
        super().fsync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        if self.step():
            raise OSError(self.error, os.strerror(self.error))
        super().replace(source, target)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_any_failed_operation_keeps_the_old_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: int
) -> None:
    path = tmp_path / "a.bin"
    storage.write_atomic(path, b"old contents")
    failing = Failing(number, error)
    monkeypatch.setattr(storage, "disk", failing)
    with pytest.raises(StorageError, match=r"a\.bin") as caught:
        storage.write_atomic(path, b"new contents")
    assert os.strerror(error) in str(caught.value)
    assert path.read_bytes() == b"old contents"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    storage.write_atomic(path, b"new contents")  # the fault is gone
    assert path.read_bytes() == b"new contents"


def test_synced_before_renamed_and_folder_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Watching(storage.Disk):
        def fsync(self, descriptor: int) -> None:
            seen.append("fsync")
            super().fsync(descriptor)

        def replace(self, source: Path, target: Path) -> None:
            seen.append("replace")
            super().replace(source, target)

        def fsync_folder(self, folder: Path) -> None:
            seen.append(f"folder {folder.name}")
            super().fsync_folder(folder)

    monkeypatch.setattr(storage, "disk", Watching())
    storage.write_atomic(tmp_path / "a.bin", b"x")
    assert seen == ["fsync", "replace", f"folder {tmp_path.name}"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(storage.Disk):
        def write(self, descriptor: int, data: storage.Buffer) -> int:
            return super().write(descriptor, data[:3])

    monkeypatch.setattr(storage, "disk", Slow())
    storage.write_atomic(tmp_path / "a.bin", b"0123456789")
    assert (tmp_path / "a.bin").read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "damaged"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b"[" * 100 + b"]" * 100, "deep"),
        (b"[" * 100_000, "deep"),
        (b"\xff\xfe\x00", "damaged"),
    ],
)
def test_bad_json_is_one_sentence(tmp_path: Path, text: bytes, words: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(DataError, match=words) as caught:
        storage.read_json(path)
    assert "\n" not in str(caught.value)


def test_json_round_trip_and_limits(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    storage.write_json_atomic(path, {"a": [1, 2.5, None, "ü"]})
    assert storage.read_json(path) == {"a": [1, 2.5, None, "ü"]}
    with pytest.raises(DataError, match="larger than"):
        storage.read_json(path, limit=4)
    with pytest.raises(DataError, match="does not exist"):
        storage.read_json(tmp_path / "b.json")
    with pytest.raises(DataError, match="JSON"):
        storage.write_json_atomic(path, {"a": float("nan")})
    assert storage.read_json(path)["a"][0] == 1


def test_temporaries_of_a_killed_writer_are_cleared(tmp_path: Path) -> None:
    (tmp_path / ".a.bin.0011.tmp").write_bytes(b"half")
    (tmp_path / "keep.bin").write_bytes(b"whole")
    assert [p.name for p in storage.clear_temporaries(tmp_path)] == [".a.bin.0011.tmp"]
    assert [p.name for p in tmp_path.iterdir()] == ["keep.bin"]


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(StorageError, match="runs=FOLDER"):
        storage.make_folder(tmp_path / "runs" / "1")
    with pytest.raises(StorageError, match="cannot write"):
        storage.write_atomic(tmp_path / "none" / "a", b"")
