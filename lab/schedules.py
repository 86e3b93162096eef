"""How the learning rate changes over the epochs."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Literal, TypeAlias

from lab.errors import UsageError

# by a name, or steps: "50%:0.25" multiplies the rate by 0.25 once half of the epochs are done, "40:0.1" once 40 are
Schedule: TypeAlias = Literal["constant", "cooldown", "cosine"] | tuple[str, ...]


def gain(schedule: Schedule, epoch: int, epochs: int) -> float:
    """What the learning rate is multiplied by in `epoch` (counted from 1) of `epochs`.

    constant  1
    cooldown  1 in the first half, then (1 + 2 (epochs - epoch)) / epochs, which ends at 1 / epochs (Hinton's program)
    cosine    (1 + cos(pi (epoch - 1) / epochs)) / 2 (Loshchilov and Hutter 2017, without restarts)
    steps     the product of the factors of all steps that so many epochs are done for. ("50%:0.25", "75%:0.25",
              "89%:0.25", "94%:0.25") are those of Noekland and Eidnes 2019
    """
    if not isinstance(schedule, str):
        done = epoch - 1
        return math.prod(factor for after, share, factor in map(_step, schedule) if done >= after + share * epochs)
    if schedule == "cooldown" and 2 * epoch > epochs:
        return (1 + 2 * (epochs - epoch)) / epochs
    if schedule == "cosine":
        return (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
    return 1.0


def check_schedule(schedule: Schedule, epochs: int | None = None) -> None:
    """Raise UsageError for a step that cannot be read, or one after a number of epochs that are not that many.

    A share of few epochs may round to none that is left: short trials keep the steps of long runs.
    """
    for text in () if isinstance(schedule, str) else schedule:
        after, _, _ = _step(text)
        if epochs is not None and after >= epochs:
            raise UsageError(
                f"the step {text!r} of the learning rate comes after {after} epochs, and there are {epochs}; train "
                "longer, or give it as a share of them, such as 50%:0.25"
            )


def _step(text: str) -> tuple[int, Fraction, float]:
    """After how many epochs a step comes, plus which share of them all, and its factor."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(%?):([0-9]{1,9}(?:\.[0-9]{1,9})?)", text)
    if match is None or ("." in match[1] and not match[2]) or (match[2] and not 0 < float(match[1]) < 100):
        raise UsageError(
            f"{text!r} is no step of a learning rate; write when:factor, such as 50%:0.25 (after half of the "
            "epochs) or 40:0.1 (after 40 epochs)"
        )
    after = Fraction(match[1])  # exact: 7 % of 100 epochs are 7
    return (0, after / 100, float(match[3])) if match[2] else (int(after), Fraction(0), float(match[3]))
