"""MADE-UP records for the tests of the report: nothing here was measured. Seeded: each call gives the same files.

The numbers only look like those of two trainers (errors fall with epochs, backprop's activations grow with depth), so
that figures can be looked at; no result may be quoted from them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

TRAINERS = ("backprop", "forward_forward")
NETWORKS = {"mlp 3x500": (3, 500), "mlp 8x500": (8, 500)}
MIB = 2**20


def make_record(
    family: str = "backprop",
    network: str = "mlp 3x500",
    seed: int = 0,
    *,
    data: str = "mnist",
    epochs: int = 8,
    status: str = "ok",
    reason: str | None = None,
    task: str = "classification",
) -> dict[str, Any]:
    """One record of schema 1, made up from a generator seeded by its arguments."""
    depth, width = NETWORKS.get(network, (3, 500))
    rng = np.random.default_rng([TRAINERS.index(family) if family in TRAINERS else 9, depth, width, seed, len(data)])
    forward = family != "backprop"
    floor = (0.0215 if forward else 0.0168) + 0.004 * (network == "mlp 3x500") + 0.06 * (data != "mnist")
    floor += float(rng.normal(0, 0.0006))
    rate = (15500.0 if forward else 42000.0) * (2.4 if network == "mlp 3x500" else 1.0)
    history, timed, elapsed = [], [], 0.0
    for epoch in range(1, epochs + 1):
        error = floor + (0.09 if forward else 0.05) * math.exp(-epoch / 1.8) + abs(float(rng.normal(0, 0.0007)))
        speed = rate * float(rng.normal(1, 0.02))
        elapsed += 55000 / speed
        history.append({
            "epoch": epoch, "step": 550 * epoch, "train_loss": 2.2 * error, "learning_rate": 0.01,
            "valid": _scores(error, depth, forward, rng), "blocks": [
                {"name": f"block{i + 1}", "loss": 0.5 / epoch, "goodness_positive": 600.0, "goodness_negative": 300.0}
                for i in range(depth)] if forward else [],
        })  # fmt: skip
        timed.append({"epoch": epoch, "train_seconds": 55000 / speed, "evaluate_seconds": 0.4 if forward else 0.1,
                      "samples_per_second": speed})  # fmt: skip
    finals = {"test": _scores(floor, depth, forward, rng), "valid": _scores(floor + 0.001, depth, forward, rng)}
    batch, size = 100, depth * width * width + 784 * width
    activations = batch * width * 4 * (4 if forward else 2 * depth)
    parts = {
        "weights": 4 * size, "gradients": 4 * (width * 784 if forward else size),
        "optimizer": 4 * size * (1 if forward else 2), "activations": activations,
        "readout": batch * depth * width * 4 if forward else 0, "workspace": 3 * MIB // 2,
        "data": 55000 * 784,
    }  # fmt: skip
    name = f"{family[:2]}-{network.replace(' ', '-')}-{data}-s{seed}"
    evaluate, other = (0.4 if forward else 0.1) * epochs, 0.9 + float(rng.normal(0, 0.02))
    record = {
        "schema": 1, "run_id": name, "status": status, "reason": reason, "family": family,
        "config": {
            "data": {"name": data, "valid": 5000, "limit": None},
            "model": {"name": "mlp", "depth": depth, "width": width},
            "trainer": {"name": family, "epochs": epochs, "batch_size": batch},
            "optimizer": {"name": "sgd" if forward else "adam", "learning_rate": 0.01},
            "backend": {"name": "numpy", "dtype": "float32", "threads": 2}, "seed": seed,
        },
        "code_version": "0.1.0",
        "data": {"name": data, "digest": f"{len(data):x}" * 64, "source": "made up", "n_train": 55000, "n_valid": 5000,
                 "n_test": 10000, "n_classes": 10, "task": "classification", "shape": [1, 28, 28]},
        "network": {"name": "mlp", "label": network, "parameters": size, "head_parameters": 10 * width * (depth - 1),
                    "blocks": [{"name": f"block{i + 1}", "out_shape": [width], "parameters": size // depth}
                               for i in range(depth)]},
        "history": history if status == "ok" else history[:2], "final": finals if status == "ok" else {},
        "cost": {"rows_per_sample": 3 if forward else 1, "passes_per_step": 3 if forward else 1,
                 "passes_per_prediction": 10 if forward else 1, "flops_per_step": 6.0 * batch * size},
        "memory": {**parts, "peak": sum(parts.values()) - parts["gradients"] // 2, "peak_at": "block2 backward"},
        "measured": {
            "seconds": {"train": elapsed, "evaluate": evaluate, "other": other, "total": elapsed + evaluate + other},
            "epochs": timed, "samples_per_second": float(np.median([t["samples_per_second"] for t in timed])),
            "process_peak_bytes": sum(parts.values()) + 90 * MIB, "energy_joules": None,
            "energy_missing": "no counter: this machine has no powercap folder",
            "environment": {"python": "3.11.7", "numpy": "2.4.6", "platform": "Linux", "cpu": "made-up CPU", "cores": 2,
                            "blas": "openblas", "threads": 2, "device": "cpu", "kernels": "numpy", "load_average": 1.1,
                            "packages": {"numpy": "2.4.6"}},
            "started": f"2025-01-0{1 + seed % 8}T10:00:00Z", "finished": f"2025-01-0{1 + seed % 8}T10:05:00Z",
        },
    }  # fmt: skip
    return _as_regression(record) if task == "regression" else record


def _as_regression(record: dict[str, Any]) -> dict[str, Any]:
    record["data"] |= {"task": "regression", "n_classes": 0, "shape": [10]}
    for scores in (*record["final"].values(), *(epoch["valid"] for epoch in record["history"])):
        rmse = 50 + 200 * scores["error"]
        scores.clear()
        scores.update(n=88, loss=rmse**2, rmse=rmse, r2=1 - rmse**2 / 6000)
    return record


def _scores(error: float, depth: int, forward: bool, rng: np.random.Generator) -> dict[str, Any]:
    lost = (0.012 if forward else 0.026) / (depth - 1)
    blocks = [
        {"name": f"block{i + 1}", "accuracy": 1 - error - lost * (depth - 1 - i) + float(rng.normal(0, 0.0005))}
        for i in range(depth)
    ]
    scores: dict[str, Any] = {"accuracy": 1 - error, "error": error, "loss": 3 * error, "n": 10000, "blocks": blocks}
    if forward:
        scores |= {"accuracy_goodness": 1 - error, "accuracy_softmax": 1 - error - 0.0011}
    return scores


def write(runs: Path, record: dict[str, Any], name: str | None = None) -> Path:
    """Writes a record into its run folder and returns the folder."""
    folder = runs / (name or record["run_id"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(json.dumps({**record, "run_id": folder.name}), encoding="utf-8")
    return folder


def make_runs(
    runs: Path,
    *,
    families: Sequence[str] = TRAINERS,
    networks: Sequence[str] = tuple(NETWORKS),
    seeds: Sequence[int] = (0, 1, 2),
    data: Sequence[str] = ("mnist",),
    epochs: int = 8,
) -> Path:
    """Writes families x networks x seeds x data sets made-up records and returns the runs folder."""
    for family in families:
        for network in networks:
            for seed in seeds:
                for name in data:
                    write(runs, make_record(family, network, seed, data=name, epochs=epochs))
    return runs


def make_bad_runs(runs: Path) -> list[str]:
    """Adds one run of each kind that is not whole, and returns their folder names."""
    write(runs, make_record(seed=3, status="diverged", reason="the loss of block2 became nan at step 811"), "diverged")
    write(runs, {"schema": 1, "run_id": "failed", "status": "failed", "reason": "MNIST is truncated at byte 4096",
                 "family": "backprop", "config": {"seed": 4}, "history": [], "final": {}}, "failed")  # fmt: skip
    write(runs, make_record("forward_forward", seed=5, status="out_of_memory", reason="needed 9 GiB of 8"), "memory")
    write(runs, make_record(seed=6, status="timeout", reason="stopped after 60 s"), "timeout")
    (runs / "unfinished").mkdir()
    (runs / "unfinished" / "config.yaml").write_text("seed: 7\n")
    whole = json.dumps(make_record(seed=8))
    for name, text in {
        "truncated": whole[: len(whole) // 2], "empty": "", "list": "[1, 2]", "deep": "[" * 100_000,
        "nested": '{"schema": 1, "status": "ok", "config": ' + '{"a":' * 60 + "1" + "}" * 61,
        "digits": '{"schema": 1, "status": "ok", "n": ' + "9" * 5000 + "}", "schemaless": '{"status": "ok"}',
        "future": json.dumps({**make_record(seed=9), "schema": 2}),
        "unheard": json.dumps({**make_record(seed=9), "status": "splendid"}),
    }.items():  # fmt: skip
        (runs / name).mkdir()
        (runs / name / "record.json").write_text(text)
    (runs / "binary").mkdir()
    (runs / "binary" / "record.json").write_bytes(b"\xff\xfe\x00\x01")
    (runs / "folder" / "record.json").mkdir(parents=True)
    (runs / "partial").mkdir()
    (runs / "partial" / "record.json").write_text('{"schema": 1, "status": "ok", "family": "backprop"}')
    notnumbers = make_record("forward_forward", seed=10)
    notnumbers["final"]["test"] |= {"accuracy": math.nan, "error": math.nan}
    notnumbers["memory"]["peak"] = -5
    notnumbers["measured"]["seconds"]["train"] = math.inf
    notnumbers["history"][2]["valid"]["accuracy"] = notnumbers["history"][2]["valid"]["error"] = math.nan
    write(runs, notnumbers, "notnumbers")
    return sorted(f.name for f in runs.iterdir())
