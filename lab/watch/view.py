"""A sweep for the terminal: one line of how far it is, a table of its runs, those at work first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab.report.text import visible
from lab.sweep.screen import duration, score
from lab.watch.look import Seen

SILENT = 600.0  # seconds without a sign after which a run that has begun is called silent
_LONGEST = 24  # letters of a name
_ORDER = {"begun": 0, "ended": 1, "waiting": 2}
_STYLES = {"ok": "green", "waiting": "dim", "at work": "cyan", "silent": "yellow"}


def view(name: str, seen: Sequence[Seen], rows: int) -> RenderableType:
    """All of it as something rich prints; the table has at most `rows` rows and says how many more there are."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("run", "trainer", "network", "data"):
        table.add_column(heading, no_wrap=True)
    for heading in ("seed", "epochs"):
        table.add_column(
            heading, justify="right", no_wrap=True, min_width=len("10.5 / 100") if heading == "epochs" else None
        )
    for heading in ("figure", "state"):
        table.add_column(heading, no_wrap=True)
    ordered = sorted(seen, key=lambda run: _ORDER[run.state])
    for run in ordered[:rows]:
        cells = (run.name, run.trainer, run.network, run.data, run.seed)
        table.add_row(*(Text(visible(cell, _LONGEST)) for cell in cells), epochs(run), figure(run), state(run))
    head = Table.grid()
    head.add_row(Text.assemble((visible(name), "bold"), "   ", summary(seen)))
    head.add_row(bar(seen))
    parts: list[RenderableType] = [head, table]
    if len(ordered) > rows:
        parts.append(Text(f"and {len(ordered) - rows} more", style="dim"))
    return Group(*parts)


def summary(seen: Sequence[Seen]) -> str:
    """ "3 of 6 ended: 2 ok, 1 failed; 1 at work; about 4 min 10 s of training left" (of those at work)."""
    ended = Counter(run.status for run in seen if run.state == "ended")
    said = [f"{ended.total()} of {len(seen)} ended" + "".join(
        f"{': ' if i == 0 else ', '}{n} {status.replace('_', ' ')}" for i, (status, n) in enumerate(ended.most_common())
    )]  # fmt: skip
    begun = Counter(word(run) for run in seen if run.state == "begun")
    said += [f"{n} {what}" for what, n in begun.most_common()]
    left = [run.left for run in seen if word(run) == "at work" and run.left is not None]
    if left:
        said.append(f"about {duration(max(left))} of training left")
    return "; ".join(said)


def bar(seen: Sequence[Seen]) -> ProgressBar:
    """Epochs made, of all that are planned; a run that has ended early is done."""
    planned = sum(run.of for run in seen)
    made = sum(run.of if run.state == "ended" else min(run.epochs, run.of) for run in seen)
    return ProgressBar(total=max(planned, 1), completed=made, width=60)


def word(run: Seen) -> str:
    """One word for where a run is: "waiting", "at work", "silent", or how it ended."""
    if run.state == "ended":
        return run.status.replace("_", " ")
    if run.state == "begun":
        return "silent" if run.silent > SILENT else "at work"
    return "waiting"


def state(run: Seen) -> Text:
    """The word, with how long a run that has begun has given no sign."""
    said = word(run)
    text = Text(said, style=_STYLES.get(said, "red" if run.state == "ended" else ""))
    if run.state == "begun":
        text.append(f", last sign {duration(run.silent)} ago", style="dim")
    return text


def epochs(run: Seen) -> str:
    """ "2.4 / 10"; a waiting run has none."""
    if run.state == "waiting":
        return f"- / {run.of}"
    made = f"{run.epochs:.1f}".removesuffix(".0")
    return f"{made} / {run.of}"


def figure(run: Seen) -> str:
    """The figure of the split that is known so far."""
    if not run.figures:
        return ""
    return score(dict(run.figures), "test" if run.state == "ended" else "valid")
