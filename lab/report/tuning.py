"""What a search tried, as one small table: so that a comparison can say how many settings each side was given.

Trials are ordinary runs, often on fewer rows and epochs, that are too many to keep. `collect` reads their records and
chooses in each search the best by its validation rows: a search is what a plan lists for one trainer, as `lab tune` and
`lab -m` leave one in runs/sweeps, or in a folder of runs those on one network that differ in their options alone. Runs
of further seeds repeat a setting and are no trials. `write` keeps a line a trial. `lab trials runs/sweeps/NAME --out
tuning.csv` does both. A report reads the file that lies beside its folder of runs and shows it, and its audit asks
whether both sides of a comparison had equally many trials.

data, network, trainer, objective   what was tuned, by the names that configs use; network is the record's label, and
                                    where networks were varied, the label of the one that was chosen
rows, epochs, seed                  what a trial was given
option, value                       what was varied, and the trial's value; several are separated by "; "
measure, validation                 bits_per_character, accuracy or rmse of the validation rows; empty if not known
status                              ok, diverged, ...: what failed was tried too
chosen                              yes: the best of its search
run                                 the run's id
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from lab.errors import UsageError
from lab.record.generations import merit
from lab.report import text, variants
from lab.report.read import Unreadable, number, read_record, walk, words
from lab.report.text import counted, visible

NAME, PLAN = "tuning.csv", "sweep.json"
LARGEST = 2**20
NOT_VARIED = ("backend", "seed")  # they choose no setting


@dataclass(frozen=True)
class Trial:
    """One line of the table; the module says what its columns hold."""

    data: str
    network: str
    trainer: str
    objective: str
    rows: int
    epochs: int
    seed: str
    option: str
    value: str
    measure: str
    validation: float
    status: str
    chosen: bool
    run: str

    @property
    def search(self) -> tuple[str, ...]:
        """What trials of one search share."""
        return (*self.place, str(self.rows), str(self.epochs), self.seed, self.option)

    @property
    def place(self) -> tuple[str, str, str]:
        """Data set, network and trainer as a report shows them."""
        record = {"config": {"trainer": {"name": self.trainer}, "objective": {"name": self.objective}},
                  "data": {"name": self.data}}  # fmt: skip
        return variants.data_name(record), self.network, variants.trainer_name(record)

    @property
    def merit(self) -> float:
        """How good it is: higher is better, and no result is worst."""
        found = merit({self.measure: self.validation})
        return -math.inf if found is None or math.isnan(found) else found


def collect(folders: Iterable[Path]) -> list[Trial]:
    """The trials of searches, given by the folders of their plans or of their runs; the best of each is chosen.

    Raises UsageError where a folder holds no record, a record cannot be read, or no two of them make a search.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for folder in map(Path, folders):
        planned = (folder / PLAN).is_file()
        paths = _planned(folder) if planned else sorted(folder.glob("*/record.json"))
        if not paths:
            raise UsageError(f"{str(folder)!r} holds no */record.json; name a folder of run folders, or of a search")
        for path in paths:
            try:
                record = read_record(path)
            except Unreadable as reason:
                raise UsageError(f"{str(path)!r}: {reason}; move it away or run that trial again") from None
            groups.setdefault((str(folder), *_named(record)) if planned else _search(record), []).append(record)
    found: list[Trial] = []
    for records in groups.values():
        first = min((variants.seed_name(record) for record in records), key=_numeric)
        found += chosen(_trials([r for r in records if variants.seed_name(r) == first]))
    if not found:
        raise UsageError("no two of these runs differ in their options alone: nothing was searched; name other folders")
    return sorted(found, key=lambda t: (t.search, [_numeric(v) for v in t.value.split("; ")], t.run))


def chosen(trials: Sequence[Trial]) -> list[Trial]:
    """The trials of one search, the best by its validation rows marked; of equal ones the first."""
    if not trials:
        return []
    best = max(trials, key=lambda t: t.merit)
    return [replace(t, chosen=t is best and best.merit > -math.inf, network=best.network) for t in trials]


