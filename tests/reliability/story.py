"""One small run, from its config to its record, in this process: what the tests of this folder break in every way."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import lab.run
from lab.config import RunConfig, parse
from lab.record.checkpoint import read_checkpoint
from lab.record.generations import Generations
from lab.record.keeper import Keeper
from lab.record.record import RunRecord
from lab.record.store import RunFolder, Store
from lab.sweep.launch import name_run
from lab.sweep.worker import work
from tests.reliability.faults import Faulty, disk

EPOCHS, STEPS = 2, 7  # of 64 rows, ten at a time


class Told:
    """Stands for the parent that listens, and for its signals."""

    asked = broken = False

    def tell(self, event: dict[str, Any]) -> None:
        pass


class Often(Keeper):
    """Writes a checkpoint every fifth time it is offered one: the same ones in every run."""

    offers = 0

    def offer(self, *details: object) -> bool:
        self.offers += 1
        if self.offers % 5 and not details:
            return False
        self.keep(*details)
        return True


def make_rows(path: Path) -> Path:
    """A hundred rows of two classes."""
    rng = np.random.default_rng(0)
    y = np.arange(100) % 2
    np.savez(path, x=(rng.normal(size=(100, 5)) + y[:, None]).astype(np.float32), y=y)
    return path


def small(rows: Path, runs: Path, seed: int = 0, trainer: str = "forward_forward", **options: Any) -> RunConfig:
    """The config of the small run."""
    return parse(
        {
            "seed": seed,
            "data": {"name": str(rows)},
            "model": {"name": "mlp", "depth": 2, "width": 6},
            "trainer": {"name": trainer, "epochs": EPOCHS, "batch_size": 10},
            "backend": {"name": "numpy", "threads": 1, "kernels": "numpy"},
            "runs": str(runs),
            **options,
        }
    )


def folder_of(config: RunConfig) -> RunFolder:
    return Store(config.runs).run(name_run(config))


def live(config: RunConfig, name: str | None = None) -> int:
    """All that a launcher and a worker do with the disk for one run; returns the worker's exit status."""
    name = name or name_run(config)
    folder = Store(config.runs).run(name)
    folder.write_config(name, config.as_dict())
    run_id, raw = folder.read_config()
    before, lab.run.Keeper = lab.run.Keeper, Often
    try:
        return work(folder, run_id, raw, Told(), Told())  # type: ignore[arg-type]
    finally:
        lab.run.Keeper = before


def late(config: RunConfig) -> int:
    """The number of the disk operation that begins the last checkpoint: then there are two older ones and the best."""
    counting = Faulty()
    with TemporaryDirectory() as scratch, disk(counting):
        live(replace(config, runs=scratch))
    return [number for number, name in enumerate(counting.names, 1) if name == "create"][-2]


def ending(folder: RunFolder, epochs: int = EPOCHS) -> tuple[str, dict[str, Any]]:
    """What has to be equal however a run came to its end: the final weights' SHA-256, and the record but for times."""
    arrays, header = read_checkpoint(folder.checkpoint)
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + arrays[name].tobytes())
    record = RunRecord.read(folder.record_path).as_dict()
    assert header["progress"]["epoch"] == epochs
    return digest.hexdigest(), {key: value for key, value in record.items() if key != "measured"}


def leftovers(folder: RunFolder) -> list[str]:
    """Temporary files that nobody cleared."""
    return [path.name for path in folder.path.glob(".*")]


def generations(folder: RunFolder) -> Generations:
    return Generations(folder.checkpoint)
