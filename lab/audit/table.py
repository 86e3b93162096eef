"""Runs from elsewhere as a CSV table, one line a run: published figures can be audited as the lab's own are.

The first line names the columns, in any order. They are those of the `runs.csv` that a report writes, and `epochs`,
`patience`, `trials`, `selected_on`; only `trainer` and one result (test_accuracy, test_error or test_rmse) have to be
there, and what is not there a rule cannot tell. Fractions are 0..1, sizes bytes, times seconds; an empty cell is
unknown.

trainer, network, data   who, what and on what; rows are compared where network and data are equal
seed                     a whole number; runs of one seed are paired
variant                  what else sets settings apart ("lr=0.1"); rows are averaged over seeds where it is equal
epochs, patience         how long a run might train, and for how many epochs without improvement
trials                   how many settings were tried for this trainer before this one was chosen
selected_on              by which rows settings and epochs were chosen: validation or test
status                   ok (if empty), diverged, out_of_memory, failed, timeout, missing
resumed                  true where the run went on from a checkpoint
digest                   of the data; body: of the network's blocks, in any form that is equal for equal ones
device, threads, kernels, cpu, cores, load, others_cores, code_version, ...   the machine

Cells are data: a formula is text, invisible and control characters are named, nothing is opened or run.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from lab.errors import UsageError
from lab.report.extract import ENVIRONMENT
from lab.report.load import ALL_STATUSES, Records, records_of
from lab.report.metrics import METRICS
from lab.report.text import visible

LARGEST = 64 * 2**20
RESULTS = ("test_accuracy", "test_error", "test_rmse")
# column -> where a record keeps it
TEXTS: dict[str, tuple[str, ...]] = {
    "reason": ("reason",), "trainer": ("config", "trainer", "name"), "network": ("network", "label"),
    "data": ("data", "name"), "variant": ("config", "variant"), "digest": ("data", "digest"),
    "body": ("network", "body"), "selected_on": ("selection", "on"), "task": ("data", "task"),
    "code_version": ("code_version",), "started": ("measured", "started"), "finished": ("measured", "finished"),
    **{key: ("measured", "environment", key) for key in ENVIRONMENT},
}  # fmt: skip
NUMBERS: dict[str, tuple[str, ...]] = {
    **{key: metric.path for key, metric in METRICS.items() if metric.path},
    "epochs": ("config", "trainer", "epochs"), "patience": ("config", "stop", "patience"),
    "load": ("measured", "environment", "load_average"),
}  # fmt: skip


def read_table(path: Path) -> Records:
    """The records that a CSV table stands for.

    Raises UsageError for a file that cannot be read, has no trainer or no result, or a cell that is no number.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{str(path)!r} is larger than {LARGEST:,} bytes; leave out what is no run")
        text = path.read_bytes().decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read ({error.strerror}); name a CSV table") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(path)!r} is not UTF-8 (byte {error.start}); save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise UsageError(f"{str(path)!r} is no CSV table ({error}); save it as CSV with quotes where needed") from None
    heads = [head.strip() for head in lines[0]] if lines else []
    if "trainer" not in heads or not set(heads) & set(RESULTS):
        raise UsageError(f"{str(path)!r} needs a column trainer and one of {', '.join(RESULTS)} in its first line")
    found: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines[1:], 2):
        cells = {head: _text(cell) for head, cell in zip(heads, line, strict=False) if cell.strip()}
        if cells:
            name = cells.get("run_id") or f"line {number}"
            found[name if name not in found else f"{name} (line {number})"] = _record(cells, number)
    return records_of(found)


def _text(cell: str) -> str:
    """A cell without the apostrophe that keeps spreadsheets from running it."""
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:2] in tuple("=+-@\t") else cell


def _record(cells: dict[str, str], line: int) -> dict[str, Any]:
    record: dict[str, Any] = {"schema": 1}
    for column, path in TEXTS.items():
        if column in cells:
            _put(record, path, cells[column])
    for column, path in NUMBERS.items():
        if column in cells:
            _put(record, path, _number(cells[column], column, line))
    if "seed" in cells:
        _put(record, ("config", "seed"), int(_number(cells["seed"], "seed", line)))
    if "resumed" in cells:
        _put(record, ("measured", "resumed"), cells["resumed"].lower() in ("true", "yes", "1"))
    status = cells.get("status", "ok").replace(" ", "_")
    record["status"] = status if status in ALL_STATUSES else "unreadable"
    if status not in ALL_STATUSES:
        record["reason"] = f"its status is {status!r}"
    return record


def _number(cell: str, column: str, line: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if value != value or value in (float("inf"), float("-inf")):
        raise UsageError(f"line {line}: {column} is {visible(cell, 40)!r}; give a plain number, or leave it empty")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _put(record: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for key in path[:-1]:
        record = record.setdefault(key, {})
    record[path[-1]] = value
