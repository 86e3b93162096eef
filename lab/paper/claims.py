"""What the paper reports, read from claims.yaml and checked: a number of ours has no place in it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from lab.errors import DataError
from lab.schema import check

_PRINTED = "0123456789."


@dataclass(frozen=True)
class Claim:
    """One result of the paper, and the experiment that repeats it. The fields are explained in claims.yaml."""

    row: str
    section: str
    setting: str
    ours: str
    experiment: str = ""
    overrides: tuple[str, ...] = ()
    readout: Literal["", "goodness", "softmax"] = ""
    error: str = ""
    aim: str = ""
    epochs: int = 0

    def __post_init__(self) -> None:
        check(self)
        for name in ("error", "aim"):
            text = getattr(self, name)
            if text and (set(text) - set(_PRINTED) or not 0 < float(text) < 100):
                raise DataError(f"claims.yaml: {name} of {self.row!r} is {text!r}; write a percentage as it is printed")
        if self.epochs < 0:
            raise DataError(f"claims.yaml: epochs of {self.row!r} is {self.epochs}; leave it out where none are named")

    @property
    def of(self) -> str:
        """The experiment: its own name where none is given."""
        return self.experiment or self.row

    @property
    def command(self) -> str:
        """What makes a run of it; further seeds by seed=N."""
        return shlex.join(["lab", f"experiment={self.of}", *self.overrides])

    @property
    def goal(self) -> str:
        """The error in % that decides whether the row is reached: the paper's, or the lab's own where it has none."""
        return self.error or self.aim


@dataclass(frozen=True)
class Variants:
    """A table of settings that are set beside each other; the paper has no number for them."""

    table: str
    title: str
    experiments: tuple[str, ...]
    variables: tuple[str, ...]
    tied: tuple[str, ...] = ()
    accuracies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Claims:
    """All of claims.yaml."""

    source: str
    rows: tuple[Claim, ...]
    tables: tuple[Variants, ...]


def read_claims(path: Path | None = None) -> Claims:
    """The claims of a file, of this package's own where none is given. Raises DataError for one without sense."""
    text = path.read_text(encoding="utf-8") if path is not None else own()
    try:
        found = yaml.safe_load(text)
        rows = tuple(Claim(**_lists(row)) for row in found["rows"])
        tables = tuple(Variants(**_lists(table)) for table in found["tables"])
        claims = Claims(str(found["source"]), rows, tables)
    except (yaml.YAMLError, KeyError, TypeError) as error:
        where = path or "claims.yaml"
        raise DataError(f"{where} holds no claims ({type(error).__name__}: {error}); correct it") from None
    names = [claim.row for claim in claims.rows]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"claims.yaml has two rows called {doubled[0]!r}; name them apart")
    return claims


def own() -> str:
    """The text of this package's claims.yaml."""
    return (files("lab.paper") / "claims.yaml").read_text(encoding="utf-8")


def _lists(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
