"""store.csv and shared-file-systems.md, drawn from store.json: every number in them comes out of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.bench.table import Table
from lab.bench.tables import machine_lines, mib
from lab.errors import DataError
from lab.record import storage
from lab.report.numbers import plain, significant
from lab.report.text import counted, listed, markdown

PAGE = "shared-file-systems.md"
SCHEMA = 1
_GROUPS = {
    "files made": ("create",),
    "writes": ("write",),
    "fsyncs": ("fsync", "fsync_folder"),
    "renames and links": ("replace", "link"),
    "reads": ("read", "open"),
    "folders made": ("mkdir",),
    "removals": ("unlink", "rmdir"),
}
_AT_ONCE, _SECONDS = (16, 256, 4096), (60, 3600)  # runs at a time, and how long each takes: to multiply with


def save(result: dict[str, Any], folder: Path) -> Path:
    """Write a result into the folder and draw its page; returns that."""
    storage.make_folder(folder)
    storage.write_json_atomic(folder / "store.json", result)
    return render(folder)


def render(folder: Path) -> Path:
    """Draw store.csv and the page anew from the folder's store.json; returns the page."""
    result = storage.read_json(folder / "store.json")
    if not isinstance(result, dict) or (result.get("schema"), result.get("kind")) != (SCHEMA, "store"):
        raise DataError(f"{folder / 'store.json'} is no result of this version; measure again: lab bench store")
    storage.write_atomic(folder / "store.csv", table(result).encode())
    storage.write_atomic(folder / PAGE, page(result).encode())
    return folder / PAGE


def operations_table(result: Mapping[str, Any]) -> Table:
    """What one run asks of the file system: a row a file and kind of operation, a column a trainer."""
    runs = result["one_run"]
    files = dict.fromkeys(entry["file"] for run in runs for entry in run["operations"])
    rows = []
    for file in files:
        for group, names in _GROUPS.items():
            found = [_sum(run, file, names) for run in runs]
            if any(found):
                rows.append([f"{file}: {group}", *map(str, found)])
    rows += [[seen, *(str(run["seen"].get(seen, 0)) for run in runs)] for seen in sorted(runs[0]["seen"])]
    return Table(["a run", *(run["trainer"].replace("_", "-") for run in runs)], rows)


def traffic_table(result: Mapping[str, Any]) -> Table:
    """Operations a second of so many runs at a time, each taking so long."""
    each = max(fixed + 2 * checkpoint for fixed, checkpoint in map(_fixed_and_each, result["one_run"]))
    rows = [[f"{n:,} at a time", *(significant(n * each / seconds) for seconds in _SECONDS)] for n in _AT_ONCE]
    return Table(["operations a second", *(f"runs of {counted(s, 'second')}" for s in _SECONDS)], rows)


def reading_table(result: Mapping[str, Any]) -> Table:
    """What it takes to read all records, and to draw the report."""
    names = {"load": "all records as frames", "report": "the report"}
    rows = [
        [
            f"{store['runs']:,}: {names[store['side']]}", significant(store["seconds"]),
            significant(store["cpu_seconds"]), mib(store["peak_bytes"]), mib(store["page_bytes"]),
            mib(store["written_bytes"] or None),
        ]
        for store in result["stores"]
    ]  # fmt: skip
    headings = ("records", "seconds", "CPU seconds", "peak memory, MiB", "page, MiB", "all files, MiB")
    return Table(headings, rows)


