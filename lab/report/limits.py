"""What a report could not show, and why: sentences about runs, seeds and measurements that are missing or doubtful."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from lab.report.compare import Comparison
from lab.report.extract import ENVIRONMENT, SPEEDS
from lab.report.load import Records
from lab.report.metrics import METRICS, PRIMARY
from lab.report.numbers import fixed
from lab.report.read import STATUSES
from lab.report.sampling import wilson
from lab.report.text import counted, listed, short_id

MANY = 12
BUSY = 1.5  # a run alone keeps the load at its threads
NAMED = 6


def limits(records: Records, comparisons: Sequence[Comparison], missing: Sequence[str] = ()) -> list[str]:
    """All such sentences, the gravest first; `missing` are the reasons of figures that could not be drawn."""
    found = [*_runs(records), *missing, *_seeds(records, comparisons), *_measured(records)]
    notes = [f"Run {short_id(run)}: {what}." for run, what in records.notes]
    more = [f"And {counted(len(notes) - MANY, 'more remark')} like these."] if len(notes) > MANY else []
    return [*dict.fromkeys(found), *notes[:MANY], *more]


def status_text(records: Records) -> str:
    """How many runs there are of each status: "12 runs expected: 9 ok, 1 diverged, 2 missing"."""
    counts = records.counts
    total = sum(counts.values())
    known = records.expected
    what = f"{counted(total, 'run')} found" if known is None else f"{counted(known, 'run')} expected"
    parts = [f"{n} {status.replace('_', ' ')}" for status, n in counts.items()]
    return f"{what}: {', '.join(parts)}" if parts else what


def _runs(records: Records) -> list[str]:
    runs, sentences = records.runs, []
    if runs.empty:
        return ["The folder holds no run folders, so there is nothing to show."]
    for status, group in runs[runs["status"] != "ok"].groupby("status", sort=False):
        why = [f"{short_id(r['run_id'])} ({r['reason'] or 'no reason given'})" for r in group.to_dict("records")]
        more = f" and {len(why) - NAMED} more" if len(why) > NAMED else ""
        ended = f"{counted(len(group), 'run')} {_ended(str(status), len(group))}"
        sentences.append(f"{ended}: {'; '.join(why[:NAMED])}{more}.")
    if sentences:
        sentences.insert(0, "Means hold only runs that ended ok, which the others might have changed.")
    lost = runs[(runs["status"] == "ok") & ~runs["counted"].astype(bool)]
    bare = [short_id(r["run_id"]) for r in lost.to_dict("records") if math.isnan(r[PRIMARY[r["task"]].key])]
    if bare:
        sentences.append(f"{counted(len(bare), 'run')} ended ok without a test result: {listed(bare[:NAMED])}.")
    return sentences


def _ended(status: str, n: int) -> str:
    verb = "is" if n == 1 else "are"
    return {"out_of_memory": "ran out of memory", "timeout": "ran out of time"}.get(status) or (
        status if status in STATUSES else f"{verb} {status}"
    )


def _seeds(records: Records, comparisons: Sequence[Comparison]) -> list[str]:
    runs, sentences = records.counted, []
    sizes = runs.groupby(["data", "network", "series"], sort=False)["run_id"].count()
    single = sizes[sizes == 1].reset_index().to_dict("records")
    names = [f"{r['series']}, {r['network']} on {r['data']}" for r in single]
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        sentences.append(
            f"There is no interval for what was run with one seed only ({'; '.join(names[:NAMED])}{more}): "
            "one seed cannot tell a difference between trainers from luck."
        )
    if (sizes == 2).any():
        sentences.append("Two seeds give an interval of 12.7 standard errors to each side: it says little.")
    for (data, network, series), group in runs.groupby(["data", "network", "series"], sort=False):
        result = PRIMARY[group["task"].iloc[0]]
        if len(group) > 2 and group[result.key].nunique() == 1:
            sentences.append(
                f"All {len(group)} seeds of {series}, {network} on {data}, gave the same {result.label}: an interval "
                "of no width is no certainty."
            )
    for c in comparisons:
        alone = c.difference.unpaired
        if alone:
            sentences.append(
                f"{counted(len(alone), 'seed')} ({', '.join(alone[:NAMED])}) of {c.first} and {c.second}, "
                f"{c.network} on {c.data}, ended ok on one side only and left their comparison."
            )
    if not comparisons and len(runs):
        sentences.append("No two trainers were run on the same network and data set, so there is no comparison.")
    unseeded = int((runs["seed"] == "").sum())
    if unseeded:
        sentences.append(f"{counted(unseeded, 'run')} recorded no seed and cannot be paired.")
    return sentences


def _measured(records: Records) -> list[str]:
    runs, sentences = records.counted, []
    if runs.empty:
        return []
    tested = runs[(runs["n_test"] > 0) & runs["test_error"].notna()]
    if len(tested):
        asked = set(zip(tested["test_error"].tolist(), tested["n_test"].tolist(), strict=True))
        ends = [wilson(error, int(n)) for error, n in asked]
        worst = max((high - low) / 2 for low, high in ends)
        sentences.append(
            "Intervals are over seeds: they say how a repeated run would come out on the same test images, not on "
            f"others. The test set's own size adds up to \u00b1{worst * 100:.2f} points."
        )
    counts = runs.groupby(["data", "network"], sort=False)["n_train"].max().dropna()
    differing = [str(data) for data, found in counts.groupby("data", sort=False) if found.nunique() > 1]
    if differing:
        sentences.append(
            f"Networks were trained on different numbers of rows of {listed(differing)}: compare within a network."
        )
    if runs["energy_joules"].isna().all():
        why = sorted(set(runs["energy_missing"]) - {""})
        sentences.append(f"Energy was not measured{f' ({why[0]})' if why else ''}.")
    alone = runs[runs["one_by_one"] != ""]
    if len(alone):
        reasons = listed(sorted(set(alone["one_by_one"]))[:NAMED])
        sentences.append(
            f"{counted(len(alone), 'run')} of {len(runs)} had a GPU that made steps one by one, which is slower than "
            f"repeating them by itself ({reasons})."
        )
    claimed = records.ledger is None or records.ledger.protocol.timed
    if not claimed:
        sentences.append("Times are not shown: by its protocol the runs could share the machine with other work.")
    timed = ("samples_per_second", "train_seconds") if claimed else ()
    for key in (*timed, "memory_activations", "memory_peak"):
        lacking = runs[runs[key].isna() & ~(runs["resumed"].astype(bool) & (key in SPEEDS))]
        if len(lacking):
            sentences.append(f"{counted(len(lacking), 'run')} of {len(runs)} did not record {METRICS[key].label}.")
    resumed = int(runs["resumed"].astype(bool).sum())
    if resumed and claimed:
        sentences.append(
            f"{counted(resumed, 'run')} of {len(runs)} went on from a checkpoint and left the comparisons of speed."
        )
    cores = pd.to_numeric(runs["cores"], errors="coerce")
    busy = runs[runs["load"] > BUSY * cores]
    if len(busy) and claimed:
        sentences.append(
            f"{counted(len(busy), 'run')} of {len(runs)} shared the machine with other work (load average up to "
            f"{fixed(busy['load'].max(), 1)} on {counted(int(cores.max()), 'core')}): times say little, and speeds are "
            "lower than they would be alone."
        )
    mixed = [k for k in (*ENVIRONMENT, "code_version") if len(set(runs[k]) - {""}) > 1]
    if mixed:
        shown = [f"{k.replace('_', ' ')} ({', '.join(sorted(set(runs[k]) - {''})[:4])})" for k in mixed]
        sentences.append(f"Runs differ in {listed(shown)}: times and memory of such runs should not be compared.")
    return sentences
