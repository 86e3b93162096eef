"""Trainer against trainer on the same seeds, and the plain sentence that says how it came out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.record.answers import unpacked
from lab.report.load import Records
from lab.report.metrics import FRACTION, HIGHER, PRIMARY, Metric
from lab.report.numbers import fixed, significant
from lab.report.power import detectable, effect_size
from lab.report.sampling import difference, mcnemar, paired_rows
from lab.report.significance import holm, sign_flip, smallest_p
from lab.report.statistics import Paired, paired_difference, paired_ratio
from lab.report.text import counted, listed
from lab.report.variants import differing

ALIKE = 0.03


@dataclass(frozen=True)
class Comparison:
    """How `first` did against `second` on one data set and network, over the seeds both have.

    `difference` is first - second in `metric`'s stored unit; `speed` and `memory` are ratios first / second of samples
    a second and of activation memory. `first` is the better one of the two in the mean. `over_rows` is the interval of
    the difference that comes from the test rows, and `rows_p` the largest of the seeds' p values by McNemar's test,
    where runs recorded which rows they answered rightly; `p` is that of the sign-flip test over the seeds, and
    `corrected_p` after Holm's correction for all comparisons made. `audit` says how the comparison's audit came out,
    where there was one; `one_of_many`, that other pairs of trainers are compared as well, here or elsewhere, so that a
    sentence has to name `second`.
    """

    data: str
    network: str
    first: str
    second: str
    metric: Metric
    difference: Paired
    speed: Paired
    memory: Paired
    p: float
    over_rows: tuple[float, float] = (math.nan, math.nan)
    rows_p: float = math.nan
    corrected_p: float = math.nan
    audit: str = ""
    one_of_many: bool = False

    @property
    def smallest_p(self) -> float:
        """The smallest p value that so many seeds can give."""
        return smallest_p(self.difference.interval.n)

    @property
    def effect(self) -> float:
        """Mean over deviation of the differences."""
        return effect_size(self.difference.values)

    @property
    def detectable(self) -> float:
        """The smallest difference that the design could have seen, in `metric`'s stored unit."""
        return detectable(self.difference.values)

    @property
    def sentence(self) -> str:
        """What was found, with its interval and number of seeds, in one sentence."""
        n = self.difference.interval.n
        if n == 0:
            return (
                f"On {self.data} with {self.network}, {self.first} and {self.second} share no seed, "
                "so they are not compared."
            )
        verdict = f"; {self.audit}" if self.audit else ""
        return f"On {self.data} with {self.network}, {self._result()}{verdict}."

    def _result(self) -> str:
        cost = [c for c in (_ratio(self.speed, *_SPEED), _ratio(self.memory, *_MEMORY)) if c]
        interval, size = self.difference.interval, abs(self.difference.interval.mean)
        seeds = counted(interval.n, "paired seed")
        aside = f"; {self.first} {listed(cost)}" if cost else ""
        if interval.low is None or interval.high is None:
            if size == 0:
                return f"both have the same {self.metric.label} ({seeds}, so no interval){aside}"
            return listed([f"{self.first} {self._better(size, size)} ({seeds}, so no interval)", *cost])
        sign = 1.0 if self.metric.better == HIGHER else -1.0
        low, high = sorted((sign * interval.low, sign * interval.high))
        scale = min(v for v in (size, (high - low) / 2, math.inf) if v > 0)
        if interval.excludes_zero:  # an end beside zero must not be rounded to it
            scale = min(scale, abs(low), abs(high))
        spread = f"{_size(low, self.metric, scale)} to {_size(high, self.metric, scale)}"
        if size == 0:
            return f"both have the same {self.metric.label} in the mean (95 % interval {spread}, {seeds}){aside}"
        better = f"{self.first} {self._better(size, scale)}"
        if interval.excludes_zero:
            return listed([f"{better} (95 % interval {spread}, {seeds})", *cost])
        return f"no clear difference: {better}, but the 95 % interval ({spread}, {seeds}) holds zero{aside}"

    def _better(self, size: float, scale: float) -> str:
        shown, than = _size(size, self.metric, scale), f" than {self.second}" if self.one_of_many else ""
        if self.metric.unit is FRACTION:
            return f"is {shown} {self.metric.unit.points} better{than}"
        return f"has a {self.metric.label} {shown} {self.metric.better}{than}"


_SPEED = ("trains about as many samples a second", "trains {} times as many samples a second")
_MEMORY = ("uses about as much activation memory", "uses {} times the activation memory")


def _ratio(ratio: Paired, alike: str, times: str) -> str:
    mean = ratio.interval.mean
    if ratio.interval.n == 0 or not 0 < mean < math.inf:
        return ""
    return alike if abs(math.log(mean)) < ALIKE else times.format(significant(mean, 2))


