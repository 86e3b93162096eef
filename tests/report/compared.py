"""A MADE-UP comparison as `lab compare` leaves it: nothing here was measured."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from lab.protocol import parse_protocol
from lab.protocol.read import plain
from tests.protocol.test_protocol import rules
from tests.report.records import make_record, write

SEEDS, TRIALS = (0, 1, 2, 3, 4, 5), 3
SIDES = {"backprop": "backprop", "forward": "forward_forward"}


def run_id(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:16]


def make_comparison(folder: Path, *, timed: bool = False) -> Path:
    """Writes it into `folder` and returns the folder of its runs."""
    whole = rules(
        timed=timed, data=[{"name": "mnist", "target": 0.97}], runs__seeds=list(SEEDS), runs__epochs=2,
        runs__sizes=[100], tuning__epochs=2, tuning__rows=55000, tuning__trials=TRIALS,
    )  # fmt: skip
    studies, runs = [], []
    for side, trainer in SIDES.items():
        trials = []
        for number in range(TRIALS):
            record = _record(trainer, 1000, 0.001 * (number + 1))
            record["final"] = {"valid": {"accuracy": 0.9 + 0.01 * number}}
            trials.append(run_id("trial", side, number))
            write(folder / "trials", record, trials[-1])
        studies.append({
            "data": "mnist", "side": side, "trials": trials, "best": trials[-1],
            "chosen": ["optimizer.learning_rate=0.003"],
        })  # fmt: skip
        for seed in SEEDS:
            record = _record(trainer, seed, 0.003)
            valid = (0.98, 0.99) if side == "backprop" else (0.9, 0.972)
            for epoch, accuracy in zip(record["history"], valid, strict=True):
                epoch["valid"] |= {"accuracy": accuracy, "error": 1 - accuracy}
            came = 1 if side == "backprop" else 2 if seed else None
            record["measured"] |= {
                "to_target": {"target": 0.97, "epochs": came, "seconds": None if came is None else 3.0},
                "others_cores": 0.8,
            }
            record["final"]["measures"] = _measures(0.01 * (1 + seed))
            name = run_id("run", side, seed)
            write(folder / "runs", record, name)
            runs.append({"run_id": name, "data": "mnist", "side": side, "seed": seed, "rows": None})
        fewer = _record(trainer, 0, 0.003)
        fewer["final"]["test"] |= {"accuracy": 0.8, "error": 0.2}
        name = run_id("fewer", side)
        write(folder / "sizes", fewer, name)
        runs.append({"run_id": name, "data": "mnist", "side": side, "seed": 0, "rows": 100})
    ledger = {"schema": 1, "protocol": plain(parse_protocol(whole)), "studies": studies, "runs": runs}
    (folder / "comparison.json").write_text(json.dumps(ledger))
    return folder / "runs"


def add_form(folder: Path, seeds: int = len(SEEDS), rate: float = 0.003) -> None:
    """Adds a baseline that is like backprop in all but its memory."""
    form = {"name": "lean", "like": "backprop", "options": ["trainer=backprop", "trainer.micro_batches=5"]}
    change(folder / "comparison.json", "protocol.baselines", [form])
    entries = json.loads((folder / "comparison.json").read_text())["runs"]
    for seed in SEEDS[:seeds]:
        record = _record("backprop", seed, rate)
        record["config"]["trainer"]["micro_batches"] = 5
        record["final"]["test"]["loss"] += 1e-9  # as sums in another order are
        record["memory"]["activations"] //= 5
        write(folder / "runs", record, run_id("run", "lean", seed))
        lean = {"run_id": run_id("run", "lean", seed), "data": "mnist", "side": "lean", "seed": seed, "rows": None}
        entries.append(lean)
    change(folder / "comparison.json", "runs", entries)


def _record(trainer: str, seed: int, rate: float) -> dict[str, Any]:
    record = make_record(trainer, seed=seed, epochs=2)
    record["config"]["optimizer"]["learning_rate"] = rate
    return record


def _measures(ece: float) -> dict[str, Any]:
    scores = {"ece": ece, "ece_scaled": ece / 2, "brier": 0.1, "nll": 0.2, "temperature": 2.0}
    return {
        "calibration": {"output": scores},
        "corruption": {"rows": 2000, "clean": 0.98, "accuracy": 0.7, "noise": [0.9, 0.8, 0.4], "blur": [0.9, 0.8, 0.7]},
        "outliers": {
            "noise": {"probability_output": 0.9, "goodness": 0.95},
            "digits": {"probability_output": 0.7, "goodness": 0.8},
        },
    }


def change(path: Path, keys: str, value: object) -> None:
    """Sets an entry of a JSON file."""
    whole = json.loads(path.read_text())
    target, (*way, last) = whole, keys.split(".")
    for key in way:
        target = target[int(key)] if isinstance(target, list) else target.setdefault(key, {})
    target[last] = value
    path.write_text(json.dumps(whole))
