"""One record -> what a tracker shows of it: options, scalars along the training, and results. Trusts nothing in it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.report import variants
from lab.report.extract import diagnostic_rows, epoch_rows, run_row
from lab.report.load import run_folders
from lab.report.metrics import METRICS
from lab.report.read import Unreadable, read_record

ALONG = {
    "train/loss": "train_loss", "train/learning_rate": "learning_rate", "valid/error": "valid_error",
    "valid/loss": "valid_loss", "valid/rmse": "valid_rmse", "cost/seconds": "elapsed", "cost/flops": "flops",
    "cost/joules": "joules", "cost/samples_per_second": "samples_per_second",
}  # fmt: skip
_ODD = re.compile(r"[^A-Za-z0-9=,.]+")


@dataclass(frozen=True)
class Scalar:
    """A value after so many training steps, `at` seconds since 1970 (0 where the record does not say)."""

    tag: str
    step: int
    at: float
    value: float


@dataclass(frozen=True)
class Exported:
    """A run for a tracker: `name` is safe as a file's name; fractions are 0..1, sizes bytes, times seconds."""

    run_id: str
    name: str
    data: str
    status: str
    reason: str
    started: float
    finished: float
    options: dict[str, str]
    scalars: tuple[Scalar, ...]
    results: dict[str, float]


def exported_runs(roots: Sequence[Path], skipped: list[str]) -> Iterator[Exported]:
    """Every run under the roots that has a record; why another has none is added to `skipped`."""
    for folder in run_folders(roots):
        try:
            yield exported(folder, read_record(folder / "record.json"))
        except Unreadable as reason:
            skipped.append(f"{folder}: {reason}")


def exported(folder: Path, record: dict[str, Any]) -> Exported:
    """What one record holds for a tracker."""
    row = run_row(folder.name, folder, record, [])
    started, finished = _moment(row["started"]), _moment(row["finished"])
    scalars: list[Scalar] = []
    after: dict[float, tuple[int, float]] = {}
    for epoch in epoch_rows(record):
        step = int(epoch["step"]) if math.isfinite(epoch["step"]) else int(epoch["epoch"])
        elapsed = 0.0 if math.isnan(epoch["elapsed"]) else epoch["elapsed"]
        after[epoch["epoch"]] = step, started + elapsed if started else 0.0
        scalars += [Scalar(tag, *after[epoch["epoch"]], epoch[key]) for tag, key in ALONG.items()]
    for found in diagnostic_rows(record):
        if found["epoch"] in after:
            tag = f"{found['figure']}/{_ODD.sub('-', found['block'])}"
            scalars.append(Scalar(tag, *after[found["epoch"]], found["value"]))
    names = (row["data"], row["network"], row["trainer"], f"seed={row['seed']}", row["run_id"][:12])
    results = {key: float(row[key]) for key, metric in METRICS.items() if metric.path and key in row}
    return Exported(
        row["run_id"], "_".join(_ODD.sub("-", name).strip("-.") for name in names), row["data"], row["status"],
        row["reason"], started, finished or started, variants.flatten(record.get("config")),
        tuple(s for s in scalars if math.isfinite(s.value)), {k: v for k, v in results.items() if math.isfinite(v)},
    )  # fmt: skip


def _moment(text: str) -> float:
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        return 0.0
