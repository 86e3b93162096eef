"""Rules about a comparison's own protocol, asked where there is one: what it promised is what was done."""

from __future__ import annotations

from collections import Counter

from lab.audit.evidence import Evidence, Finding, failed, named, passed, unknown
from lab.report.ledger import Ledger
from lab.report.text import counted, listed
from lab.report.variants import flatten


def unequal_studies(evidence: Evidence) -> Finding:
    """Each side has as many trials on each data set as the protocol says, of its epochs, rows and seed."""
    ledger = evidence.records.ledger
    if ledger is None or not ledger.studies:
        return unknown("No study was recorded.")
    tuning, words, bad = ledger.protocol.tuning, list[str](), list[str]()
    found = {(study.data, study.side): study for study in ledger.studies}
    for task in ledger.protocol.data:
        for side in ledger.protocol.sides_on(task):
            study = found.get((task.name, side.name))
            there = [] if study is None else [t for t in study.trials if t.status != "missing"]
            if len(there) != tuning.trials:
                words.append(f"{side.name} has {len(there)} of {tuning.trials} trials on {ledger.shown(task.name)}")
                bad += [] if study is None else [trial.run_id for trial in study.trials]
            odd = [
                t.run_id for t in there
                if t.epochs != tuning.epochs or t.seed != str(tuning.seed) or (tuning.rows and t.rows != tuning.rows)
            ]  # fmt: skip
            if odd:
                words.append(f"{named(odd)} did not have the epochs, rows or seed of a trial")
                bad += odd
    if words:
        return failed(f"Studies are not those of the protocol: {'; '.join(words[:3])}.", bad)
    return passed(
        f"Each side had {counted(tuning.trials, 'trial')} of {counted(tuning.epochs, 'epoch')} on each data set "
        f"({tuning.sampler} sampler, no pruner), and every one is kept."
    )


def opened_early(evidence: Evidence) -> Finding:
    """The test rows are opened once, at the end: no trial has seen them."""
    ledger = evidence.records.ledger
    trials = [] if ledger is None else [trial for study in ledger.studies for trial in study.trials]
    early = [trial.run_id for trial in trials if trial.opened]
    if early:
        return failed(f"{counted(len(early), 'trial')} of {len(trials)} opened the test rows: {named(early)}.", early)
    if not trials:
        return unknown("No trial was recorded.")
    return passed(f"None of {counted(len(trials), 'trial')} opened the test rows.")


def other_setting(evidence: Evidence) -> Finding:
    """Runs have the setting of their side's best trial, and the protocol's seeds and epochs."""
    ledger = evidence.records.ledger
    if ledger is None or not ledger.entries:
        return unknown("It was not recorded which run is whose.")
    words, bad = list[str](), list[str]()
    for what, runs in (
        ("do not have the setting of their side's best trial", _unlike_best(evidence, ledger)),
        ("have another seed or number of epochs than the protocol", _off(evidence, ledger)),
        ("are in no protocol", [r for r in evidence.runs["run_id"] if r not in ledger.runs]),
        ("are missing", [r for r in ledger.runs if r not in set(evidence.runs["run_id"])]),
    ):
        if runs:
            words.append(f"{named(runs)} {what}")
            bad += runs
    if words:
        return failed(f"Runs are not those of the protocol: {listed(words)}.", bad)
    seeds = len(ledger.protocol.runs.seeds)
    return passed(f"Every run has its side's best setting by validation, and one of {counted(seeds, 'fresh seed')}.")


def _unlike_best(evidence: Evidence, ledger: Ledger) -> list[str]:
    """Runs whose searched options are not those of the best trial by value, the first of equals."""
    wanted: dict[tuple[str, str], dict[str, str | None]] = {}
    for study in ledger.studies:
        ended = [t for t in study.trials if t.value == t.value and t.options is not None]
        if ended:
            options = max(ended, key=lambda trial: trial.value).options or {}
            wanted[study.data, study.side] = {key: options.get(key) for key in study.keys}
    found = _options(evidence)
    like = {side.name: side.like for side in ledger.protocol.baselines if side.like}
    unlike = []
    for name, entry in ledger.runs.items():
        setting = wanted.get((entry.data, like.get(entry.side, entry.side)), {})
        if name in found and any(found[name].get(key) != value for key, value in setting.items()):
            unlike.append(name)
    return unlike


def _off(evidence: Evidence, ledger: Ledger) -> list[str]:
    final, found = ledger.protocol.runs, _options(evidence)
    sides = {side.name for side in ledger.protocol.sides}
    sides |= {side.name for side in ledger.protocol.baselines if side.like}
    epochs = {task.name: str(ledger.protocol.epochs_of(task)) for task in ledger.protocol.data}
    seeds = {str(seed) for seed in final.seeds}
    off = [
        name for name, options in found.items()
        if name in ledger.runs
        and (
            options.get("seed") not in seeds
            or options.get("trainer.epochs") != epochs.get(ledger.runs[name].data, str(final.epochs))
        )
    ]  # fmt: skip
    counts = Counter((e.data, e.side) for e in ledger.runs.values() if e.side in sides)
    short = {pair for pair, n in counts.items() if n != len(seeds)}
    return [*off, *(name for name, e in ledger.runs.items() if (e.data, e.side) in short and name not in off)]


def _options(evidence: Evidence) -> dict[str, dict[str, str]]:
    """The flat options of each run by id, its seed among them."""
    found = {}
    for run in evidence.runs.to_dict("records"):
        shared = evidence.records.settings.get((run["data"], run["network"], run["series"]), {})
        found[run["run_id"]] = {**shared, **flatten({"seed": int(run["seed"])} if run["seed"] else {})}
    return found
