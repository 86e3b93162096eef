"""What a search may vary: KEY=LOW..HIGH, KEY=LOW..HIGH:log, or KEY=A,B,C."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from lab.errors import UsageError

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(:log)?")


@dataclass(frozen=True)
class Range:
    """One option and the values it may have: those listed, or all from low to high, evenly or (log) in the logarithm.

    whole  both ends are whole numbers, and so are all between them
    """

    key: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[str, float]:
        """How much there is to search, comparable between options: values listed, decades, or the width."""
        if self.choices:
            return "choices", len(self.choices)
        return ("decades", round(math.log10(self.high / self.low), 6)) if self.log else ("width", self.high - self.low)


def parse_range(text: str) -> Range:
    """The range that a text stands for. Raises UsageError for what is none."""
    key, _, values = text.partition("=")
    if key and (found := _RANGE.fullmatch(values)):
        low, high, log = float(found[1]), float(found[2]), found[3] is not None
        whole = all(re.fullmatch(r"[-+]?\d+", end) for end in found.groups()[:2])
        if low > high or (log and low <= 0):
            raise UsageError(f"--search {text} is empty; give the lower end first{', above 0' if log else ''}")
        return Range(key, low, high, log, whole)
    choices = tuple(value for value in values.split(",") if value)
    if not key or len(choices) < 2:
        raise UsageError(f"--search {text!r} is no range; write KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A,B,C")
    return Range(key, choices=choices)
