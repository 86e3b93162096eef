"""The story as one self-contained page, in the look of the reports: no script, everything escaped."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from markupsafe import Markup

from lab.explain.story import CHANGING, Story, bars, spoken
from lab.report import html
from lab.report.numbers import plain
from lab.report.style import MEMORY_COLOURS, PARTS
from lab.report.text import visible

_CLASS = {colour: name for name, colour, _ in PARTS}


def as_html(told: Story, words: Sequence[str]) -> str:
    """The page; `words` are those of the command that it was asked for with."""
    style = html.page_style() + html.template("explain.css", "lab.explain")
    environment = html.environment()
    environment.filters["bars"] = bars
    environment.filters["spoken"] = spoken
    environment.filters["plain"] = plain
    environment.filters["formula"] = typeset
    page = environment.from_string(html.template("explain.html.j2", "lab.explain"))
    return page.render(
        told=told,
        colours={kind: _CLASS[MEMORY_COLOURS[kind]] for kind in CHANGING},
        command=visible(shlex.join(["lab", "explain", *words]), 2000),
        policy=html.policy(style),
        style=Markup(style),
    )


def typeset(formula: str) -> str:
    """A docstring's formula as it is shown: x^T, h^2 and ` marks of code in their plain form."""
    return formula.replace("`", "").replace("^T", "\u1d40").replace("^2", "\u00b2").replace("<-", "\u2190")
