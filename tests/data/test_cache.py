from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.data.cache import cache_folder, read_limited, write_file
from lab.errors import DataError, StorageError


def test_the_folder_is_lab_data_or_the_platform_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    assert cache_folder("toy") == tmp_path / "toy"
    monkeypatch.setenv("LAB_DATA", "~/data")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("toy") == tmp_path / "data" / "toy"
    for unset in (lambda: monkeypatch.delenv("LAB_DATA"), lambda: monkeypatch.setenv("LAB_DATA", "")):
        unset()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache_folder("toy").parts[-2:] == ("ff-lab", "toy")


def test_a_file_is_written_with_its_folders_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.bin"
    for data in (b"one", b"another"):
        write_file(path, data)
        assert path.read_bytes() == data
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    path = tmp_path / "c.bin"
    write_file(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync", full) if operation == "fsync" else (Path, "replace", full)))
    with pytest.raises(StorageError, match=r"c\.bin cannot be written \(No space left on device\); free some space"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_contents_reach_the_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def spy_fsync(descriptor: int) -> None:
        steps.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def spy_replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(Path, "replace", spy_replace)
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("this system does not say what a descriptor is open on")
    write_file(tmp_path / "c.bin", b"data")
    assert steps == ["file", "rename", "folder"]


def test_a_place_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="set LAB_DATA to a folder that can be written"):
        write_file(tmp_path / "file" / "c.bin", b"data")


def test_reading_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_limited(tmp_path / "a", 5, "") == b"12345"
    with pytest.raises(DataError, match="larger than the 4 bytes that it can need; get it again"):
        read_limited(tmp_path / "a", 4, "get it again")
