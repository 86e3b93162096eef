"""What a comparison by `lab compare` left beside its runs: the protocol, every trial, and runs on fewer rows.

Read from comparison.json and remarks.txt in the folder above `runs`, trusting nothing in them: a file that is no ledger
is none, and a trial whose record cannot be read is one that is missing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import UsageError
from lab.protocol import Protocol, parse_protocol
from lab.report import variants
from lab.report.read import LARGEST, Unreadable, deeper, items, number, read_record, walk, words
from lab.report.text import visible

NAME, RUNS, REMARKS = "comparison.json", "runs", "remarks.txt"
LONGEST = 20_000  # bytes of remarks
SCHEMA = 1
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Trial:
    """One trial: `value` is its validation accuracy (NaN where it ended badly), `opened` whether it saw test rows."""

    run_id: str
    status: str
    value: float = math.nan
    opened: bool = False
    seed: str = ""
    epochs: float = math.nan
    rows: float = math.nan
    options: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Study:
    """The trials of one side on one data set, in the order in which they were made; `keys` are what they varied."""

    data: str
    side: str
    trials: tuple[Trial, ...]
    best: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """Whose a run is: its side and data set as in the protocol; `rows` where it was trained on fewer than all."""

    run_id: str
    data: str
    side: str
    seed: str
    rows: int | None = None
    accuracy: float = math.nan  # on the test rows; of runs on fewer rows alone


@dataclass(frozen=True)
class Ledger:
    """The comparison as it was made; `remarks` are what its author says of it, a paragraph each."""

    protocol: Protocol
    studies: tuple[Study, ...] = ()
    entries: tuple[Entry, ...] = ()
    remarks: tuple[str, ...] = ()

    def shown(self, data: str) -> str:
        """A task of the protocol as a report calls it: its data set, and its model where the data set has several."""
        task = self.protocol.task(data)
        if task is None:
            return variants.data_name({"data": {"name": data}})
        name = variants.data_name({"data": {"name": task.dataset}})
        alike = [other for other in self.protocol.data if other.dataset == task.dataset]
        models = [option.partition("=")[2] for option in (*self.protocol.shared, *task.model) if option[:6] == "model="]
        return f"{name} with {models[-1]}" if len(alike) > 1 and models else name

    @property
    def runs(self) -> dict[str, Entry]:
        """The runs that are compared, and the baselines, by id."""
        return {entry.run_id: entry for entry in self.entries if entry.rows is None}

    @property
    def forms(self) -> dict[str, str]:
        """By id, the name of each run of a baseline that is a side in another form: its trainer's name is the same."""
        like = {side.name for side in self.protocol.baselines if side.like}
        return {run_id: visible(entry.side) for run_id, entry in self.runs.items() if entry.side in like}


def read_ledger(root: Path) -> Ledger | None:
    """The ledger beside a folder of runs; None where there is none, or none that can be read."""
    root = Path(root)
    path = root.absolute().parent / NAME
    if root.absolute().name != RUNS or not path.is_file():
        return None
    try:
        if path.stat().st_size > LARGEST:
            return None
        found = json.loads(path.read_bytes().decode("utf-8"))
        if not isinstance(found, dict) or deeper(found) or found.get("schema") != SCHEMA:
            return None
        protocol = parse_protocol(found.get("protocol"), NAME)
    except (OSError, ValueError, RecursionError, UsageError):
        return None
    home = path.parent
    studies = tuple(_study(home / "trials", study) for study in items(found.get("studies")))
    entries = tuple(_entry(home / "sizes", entry) for entry in items(found.get("runs")))
    return Ledger(protocol, studies, entries, _remarks(home / REMARKS))


def _remarks(path: Path) -> tuple[str, ...]:
    """The paragraphs of a text, which blank lines divide; none where there is no text, or too much of it."""
    try:
        if not path.is_file() or path.stat().st_size > LONGEST:
            return ()
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return ()
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return tuple(visible(part, LONGEST) for part in paragraphs if part)


def _study(folder: Path, study: dict[str, Any]) -> Study:
    names = [name for name in study.get("trials") or () if isinstance(name, str) and _ID.fullmatch(name)]
    chosen = [text for text in study.get("chosen") or () if isinstance(text, str)]
    return Study(
        words(study.get("data")), words(study.get("side")), tuple(_trial(folder / name) for name in names),
        words(study.get("best")), tuple(text.partition("=")[0] for text in chosen),
    )  # fmt: skip


def _trial(folder: Path) -> Trial:
    record = _record(folder)
    if record is None:
        return Trial(folder.name, "missing")
    ok = record["status"] == "ok"
    return Trial(
        folder.name,
        record["status"],
        number(walk(record, "final", "valid", "accuracy")) if ok else math.nan,
        walk(record, "final", "test") is not None or walk(record, "final", "right") is not None,
        variants.seed_name(record),
        number(walk(record, "config", "trainer", "epochs")),
        number(walk(record, "data", "n_train")),
        variants.flatten(record.get("config")),
    )


def _entry(folder: Path, entry: dict[str, Any]) -> Entry:
    name, rows = words(entry.get("run_id")), entry.get("rows")
    fewer = rows if isinstance(rows, int) and not isinstance(rows, bool) else None
    record = _record(folder / name) if fewer is not None and _ID.fullmatch(name) else None
    accuracy = number(walk(record, "final", "test", "accuracy"))
    return Entry(name, words(entry.get("data")), words(entry.get("side")), str(entry.get("seed")), fewer, accuracy)


def _record(folder: Path) -> dict[str, Any] | None:
    try:
        return read_record(folder / "record.json")
    except Unreadable:
        return None
