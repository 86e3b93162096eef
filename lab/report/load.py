"""Run folders -> tidy pandas frames: one row a run, an epoch, a block, a part of memory, a part of the time.

runs      run_id, folder, status, reason, trainer, series, network, data (names as shown), family, seed (text),
          variant, counted (enters the means), task, dataset (the data set's name alone), digest, body (shapes and
          parameters of the network's blocks), selected_on (by which rows settings were chosen; of imported runs),
          right (which test rows were answered rightly, see `lab.record.answers`),
          code_version, started, finished, n_epochs, peak_at, energy_missing, resumed, one_by_one (why a GPU did not
          repeat steps by itself), load (the machine's load average), `extract.ENVIRONMENT`, and every metric of
          `metrics.METRICS` that has a path into the record
epochs    run keys; epoch, step, train_loss, learning_rate, valid_accuracy, valid_error, valid_loss, valid_rmse,
          epoch_seconds, samples_per_second, and up to the epoch's end: elapsed (seconds of training, evaluation not
          included), flops (operations of matrix products) and joules
blocks    run keys; split (test | valid), position (from 1), block, block_accuracy
quality   run keys; measure, of, figure, value: see `extract.quality_rows`
diagnostics  run keys; epoch, position (from 1), block, figure (of `metrics.DIAGNOSTICS`), value
memory    run keys; part, bytes
seconds   run keys; part, seconds

Run keys are run_id, data, network, trainer, series, seed, counted. Fractions are 0..1, sizes bytes, times seconds; an
unknown number is NaN. Text has passed `text.visible`. A record that cannot be read is a row of `runs` with the status
"unreadable" and the reason; nothing in a record can stop a report.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lab.errors import UsageError
from lab.report import tuning, variants
from lab.report.extract import (
    COLUMNS,
    KEYS,
    NUMERIC,
    SPEEDS,
    block_rows,
    diagnostic_rows,
    epoch_rows,
    quality_rows,
    run_row,
)
from lab.report.ledger import Ledger, read_ledger
from lab.report.metrics import MEMORY_PARTS, PRIMARY, TIME_PARTS
from lab.report.read import STATUSES, Unreadable, read_record, words
from lab.report.text import short_id, visible
from lab.report.tuning import Trial

NOT_RUNS = "sweeps"
ALL_STATUSES = (*STATUSES, "missing", "unreadable")


@dataclass(frozen=True)
class Records:
    """What a report is drawn from. `notes` are (run, sentence) pairs; `settings` the options behind each series;

    `trials` what was tried before the settings were chosen.
    """

    runs: pd.DataFrame
    epochs: pd.DataFrame
    blocks: pd.DataFrame
    memory: pd.DataFrame
    seconds: pd.DataFrame
    diagnostics: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS["diagnostics"]))
    quality: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS["quality"]))
    notes: tuple[tuple[str, str], ...] = ()
    settings: Mapping[tuple[str, str, str], Mapping[str, str]] = field(default_factory=dict)
    expected: int | None = None
    ledger: Ledger | None = None  # of a comparison by `lab compare`
    trials: tuple[Trial, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many runs ended in each status that occurs, in a fixed order."""
        found = self.runs["status"].value_counts()
        return {s: int(found[s]) for s in ALL_STATUSES if s in found}

    @property
    def counted(self) -> pd.DataFrame:
        """The runs that enter means."""
        return self.runs[self.runs["counted"].astype(bool)]


def load_records(
    runs: Path | Sequence[Path],
    *,
    run_ids: Sequence[str] | None = None,
    expected: Sequence[Mapping[str, Any]] | None = None,
) -> Records:
    """Reads the run folders under one or more roots, limited to `run_ids` (or to those of `expected`) where given.

    `expected` holds {"run_id": ..., "config": {...}}; what is expected and not found is a row that is "missing".
    A table of trials beside a root is read too, see `tuning`. Raises UsageError when a root is not a folder, or that
    table cannot be read.
    """
    plan = {words(e.get("run_id")): e for e in expected or () if words(e.get("run_id"))}
    wanted = list(dict.fromkeys([*(run_ids or ()), *plan])) if run_ids is not None or expected is not None else None
    notes: list[tuple[str, str]] = []
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for folder in run_folders([runs] if isinstance(runs, Path | str) else runs):
        if wanted is not None and folder.name not in wanted:
            continue
        record = _read(folder, plan.get(folder.name, {}))
        # The folder's name is the run's identity: a copied folder with an old id inside must not hide the original.
        if words(record.get("run_id")) not in ("", folder.name):
            notes.append((visible(folder.name, 80), f"its record calls itself {visible(record['run_id'], 80)}"))
        if folder.name in found:
            notes.append((visible(folder.name, 80), f"found twice; the one in {visible(folder.parent)} is left out"))
            continue
        found[folder.name] = folder, record
    for name in wanted or ():
        if name not in found:
            lost = {**plan.get(name, {}), "status": "missing", "reason": "there is no such run folder"}
            found[name] = Path(), lost
    roots = [Path(root) for root in ([runs] if isinstance(runs, Path | str) else runs)]
    ledger = read_ledger(roots[0]) if len(roots) == 1 else None
    frames = _frames(found, notes)
    if ledger is not None and not ledger.protocol.timed:
        _untime(frames)
    trials = tuple(tuning.beside([runs] if isinstance(runs, Path | str) else runs))
    _add_trials(frames["runs"], tuning.tried(trials))
    return Records(**frames, expected=None if wanted is None else len(wanted), ledger=ledger, trials=trials)


