"""A store of thousands of run folders: what a run asks of the file system, and what reading all of them takes.

Counts first, since they are the same on every machine: the disk operations, locks and looks of one real run, from its
config to its record. Then folders as real ones, written through the store's own code from records that were made by
runs, with other ids, seeds, rates and results; and a process of its own each that reads all records, and that draws
the report. A made-up store is never kept among runs.
"""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab import __version__
from lab.bench.counted_disk import CountedDisk, counted, locks_and_looks
from lab.errors import DataError, UsageError
from lab.record.record import RunRecord
from lab.record.store import RunFolder, Store

SIDES = ("load", "report")
_TRAINERS = ("backprop", "forward_forward")
_RATES = 10  # settings that the seeds of a made-up store share


@dataclass(frozen=True)
class Plan:
    """How many runs a store has, and the folders of real records to make them from (runs made here where it is none).

    keep: where stores are written and left, so that what is there need not be written again
    """

    sizes: Sequence[int] = (10_000, 100_000)
    records: str | None = None
    keep: str | None = None
    repeats: int = 1


def measure(plan: Plan, tell: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Everything; returns what store.json holds. Raises UsageError where there are no records to copy."""
    from lab.measure.environment import environment

    started = datetime.now(UTC)
    machine = environment(threads=1)
    with tempfile.TemporaryDirectory() as scratch:
        tell("two runs, counted")
        runs = [one_run(Path(scratch, trainer), trainer) for trainer in _TRAINERS]
        templates = real_records(Path(plan.records) if plan.records else Path(scratch))
        stores = []
        for size in plan.sizes:
            home = Path(plan.keep or scratch, f"store-{size}")
            tell(f"{size:,} run folders")
            facts = write_store(home, size, templates)
            for side in SIDES:
                for turn in range(plan.repeats):
                    tell(f"{size:,} records: {side} {turn + 1}/{plan.repeats}")
                    stores.append({"runs": size, "side": side, **facts, **in_a_process(side, home, Path(scratch))})
    return {
        "schema": 1,
        "kind": "store",
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "versions": {"lab": __version__},
        "plan": asdict(plan) | {"keep": None},
        "one_run": runs,
        "templates": len(templates),
        "stores": stores,
    }


def one_run(home: Path, trainer: str) -> dict[str, Any]:
    """A small real run in this process, from its config to its record, and what it asked of the file system."""
    from lab.config import parse
    from lab.sweep.launch import name_run
    from lab.sweep.worker import work

    config = parse({
        "data": {"name": "digits"}, "model": {"name": "mlp", "depth": 2, "width": 16}, "runs": str(home),
        "trainer": {"name": trainer, "epochs": 2}, "backend": {"name": "numpy", "threads": 1, "kernels": "numpy"},
    })  # fmt: skip
    name = name_run(config)
    folder = Store(home).run(name)
    with counted(CountedDisk()) as disk, locks_and_looks(home) as seen:
        folder.write_config(name, config.as_dict())  # by the parent
        run_id, raw = folder.read_config()  # by the worker, and all that follows
        if work(folder, run_id, raw, _Nobody(), _Nobody()):  # type: ignore[arg-type]  # all that is asked of them
            raise DataError(f"the run of {trainer} that is counted did not end well: {folder.record()}")
        folder.record()  # by the parent
    files = {path.name: path.stat().st_size for path in sorted(folder.path.iterdir())}
    return {
        "trainer": trainer,
        "operations": [{"file": f, "operation": o, "n": n} for (f, o), n in sorted(disk.counts.items())],
        "checkpoints": disk.counts["checkpoint", "create"],
        "seen": dict(seen),
        "files": files,
    }


class _Nobody:
    """Stands for the parent that listens, and for its signals."""

    asked = broken = False

    def tell(self, event: dict[str, Any]) -> None:
        pass


def real_records(folder: Path) -> list[RunRecord]:
    """The records that ended ok in the run folders somewhere under `folder`. Raises UsageError where there is none."""
    found = [RunFolder(path.parent).record() for path in sorted(folder.glob("**/record.json"))]
    if not (kept := [record for record in found if record is not None and record.status == "ok"]):
        raise UsageError(f"{folder} holds no record of a run that ended ok; name a folder of runs by --records")
    return kept


def write_store(home: Path, size: int, templates: Sequence[RunRecord]) -> dict[str, Any]:
    """Run folders with config, lock and record, `size` in all; what is there stays. Returns sizes and counts."""
    store, random_ = Store(home), random.Random(0)
    disk = CountedDisk(durable=False)
    written = 0
    with counted(disk), locks_and_looks(home) as seen:
        for number in range(size):
            record = made_up(templates[number % len(templates)], number // len(templates), number, random_)
            folder = store.run(record.run_id)
            if folder.record_path.exists():
                continue
            folder.write_config(record.run_id, record.config)
            with folder.lock():
                record.write(folder.record_path)
            written += 1
    sample = [store.run(name).path for name in store.ids()[: 10 * len(templates)]]
    files = [path.stat().st_size for folder in sample for path in folder.iterdir()]
    each: Counter[str] = Counter()
    for (_, operation), n in disk.counts.items():
        each[operation] += n
    return {
        "bytes_a_run": sum(files) / len(sample),
        "files_a_run": len(files) / len(sample),
        "operations_a_run": sum(each.values()) / written if written else None,
        "locks_a_run": seen["locked or unlocked"] / written if written else None,
    }


def made_up(template: RunRecord, copy_of: int, number: int, chosen: random.Random) -> RunRecord:
    """A record like a real one: one of ten rates where its config has one, a seed, test results up to a tenth off."""
    record = copy.copy(template)
    record.run_id = f"{number:016x}"
    optimizer = dict(template.config.get("optimizer") or {})
    seed = copy_of
    if rate := optimizer.get("learning_rate"):
        seed, step = divmod(copy_of, _RATES)
        optimizer["learning_rate"] = rate * 2.0**step
    record.config = {**template.config, "seed": seed, "optimizer": optimizer or None}
    factor = chosen.uniform(0.9, 1.1)
    test = {key: value * factor if key in ("loss", "error") else value for key, value in template.final["test"].items()}
    if "error" in test:
        test["accuracy"] = 1 - test["error"]
    record.final = {**template.final, "test": test}
    return record


def in_a_process(side: str, store: Path, scratch: Path) -> dict[str, Any]:
    """What a process of its own says of reading a store in that way: seconds, CPU seconds, peak bytes."""
    out = scratch / f"out-{store.name}-{side}"
    command = [sys.executable, "-m", "lab.bench.store_side", side, str(store), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise DataError(f"reading {store} ended with status {done.returncode}: {done.stderr.strip()[-300:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
