"""Rules about effort: as many epochs and as much patience, as many settings tried, and nothing chosen by test rows."""

from __future__ import annotations

import math

import numpy as np

from lab.audit.evidence import Evidence, Finding, failed, named, passed, unknown
from lab.report.text import listed
from lab.report.variants import differing

# Options that say how long a run may train and on what; "stop" is patience and what it looks at.
EFFORT = ("trainer.epochs", "data.limit", "data.train", "data.valid")
EFFORT_GROUPS = ("stop", "augment")


def unequal_effort(evidence: Evidence) -> Finding:
    """Both sides may train equally long: epochs, patience, rows and their changes."""
    if not evidence.comparisons:
        return unknown("Nothing is compared.")
    bad: list[str] = []
    words: list[str] = []
    unsaid = False
    for c in evidence.comparisons:
        sides = evidence.options(c)
        unsaid = unsaid or any("trainer.epochs" not in side for side in sides)
        for key in differing([s for s in sides if s]):
            if key in EFFORT or key.split(".")[0] in EFFORT_GROUPS:
                values = [side.get(key, "unset") for side in sides]
                words.append(f"{key} is {values[0]} for {c.first} and {values[1]} for {c.second}")
                bad += list(evidence.of(c)["run_id"])
    if bad:
        shown = list(dict.fromkeys(words))
        return failed(f"{'; '.join(shown[:3])}{'; and more' if len(shown) > 3 else ''}.", bad)
    if unsaid:
        return unknown("Some runs do not say how many epochs they were given.")
    return passed("Both sides were given the same epochs, patience and training rows.")


def unequal_trials(evidence: Evidence) -> Finding:
    """Who tries more settings finds a better one by luck: both sides are to have equally many.

    Every setting counts that was run on a network and data set that are compared, ended well or not.
    """
    if not evidence.comparisons:
        return unknown("Nothing is compared.")
    places = {(c.data, c.network) for c in evidence.comparisons}
    tried_here = [place in places for place in zip(evidence.runs["data"], evidence.runs["network"], strict=True)]
    runs = evidence.runs[np.array(tried_here, dtype=bool) & ~evidence.runs["status"].isin(["missing", "unreadable"])]
    stated = runs.groupby(["data", "network", "trainer"])["trials"].agg(["min", "max"])
    tried = runs.groupby(["data", "network", "trainer"])["series"].nunique()
    counts = {
        key: int(tried[key]) if math.isnan(stated["max"][key]) else int(stated["max"][key]) for key in tried.index
    }
    if (ledger := evidence.records.ledger) is not None:  # trials have a folder of their own, and are all in it
        entered = {entry.run_id: entry for entry in ledger.entries}
        made = {(study.data, study.side): len(study.trials) for study in ledger.studies}
        like = {side.name: side.like or side.name for side in ledger.protocol.baselines}
        for run in runs.to_dict("records"):
            if (entry := entered.get(run["run_id"])) is not None:
                key = run["data"], run["network"], run["trainer"]
                counts[key] = made.get((entry.data, like.get(entry.side, entry.side)), counts[key])
    bad, words = [], []
    for place in dict.fromkeys((data, network) for data, network, _ in counts):
        here = {trainer: n for (data, network, trainer), n in counts.items() if (data, network) == place}
        if len(set(here.values())) > 1:
            words.append(listed([f"{n} of {trainer}" for trainer, n in here.items()]))
            at = (runs["data"] == place[0]) & (runs["network"] == place[1])
            bad += list(runs[at]["run_id"])
    if bad:
        return failed(f"Unequally many settings were tried: {'; '.join(dict.fromkeys(words))}.", bad)
    return passed("As many settings were tried for each trainer, as far as these records show.")


def selected_on_test(evidence: Evidence) -> Finding:
    """What is chosen by test rows (a setting, the best epoch) makes the test error too small."""
    runs = evidence.used
    by_test = list(runs[runs["selected_on"].str.lower().str.contains("test")]["run_id"])
    if by_test:
        return failed(f"{named(by_test)} chose a setting or an epoch by the test rows.", by_test)
    variants = runs.groupby(["data", "network", "trainer"])["series"].transform("nunique") > 1
    stopped = {key for key, options in evidence.records.settings.items() if any(k.startswith("stop.") for k in options)}
    keys = zip(runs["data"], runs["network"], runs["series"], strict=True)
    stops = np.array([key in stopped for key in keys], dtype=bool)
    chose = variants | (runs["trials"] > 1) | stops
    bare = list(runs[chose & (runs["n_valid"] == 0)]["run_id"])
    if bare:
        return failed(f"{named(bare)} had no validation rows although several settings were tried.", bare)
    told = (runs["n_valid"] >= 0) | (runs["selected_on"] != "")
    if runs.empty or not told.all():
        return unknown("Some runs do not say by which rows settings and epochs were chosen.")
    return passed("Validation rows were kept apart wherever there was something to choose.")
