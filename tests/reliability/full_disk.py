"""`python -m tests.reliability.full_disk FOLDER`: a run on a disk with no room left, then a little, then enough.

FOLDER is the root of a small file system of its own. Prints what was tried as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from lab.config import RunConfig
from lab.errors import DataError, StorageError
from lab.record.checkpoint import read_checkpoint
from lab.report import load_records, make_report
from tests.reliability.faults import Faulty, Killed, disk
from tests.reliability.story import STEPS, ending, folder_of, generations, late, leftovers, live, make_rows, small


def leave(folder: Path, room: int) -> None:
    """Fill the file system but for `room` bytes."""
    data = b"x" * 4096
    with contextlib.suppress(OSError), open(folder / "ballast", "wb", buffering=0) as file:
        while file.write(data) == len(data):
            pass
    os.truncate(folder / "ballast", max(0, (folder / "ballast").stat().st_size - room))


def status(config: RunConfig) -> int:
    """The exit status of the command for this run."""
    try:
        return live(config)
    except (StorageError, DataError) as error:
        return error.exit_code


def main(root: str) -> None:
    """Try it."""
    folder, tally = Path(root), Counter[str]()
    rows = make_rows(folder.parent / "rows.npz")
    whole, config = small(rows, folder.parent / "whole"), small(rows, folder / "runs")
    assert live(whole) == 0
    with contextlib.suppress(Killed), disk(Faulty(late(whole), "kill")):
        live(config)
    run = folder_of(config)
    for path in run.path.glob(".*"):
        path.unlink()
    before = {path: path.read_bytes() for path in generations(run).there()}
    assert len(before) == 3
    subprocess.run(["mount", "-o", "remount,ro", root], check=True)
    assert status(config) == 74
    make_report(folder / "runs", folder.parent / "report-read-only")
    subprocess.run(["mount", "-o", "remount,rw", root], check=True)
    tally["read-only disks"] += 1
    for room in range(0, 24576, 4096):
        leave(folder, room)
        found = status(config)
        if found == 0:  # there was room enough
            break
        assert found == 74, found
        assert not leftovers(run) and not run.record_path.exists()
        assert max(read_checkpoint(path)[1]["progress"]["step"] for path in generations(run).there()) >= STEPS
        records = load_records(folder / "runs")
        assert list(records.runs["status"]) == ["missing"]
        make_report(folder / "runs", folder.parent / f"report{room}")
        (folder / "ballast").unlink()
        tally["full disks"] += 1
    (folder / "ballast").unlink(missing_ok=True)
    assert status(config) == 0 and ending(run) == ending(folder_of(whole)) and not leftovers(run)
    tally["runs that ended equal"] += 1
    print(json.dumps(tally))


if __name__ == "__main__":
    main(sys.argv[1])
