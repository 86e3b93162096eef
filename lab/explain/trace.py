"""What was seen of one training step: events with their numbers, and what was in memory at each moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.backend import Array


@dataclass(frozen=True)
class Value:
    """An array as it was: `letter` is what the layer's formula calls it, `name` what it is in the network ("h1")."""

    letter: str
    name: str
    array: Array


@dataclass(frozen=True)
class Event:
    """One operation of the step.

    place    where in the step ("block1 backward"), `part` what was asked ("Dense"), `action` for what ("forward")
    formula  from the part's own docstring
    reads, makes  arrays before and after, in the order of the formula
    kept     letters of what the cache holds for the backward; None where the action leaves no cache
    flops    floating-point operations of all rows, elementwise work left out
    """

    place: str
    part: str
    action: str
    formula: str
    reads: tuple[Value, ...]
    makes: tuple[Value, ...]
    kept: tuple[str, ...] | None = None
    flops: int = 0


@dataclass(frozen=True)
class Moment:
    """What is in memory when a place of the step has been left: bytes by kind, and the names of the arrays.

    gone  the names of those that were there at the moment before and are not any more
    """

    place: str
    bytes: dict[str, int]
    alive: tuple[str, ...]
    gone: tuple[str, ...] = ()

    def of(self, *kinds: str) -> int:
        """The bytes of these kinds together."""
        return sum(self.bytes.get(kind, 0) for kind in kinds)


@dataclass
class Trace:
    """One step of one trainer."""

    trainer: str
    label: str
    events: list[Event] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    weights: list[Value] = field(default_factory=list)
    rows: int = 0
    cost: dict[str, int] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)

    @property
    def flops(self) -> int:
        """Floating-point operations of the step as they were seen."""
        return sum(event.flops for event in self.events)
