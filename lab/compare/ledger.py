"""comparison.json: the protocol of a comparison, its studies, and which run is whose."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lab.errors import UsageError
from lab.protocol import Protocol
from lab.protocol.read import plain
from lab.record import storage

SCHEMA = 1
NAME = "comparison.json"


@dataclass(frozen=True)
class Studied:
    """One study: its trials in the order in which they were made, and the options of the best one."""

    data: str
    side: str
    trials: tuple[str, ...]
    best: str
    chosen: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """One run: whose it is, on what, by which seed, and on how many rows where not on all."""

    run_id: str
    data: str
    side: str
    seed: int
    rows: int | None = None


@dataclass(frozen=True)
class Ledger:
    """What is known of a comparison; written anew, atomically, whenever there is more."""

    folder: Path
    protocol: Protocol
    studies: tuple[Studied, ...] = ()
    runs: tuple[Made, ...] = field(default=())

    def with_studies(self, studies: list[Studied]) -> Ledger:
        """The same with these studies, written."""
        return replace(self, studies=tuple(studies))._written()

    def with_runs(self, runs: list[Made]) -> Ledger:
        """The same with these runs, written."""
        return replace(self, runs=tuple(runs))._written()

    def _written(self) -> Ledger:
        storage.make_folder(self.folder)
        storage.write_json_atomic(self.folder / NAME, self._plain())
        return self

    def _plain(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "protocol": plain(self.protocol),
            "studies": [asdict(study) for study in self.studies],
            "runs": [asdict(run) for run in self.runs],
        }


def open_ledger(protocol: Protocol, folder: Path) -> Ledger:
    """A new ledger; UsageError where the folder holds the comparison of another protocol."""
    path = folder / NAME
    if path.exists():
        import json

        found = storage.read_json(path)
        before = found.get("protocol") if isinstance(found, dict) else None
        if before != json.loads(json.dumps(plain(protocol))):
            raise UsageError(f"{path} is of another protocol; name another folder with --out, or move this one away")
    return Ledger(folder, protocol)
