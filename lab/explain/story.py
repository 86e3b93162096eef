"""What a page or a terminal tells of the watched steps: sentences, moments, operations, as text and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from lab.explain.grid import Grid, grids
from lab.explain.steps import Explanation
from lab.explain.trace import Event, Moment, Trace
from lab.report.numbers import plain
from lab.report.text import counted, listed, visible

# What changes within a step. Weights and the optimizer's state are there at every moment, and are not drawn.
CHANGING = ("data", "readout", "activations", "gradients", "workspace")
NAMES = {
    "forward_forward": "forward-forward",
    "local": "local supervised learning",
    "contrastive": "self-contrastive learning",
    "unsupervised": "forward-forward without labels",
}


@dataclass(frozen=True)
class Operation:
    """One event as it is shown."""

    part: str
    action: str
    formula: list[str]
    reads: list[Grid]
    makes: list[Grid]
    remark: str


@dataclass(frozen=True)
class Column:
    """One trainer's step: its name, what it says of itself in figures, its moments, and its operations by place."""

    key: str
    title: str
    facts: list[str]
    moments: list[Moment]
    places: list[tuple[str, list[Operation]]]


@dataclass(frozen=True)
class Deeper:
    """Peak bytes of the step at several depths: a row a depth, a number a trainer."""

    kind: str
    trainers: list[str]
    rows: list[tuple[int, list[int]]]


@dataclass(frozen=True)
class Story:
    """All that is told. `kinds` of memory occur; `most` bytes are the most of any moment, so that scales agree."""

    title: str
    answers: list[str]
    setting: list[str]
    columns: list[Column]
    kinds: list[str]
    most: int
    deeper: list[Deeper]


def story(found: Explanation) -> Story:
    """The story of an explanation."""
    columns = [_column(trace) for trace in found.traces]
    names = [_name(trace.trainer) for trace in found.traces]
    title = f"One step of {listed(names)}, worked with numbers"
    deeper = _deeper(found, names)
    return Story(
        title,
        [*(sentence for trace in found.traces for sentence in _answer(trace)), *_growth(deeper)],
        _setting(found),
        columns,
        [kind for kind in CHANGING if any(moment.of(kind) for c in columns for moment in c.moments)],
        max((moment.of(*CHANGING) for c in columns for moment in c.moments), default=0),
        deeper,
    )


def _column(trace: Trace) -> Column:
    places = [(place, [_operation(e) for e in events]) for place, events in groupby(trace.events, lambda e: e.place)]
    steady = trace.moments[0].of("weights"), trace.moments[0].of("optimizer")
    passed = counted(trace.rows * trace.cost["rows_per_sample"], "row")
    facts = [
        f"{counted(trace.rows, 'row')} of data, passed as {passed}; {plain(trace.flops)} floating-point operations in "
        "matrix products.",
        f"Peak: {plain(trace.peak['peak'])} bytes, in {trace.peak['peak_at']}; of these {plain(steady[0])} for weights "
        f"and {plain(steady[1])} for the optimizer's state, which are there at every moment.",
    ]
    if trace.trainer == "forward_forward":
        facts.append(
            "The first half of a block's rows carry their own label and are positive, the other half a wrong one."
        )
    return Column(trace.trainer, _name(trace.trainer).capitalize(), facts, trace.moments, places)


def _operation(event: Event) -> Operation:
    remarks = []
    if event.flops:
        remarks.append(f"{plain(event.flops)} operations")
    if event.kept is not None:
        words = ["something more" if k == "more" else k for k in event.kept]
        remarks.append(f"keeps {listed(words)} for the backward" if words else "keeps nothing")
    formula = [line for line in event.formula.splitlines() if line]
    return Operation(event.part, event.action, formula, grids(event.reads), grids(event.makes), "; ".join(remarks))


def _answer(trace: Trace) -> list[str]:
    """Why this trainer's memory is what it is, with its figures."""
    peak = plain(trace.peak["activations"])
    top = max(trace.moments, key=lambda m: m.of("activations"))
    if trace.trainer == "backprop":
        return [
            f"Backprop holds up to {peak} bytes of activations: its backward pass reads the blocks' caches from the "
            "last block to the first, so that the cache of the first waits until all others have been used."
        ]
    if trace.trainer == "forward_forward":
        return [
            f"Forward-forward holds up to {peak} bytes of activations: a block's loss is computed from its "
            "own activities, so that its backward and its update follow at once, and its cache is freed "
            "before the next block begins."
        ]
    if trace.trainer == "feedback_alignment":
        return [
            f"Feedback alignment holds up to {peak} bytes of activations: no gradient comes from the blocks above, but "
            "every block waits for the output's error; with trainer.caches=recomputed its cache is made again then."
        ]
    return [
        f"{_name(trace.trainer).capitalize()} holds up to {peak} bytes of activations, most of them after {top.place}."
    ]


def _growth(deeper: list[Deeper]) -> list[str]:
    said = []
    for table in deeper:
        (low, first), (high, last) = table.rows[0], table.rows[-1]
        each = [
            f"stays at {plain(before)} bytes in {name}"
            if before == after
            else f"goes from {plain(before)} to {plain(after)} bytes in {name}"
            for name, before, after in zip(table.trainers, first, last, strict=True)
            if after
        ]
        what = {"activations": "activations", "readout": "what a softmax head on the side holds"}[table.kind]
        said.append(f"As {low} blocks become {high}, the peak of {what} {listed(each)}.")
    return said


def _deeper(found: Explanation, names: list[str]) -> list[Deeper]:
    tables = []
    for kind in ("activations", "readout"):
        depths = list(next(iter(found.deeper.values()), {}))
        rows = [(depth, [int(peaks[depth][kind]) for peaks in found.deeper.values()]) for depth in depths]
        if any(any(numbers) for _, numbers in rows):
            tables.append(Deeper(kind, names, rows))
    return tables


def _setting(found: Explanation) -> list[str]:
    config = next(iter(found.setting.configs.values()))
    rows = found.setting.rows
    shape = " x ".join(map(str, rows.x.shape[1:]))
    networks = listed(list(dict.fromkeys(trace.label for trace in found.traces)))
    label = f"class {int(rows.y[0])}" if rows.y.dtype.kind in "iu" else f"{float(rows.y[0]):g}"
    return [
        f"Network: {networks}. Data: {counted(len(rows), 'row')} of {shape} numbers, "
        f"{visible(found.setting.source, 60)}, the first of {label}. Seed {config.seed}, {config.backend['dtype']}.",
        "Every number below was read while the lab's own trainers made this step, and every formula stands in the "
        "part that computed it. Bytes are those the pool of buffers counts: whole cache lines of 64 an array.",
    ]


def _name(trainer: str) -> str:
    return NAMES.get(trainer, visible(trainer.replace("_", " "), 40))


def bars(moment: Moment) -> list[tuple[str, int]]:
    """The bytes of each changing kind that a moment has, in a fixed order."""
    return [(kind, moment.of(kind)) for kind in CHANGING if moment.of(kind)]


def spoken(moment: Moment) -> str:
    """A moment's bytes in words."""
    return ", ".join(f"{kind} {plain(n)}" for kind, n in bars(moment)) or "nothing"
