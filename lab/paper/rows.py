"""Each claim of the paper beside the records of its experiment, and what is to be said of the two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lab.paper.claims import Claim, Claims, Variants
from lab.paper.match import Found, experiment, latest_of_each_seed, of_experiment
from lab.report.metrics import METRICS, plus_minus
from lab.report.numbers import fixed, plain
from lab.report.read import number
from lab.report.statistics import Interval, mean_interval
from lab.report.table import DASH, Cell, Column, Table
from lab.report.text import counted

Verdict = Literal["reached", "missed", "partial", "trained", "varied", "not run", "not built"]
ERROR = METRICS["test_error"]
UNKNOWN = Interval(0, math.nan)


@dataclass(frozen=True)
class Row:
    """One claim and what was reached: `runs` are those shown, whole ones where there are any, else the longest.

    verdict  reached, missed: the mean, rounded as the paper prints its number, is no larger, or is; partial: fewer
             epochs or rows than the experiment has; trained: there is no number; varied: only other settings were run,
             which stand in a table of variants; not run; not built: no experiment
    epochs   that the experiment asks for
    """

    claim: Claim
    verdict: Verdict
    runs: tuple[Found, ...] = ()
    error: Interval = UNKNOWN
    epochs: int = 0

    @property
    def words(self) -> str:
        """The verdict in words, with by how much."""
        if self.verdict == "missed":
            by = fixed(100 * self.error.mean - float(self.claim.goal), max(2, _decimals(self.claim.goal)))
            inside = self.error.low is not None and 100 * self.error.low <= float(self.claim.goal)
            return f"missed by {by} points" + (", within the interval" if inside else "") + self._aim()
        if self.verdict == "partial":
            run = self.runs[0]
            rows = f", {plain(run.rows)} rows" if run.at("config", "data", "limit") is not None else ""
            return f"partial: {run.epochs} of {counted(self.epochs, 'epoch')}{rows}"
        if self.verdict == "varied":
            return "other settings below"
        if self.verdict == "not built":
            return "not run: no configuration yet"
        if self.verdict == "reached" and not self.claim.error:
            return f"aim of {self.claim.aim} reached"
        return self.verdict + (self._aim() if self.verdict == "reached" else "")

    def _aim(self) -> str:
        if not (self.claim.error and self.claim.aim):
            return ""
        done = _within(self.error.mean, self.claim.aim)
        return f" (aim of {self.claim.aim} {'reached' if done else 'missed'})"


def rows(claims: Claims, found: Sequence[Found]) -> list[Row]:
    """All rows of the table."""
    made = [row_of(claim, found) for claim in claims.rows]
    varied = {name for asked in claims.tables for name in asked.experiments if _variants(asked, name, found)}
    return [replace(r, verdict="varied") if r.verdict == "not run" and r.claim.of in varied else r for r in made]


def row_of(claim: Claim, found: Sequence[Found]) -> Row:
    """One claim beside the records of its experiment."""
    wanted = experiment(claim.of, claim.overrides)
    if wanted is None:
        return Row(claim, "not built")
    answered = [
        one for one in of_experiment(found, claim.of, claim.overrides) if math.isfinite(error_of(one, claim.readout))
    ]
    if not answered:
        return Row(claim, "not run", epochs=wanted.epochs)
    whole = [
        one for one in answered if epochs_asked(one) == wanted.epochs and one.at("config", "data", "limit") is None
    ]
    # of smaller runs those alike count together: the longest, and of these the ones on most rows
    most = max((epochs_asked(one), one.rows) for one in answered)
    runs = latest_of_each_seed(whole or [one for one in answered if (epochs_asked(one), one.rows) == most])
    error = mean_interval([error_of(one, claim.readout) for one in runs])
    if not whole:
        verdict: Verdict = "partial"
    elif not claim.goal:
        verdict = "trained"
    else:
        verdict = "reached" if _within(error.mean, claim.goal) else "missed"
    return Row(claim, verdict, tuple(runs), error, wanted.epochs)


def error_of(one: Found, readout: str) -> float:
    """The test error of a record, a fraction, of one of its readouts or of the one that predicts."""
    if not readout:
        return number(one.at("final", "test", "error"))
    return 1 - number(one.at("final", "test", f"accuracy_{readout}"))


def epochs_asked(one: Found) -> int:
    """The epochs that a record's configuration asks for."""
    return int(number(one.at("config", "trainer", "epochs")))


