"""One record -> the rows it gives each frame. Whatever a record holds, these functions return."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.record.answers import unpacked
from lab.report import variants
from lab.report.metrics import DIAGNOSTICS, FRACTION, METRICS
from lab.report.read import items, number, walk, words
from lab.report.text import visible

LAST_EPOCH = 1e9
SPEEDS = (
    "samples_per_second", "steps_per_second", "flops_per_second", "target_seconds", "data_seconds", "train_seconds",
    "evaluate_seconds", "write_seconds", "other_seconds", "total_seconds", "energy_joules", "energy_net", "energy_gpu",
    "target_joules",
)  # fmt: skip
KEYS = ["run_id", "data", "network", "trainer", "series", "seed", "counted"]
ENVIRONMENT = ["device", "cpu", "cores", "threads", "kernels", "blas", "numpy", "python", "platform"]
COLUMNS = {
    "runs": [*KEYS, "folder", "status", "reason", "family", "variant", "task", "n_epochs", "peak_at", "code_version",
             "dataset", "digest", "body", "selected_on", "right", "started", "finished", "energy_missing", "resumed",
             "one_by_one", "load", *ENVIRONMENT, *(k for k, m in METRICS.items() if m.path), "train_flops",
             "target_flops", "target_joules"],
    "epochs": [*KEYS, "epoch", "step", "train_loss", "learning_rate", "valid_accuracy", "valid_error", "valid_loss",
               "valid_rmse", "epoch_seconds", "samples_per_second", "elapsed", "flops", "joules"],
    "blocks": [*KEYS, "split", "position", "block", "block_accuracy"],
    "diagnostics": [*KEYS, "epoch", "position", "block", "figure", "value"],
    "quality": [*KEYS, "measure", "of", "figure", "value"],
    "memory": [*KEYS, "part", "bytes"],
    "seconds": [*KEYS, "part", "seconds"],
}  # fmt: skip
NUMERIC = {*METRICS, "n_epochs", "epoch", "step", "train_loss", "learning_rate", "epoch_seconds", "elapsed", "flops",
           "joules", "position", "value", "bytes", "seconds", "load"}  # fmt: skip


def run_row(name: str, folder: Path, record: dict[str, Any], notes: list[tuple[str, str]]) -> dict[str, Any]:
    """The row of `runs` that one record gives; what it says that cannot be true is added to `notes`."""
    regression = walk(record, "data", "task") == "regression" or number(walk(record, "data", "n_classes")) == 0
    load = walk(record, "measured", "environment", "load_average")
    row: dict[str, Any] = {
        "run_id": visible(name, 80), "folder": "" if folder == Path() else str(folder),
        "status": record["status"], "reason": visible(words(record.get("reason"))),
        "family": visible(words(record.get("family")), variants.LABEL), "trainer": variants.trainer_name(record),
        "network": variants.network_name(record), "data": variants.data_name(record),
        "digest": visible(words(walk(record, "data", "digest")), 80), "seed": variants.seed_name(record),
        "counted": False,
        "task": "regression" if regression else "classification", "n_epochs": float(len(items(record.get("history")))),
        "peak_at": visible(words(walk(record, "memory", "peak_at")), 60),
        "code_version": visible(words(record.get("code_version")), 40),
        "started": visible(words(walk(record, "measured", "started")), 40),
        "finished": visible(words(walk(record, "measured", "finished")), 40),
        "energy_missing": visible(words(walk(record, "measured", "energy_missing"))),
        "one_by_one": visible(words(walk(record, "measured", "graphs", "reason"))),
    }  # fmt: skip
    row["dataset"], row["body"] = row["data"], _body(record)
    row["selected_on"] = visible(words(walk(record, "selection", "on")), 40)
    right = walk(record, "final", "right")
    row["right"] = right if unpacked(right, _rows(record)) is not None else ""
    row["resumed"] = walk(record, "measured", "resumed") is True
    row["load"] = number(load[0] if isinstance(load, list) and load else load)
    for key in ENVIRONMENT:
        value = walk(record, "measured", "environment", key)
        row[key] = visible(value, 80) if isinstance(value, str | int | float) else ""
    # A process lists the libraries it has loaded in no fixed order.
    row["blas"] = ", ".join(sorted(row["blas"].split(", ")))
    for key, metric in METRICS.items():
        if metric.path and not (regression and metric.unit is FRACTION):
            row[key] = _admitted(walk(record, *metric.path), key, row["run_id"], notes)
    row |= _paid(record, row)
    if row["resumed"]:  # its parts may have run on other machines, beside other work, from cold caches
        row |= dict.fromkeys(SPEEDS, math.nan)
    for split in ("test", "valid"):
        right, wrong = f"{split}_accuracy", f"{split}_error"
        if not regression:
            row[wrong] = 1 - row[right] if math.isnan(row[wrong]) else row[wrong]
            row[right] = 1 - row[wrong] if math.isnan(row[right]) else row[right]
    return row


def _paid(record: dict[str, Any], row: Mapping[str, Any]) -> dict[str, float]:
    """Operations of the training, and what it took to come to the target: operations, and its share of the energy.

    A run that never came there took infinitely much; one that was given no target is no miss.
    """
    steps = {number(e.get("epoch")): number(e.get("step")) for e in items(record.get("history"))}
    found = {"train_flops": max(steps.values(), default=math.nan) * row["flops_per_step"]}
    if math.isnan(row["target"]):
        return found | {"target_flops": math.nan, "target_joules": math.nan}
    if math.isnan(row["target_epochs"]):
        missed = math.nan if math.isnan(row["energy_joules"]) else math.inf
        return found | {"target_flops": math.inf, "target_joules": missed}
    share = row["target_seconds"] / row["train_seconds"] if row["train_seconds"] > 0 else math.nan
    reached = steps.get(row["target_epochs"], math.nan) * row["flops_per_step"]
    return found | {"target_flops": reached, "target_joules": row["energy_joules"] * share}


def quality_rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The columns of `quality` that one record gives: what was measured of the trained network beside its accuracy.

    calibration: of a readout; corruption: of a way (noise, blur, ...), its figure a severity or the mean; outliers: of
    the other images, its figure a score.
    """
    found = walk(record, "final", "measures")
    rows: list[dict[str, Any]] = []
    for measure, whole in found.items() if isinstance(found, dict) else ():
        for of, inner in whole.items() if isinstance(whole, dict) else ():
            if isinstance(inner, list):
                figures: Mapping[str, object] = {str(i): value for i, value in enumerate(inner, 1)}
            else:
                figures = inner if isinstance(inner, dict) else {"": inner}
            for figure, value in figures.items():
                if not math.isnan(stored := number(value)):
                    names = (visible(measure, 40), visible(of, 40), visible(figure, 40))
                    rows.append(dict(zip(("measure", "of", "figure"), names, strict=True)) | {"value": stored})
    return rows


