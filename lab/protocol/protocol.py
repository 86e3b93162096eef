"""Protocol: what two sides of a comparison share, in what they differ, and how each is tuned, trained and judged.

Published comparisons are unfair in ways that a program can refuse: here both sides have the same body, rows, seeds,
epochs, stopping rule, threads and device, because these are said once for all sides, and as many trials over as much
space, because a protocol in which they differ is no protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lab.diagnose.names import Diagnostic
from lab.errors import UsageError
from lab.protocol.space import Range, parse_range
from lab.quality.names import Measure

# What a side may set for itself; all else is shared, or the comparison's own.
OWN = ("trainer", "objective", "optimizer", "readout")


@dataclass(frozen=True)
class Task:
    """One place of the comparison: a data set and the body that is trained on it, tuned and compared by itself.

    name    of the task, and of its data set unless `data` names that
    target  the validation accuracy that time to target is taken to, set before anything is trained
    model   options of the body (model=cnn, model.channels=[8,16]), beside those that all tasks share
    sides   names of the sides and baselines that take part; none named: all
    rows, epochs, measures  of its runs, where they are not those of all tasks
    """

    name: str
    target: float | None = None
    data: str | None = None
    model: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    rows: int | None = None
    epochs: int | None = None
    measures: tuple[Measure, ...] | None = None

    @property
    def dataset(self) -> str:
        """The name of its data set."""
        return self.name if self.data is None else self.data

    def __post_init__(self) -> None:
        if odd := [option for option in self.model if option.partition("=")[0].split(".")[0] != "model"]:
            raise UsageError(f"data: {odd[0]} of {self.name} is no option of the body; write it under shared")
        if any(n is not None and n < 1 for n in (self.rows, self.epochs)):
            raise UsageError(f"data: {self.name} has rows={self.rows} epochs={self.epochs}; use 1 and more, or none")
        if self.target is not None and not 0 < self.target <= 1:
            raise UsageError(f"data: target={self.target:g} of {self.name} is no fraction; write 97 % as 0.97")


@dataclass(frozen=True)
class Side:
    """A trainer with what belongs to its method: options, the range of those that are searched, where it answers from.

    options  KEY=VALUE and GROUP=NAME of its trainer, objective, optimizer and readout
    search   KEY=RANGE of such options, beside those that all sides search
    head     in words, what answers: parameters there are not the body's, so a reader has to know of them
    model    options of another network, for a baseline that has not the sides' body, such as model=linear
    like     a side whose chosen setting and seeds a baseline has: the same rule in another form, which costs otherwise
    """

    name: str
    options: tuple[str, ...]
    search: tuple[str, ...] = ()
    head: str = ""
    model: tuple[str, ...] = ()
    like: str = ""

    def __post_init__(self) -> None:
        for option in (*self.options, *self.search):
            key = option.partition("=")[0]
            if key.split(".")[0] not in OWN or key in ("trainer.epochs", "trainer.batch_size"):
                raise UsageError(
                    f"{self.name}: {option} is not a side's to set; a side sets its {', '.join(OWN)}, and all else, "
                    "trainer.epochs and trainer.batch_size too, is shared"
                )


@dataclass(frozen=True)
class Tuning:
    """How each side is tuned, on each data set alone; the test rows stay shut.

    trials   settings that each side may try, those that end badly among them
    epochs   of each trial; rows: it trains on the first so many, null for all
    seed     of all trials: not among those of the runs, which are fresh
    sampler  random: settings are drawn apart from each other, so that their order says nothing and the best of n can be
             computed for every n; tpe: each leans on those before it (Bergstra et al. 2011)
    pruner   none: every trial is trained to its end; a rule that starts slowly would lose to one that ends badly
    search   KEY=RANGE of the options that all sides search
    """

    trials: int
    epochs: int
    rows: int | None = None
    seed: int = 1000
    sampler: Literal["random", "tpe"] = "random"
    pruner: Literal["none"] = "none"
    search: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.trials < 1 or self.epochs < 1 or (self.rows is not None and self.rows < 1):
            raise UsageError(f"tuning: trials={self.trials} epochs={self.epochs} rows={self.rows} make no trial")


@dataclass(frozen=True)
class Final:
    """How the best setting of each side is trained and judged.

    seeds     of initial weights and order of the data, the same for all sides
    epochs    of each run; stop: the stopping rule of all sides, none or patience
    rows      each run trains on the first so many, null for all
    measures  of each trained network on the test rows, beside accuracy; diagnose: of its blocks in each epoch
    sizes     numbers of training rows that the best settings are trained on as well, for accuracy against rows
    size_seeds  the first so many seeds are used for that
    baseline_seeds  and so many for the baselines, which no difference is claimed of; all for those that are like a side
    """

    seeds: tuple[int, ...]
    epochs: int
    stop: str = "none"
    rows: int | None = None
    measures: tuple[Measure, ...] = ()
    diagnose: tuple[Diagnostic, ...] = ()
    sizes: tuple[int, ...] = ()
    size_seeds: int = 3
    baseline_seeds: int = 3

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or self.epochs < 1:
            raise UsageError(
                f"runs: seeds={list(self.seeds)} epochs={self.epochs}; give distinct seeds and 1 epoch or more"
            )


@dataclass(frozen=True)
class Protocol:
    """The rules of one comparison.

    shared   options of all runs of all sides: the body (model=..., model.norm=...), split, batch size, threads, device
    timed    whether times are claimed; runs beside other work may be compared in all but those
    parameters_within  by which share the sides' parameters, heads included, may differ
    baselines  what the sides are held against: trained on the same rows and seeds, but not tuned
    """

    name: str
    data: tuple[Task, ...]
    sides: tuple[Side, ...]
    tuning: Tuning
    runs: Final
    question: str = ""
    shared: tuple[str, ...] = ()
    timed: bool = True
    parameters_within: float = 0.05
    baselines: tuple[Side, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(self.sides) < 2 or not self.data:
            raise UsageError(f"{self.name} compares nothing; give two sides or more, and a data set")
        names = [side.name for side in (*self.sides, *self.baselines)]
        if len(set(names)) < len(names):
            raise UsageError(f"{self.name}: two sides are called the same ({', '.join(names)}); name them apart")
        if self.tuning.seed in self.runs.seeds:
            raise UsageError(f"tuning.seed={self.tuning.seed} is among runs.seeds; the runs need fresh ones")
        if odd := [side.name for side in self.sides if side.model]:
            raise UsageError(f"{odd[0]} has a model of its own; all sides train the same body, baselines may not")
        if odd := [side.name for side in self.sides if side.like]:
            raise UsageError(
                f"{odd[0]} is like {self.side(odd[0]).like}; a side is tuned itself, a baseline may be like one"
            )
        if unnamed := [side.name for side in self.sides if not side.head]:
            raise UsageError(f"{unnamed[0]} does not say what its head is; write one line under head")
        for option in self.shared:
            if option.partition("=")[0] in (
                "seed",
                "runs",
                "name",
                "test",
                "data",
                "trainer",
                "trainer.epochs",
                "stop",
            ):
                raise UsageError(f"shared: {option} is decided elsewhere in a protocol; leave it out here")
        if len({task.name for task in self.data}) < len(self.data):
            raise UsageError(f"{self.name}: two tasks are called the same; name them apart, and their data set by data")
        for task in self.data:
            if strange := [name for name in task.sides if name not in names]:
                raise UsageError(f"{task.name} has sides {strange[0]!r}, which is none of {', '.join(names)}")
            there = [side.name for side in self.sides_on(task)]
            if lone := [side for side in self.baselines_on(task) if side.like and side.like not in there]:
                raise UsageError(
                    f"{lone[0].name} is like {lone[0].like}, which is no side of {task.name}; it has {', '.join(there)}"
                )
            if len(self.sides_on(task)) < 2:
                raise UsageError(f"{task.name} compares nothing; give it two sides or more")
            if (rows := self.rows_of(task)) is not None and rows <= max(self.runs.sizes, default=0):
                raise UsageError(f"{task.name} has rows={rows}; sizes={list(self.runs.sizes)} are to be fewer")
        first, *others = ((side.name, sorted(r.size for r in self.space(side))) for side in self.sides)
        for name, sizes in others:
            if sizes != first[1]:
                raise UsageError(
                    f"{first[0]} searches {_sizes(first[1])}, {name} {_sizes(sizes)}; give both as much to search"
                )

    def space(self, side: Side) -> tuple[Range, ...]:
        """What the trials of a side vary."""
        return tuple(parse_range(text) for text in (*self.tuning.search, *side.search))

    def side(self, name: str) -> Side:
        """The side, or baseline, of that name. Raises UsageError."""
        for side in (*self.sides, *self.baselines):
            if side.name == name:
                return side
        raise UsageError(f"{self.name} has no side {name!r}; valid: {', '.join(s.name for s in self.sides)}")

    def sides_on(self, task: Task) -> tuple[Side, ...]:
        """The sides that take part in a task."""
        return tuple(side for side in self.sides if not task.sides or side.name in task.sides)

    def baselines_on(self, task: Task) -> tuple[Side, ...]:
        """The baselines that take part in a task."""
        return tuple(side for side in self.baselines if not task.sides or side.name in task.sides)

    def baselines_by(self, task: Task, number: int) -> tuple[Side, ...]:
        """The baselines that are run with the seed of that number, counted from 0."""
        every = self.baselines_on(task)
        return every if number < self.runs.baseline_seeds else tuple(side for side in every if side.like)

    def rows_of(self, task: Task) -> int | None:
        """How many rows the runs of a task train on; None for all."""
        return self.runs.rows if task.rows is None else task.rows

    def epochs_of(self, task: Task) -> int:
        """How many epochs the runs of a task have."""
        return self.runs.epochs if task.epochs is None else task.epochs

    def task(self, name: str) -> Task | None:
        """The task of that name, if there is one."""
        return next((task for task in self.data if task.name == name), None)

    def common(self, task: Task, side: Side) -> list[str]:
        """The options that all runs of a side on a data set have."""
        shared = [*self.shared, *task.model]
        body = [o for o in shared if not (side.model and o.partition("=")[0].split(".")[0] == "model")]
        return [*body, *side.model, *side.options, f"data={task.dataset}"]

    def trial(self, task: Task, side: Side) -> list[str]:
        """The options that all trials of a side on a data set have."""
        t = self.tuning
        rows = [] if t.rows is None else [f"data.limit={t.rows}"]
        return [*self.common(task, side), f"seed={t.seed}", f"trainer.epochs={t.epochs}", *rows, "test=closed"]

    def final(self, task: Task, side: Side, chosen: tuple[str, ...], seed: int, rows: int | None = None) -> list[str]:
        """The options of one run: those of the side's best trial, a fresh seed, and `rows` to train on (all)."""
        r = self.runs
        target = [] if task.target is None else [f"target={task.target}"]
        trained = self.rows_of(task) if rows is None else rows
        fewer = [] if trained is None else [f"+data.train={trained}"]
        measured = r.measures if task.measures is None else task.measures
        beyond = [] if rows is not None or not measured else [f"measures=[{','.join(measured)}]"]
        looked = [] if rows is not None or not r.diagnose else [f"diagnose=[{','.join(r.diagnose)}]"]
        return [
            *self.common(task, side), *chosen, f"seed={seed}", f"trainer.epochs={self.epochs_of(task)}",
            f"stop={r.stop}", *target, *fewer, *beyond, *looked,
        ]  # fmt: skip


def _sizes(sizes: list[tuple[str, float]]) -> str:
    return " and ".join(f"{size:g} {what}" for what, size in sizes) or "nothing"
