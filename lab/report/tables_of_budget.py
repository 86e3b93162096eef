"""Tables of a comparison by protocol: what n trials would have found, and what each side consists of."""

from __future__ import annotations

import math

from lab.report.budget import best_of, trials_to_match
from lab.report.ledger import Ledger, Study
from lab.report.load import Records
from lab.report.numbers import fixed, plain
from lab.report.table import DASH, Cell, Column, Table
from lab.report.text import counted, listed

SHOWN = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


def of_protocol(records: Records) -> list[Table]:
    """The tables that have a row; none without a ledger."""
    ledger = records.ledger
    return [] if ledger is None else [t for t in (budget(ledger), heads(ledger, records)) if t.rows]


def budget(ledger: Ledger) -> Table:
    """One row for each study: the best validation accuracy of n trials, exactly, where trials were drawn at random."""
    if ledger.protocol.tuning.sampler != "random":
        return Table("budget", "Best of n trials", "", (), ())
    most = max((len(study.trials) for study in ledger.studies), default=0)
    shown = shown_trials(most)
    rows = [
        (Cell(study.side), Cell(ledger.shown(study.data)), *(_best(study, n) for n in shown),
         Cell(str(sum(t.status != "ok" for t in study.trials)), sum(t.status != "ok" for t in study.trials)))
        for study in ledger.studies if study.trials
    ]  # fmt: skip
    columns = (Column("trainer"), Column("data"), *(Column(counted(n, "trial"), True, "%") for n in shown),
               Column("ended badly", True))  # fmt: skip
    caption = (
        "Validation accuracy of the best of n trials drawn at random from those made: the exact mean over all choices "
        "of n, and the values that hold 95 % of them. All that were made have one best, and so no interval. A trial "
        "that ended badly counts as 0."
    )
    caption = " ".join([caption, *budget_sentences(ledger)])
    return Table("budget", "Best of n trials", caption, columns, tuple(rows))


def shown_trials(most: int) -> list[int]:
    """The numbers of trials that are shown, up to the most that were made."""
    return [*(n for n in SHOWN if n < most), most]


def _best(study: Study, n: int) -> Cell:
    if n > len(study.trials):
        return Cell(DASH)
    best = best_of([trial.value for trial in study.trials], n)
    text = _percent(best.mean)
    if n < len(study.trials):
        text += f" ({_percent(best.low)} to {_percent(best.high)})"
    return Cell(text, best.mean)


def heads(ledger: Ledger, records: Records) -> Table:
    """One row for each side and network: what answers, and how many parameters that adds to the body."""
    protocol, runs = ledger.protocol, records.counted
    rows = []
    for side in (*protocol.sides, *protocol.baselines):
        own = runs[[entry is not None and entry.side == side.name for entry in map(ledger.runs.get, runs["run_id"])]]
        searched = ", ".join(f"{r.key} by {r.size[1]:g} {r.size[0]}" for r in protocol.space(side))
        tuned = side in protocol.sides
        for network, made in own.groupby("network", sort=False):
            body, head = made["parameters"].max(), made["head_parameters"].max()
            trials = protocol.tuning.trials if tuned else 0
            rows.append((
                Cell(side.name), Cell(str(network)), Cell(side.head or DASH), _count(body), _count(head),
                _count(body + head), Cell(str(trials), trials),
                Cell(searched if tuned else f"as {side.like}" if side.like else DASH),
            ))  # fmt: skip
    columns = (
        Column("trainer"), Column("network"), Column("head"), Column("body", True), Column("head's parameters", True),
        Column("all parameters", True), Column("trials on each data set", True), Column("searched"),
    )  # fmt: skip
    return Table("protocol", "The sides by the protocol", _shared(ledger), columns, tuple(rows))


def _shared(ledger: Ledger) -> str:
    protocol, final = ledger.protocol, ledger.protocol.runs
    bodies = [f"{ledger.shown(task.name)}: {', '.join(task.model)}" for task in protocol.data if task.model]
    efforts: dict[str, list[str]] = {}
    for task in protocol.data:
        rows = protocol.rows_of(task)
        over = "all rows" if rows is None else f"the first {plain(rows)} rows"
        effort = f"{counted(protocol.epochs_of(task), 'epoch')} over {over}"
        efforts.setdefault(effort, []).append(ledger.shown(task.name))
    all_efforts = [each if len(efforts) == 1 else f"{each} ({listed(tasks)})" for each, tasks in efforts.items()]
    return (
        f"What the protocol gives each side. Shared by all: {', '.join(protocol.shared)}; {'; '.join(all_efforts)}; "
        f"{counted(len(final.seeds), 'fresh seed')}, stop {final.stop}. "
        + (f"Of the body: {'; '.join(bodies)}. " if bodies else "")
        + "Baselines have a network of their own where they need one, and are not tuned. The most parameters on any "
        "data set are shown."
    )


def budget_sentences(ledger: Ledger) -> list[str]:
    """For each data set, what one trial of the first side is worth in trials of each other one."""
    if ledger.protocol.tuning.sampler != "random":
        return []
    sentences = []
    for task in ledger.protocol.data:
        studies = {study.side: study for study in ledger.studies if study.data == task.name and study.trials}
        first = studies.pop(ledger.protocol.sides[0].name, None)
        if first is None or not studies:
            continue
        wanted = best_of([trial.value for trial in first.trials], 1).mean
        others = [_to_match(study, wanted) for study in studies.values()]
        sentences.append(
            f"On {ledger.shown(task.name)} one trial of {first.side} finds {_percent(wanted)} % validation accuracy in "
            f"the mean; {listed(others)}."
        )
    return sentences


def _to_match(study: Study, wanted: float) -> str:
    values = [trial.value for trial in study.trials]
    if (n := trials_to_match(values, wanted)) is not None:
        return f"{study.side} needs {counted(n, 'trial')} for that"
    best, made = best_of(values, len(values)).mean, counted(len(values), "trial")
    return f"{study.side} does not come to that in {made} ({_percent(best)} %)"


def _percent(value: float) -> str:
    return fixed(100 * value, 2)


def _count(value: float) -> Cell:
    return Cell(plain(value) if math.isfinite(value) else DASH, value)
