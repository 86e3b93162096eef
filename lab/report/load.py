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

import gc
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lab.errors import DataError, UsageError
from lab.report import aims, tuning
from lab.report.aims import Aim
from lab.report.extract import COLUMNS, SPEEDS
from lab.report.frames import Gathered
from lab.report.ledger import Ledger, read_ledger
from lab.report.read import STATUSES, Unreadable, read_record, words
from lab.report.text import listed, visible
from lab.report.tuning import Trial

NOT_RUNS = "sweeps"
ALL_STATUSES = (*STATUSES, "missing", "unreadable")


@dataclass(frozen=True)
class Records:
    """What a report is drawn from. `notes` are (run, sentence) pairs; `settings` the options behind each series;

    `trials` what was tried before the settings were chosen, `aims` what was aimed at before the runs were made.
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
    aims: tuple[Aim, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many runs ended in each status that occurs, in a fixed order."""
        found = self.runs["status"].value_counts()
        return {s: int(found[s]) for s in ALL_STATUSES if s in found}

    @property
    def counted(self) -> pd.DataFrame:
        """The runs that enter means."""
        return self.runs[self.runs["counted"].astype(bool)]


@contextmanager
def no_collecting() -> Iterator[None]:
    """Without looking for cycles, which rows have none of: the search takes a tenth of the time of a report."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@no_collecting()
def load_records(
    runs: Path | Sequence[Path],
    *,
    run_ids: Sequence[str] | None = None,
    expected: Sequence[Mapping[str, Any]] | None = None,
) -> Records:
    """Reads the run folders under one or more roots, limited to `run_ids` (or to those of `expected`) where given.

    `expected` holds {"run_id": ..., "config": {...}}; what is expected and not found is a row that is "missing".
    A table of trials and one of aims beside a root are read too, see `tuning` and `aims`. Raises UsageError when a root
    is not a folder, or such a table cannot be read.
    """
    plan = {words(e.get("run_id")): e for e in expected or () if words(e.get("run_id"))}
    wanted = dict.fromkeys([*(run_ids or ()), *plan]) if run_ids is not None or expected is not None else None
    notes: list[tuple[str, str]] = []
    found, seen = Gathered(notes), set[str]()
    for folder in run_folders([runs] if isinstance(runs, Path | str) else runs):
        name = folder.name
        if wanted is not None and name not in wanted:
            continue
        record = _read(folder, plan.get(name, {}))
        # The folder's name is the run's identity: a copied folder with an old id inside must not hide the original.
        if words(record.get("run_id")) not in ("", name):
            notes.append((visible(name, 80), f"its record calls itself {visible(record['run_id'], 80)}"))
        if name in seen:
            notes.append((visible(name, 80), f"found twice; the one in {visible(folder.parent)} is left out"))
            continue
        seen.add(name)
        found.add(name, folder, record)
    for name in wanted or ():
        if name not in seen:
            lost = {**plan.get(name, {}), "status": "missing", "reason": "there is no such run folder"}
            found.add(name, Path(), lost)
    roots = [Path(root) for root in ([runs] if isinstance(runs, Path | str) else runs)]
    ledger = read_ledger(roots[0]) if len(roots) == 1 else None
    frames = found.frames({} if ledger is None else ledger.forms)
    if ledger is not None and not ledger.protocol.timed:
        _untime(frames)
    trials = tuple(tuning.beside(roots))
    _add_trials(frames["runs"], tuning.tried(trials))
    return Records(**frames, expected=None if wanted is None else len(wanted), ledger=ledger, trials=trials,
                   aims=aims.beside(roots))  # fmt: skip


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
    gathered = Gathered([])
    for name, record in found.items():
        gathered.add(name, Path(), record)
    return Records(**gathered.frames({}))


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


def need_runs(roots: Sequence[Path]) -> None:
    """Raises DataError where no folder under the roots is a run's, UsageError for what is no folder.

    A command that writes asks first, so that a mistyped folder does not put an empty report in the place of one.
    """
    if not any((folder / name).is_file() for folder in run_folders(roots) for name in ("record.json", "config.json")):
        there = listed([repr(str(root)) for root in roots], last="or")
        raise DataError(f"no run lies in {there}; name the folder that holds run folders, such as runs")


def _read(folder: Path, planned: Mapping[str, Any]) -> dict[str, Any]:
    path = folder / "record.json"
    if not os.path.lexists(path):
        return {**planned, "status": "missing", "reason": "its folder holds no record: the run is not finished"}
    try:
        return read_record(path)
    except Unreadable as reason:
        return {**planned, "status": "unreadable", "reason": str(reason)}