def write(trials: Sequence[Trial]) -> str:
    """The table as CSV."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([f.name for f in fields(Trial)])
    for trial in trials:
        row = asdict(trial) | {"chosen": "yes" if trial.chosen else "no"}
        row["validation"] = "" if math.isnan(trial.validation) else repr(trial.validation)
        writer.writerow(text.csv(value) if isinstance(value, str) else value for value in row.values())
    return target.getvalue()


def read(path: Path) -> list[Trial]:
    """The trials of a table. Raises UsageError for one that cannot be read; its texts are shown, never run."""
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{str(path)!r} is larger than {LARGEST:,} bytes; it is no table of trials")
        lines = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8")), strict=True))
        return [_read(line) for line in lines]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{str(path)!r} is no table of trials ({visible(error, 80)}); write it anew with `lab trials`"
        ) from None


def beside(roots: Iterable[Path]) -> list[Trial]:
    """The trials of the tables that lie beside folders of runs; nothing where there is none."""
    places = dict.fromkeys(Path(root).absolute().parent / NAME for root in roots)
    return [trial for path in places if path.is_file() for trial in read(path)]


def tried(trials: Iterable[Trial]) -> dict[tuple[str, str, str], int]:
    """How many trials there were for each data set, network and trainer, as a report names them."""
    counts: dict[tuple[str, str, str], int] = {}
    for trial in trials:
        counts[trial.place] = counts.get(trial.place, 0) + 1
    return counts


def sentence(trials: Sequence[Trial]) -> str:
    """From how many trials settings were chosen, in one sentence; nothing where there were none."""
    counts = sorted(set(tried(trials).values()))
    if not counts:
        return ""
    each = counted(counts[0], "trial") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} trials"
    return f"Settings were chosen by the validation rows, from {each} for each pair of network and trainer."


def _planned(folder: Path) -> list[Path]:
    """The records, as far as they were made, of the runs that a plan lists."""
    from lab.sweep.plan import read_plan

    plan = read_plan(folder)
    paths = [plan.runs_folder / run.run_id / "record.json" for run in {r.run_id: r for r in plan.runs}.values()]
    return [path for path in paths if path.is_file()]


def _search(record: Mapping[str, Any]) -> tuple[str, ...]:
    limits = [str(walk(record, "config", *path)) for path in (("data", "limit"), ("trainer", "epochs"))]
    return (*_named(record), variants.network_name(record), *limits)


def _named(record: Mapping[str, Any]) -> list[str]:
    return [words(walk(record, "config", group, "name")) for group in ("data", "trainer", "objective")]


def _trials(records: Sequence[Mapping[str, Any]]) -> list[Trial]:
    flat = [variants.flatten(walk(record, "config")) for record in records]
    keys = [k for k in variants.differing(flat) if k.split(".")[0] not in NOT_VARIED]
    if not keys:  # a run alone, which nothing was chosen from
        return []
    values = [[(key, options.get(key, "")) for key in keys] for options in flat]
    return [_trial(record, varied) for record, varied in zip(records, values, strict=True)]


def _trial(record: Mapping[str, Any], options: Sequence[tuple[str, str]]) -> Trial:
    valid = walk(record, "final", "valid")
    valid = valid if isinstance(valid, Mapping) else {}
    measure = next((m for m in ("bits_per_character", "accuracy", "rmse") if m in valid), "")
    names = {group: words(walk(record, "config", group, "name")) for group in ("data", "trainer", "objective")}
    return Trial(
        **names, network=variants.network_name(record), rows=_whole(walk(record, "data", "n_train")),
        epochs=_whole(walk(record, "config", "trainer", "epochs")), seed=variants.seed_name(record),
        option="; ".join(key for key, _ in options), value="; ".join(value.strip('"') for _, value in options),
        measure=measure, validation=number(valid.get(measure)), status=record["status"], chosen=False,
        run=words(record.get("run_id")),
    )  # fmt: skip


def _read(line: Mapping[str, str]) -> Trial:
    texts = {f.name: visible(line[f.name], 120) for f in fields(Trial)}
    numbers = {"rows": int(line["rows"]), "epochs": int(line["epochs"])}
    validation = float(line["validation"]) if line["validation"] else math.nan
    found: dict[str, Any] = {**texts, **numbers, "validation": validation, "chosen": line["chosen"] == "yes"}
    return Trial(**found)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _numeric(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return math.inf, text