def _rows(record: dict[str, Any]) -> int:
    n = number(walk(record, "data", "n_test"))
    return int(n) if 0 < n < LAST_EPOCH else 0


def _body(record: dict[str, Any]) -> str:
    """What the network's blocks are, as text that is equal for equal ones: their shapes and parameters."""
    blocks = [[block.get("out_shape"), block.get("parameters")] for block in items(walk(record, "network", "blocks"))]
    return visible(words(walk(record, "network", "body")) or (json.dumps(blocks) if blocks else ""))


def _admitted(value: object, key: str, run: str, notes: list[tuple[str, str]]) -> float:
    """The stored number, or NaN and a note when it cannot be true (NaN itself, a fraction of 1.2, minus one byte)."""
    if value is None:  # as most are
        return math.nan
    metric, stored = METRICS[key], number(value)
    if metric.admits(stored):
        return stored
    notes.append((run, f"its {metric.label} is {visible(value, 40)}, which is left out"))
    return math.nan


def epoch_rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The columns of `epochs` that one record gives.

    A resumed run has no times, since its parts may not be comparable; energy is shared out by the seconds of training.
    """
    resumed = walk(record, "measured", "resumed") is True
    whole = _true(walk(record, "measured", "seconds", "train"), "train_seconds")
    watts = _true(walk(record, "measured", "energy_joules"), "energy_joules") / (whole or math.nan)
    per_step = _true(walk(record, "cost", "flops_per_step"), "flops_per_step")
    times = {number(e.get("epoch")): e for e in items(walk(record, "measured", "epochs"))}
    rows, elapsed = [], 0.0
    for entry in items(record.get("history")):
        epoch, timed = number(entry.get("epoch")), times.get(number(entry.get("epoch")))
        if not 0 <= epoch < LAST_EPOCH:
            continue
        seconds = math.nan if resumed else _true(walk(timed, "train_seconds"), "train_seconds")
        elapsed += seconds  # one epoch without its time makes every later sum unknown, not smaller
        accuracy, error = (_true(walk(entry, "valid", k), f"valid_{k}") for k in ("accuracy", "error"))
        error = 1 - accuracy if math.isnan(error) else error
        rows.append({
            "epoch": epoch, "step": number(entry.get("step")), "train_loss": number(entry.get("train_loss")),
            "learning_rate": number(entry.get("learning_rate")), "valid_accuracy": 1 - error, "valid_error": error,
            "valid_loss": _true(walk(entry, "valid", "loss"), "valid_loss"),
            "valid_rmse": _true(walk(entry, "valid", "rmse"), "valid_rmse"), "epoch_seconds": seconds,
            "samples_per_second": _true(walk(timed, "samples_per_second"), "samples_per_second"), "elapsed": elapsed,
            "flops": number(entry.get("step")) * per_step, "joules": watts * elapsed,
        })  # fmt: skip
    return rows


def _true(value: object, key: str) -> float:
    stored = number(value)
    return stored if METRICS[key].admits(stored) else math.nan


def block_rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The columns of `blocks` that one record gives."""
    rows = []
    for split in ("test", "valid"):
        for position, block in enumerate(items(walk(record, "final", split, "blocks")), 1):
            accuracy = _true(block.get("accuracy"), "block_accuracy")
            if not math.isnan(accuracy):
                name = visible(words(block.get("name")), 40) or f"block {position}"
                rows.append({"split": split, "position": position, "block": name, "block_accuracy": accuracy})
    return rows


def diagnostic_rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The columns of `diagnostics` that one record gives: a row an epoch, block and figure."""
    names = [words(block.get("name")) for block in items(walk(record, "network", "blocks"))]
    rows = []
    for entry in items(record.get("history")):
        epoch = number(entry.get("epoch"))
        for block in items(entry.get("blocks")) if 0 <= epoch < LAST_EPOCH else ():
            name = words(block.get("name"))
            if name not in names:
                continue
            for figure in DIAGNOSTICS:
                if figure in block and not math.isnan(value := _true(block[figure], figure)):
                    rows.append({
                        "epoch": epoch, "position": names.index(name) + 1, "block": visible(name, 40), "figure": figure,
                        "value": value,
                    })  # fmt: skip
    return rows
