"""Power loss at every moment: what was said to be safe is there, in each state that the disk may be left in."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.errors import DataError
from lab.record import storage
from lab.record.checkpoint import read_checkpoint, write_checkpoint
from lab.record.generations import Generations
from lab.record.record import RunRecord
from tests.reliability.faults import Remembering, disk
from tests.reliability.story import folder_of, live, small
from tests.tally import LONG

Log = list[tuple[Any, ...]]


def drop(written: bytes) -> bytes:
    """Nothing of what was not synced arrived."""
    return b""


def zero(written: bytes) -> bytes:
    """The length arrived, the contents did not."""
    return b"\0" * len(written)


def half(written: bytes) -> bytes:
    """The first half arrived."""
    return written[: len(written) // 2]


def states(log: Log) -> Iterator[tuple[int, Mapping[Path, bytes]]]:
    """What may be on the disk when power is lost after each operation: (number of operations, contents by path).

    Names that no fsync of their folder followed have arrived up to any point, or not at all; bytes that no fsync of
    their file followed are lost, zeroed or cut in half.
    """
    for end in range(1, len(log) + 1):
        synced = max((i for i in range(end) if log[i][0] == "fsync_folder"), default=-1)
        renames = [i for i in range(synced + 1, end) if log[i][0] in ("create", "replace", "link", "unlink")]
        for arrived in {synced, *renames}:
            for lose in (drop, zero, half):
                yield end, replay(log[:end], arrived, lose)


def replay(log: Log, names_until: int, lose: Callable[[bytes], bytes]) -> dict[Path, bytes]:
    """The files after `log`, with changes of names up to index `names_until` and `lose` for bytes not synced."""
    whole: dict[int, bytes] = {}
    safe: dict[int, bytes] = {}
    names: dict[Path, int] = {}  # as the system saw them: an inode each
    kept: dict[Path, int] = {}  # as they are on the disk
    for index, (what, path, *rest) in enumerate(log):
        inode = names.get(path)
        if what == "create":
            names[path] = inode = index
            whole[index], safe[index] = b"", b""
        elif what == "write" and inode is not None:
            whole[inode] += rest[0]
        elif what == "fsync" and inode is not None:
            safe[inode] = whole[inode]
        elif what == "replace" and inode is not None:
            names[rest[0]] = names.pop(path)
        elif what == "link" and inode is not None:
            names[rest[0]] = inode
        elif what == "unlink":
            names.pop(path, None)
        if index <= names_until:
            kept = dict(names)
    return {
        path: safe[inode] if whole[inode] == safe[inode] else safe[inode] + lose(whole[inode][len(safe[inode]) :])
        for path, inode in kept.items()
    }


def lay_out(contents: Mapping[Path, bytes], where: Path) -> None:
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir()
    for path, data in contents.items():
        (where / path.name).write_bytes(data)


def write_generations(folder: Path, through: storage.Disk, count: int = 4) -> Iterator[int]:
    """Write checkpoints of one number each; gives the number when its write has returned."""
    kept = Generations(folder / "checkpoint.safetensors")
    with disk(through):
        for number in range(1, count + 1):
            arrays, valid = {"n": np.full(3, number)}, {"accuracy": 0.5 + (number % 2) / 10}
            header = {"progress": {"history": [{"valid": valid}]}}
            kept.write(lambda path, keep, a=arrays, h=header: write_checkpoint(path, a, h, keep), valid)
            yield number


def newest(folder: Path) -> int:
    """The number of the newest checkpoint that can be read; 0: none."""
    found = [0]
    for path in Generations(folder / "checkpoint.safetensors").there():
        try:
            found.append(int(read_checkpoint(path)[0]["n"][0]))
        except DataError:
            continue
    return max(found)


def check_generations(folder: Path, remembering: Remembering) -> int:
    """In every state the newest checkpoint that was acknowledged, or a newer one, can be read; returns the states."""
    acknowledged, count = [(len(remembering.log), number) for number in write_generations(folder, remembering)], 0
    for end, contents in states(remembering.log):
        promised = max((number for length, number in acknowledged if length <= end), default=0)
        lay_out(contents, folder.parent / "after")
        assert newest(folder.parent / "after") >= promised, f"after operation {end}: {sorted(map(str, contents))}"
        count += 1
    return count


def test_checkpoints_survive_a_power_loss(tmp_path: Path, tally: Counter[str]) -> None:
    (tmp_path / "run").mkdir()
    tally["states after a power loss"] = check_generations(tmp_path / "run", Remembering())


@pytest.mark.skipif(not LONG, reason="the long mode replays a whole run")
def test_a_run_survives_a_power_loss(tmp_path: Path, rows: Path, tally: Counter[str]) -> None:
    """The whole story: in every state a record is whole or absent, and once one was promised some checkpoint loads."""
    config, remembering = small(rows, tmp_path / "runs"), Remembering()
    with disk(remembering):
        live(config)
    folder = folder_of(config)
    first = next(
        i for i, entry in enumerate(remembering.log) if entry[0] == "replace" and "checkpoint" in entry[2].name
    )
    for end, contents in states(remembering.log):
        lay_out(contents, tmp_path / "after")
        if (tmp_path / "after" / "record.json").exists():
            RunRecord.read(tmp_path / "after" / "record.json")
        if end > first + 2:
            readable = 0
            for path in Generations(tmp_path / "after" / folder.checkpoint.name).there():
                try:
                    read_checkpoint(path)
                except DataError:
                    continue
                readable += 1
            assert readable, f"after operation {end}"
        tally["states after a power loss"] += 1


def test_a_record_that_is_not_safe_would_be_seen(tmp_path: Path) -> None:
    """The replay itself: without an fsync, a file that was renamed in time holds nothing."""
    remembering = Remembering()
    with disk(remembering):
        storage.write_atomic(tmp_path / "a", b"contents")
    log = [entry for entry in remembering.log if entry[0] != "fsync"]
    found = [contents.get(tmp_path / "a") for _, contents in states(log)]
    assert b"" in found and b"\0" * 8 in found and b"cont" in found
    assert {contents.get(tmp_path / "a") for _, contents in states(remembering.log)} == {None, b"contents"}
