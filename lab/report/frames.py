"""Records, one after another -> the frames that `load` describes: of each record only its rows are kept.

A hundred thousand records do not fit into memory as objects; their rows do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lab.report import variants
from lab.report.extract import (
    COLUMNS,
    KEYS,
    NUMERIC,
    block_rows,
    diagnostic_rows,
    epoch_rows,
    quality_rows,
    run_row,
)
from lab.report.metrics import MEMORY_PARTS, PRIMARY, TIME_PARTS
from lab.report.text import short_id, visible

_LONG = {"epochs": epoch_rows, "blocks": block_rows, "diagnostics": diagnostic_rows, "quality": quality_rows}


class Gathered:
    """The rows of the records given so far. `notes` takes what is wrong with them: (run, sentence) pairs."""

    def __init__(self, notes: list[tuple[str, str]]) -> None:
        self._notes = notes
        self._rows: list[dict[str, Any]] = []
        self._settings: list[tuple[str, dict[str, str]]] = []
        self._long: dict[str, list[list[tuple[Any, ...]]]] = {name: [] for name in _LONG}
        self._known = variants.Known()

    def add(self, name: str, folder: Path, record: dict[str, Any]) -> None:
        """Take the rows of the record of the run `name`; it has a status."""
        self._rows.append(run_row(name, folder, record, self._notes))
        self._settings.append(self._known.settings(record.get("config")))
        for frame, rows_of in _LONG.items():
            own = COLUMNS[frame][len(KEYS) :]
            self._long[frame].append([tuple(row[column] for column in own) for row in rows_of(record)])

    def frames(self, trainers: Mapping[str, str]) -> dict[str, Any]:
        """The fields of `load.Records` that come from records alone; to be asked once.

        `trainers`, by run id: what trainers are called that a comparison's protocol tells apart by their cost alone.
        """
        for row in self._rows:
            row["trainer"] = trainers.get(row["run_id"], row["trainer"])
        settings = _name_series(self._rows, self._settings)
        _count(self._rows, self._notes)
        order = sorted(range(len(self._rows)), key=lambda i: _order(self._rows[i]))
        runs = _typed(pd.DataFrame([self._rows[i] for i in order], columns=COLUMNS["runs"]))
        found = {"runs": runs}
        for name, taken in self._long.items():
            counts = [len(taken[i]) for i in order]
            own = pd.DataFrame(list(chain.from_iterable(taken[i] for i in order)), columns=COLUMNS[name][len(KEYS) :])
            found[name] = _typed(_keyed(runs, np.repeat(np.arange(len(runs)), counts), own))
        found["memory"] = _parts(runs, "bytes", {p: f"memory_{p}" for p in (*MEMORY_PARTS, "peak")})
        found["seconds"] = _parts(runs, "seconds", {p: f"{p}_seconds" for p in TIME_PARTS})
        return {**found, "notes": tuple(sorted(self._notes)), "settings": settings}


def _keyed(runs: pd.DataFrame, owners: np.ndarray[Any, Any], own: pd.DataFrame) -> pd.DataFrame:
    """Rows with the keys of the runs that they belong to before them."""
    return pd.concat([runs[KEYS].take(owners).reset_index(drop=True), own], axis=1)


def _parts(runs: pd.DataFrame, value: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """One row a run and part, of those that are known."""
    stored = runs[list(columns.values())].to_numpy(dtype=float).ravel()
    own = pd.DataFrame({"part": np.tile(np.array(list(columns), dtype=object), len(runs)), value: stored})
    owners = np.repeat(np.arange(len(runs)), len(columns))
    known = ~np.isnan(stored)
    return _keyed(runs, owners[known], own[known].reset_index(drop=True))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    numeric = [c for c in frame.columns if c in NUMERIC]
    frame[numeric] = frame[numeric].astype(float)
    return frame


def _name_series(
    rows: list[dict[str, Any]], settings: list[tuple[str, dict[str, str]]]
) -> dict[tuple[str, str, str], dict[str, str]]:
    """Adds `variant` and `series` to the rows.

    Where a network saw different contents under one name, these get their digest added, so that they are not compared.
    """
    digests: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        digests.setdefault((row["data"], row["network"]), set()).update([row["digest"]] if row["digest"] else [])
    several = {data for (data, _), found in digests.items() if len(found) > 1}
    for row in rows:
        if row["data"] in several and row["digest"]:
            row["data"] = f"{row['data']} ({visible(row['digest'], 400)[:8]})"
    groups: dict[tuple[str, str, str], dict[str, dict[str, str]]] = {}
    for row, (text, flat) in zip(rows, settings, strict=True):
        if flat:
            groups.setdefault((row["data"], row["network"], row["trainer"]), {})[text] = flat
    labels = {place: _labels(options) for place, options in groups.items()}
    named: dict[tuple[str, str, str], dict[str, str]] = {}
    for row, (text, _) in zip(rows, settings, strict=True):
        place = row["data"], row["network"], row["trainer"]
        row["variant"] = labels.get(place, {}).get(text, "")
        row["series"] = f"{row['trainer']} ({row['variant']})" if row["variant"] else row["trainer"]
        named[(row["data"], row["network"], row["series"])] = groups.get(place, {}).get(text, {})
    return named


def _labels(options: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    order = sorted(options)
    return dict(zip(order, variants.variant_labels([options[o] for o in order]), strict=True))


def _count(rows: list[dict[str, Any]], notes: list[tuple[str, str]]) -> None:
    """Marks the runs that enter means: ended ok, with a result, each seed once (the one that finished last)."""
    latest: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda r: (r["finished"], r["run_id"])):
        if row["status"] != "ok" or math.isnan(row[PRIMARY[row["task"]].key]):
            continue
        key = (row["data"], row["network"], row["series"], row["seed"] or row["run_id"])
        if key in latest:
            older = latest[key]
            older["counted"] = False
            notes.append(
                (
                    older["run_id"],
                    f"has the seed of {short_id(row['run_id'])}, which finished later; it is counted once",
                )
            )
        row["counted"] = True
        latest[key] = row


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    family = {"backprop": 0, "forward_forward": 1}.get(row["family"], 2)
    known = [i for i, name in enumerate(variants.DATA_ORDER) if row["data"].split(" (")[0] == name]
    names = [natural(row[k]) for k in ("data", "network")]
    return (
        known or [len(variants.DATA_ORDER)],
        *names,
        family,
        natural(row["series"]),
        len(row["seed"]),
        row["seed"],
        row["run_id"],
    )


def natural(text: str) -> list[tuple[int, str]]:
    """Sorts "mlp 3x500" before "mlp 10x500", and capitals beside small letters."""
    return [(len(part), part) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", text.casefold())]
