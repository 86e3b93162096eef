"""Named parts: what a config's `name:` may say, and how a user adds a part of their own.

A part is any callable with keyword options (a dataclass, a class, a function); its signature is its schema, so that a
config, the library and the documentation cannot disagree about an option's name, type or default.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

from lab.errors import UsageError

FILES = (".npz", ".txt", ".text")  # endings that say that a data set's name is the path of a file
Group = Literal["model", "trainer", "optimizer", "objective", "readout", "backend", "data", "augment", "stop"]
Part = TypeVar("Part", bound=Callable[..., Any])

# Imported when a group is first asked for: each of these modules registers its own parts.
_HOMES: dict[str, str] = {
    "model": "lab.networks",
    "trainer": "lab.trainers",
    "optimizer": "lab.optimizers",
    "objective": "lab.objectives",
    "readout": "lab.trainers.readout",
    "backend": "lab.backend",
    "data": "lab.data",
    "augment": "lab.data",
    "stop": "lab.trainers",
}
_PARTS: dict[str, dict[str, Callable[..., Any]]] = {group: {} for group in _HOMES}


def register(group: Group, name: str) -> Callable[[Part], Part]:
    """Register a part under `name`; a decorator. Raises UsageError when the name is taken by another part."""

    def add(part: Part) -> Part:
        taken = _PARTS[group].get(name)
        if taken is not None and (taken.__module__, taken.__qualname__) != (part.__module__, part.__qualname__):
            raise UsageError(f"{group} {name!r} is already taken by {taken.__module__}; choose another name")
        _PARTS[group][name] = part
        return part

    return add


def part(group: str, name: str) -> Callable[..., Any]:
    """The part called `name`. Raises UsageError naming the valid choices."""
    choices = names(group)
    if name not in choices:
        raise UsageError(unknown(group, name, choices))
    return _PARTS[group][name]


def names(group: str) -> list[str]:
    """The names of a group's parts, sorted."""
    if group not in _HOMES:
        raise UsageError(unknown("group", group, _HOMES))
    importlib.import_module(_HOMES[group])
    return sorted(_PARTS[group])


def is_path(name: str) -> bool:
    """Whether a data set is named by the path of a file and not by a registered name."""
    return "/" in name or "\\" in name or name.lower().endswith(FILES)


def unknown(what: str, name: object, choices: Iterable[str]) -> str:
    """The sentence for a name that is not among `choices`, with the nearest one."""
    listed = sorted(choices)
    near = difflib.get_close_matches(str(name), listed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}: {hint}valid: {', '.join(listed)}"