def _size(value: float, metric: Metric, scale: float) -> str:
    """Writes a difference with as many decimals as `scale`, the smaller of it and its spread, needs.

    Points show one digit of it, with one to three decimals; other units two digits.
    """
    shown = scale * metric.unit.scale
    power = math.floor(math.log10(shown)) if 0 < shown < math.inf else 0
    decimals = max(1, min(3, -power)) if metric.unit is FRACTION else max(0, min(6, 1 - power))
    return fixed(value * metric.unit.scale, decimals)


def compare(records: Records) -> list[Comparison]:
    """Compares trainers on each data set and network: the first trainer (backprop where there) with each other one.

    Where an option varies within both trainers (epochs=5,10), only variants with the same value of it are compared.
    """
    results = []
    for (data, network), runs in records.counted.groupby(["data", "network"], sort=False):
        metric = PRIMARY[runs["task"].iloc[0]]
        series = list(dict.fromkeys(zip(runs["trainer"], runs["series"], strict=True)))
        trainers = list(dict.fromkeys(t for t, _ in series))
        for trainer, ours in ((t, s) for t, s in series if t == trainers[0]):
            for other, theirs in ((t, s) for t, s in series if t != trainers[0]):
                if _comparable(records, str(data), str(network), (trainer, ours), (other, theirs), series):
                    results.append(_compare(str(data), str(network), metric, runs, ours, theirs))
    corrected, pairs = holm([c.p for c in results]), {frozenset((c.first, c.second)) for c in results}
    return [replace(c, corrected_p=p, one_of_many=len(pairs) > 1) for c, p in zip(results, corrected, strict=True)]


def _comparable(
    records: Records,
    data: str,
    network: str,
    a: tuple[str, str],
    b: tuple[str, str],
    series: list[tuple[str, str]],
) -> bool:
    options = {s: records.settings.get((data, network, s), {}) for _, s in series}
    varying = [set(differing(options[s] for t, s in series if t == trainer)) for trainer in (a[0], b[0])]
    return all(options[a[1]].get(k) == options[b[1]].get(k) for k in varying[0] & varying[1])


def _compare(data: str, network: str, metric: Metric, runs: pd.DataFrame, ours: str, theirs: str) -> Comparison:
    def values(series: str, key: str) -> dict[str, float]:
        rows = runs[(runs["series"] == series) & (runs["seed"] != "")]
        return dict(zip(rows["seed"], rows[key], strict=True))

    gain = paired_difference(values(ours, metric.key), values(theirs, metric.key))
    if gain.interval.mean * (1 if metric.better == HIGHER else -1) < 0:
        ours, theirs = theirs, ours
        gain = paired_difference(values(ours, metric.key), values(theirs, metric.key))
    return Comparison(
        data, network, ours, theirs, metric, gain,
        paired_ratio(values(ours, "samples_per_second"), values(theirs, "samples_per_second")),
        paired_ratio(values(ours, "memory_activations"), values(theirs, "memory_activations")),
        sign_flip(gain.values), *_over_rows(runs, ours, theirs),
    )  # fmt: skip


def _over_rows(runs: pd.DataFrame, ours: str, theirs: str) -> tuple[tuple[float, float], float]:
    """The interval of ours - theirs in accuracy, and p; unknown unless all runs answered equally many rows."""
    a, b = runs[runs["series"] == ours], runs[runs["series"] == theirs]
    rows = set(a["n_test"]) | set(b["n_test"])
    if len(rows) != 1 or not (n := rows.pop()) > 0 or (runs["task"] == "regression").any():
        return (math.nan, math.nan), math.nan
    right = [_answers(side, int(n)) for side in (a, b)]
    shared = sorted(right[0].keys() & right[1].keys())
    if not shared or len(right[0]) < len(a) or len(right[1]) < len(b):
        return difference(float(b["test_error"].mean()), float(a["test_error"].mean()), int(n)), math.nan
    pairs = [(right[0][seed], right[1][seed]) for seed in shared]
    gains = np.mean([x.astype(np.float64) - y for x, y in pairs], axis=0)
    return paired_rows(gains), max(mcnemar(int((~x & y).sum()), int((x & ~y).sum())) for x, y in pairs)


def _answers(runs: pd.DataFrame, n: int) -> dict[str, NDArray[np.bool_]]:
    """By seed, which of the n test rows were answered rightly; of those runs that recorded it."""
    found = {seed: unpacked(right, n) for seed, right in zip(runs["seed"], runs["right"], strict=True) if seed}
    return {seed: right for seed, right in found.items() if right is not None}
