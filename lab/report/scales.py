"""Where values lie on a linear or logarithmic axis, how far it reaches, and which of its ticks have room."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from lab.report.numbers import plain
from lab.report.panel import text_width
from lab.report.style import SMALL

LOG_FROM = 4.0  # largest value over smallest from which a log scale is drawn
LEAST = math.log(1.6)  # the shortest log axis: on a shorter one nothing would look like much


def place_on(limits: tuple[float, float], length: float, log: bool) -> Callable[[float], float]:
    """A function that says where a value lies on an axis so many units long."""
    forth = math.log if log else float
    start, end = forth(limits[0]), forth(limits[1])
    return lambda value: (forth(value) - start) / (end - start) * length


def padded(low: float, high: float, log: bool) -> tuple[float, float]:
    """The ends of an axis that leaves room around what it shows; one of sizes does not go below zero."""
    forth, back = (math.log, math.exp) if log else (float, float)
    start, end = forth(low), forth(high)
    room = 0.08 * (end - start) or abs(high) * 0.1 or 1.0
    if log:
        room = max(0.08 * (end - start), (LEAST - (end - start)) / 2)
    first, last = back(start - room), back(end + room)
    return (first if log or low < 0 else max(0.0, first)), last


def fitted(means: Sequence[float], ends: Sequence[float], log: bool) -> tuple[float, float]:
    """A range that means fill, with room for the ends of their intervals as far as those do not dwarf them."""
    known = np.array([v for v in ends if math.isfinite(v) and (v > 0 or not log)])
    forth, back = (np.log, np.exp) if log else (np.asarray, np.asarray)
    low, high = float(forth(min(means))), float(forth(max(means)))
    spread = (high - low) or (0.3 if log else abs(high) * 0.1 or 1.0)
    inside = forth(known)
    low, high = max(min([low, *inside]), low - spread / 2), min(max([high, *inside]), high + spread / 2)
    low, high = float(back(low - 0.06 * spread)), float(back(high + 0.06 * spread))
    return (low if log or min(means) < 0 else max(0.0, low)), high


def spaced(ticks: Sequence[float], across: Callable[[float], float], width: float, beside: float) -> list[float]:
    """The ticks of a horizontal axis whose labels neither touch the one before nor go `beside` units past its end."""
    kept, end = list[float](), -12.0  # a label further left would touch those of the other axis
    for tick in ticks:
        half = text_width(plain(tick), SMALL) / 2
        if across(tick) - half >= end + 8 and across(tick) + half <= width + beside:
            kept.append(tick)
            end = across(tick) + half
    return kept
