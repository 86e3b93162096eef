"""Which blocks learn in which epochs: all together, one after the other, or each over a range of its own."""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias

from lab.errors import UsageError
from lab.schema import convert

# A range is written "first-last", epochs counted from 1, both of them trained.
BlockSchedule: TypeAlias = Literal["simultaneous", "greedy"] | tuple[str, ...]
Range: TypeAlias = tuple[int, int]


def checked(schedule: Any) -> BlockSchedule:
    """The schedule in normal form. Raises UsageError for another word, and for what is no range of epochs."""
    found: BlockSchedule = convert(schedule, BlockSchedule, "schedule")
    for text in () if isinstance(found, str) else found:
        _range(text)
    return found


def shown(schedule: BlockSchedule) -> str:
    """In words, as it is written in a config."""
    return schedule if isinstance(schedule, str) else f"[{', '.join(schedule)}]"


def ranges(schedule: BlockSchedule, depth: int, epochs: int) -> list[Range]:
    """The first and the last epoch of each of `depth` blocks. Raises UsageError where `epochs` do not allow it."""
    if schedule == "simultaneous":
        return [(1, epochs)] * depth
    if schedule == "greedy":
        if epochs < depth:
            raise UsageError(f"schedule=greedy gives each of {depth} blocks its own epochs; {epochs} are too few")
        ends = [-(-block * epochs // depth) for block in range(depth + 1)]
        return [(ends[block] + 1, ends[block + 1]) for block in range(depth)]
    found = [_range(text) for text in schedule]
    if len(found) != depth:
        raise UsageError(f"schedule={shown(schedule)} has {len(found)} ranges for {depth} blocks; give each block one")
    if (last := max(last for _, last in found)) != epochs:
        raise UsageError(
            f"schedule={shown(schedule)} ends with epoch {last}, but there are {epochs}; use trainer.epochs={last}, or "
            "other ranges"
        )
    idle = set(range(1, epochs + 1)).difference(*(range(first, last + 1) for first, last in found))
    if idle:
        raise UsageError(f"schedule={shown(schedule)} trains no block in epoch {min(idle)}; close the gap")
    return found


def _range(text: str) -> Range:
    match = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,9})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"{text!r} is no range of epochs; write first-last, counted from 1, such as 1-11")
    return int(match[1]), int(match[2])