def table(result: Mapping[str, Any]) -> str:
    """All counts and measurements as CSV, one a line."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(["runs", "of", "what", "value"])
    for run in result["one_run"]:
        for entry in run["operations"]:
            writer.writerow([1, run["trainer"], f"{entry['file']} {entry['operation']}", entry["n"]])
        for what, n in [*run["seen"].items(), *((f"bytes of {file}", size) for file, size in run["files"].items())]:
            writer.writerow([1, run["trainer"], what, n])
    for store in result["stores"]:
        for what, value in store.items():
            if what not in ("runs", "side") and value is not None:
                writer.writerow([store["runs"], store["side"], what, value])
    return target.getvalue()


def page(result: Mapping[str, Any]) -> str:
    """The page on how thousands of runs behave on a shared file system."""
    runs = result["one_run"]
    formulas = dict.fromkeys(
        f"{fixed} and another {plain(each)} for each checkpoint" for fixed, each in map(_fixed_and_each, runs)
    )
    stores = {store["runs"]: store for store in result["stores"]}
    sizes = listed([f"{plain(n)} folders" for n in stores])
    a_run = next(iter(stores.values()))
    largest = max(stores)
    return "\n\n".join([
        "# Thousands of runs on a shared file system",
        "Drawn by `lab bench store`; all numbers are in [store.csv](store.csv). No network file system was at hand: "
        "counts are those of the program itself, the same on every file system, times those of a local disk, and what "
        "is said of NFS and Lustre is from their manuals (nfs(5), mount.lustre(8), flock(2)).",
        *map(markdown, machine_lines(dict(result))),
        "## What a run asks of it",
        operations_table(result).markdown().strip(),
        "Operations that change something or wait for the device, without the writes of weights, which grow with the "
        f"network: {listed(list(formulas), 'or')}; of checkpoints there are as many as fit into a twentieth of the "
        "run's time. Looks are calls of stat; listings are of the "
        f"run's own folder. A run leaves {plain(a_run['files_a_run'])} small files of "
        f"{plain(round(a_run['bytes_a_run']))} bytes together, its log, and up to three checkpoints, of which the best "
        "may share its bytes with another.",
        "As many runs at a time, each with two checkpoints:",
        traffic_table(result).markdown().strip(),
        "Nothing is polled while a run trains, and runs share no file but the folder they lie in. A run that another "
        "process holds is asked after twice a second, and only by a sweep that has nothing else left to do.",
        "## What reading them takes",
        reading_table(result).markdown().strip(),
        f"Made-up stores of {sizes}, written through the store's own code from "
        f"{counted(result['templates'], 'record')} of real runs with other ids, seeds, ten rates and results. CPU "
        "seconds hold the start of Python and all imports. One listing of the folder and one file a run are read; that "
        "is what a shared file system makes slower, by its "
        f"time for opening a small file: {plain(largest)} records at a millisecond each are "
        f"{significant(largest / 1000)} seconds more.",
        _RULES,
    ]) + "\n"  # fmt: skip


_RULES = """## What locks need

A run folder is held by `flock` on its file `lock`: two calls a run, no traffic in between, and no file whose mere
existence means anything. The kernel lets go when the process dies, and the server when a machine does.

- **NFS**: Linux sends `flock` to the server as a lock on the whole file. With NFS 4 that is part of the protocol; with
  NFS 3 the lock daemon has to run. Mounted with `nolock` or `local_lock=flock` (or `all`) a lock is known on one
  machine only: two machines may then make the same run. They end with the same result, so that time is lost and
  nothing else.
- **Lustre**: mount with `-o flock`. Without it a lock is refused, and the lab says so before any work; with
  `localflock` it holds on one machine only.
- After a machine is lost, its locks are free when its lease has ended (NFS 4: 90 seconds by default).

## What else to know

- Records, configs and checkpoints appear by a rename, whole or not at all, and are fsynced before that. A reader on
  another machine sees the old or the new one.
- NFS remembers for up to a minute that a name was not there (`acdirmax`), also for the worker that looks again once it
  holds the lock. So a second sweep may make a run that has just ended elsewhere, with the same result;
  `lookupcache=positive` prevents it, and `noac` is not needed.
- Many small files want no stripes: on Lustre `lfs setstripe -c 1 FOLDER` before the first run.

## What to set

- `runs=/shared/NAME` is all that sweeps on several machines need to share the work; the plan is written before the
  first run, and `lab resume` on any machine makes what is missing.
- `backend.threads=N`, the cores of a job: results of as many threads on equal machines are equal to the last bit.
- Very short runs (under a minute, thousands at a time) are better kept in a local folder (`runs=$TMPDIR/runs`) and
  copied when they are done: run folders may be moved and joined, and `lab report A B` reads several places.
- Report where the records are near, and by sweep (`lab report --sweep NAME`) where a store holds many."""


def _sum(run: Mapping[str, Any], file: str, names: Sequence[str]) -> int:
    return sum(int(e["n"]) for e in run["operations"] if e["file"] == file and e["operation"] in names)


def _fixed_and_each(run: Mapping[str, Any]) -> tuple[int, float]:
    """Operations but for closing, reading and the writes of weights: of a run, and of each of its checkpoints."""
    counted_ones = [e for e in run["operations"] if e["operation"] not in ("close", "read", "open")]
    fixed = sum(int(e["n"]) for e in counted_ones if e["file"] != "checkpoint")
    weights = sum(int(e["n"]) for e in counted_ones if e["file"] == "checkpoint" and e["operation"] != "write")
    return fixed, weights / max(1, run["checkpoints"])
