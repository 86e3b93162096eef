"""Trouble at each place of a sweep, in each way: the others finish, each leaves one record, the status says 1."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest

import lab.sweep.process
from lab.config import RunConfig, parse
from lab.record.record import RunRecord
from lab.sweep.launch import name_run
from lab.sweep.make import make_runs
from lab.sweep.plan import Plan, make_plan
from lab.sweep.screen import Screen
from lab.sweep.summary import sum_up
from tests.reliability.story import make_rows
from tests.sweep.conftest import raw_config
from tests.sweep.parts import TROUBLES
from tests.tally import LONG

TROUBLE = ("raise", "exit", "segfault", "terminate", "hang", "") if LONG else ("terminate", "hang", "raise", "")
STATUS = {"raise": "failed", "exit": "failed", "segfault": "failed", "terminate": "failed", "hang": "timeout", "": "ok"}


def planned(tmp_path: Path, turn: int) -> tuple[Plan, list[str]]:
    """A sweep of a run for each kind of trouble, the kinds turned round by `turn` places."""
    kinds = [*TROUBLE[turn:], *TROUBLE[:turn]]

    def config(seed: int, kind: str) -> RunConfig:
        return parse(raw_config(tmp_path, seed=seed, trainer__epochs=1, timeout=4 if kind == "hang" else None))

    configs = [config(10 * turn + place, kind) for place, kind in enumerate(kinds)]
    return make_plan(f"turn{turn}", str(tmp_path / "runs"), [(c, [f"seed={c.seed}"]) for c in configs]), kinds


@pytest.mark.parametrize("turn", range(len(TROUBLE)) if LONG else [0])
def test_trouble_at_each_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int, tally: Counter[str]) -> None:
    make_rows(tmp_path / "rows.npz")
    monkeypatch.setattr(lab.sweep.process, "_GRACE", 0.3)  # one that hangs does not hear that it should stop
    monkeypatch.setattr("lab.report.make_report", lambda runs, out, **options: out)
    plan, kinds = planned(tmp_path, turn)
    plan.write()
    seeds = {run.config["seed"]: kind for run, kind in zip(plan.runs, kinds, strict=True)}
    monkeypatch.setenv(TROUBLES, ",".join(f"{seed}:{kind}@2" for seed, kind in seeds.items() if kind))
    outcomes = make_runs(plan, range(len(kinds)), Screen(io.StringIO()), imports=["tests.sweep.parts"])
    assert [outcome.status for outcome in outcomes] == [STATUS[kind] for kind in kinds]
    for run in plan.runs:
        folder = plan.runs_folder / run.run_id
        assert len(list(folder.glob("record*.json"))) == 1
        assert RunRecord.read(folder / "record.json").status == STATUS[seeds[run.config["seed"]]]
    assert sum_up(plan, stream=io.StringIO()) == 1
    monkeypatch.delenv(TROUBLES)
    again = make_runs(plan, range(len(kinds)), Screen(io.StringIO()), imports=["tests.sweep.parts"], timeout=None)
    assert {outcome.status for outcome in again} == {"ok"} and sum_up(plan, stream=io.StringIO()) == 0
    assert [name_run(plan.config(i, ["tests.sweep.parts"])) for i in range(len(kinds))] == [r.run_id for r in plan.runs]
    tally["runs in trouble"] += len(kinds) - 1
    tally["runs that ended ok when asked for again"] += len(kinds)