def _within(error: float, goal: str) -> bool:
    """Whether an error, a fraction, is no larger than a printed percentage once it is printed so."""
    return round(100 * error, _decimals(goal)) <= float(goal)


def _decimals(printed: str) -> int:
    return len(printed.partition(".")[2])


def table(made: Sequence[Row]) -> Table:
    """The reproduction table."""
    columns = (
        Column("experiment"), Column("paper", True, "%"),
        Column("ours", True, "%"), Column("verdict"), Column("seeds", True), Column("epochs", True),
        Column("paper's epochs", True), Column("section"), Column("setting"), Column("chosen here"),
        Column("command"),
    )  # fmt: skip
    caption = (
        "Test error. Ours: the mean over seeds \u00b1 half of the 95 % t interval, which one seed does not have. "
        "A row is reached where the mean, rounded as the paper prints its number, is no larger. A dash under paper: it "
        "names no number. Chosen here: what the paper leaves open. Command: of the first seed; seed=1 and so on make "
        "the others."
    )
    return Table("paper", "The paper's results and ours", caption, columns, tuple(_cells(row) for row in made))


def _cells(row: Row) -> tuple[Cell, ...]:
    claim, known = row.claim, bool(row.runs)
    epochs = row.runs[0].epochs if known else 0
    return (
        Cell(claim.row, run=row.runs[0].run_id if known else ""),
        Cell(claim.error or DASH, float(claim.error or "nan")),
        Cell(plus_minus(row.error.mean, row.error.half, ERROR) if known else DASH, row.error.mean),
        Cell(row.words, strong=row.verdict == "reached"),
        _count(len(row.runs)),
        _count(epochs),
        _count(claim.epochs),
        Cell(claim.section),
        Cell(claim.setting),
        Cell(claim.ours),
        Cell(claim.command),
    )


def _count(n: int) -> Cell:
    return Cell(plain(n), n) if n else Cell(DASH)


def variants_table(asked: Variants, found: Sequence[Found]) -> Table | None:
    """Settings beside each other: a row for each that has records; None where there are none."""
    groups: dict[tuple[str, ...], list[Found]] = {}
    for name in asked.experiments:
        for one in _variants(asked, name, found):
            values = tuple(one.flat.get(key, "").strip('"') for key in asked.variables)
            groups.setdefault((name, *values, str(epochs_asked(one)), str(one.rows)), []).append(one)
    if not groups:
        return None
    several = len(asked.experiments) > 1
    heads = [Column("experiment")] if several else []
    heads += [Column(key.rpartition(".")[2], _numeric(groups, i)) for i, key in enumerate(asked.variables, 1)]
    heads += [Column("epochs", True), Column("rows", True), Column("seeds", True), Column("test error", True, "%")]
    more = [(label.strip(), path.strip().split(".")) for label, _, path in (a.partition("=") for a in asked.accuracies)]
    heads += [Column(label, True, "%") for label, _ in more]
    lines = []
    for key in sorted(groups, key=_order):
        runs = latest_of_each_seed(groups[key])
        error = mean_interval([error_of(one, "") for one in runs])
        texts = [Cell(text, _float(text)) for text in key[not several :]]
        further = [mean_interval([1 - number(one.at(*path)) for one in runs]) for _, path in more]
        lines.append((*texts, Cell(str(len(runs)), len(runs)), _mean(error), *map(_mean, further)))
    caption = (
        "Mean over seeds \u00b1 half of the 95 % t interval; rows are training rows. Lines stand in the order of their "
        "options."
    )
    return Table(asked.table, asked.title, caption, tuple(heads), tuple(lines))


def _variants(asked: Variants, name: str, found: Sequence[Found]) -> list[Found]:
    """The records of one of the experiments in any of the settings that are set beside each other."""
    return of_experiment(found, name, free=(*asked.variables, *asked.tied))


def _mean(error: Interval) -> Cell:
    return Cell(plus_minus(error.mean, error.half, ERROR), error.mean)


def _numeric(groups: dict[tuple[str, ...], list[Found]], i: int) -> bool:
    return all(math.isfinite(_float(key[i])) for key in groups)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _order(key: tuple[str, ...]) -> list[tuple[float, str]]:
    return [(_float(part), "") if math.isfinite(_float(part)) else (-1.0, part) for part in key]
