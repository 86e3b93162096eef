"""The rules of a comparison as data: what `lab compare` and `lab tune` do, and what the audit holds records against."""

from __future__ import annotations

from lab.protocol.protocol import Final, Protocol, Side, Task, Tuning
from lab.protocol.read import named_protocols, parse_protocol, read_protocol
from lab.protocol.space import Range, parse_range

__all__ = [
    "Final",
    "Protocol",
    "Range",
    "Side",
    "Task",
    "Tuning",
    "named_protocols",
    "parse_protocol",
    "parse_range",
    "read_protocol",
]