def _untime(frames: dict[str, Any]) -> None:
    """Take out all times: by its protocol a comparison claims none, and what is not claimed is not shown."""
    frames["runs"][list(SPEEDS)] = math.nan
    frames["epochs"][["epoch_seconds", "samples_per_second", "elapsed", "joules"]] = math.nan
    frames["seconds"] = frames["seconds"].head(0)


def _add_trials(runs: pd.DataFrame, counts: Mapping[tuple[str, str, str], int]) -> None:
    """How many settings were tried, of the runs that do not say it themselves and have a search behind them."""
    places = zip(runs["dataset"], runs["network"], runs["trainer"], strict=True)
    known = pd.Series([counts.get(place, math.nan) for place in places], runs.index, dtype=float)
    runs["trials"] = runs["trials"].fillna(known)


def records_of(found: Mapping[str, dict[str, Any]]) -> Records:
    """The same frames of records that lie in no folder, by run id; each has a status."""
    notes: list[tuple[str, str]] = []
    return Records(**_frames({name: (Path(), record) for name, record in found.items()}, notes))


def run_folders(roots: Sequence[Path]) -> list[Path]:
    """Every run folder under the roots, and those roots that are one. Raises UsageError for what is no folder."""
    folders: list[Path] = []
    for root in map(Path, roots):
        if os.path.isfile(root / "record.json"):
            folders.append(root.absolute())
            continue
        try:
            children = [c for c in root.iterdir() if c.name != NOT_RUNS and not c.name.startswith(".") and c.is_dir()]
        except OSError as error:
            raise UsageError(
                f"the runs in {str(root)!r} cannot be listed ({error.strerror}); name the folder that holds them"
            ) from None
        folders.extend(sorted(children, key=lambda c: c.name))
    return folders


def _read(folder: Path, planned: Mapping[str, Any]) -> dict[str, Any]:
    path = folder / "record.json"
    if not os.path.lexists(path):
        return {**planned, "status": "missing", "reason": "its folder holds no record: the run is not finished"}
    try:
        return read_record(path)
    except Unreadable as reason:
        return {**planned, "status": "unreadable", "reason": str(reason)}


def _frames(found: Mapping[str, tuple[Path, dict[str, Any]]], notes: list[tuple[str, str]]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for name, (folder, record) in found.items():
        rows.append(run_row(name, folder, record, notes))
    settings = _name_series(rows, [record for _, record in found.values()])
    _count(rows, notes)
    pairs = sorted(zip(rows, (record for _, record in found.values()), strict=True), key=lambda pair: _order(pair[0]))
    long: dict[str, list[dict[str, Any]]] = {
        "epochs": [], "blocks": [], "diagnostics": [], "quality": [], "memory": [], "seconds": [],
    }  # fmt: skip
    for row, record in pairs:
        keys = {k: row[k] for k in KEYS}
        long["epochs"] += [{**keys, **epoch} for epoch in epoch_rows(record)]
        long["blocks"] += [{**keys, **block} for block in block_rows(record)]
        long["diagnostics"] += [{**keys, **figure} for figure in diagnostic_rows(record)]
        long["quality"] += [{**keys, **figure} for figure in quality_rows(record)]
        long["memory"] += [{**keys, "part": p, "bytes": row[f"memory_{p}"]} for p in (*MEMORY_PARTS, "peak")]
        long["seconds"] += [{**keys, "part": p, "seconds": row[f"{p}_seconds"]} for p in TIME_PARTS]
    data = {"runs": [row for row, _ in pairs], **long}
    frames = {name: pd.DataFrame(rows, columns=COLUMNS[name]) for name, rows in data.items()}
    for frame in frames.values():
        numeric = [c for c in frame.columns if c in NUMERIC]
        frame[numeric] = frame[numeric].astype(float)
    frames["memory"] = frames["memory"].dropna(subset=["bytes"]).reset_index(drop=True)
    frames["seconds"] = frames["seconds"].dropna(subset=["seconds"]).reset_index(drop=True)
    return {**frames, "notes": tuple(sorted(notes)), "settings": settings}


def _name_series(
    rows: list[dict[str, Any]], records: list[dict[str, Any]]
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
    keys, known = [], variants.Known()
    for row, record in zip(rows, records, strict=True):
        text, flat = known.settings(record.get("config"))
        keys.append(text)
        if flat:
            groups.setdefault((row["data"], row["network"], row["trainer"]), {})[text] = flat
    labels = {place: _labels(options) for place, options in groups.items()}
    named: dict[tuple[str, str, str], dict[str, str]] = {}
    for row, text in zip(rows, keys, strict=True):
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
