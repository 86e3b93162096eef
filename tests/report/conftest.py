"""Reports that several tests look at, each drawn once."""

from __future__ import annotations

from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.report import make_report
from tests.report import records


@dataclass(frozen=True)
class Made:
    """A runs folder and the report drawn from it."""

    runs: Path
    out: Path

    @property
    def html(self) -> str:
        return (self.out / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two trainers, two networks, three seeds, all ended ok."""
    root = tmp_path_factory.mktemp("whole")
    made = Made(records.make_runs(root / "runs"), root / "reports" / "mine")
    with chdir(root):
        make_report(Path("runs"), Path("reports/mine"))
    return made


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same, and one run of each kind that is not whole."""
    root = tmp_path_factory.mktemp("bad")
    made = Made(records.make_runs(root / "runs", networks=["mlp 3x500"]), root / "report")
    records.make_bad_runs(made.runs)
    make_report(made.runs, made.out)
    return made
