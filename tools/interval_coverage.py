"""How often 95 % intervals of paired differences hold the truth, and how often the sign-flip test is fooled by chance.

    python tools/interval_coverage.py    writes reports/intervals/coverage.json and index.md (about two minutes)

Each simulated study draws n differences from a law whose mean is known and asks `difference_interval` for its interval:
Student's t, from 20 seeds on the BCa bootstrap. The laws are a normal one and two skewed ones: exponential; log-normal
with sigma 1, which is worse than differences of accuracies are. Beside it stand the shares of the BCa bootstrap alone.
With 2,000 studies a share of 95 % is known to within 1 point. The test is asked where there is nothing to find.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lab.report.bootstrap import bca_interval
from lab.report.numbers import fixed, plain, significant
from lab.report.significance import ALPHA, EXACT, sign_flip, smallest_p
from lab.report.statistics import ENOUGH, LEVEL, difference_interval, t_quantile

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "reports/intervals"
STUDIES = 2_000
SEEDS = (3, 5, 10, 20)
TESTED = (3, 5, 6, 10, 20)
TOLERANCE = 0.015
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
Ends = tuple[float, float]
# name -> (what draws n values, their mean)
LAWS: Mapping[str, tuple[Draw, float]] = {
    "normal": (lambda rng, n: rng.normal(0.3, 1.0, n), 0.3),
    "exponential": (lambda rng, n: rng.exponential(1.0, n), 1.0),
    "log-normal": (lambda rng, n: rng.lognormal(0.0, 1.0, n), math.exp(0.5)),
}


def ours(values: NDArray[np.float64]) -> Ends:
    """The interval that reports show."""
    found = difference_interval(list(values))
    return (-math.inf if found.low is None else found.low), (math.inf if found.high is None else found.high)


def bootstrap(values: NDArray[np.float64]) -> Ends:
    """The BCa bootstrap's interval at any number of seeds, without a correction for few of them."""
    return bca_interval(values, t_quantile(LEVEL, 10**9))


INTERVALS: Mapping[str, Callable[[NDArray[np.float64]], Ends]] = {"reports": ours, "BCa bootstrap": bootstrap}


def coverage(law: str, n: int, studies: int = STUDIES, interval: Callable[[NDArray[np.float64]], Ends] = ours) -> float:
    """The share of `studies` with n seeds each whose interval holds the law's mean."""
    draw, mean = LAWS[law]
    rng = np.random.default_rng([n, studies])
    held = 0
    for _ in range(studies):
        low, high = interval(draw(rng, n))
        held += low <= mean <= high
    return held / studies


def false_alarms(n: int, studies: int = STUDIES) -> float:
    """The share of `studies` of n normal differences around zero whose p value is below 5 %."""
    draws = np.random.default_rng([n, studies, 1]).normal(0.0, 1.0, (studies, n))
    return float(np.mean([sign_flip(list(d)) < ALPHA for d in draws]))


def measured() -> dict[str, Any]:
    """All shares, as coverage.json holds them."""
    return {
        "studies": STUDIES,
        "coverage": [
            {"interval": name, "law": law, "seeds": n, "share": coverage(law, n, interval=interval)}
            for name, interval in INTERVALS.items() for law in LAWS for n in SEEDS
        ],
        "test": [{"seeds": n, "smallest_p": smallest_p(n), "false_alarms": false_alarms(n)} for n in TESTED],
    }  # fmt: skip


def page(found: Mapping[str, Any]) -> str:
    """The shares as Markdown; those that fall short of 95 % by more than 1.5 points are named."""
    shares = {(each["interval"], each["law"], each["seeds"]): each["share"] for each in found["coverage"]}
    lines = [
        "# Do the intervals hold what they say?", "",
        f"95 % intervals of paired differences that hold the truth, % of {plain(found['studies'])} simulated studies, "
        f"by the number of seeds. Reports use Student's t, from {ENOUGH} seeds on the BCa bootstrap:", "",
        "| interval | law of the differences | " + " | ".join(f"{n} seeds" for n in SEEDS) + " |",
        "|---|---|" + "---:|" * len(SEEDS),
    ]  # fmt: skip
    for name in INTERVALS:
        for law in LAWS:
            cells = [fixed(100 * shares[name, law, n], 1) for n in SEEDS]
            lines.append(f"| {name} | {law} | {' | '.join(cells)} |")
    lines += ["", _short(shares), ""]
    lines += [
        "The sign-flip test where there is nothing to find: how many studies have p below 5 %, which may be 5 % at "
        f"most. It tries all signs up to {EXACT} seeds, so its smallest p is known beforehand, and with 5 seeds it "
        "cannot come below 5 % at all:", "",
        "| seeds | smallest p | false alarms, % |", "|---:|---:|---:|",
        *(f"| {each['seeds']} | {significant(each['smallest_p'], 2)} | {fixed(100 * each['false_alarms'], 1)} |"
          for each in found["test"]),
        "", "Made by `python tools/interval_coverage.py`; the same numbers are in coverage.json.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _short(shares: Mapping[tuple[str, str, int], float]) -> str:
    """Where the reports' intervals hold less than they say."""
    words = []
    for law in LAWS:
        seeds = [n for n in SEEDS if shares["reports", law, n] < LEVEL - TOLERANCE]
        if seeds:
            least = min(shares["reports", law, n] for n in seeds)
            words.append(f"{law} at {', '.join(map(str, seeds))} seeds (down to {fixed(100 * least, 1)} %)")
    kept = [law for law in LAWS if all(abs(shares["reports", law, n] - LEVEL) <= TOLERANCE for n in SEEDS)]
    return (
        f"Within {fixed(100 * TOLERANCE, 1)} points of 95 % at every number of seeds: {', '.join(kept) or 'none'}. "
        f"Short of it: {'; '.join(words) or 'none'}. No interval from a few differences knows how skewed their law is: "
        "a claim from few seeds rests on the test as well."
    )


def main() -> None:
    """Simulate, and write both files."""
    found = measured()
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "coverage.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (OUT / "index.md").write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
