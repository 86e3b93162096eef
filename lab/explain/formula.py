"""Formulas of layers, objectives and optimizers, read from their docstrings, where they are written once for all."""

from __future__ import annotations

import inspect
import re
from typing import Any

from lab.backend import Backend

_BACKWARD = re.compile(r"(?:^|(?<=[.;] )|(?<=\n))(?=Backward\b|dx = |backward is )")
_ENDS = re.compile(r"\n\n|\. (?=[A-Z`])|\.$|\.\n")


def forward_formula(part: Any) -> str:
    """The first sentence of a part's docstring: how its output is computed."""
    text = _docstring(part)
    cut = _BACKWARD.search(text, 1)
    return _sentence(text[: cut.start()] if cut else text)


def backward_formula(part: Any) -> str:
    """What its docstring says of the backward, up to the end of that paragraph; nothing where it says nothing."""
    text = _docstring(part)
    cut = _BACKWARD.search(text, 1)
    if not cut:
        return ""
    found = text[cut.start() :]
    lines = found.split("\n\n")[0].splitlines()
    # after the formulas themselves come remarks on the cache and the parameters
    told = " ".join(line.strip() for line in lines)
    told = re.split(r"(?<=\.) (?=Parameters?\b|The cache\b|Kept\b|Only\b|Stores\b)", told)[0]
    return told.removeprefix("Backward: ").rstrip(".")


def whole_formula(part: Any) -> str:
    """The first paragraph and the formulas set off below it: of an objective or an optimizer."""
    paragraphs = _docstring(part).split("\n\n")
    set_off = [p for p in paragraphs[1:2] if all(line.startswith("    ") for line in p.splitlines())]
    if set_off:
        return "\n".join(line.strip() for line in set_off[0].splitlines())
    return paragraphs[0].rstrip(".")


def update_formula(optimizer: Any) -> str:
    """How an optimizer changes a weight w: by its own words, or those of the backend's step of its name."""
    if "<-" in (found := whole_formula(optimizer)):
        return found
    step = getattr(Backend, f"{type(optimizer).__name__.lower()}_step", None)
    told = " ".join((inspect.getdoc(step) or "").split()) if step is not None else ""
    return re.split(r" \([A-Z]", told)[0] or found


def _docstring(part: Any) -> str:
    return inspect.getdoc(part if inspect.isclass(part) else type(part)) or ""


def _sentence(text: str) -> str:
    cut = _ENDS.search(text)
    found = text[: cut.start()] if cut else text
    return " ".join(found.split()).rstrip(".;,")
