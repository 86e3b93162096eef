"""A disk that is really full, and one that cannot be written: a small file system in a name space of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PREFIX = ["unshare", "--user", "--map-root-user", "--mount"]


def test_a_full_and_a_read_only_disk(tmp_path: Path, tally: Counter[str]) -> None:
    """Exit status 74, the old checkpoint whole, no temporary left, reports still drawn; with room again it goes on."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = f"mount -t tmpfs -o size=256k none {folder}"
    if shutil.which("unshare") is None or subprocess.run([*PREFIX, "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("this system lets no user mount a file system of his own; test_no_room_for_files stands in for it")
    script = f'{mount} && exec "{sys.executable}" -m tests.reliability.full_disk {folder}'
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([*PREFIX, "sh", "-c", script], capture_output=True, text=True, env=environment, timeout=300,
                          cwd=Path(__file__).parents[2])  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    tally.update(json.loads(done.stdout.splitlines()[-1]))
    assert tally["full disks"] and tally["read-only disks"]
