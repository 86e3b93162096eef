"""Where a mark of a figure leads: to the row of its run, or of the means it is one of, on the same page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MOST_RUNS = 500  # that have a row on the page: more make it slow, and nobody reads to its end
_ODD = re.compile(r"[^A-Za-z0-9.-]")


@dataclass(frozen=True)
class Link:
    """The id of a row on the page, and what a tooltip and a screen reader say of the mark that leads there."""

    anchor: str
    title: str


def run_anchor(run_id: str) -> str:
    """The id of a run's row: its run id, with what an id or a link could not hold written as code points."""
    return "run-" + _ODD.sub(lambda odd: f"_{ord(odd.group()):x}_", run_id)


def mean_anchor(data: str, network: str, series: str) -> str:
    """The id of the row of means over the seeds of one series."""
    return f"mean-{hashlib.sha256(repr((data, network, series)).encode()).hexdigest()[:12]}"


def run_link(run: Mapping[Any, Any], said: str) -> Link:
    """To the row of a run, given as a row of the frame `runs`; `said` is what its mark shows."""
    who = f"{run['series']}, {run['network']} on {run['data']}, seed {run['seed'] or 'unknown'}"
    return Link(run_anchor(run["run_id"]), f"{who}: {said}")


def mean_link(runs: pd.DataFrame, said: str) -> Link:
    """To the row of means over these runs of one series."""
    data, network, series = (str(runs[key].iloc[0]) for key in ("data", "network", "series"))
    return Link(mean_anchor(data, network, series), f"{series}, {network} on {data}, mean of {len(runs)}: {said}")
