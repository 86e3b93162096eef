"""What pictures show of a trained run, kept beside its record: `lab paper --look runs/<id>` writes look.json.

A checkpoint is too large to be kept with a report; this is a few kilobytes. Each part is there where it can be had:

fields     {"shape": [H, W], "units": [base64 of int8 (H W,), ...]}: incoming weights of units of the first block, those
           with the longest, 127 for the size that 98 % of a unit's do not exceed and for all above, which are often
           those of the label; of fully connected blocks that read images of one channel
confusion  counts [[...], ...]: rows by their class, columns by the answer, on the test rows
lines      of a text: [[the window that a line begins with, what the network lets follow], ...], each character drawn
           from its answer to the window before it
"""

from __future__ import annotations

import base64
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lab.config import build, parse
from lab.data import Dataset, load_dataset
from lab.errors import DataError
from lab.random import generator
from lab.record import storage
from lab.record.store import RunFolder
from lab.trainers import Trainer

FILE = "look.json"
SCHEMA = 1
UNITS, CLASSES, LINES, LENGTH = 20, 20, 5, 80


def look(path: Path) -> Path:
    """Write look.json beside the record of a run that ended ok; returns its path. Raises DataError for another."""
    folder = RunFolder(path)
    record = folder.record()
    if record is None or record.status != "ok" or not folder.checkpoint.exists():
        raise DataError(f"{path} holds no run that ended ok with its final weights; name a run's folder")
    config = parse(folder.read_config()[1])
    data = load_dataset(config.data["name"], **config.data_options)
    if data.digest != record.data.get("digest"):
        raise DataError(f"the data of {config.data['name']} changed since run {record.run_id} was made; run it again")
    trainer = build(config).load(folder.checkpoint)
    parts = {"fields": fields(trainer), "confusion": confusion(trainer, data), "lines": lines(trainer, data)}
    found = {name: part for name, part in parts.items() if part}
    storage.write_json_atomic(path / FILE, {"schema": SCHEMA, "run_id": record.run_id, **found})
    return path / FILE


def fields(trainer: Trainer) -> dict[str, Any]:
    """Receptive fields of the first block; {} where they are no images."""
    shape = trainer.in_shape
    if len(shape) != 3 or shape[0] != 1 or not trainer.network.blocks:
        return {}
    weights = [p for key, p in trainer.network.blocks[0].params.items() if key.endswith("W") and p.ndim == 2]
    if not weights or len(weights[0]) != prod(shape):
        return {}
    W = np.asarray(trainer.ops.to_host(weights[0]), dtype=np.float64)
    longest = np.argsort(-(W**2).sum(axis=0), kind="stable")[:UNITS]
    most = np.maximum(np.quantile(np.abs(W), 0.98, axis=0, method="higher"), 1e-30)
    units = [np.rint(127 * np.clip(W[:, unit] / most[unit], -1, 1)).astype(np.int8) for unit in longest]
    return {"shape": list(shape[1:]), "units": [base64.b64encode(unit.tobytes()).decode() for unit in units]}


def confusion(trainer: Trainer, data: Dataset) -> list[list[int]]:
    """Counts by class and answer; [] of numbers, of texts, and of many classes."""
    k = data.n_classes or 0
    if data.task != "classification" or data.train.alphabet or not 1 < k <= CLASSES:
        return []
    pairs = np.bincount(data.test.y * k + trainer.predict(data.test.x), minlength=k * k)
    return [[int(n) for n in row] for row in pairs.reshape(k, k)]


def lines(trainer: Trainer, data: Dataset) -> list[list[str]]:
    """What a network writes; [] where it reads no text."""
    if not data.train.alphabet or not len(data.test):
        return []
    rng = generator(trainer.seed, "lines")
    codes = data.test.x[rng.integers(0, len(data.test), LINES)].astype(np.int64)
    window = codes.shape[1]
    for _ in range(LENGTH):
        p = np.asarray(trainer.predict_proba(codes[:, -window:]), dtype=np.float64)
        below = (np.cumsum(p, axis=1) < rng.random(LINES)[:, None]).sum(axis=1)
        codes = np.concatenate([codes, np.minimum(below, p.shape[1] - 1)[:, None]], axis=1)
    texts = ["".join(data.classes[code] for code in row) for row in codes]
    return [[text[:window], text[window:]] for text in texts]
