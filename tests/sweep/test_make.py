"""What is missing of a sweep is made from its plan; what is there stays; who is killed is followed by another."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import lab.resume
from lab.app import main
from lab.config import parse
from lab.errors import DataError, UsageError
from lab.record.record import RunRecord
from lab.record.store import RunFolder, Store
from lab.sweep.launch import launch
from lab.sweep.make import make_runs, without_record
from lab.sweep.plan import Plan, find_plan, make_plan, read_plan
from lab.sweep.screen import Screen
from tests.sweep.conftest import raw_config
from tests.sweep.parts import VARIABLE

PARTS = ("tests.sweep.parts",)


@pytest.fixture
def plan(rows: Path, tmp_path: Path) -> Plan:
    """Three runs of one epoch, planned and written down."""
    configs = [parse(raw_config(tmp_path, seed=seed, trainer__epochs=1)) for seed in range(3)]
    made = make_plan("three", str(tmp_path / "runs"), [(c, (f"seed={c.seed}",)) for c in configs])
    made.write()
    return made


def folder(plan: Plan, number: int) -> RunFolder:
    return Store(plan.runs_folder).run(plan.runs[number].run_id)


def make(plan: Plan, numbers: Any = range(3), **options: Any) -> tuple[list[str], str]:
    stream = io.StringIO()
    outcomes = make_runs(plan, numbers, Screen(stream), imports=PARTS, **options)
    return [outcome.status for outcome in outcomes], stream.getvalue()


def pretend(plan: Plan, number: int, status: Any, code: str = "0.1.0") -> None:
    """A record as if the run had ended so."""
    run = plan.runs[number]
    folder(plan, number).write_config(run.run_id, {})
    RunRecord(run.run_id, run.config, status, "made up", code_version=code).write(folder(plan, number).record_path)


def test_what_failed_is_made_again_and_what_ended_is_not(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.report.make_report", lambda runs, out, **options: out)
    for number, status in enumerate(("diverged", "timeout", "out_of_memory")):
        pretend(plan, number, status)
    (folder(plan, 2).record_path).write_text("{}")  # damaged: as if it had not ended
    arguments = [str(plan.folder), "--imports", *PARTS, "--retries", "0"]
    assert lab.resume.main(arguments) == 1  # one diverged
    out = capsys.readouterr().out
    assert out.count("done already by version 0.1.0") == 1 and "rerun=stale" in out
    assert [RunRecord.read(folder(plan, n).record_path).status for n in range(3)] == ["diverged", "ok", "ok"]
    assert RunRecord.read(folder(plan, 1).path / "record-1.json").status == "timeout"
    assert (folder(plan, 2).path / "record-1.json").read_text() == "{}"
    assert "2 ok" in out and "1 diverged" in out
    assert lab.resume.main([*arguments, "--rerun", "stale"]) == 0
    assert capsys.readouterr().out.count("done already") == 2
    assert RunRecord.read(folder(plan, 0).path / "record-1.json").code_version == "0.1.0"


def test_a_plan_runs_no_code_that_was_not_listed(plan: Plan) -> None:
    stream = io.StringIO()
    (outcome,) = make_runs(plan, [0], Screen(stream))
    assert outcome.status == "refused" and "list them with --imports tests.sweep.parts" in stream.getvalue()
    assert not folder(plan, 0).path.exists()


def test_a_plan_whose_data_changed_is_refused(plan: Plan, rows: Path) -> None:
    text = (plan.folder / "sweep.json").read_text()
    (plan.folder / "sweep.json").write_text(text.replace(plan.runs[0].run_id, "0" * 16))
    statuses, words = make(read_plan(plan.folder), [0])
    assert statuses == ["refused"] and "changed since it was planned" in words


def test_sweeps_are_found_by_name(plan: Plan, tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    for named in (str(plan.folder), plan.folder.name, "three"):
        assert find_plan(named, runs).runs == plan.runs
    with pytest.raises(UsageError, match=f"no sweep 'four'; name one of: {plan.folder.name}"):
        find_plan("four", runs)
    shutil.copytree(plan.folder, plan.folder.with_name("three-00000000"))
    with pytest.raises(UsageError, match="several sweeps are called 'three'"):
        find_plan("three", runs)


@pytest.mark.parametrize("change", [{"runs": 3}, {"runs": [1]}, {"runs": [{"run_id": 1}]}, {"schema": 2}, {"name": []}])
def test_a_damaged_plan_is_one_sentence(plan: Plan, change: dict[str, Any]) -> None:
    path = plan.folder / "sweep.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    if change == {"name": []}:
        assert read_plan(plan.folder).name == "[]"
        return
    with pytest.raises(DataError, match="ask for the sweep again"):
        read_plan(plan.folder)


def test_runs_of_another_process_come_last(plan: Plan) -> None:
    held = folder(plan, 0)
    held.write_config(plan.runs[0].run_id, {})
    code = "import sys, time; from lab.record.store import RunFolder\nwith RunFolder(sys.argv[1]).lock(): "
    code += "print('held', flush=True); sys.stdin.read(1)"
    command = [sys.executable, "-c", code, str(held.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        holder.stdout.readline()
        pretend(plan, 1, "ok")
        stream = io.StringIO()

        def let_go() -> None:
            while "waiting for its end" not in stream.getvalue():
                time.sleep(0.01)
            pretend(plan, 0, "failed")
            assert holder.stdin is not None
            holder.stdin.write(b"x")
            holder.stdin.flush()

        threading.Thread(target=let_go).start()
        outcomes = make_runs(plan, [0, 1], Screen(stream), imports=PARTS, since=time.time())
    assert [outcome.status for outcome in outcomes] == ["ok", "failed"]  # not made again: that was this sweep's try
    assert "its turn comes again" in stream.getvalue()
    assert not list(held.path.glob("record-*.json"))


def test_who_is_killed_is_followed_as_long_as_it_gets_further(
    plan: Plan, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse(raw_config(tmp_path, trainer__epochs=1, retries=3))
    monkeypatch.setenv("LAB_TEST_SLOW", "0.03")  # so that there is time for checkpoints
    monkeypatch.setenv(VARIABLE, "kill_once@6")
    monkeypatch.setenv("LAB_TEST_ONCE", str(tmp_path / "once"))
    stream = io.StringIO()
    outcome = launch(config, Screen(stream))
    assert outcome.status == "ok" and stream.getvalue().count("cut short") == 1
    assert outcome.record is not None and outcome.record.measured["resumed"] is True
    monkeypatch.setenv(VARIABLE, "kill@1")  # before there is a checkpoint: the next one would end there as well
    other = launch(parse(raw_config(tmp_path, trainer__epochs=1, seed=9)), Screen(stream))
    assert other.status == "failed" and stream.getvalue().count("cut short") == 1


def test_a_sweep_that_was_killed_is_finished(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command dies by SIGKILL in its first run; the plan is there, and `lab resume` does the rest."""
    monkeypatch.chdir(tmp_path)
    home = str(Path(lab.resume.__file__).parents[1])
    arguments = ["-m", "data=npz", "data.name=rows.npz", "model.width=8", "trainer=backprop", "trainer.epochs=1",
                 "imports=[tests.sweep.parts]", "trainer.name=troubled", "backend.threads=1", "seed=0,1",
                 "name=killed"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": home, "LAB_TEST_SLOW": "0.2"}
    with subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments], env=environment, stdout=subprocess.PIPE, start_new_session=True
    ) as sweep:
        while not (found := list(Path("runs").glob("*/config.json"))):
            time.sleep(0.01)
        sweep.kill()
    plan = find_plan("killed")
    assert len(plan.runs) == 2 and without_record(plan) == [0, 1] and found
    monkeypatch.setattr("lab.report.make_report", lambda runs, out, **options: out)
    assert main(["resume", "killed", "--imports", "tests.sweep.parts"]) == 0
    assert "2 ok" in capsys.readouterr().out and not without_record(plan)


def test_sigterm_in_a_sweep_stops_after_a_checkpoint(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TEST_SLOW", "0.1")
    path = folder(plan, 0).checkpoint

    def terminate() -> None:
        while not path.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=terminate).start()
    statuses, words = make(plan)
    assert statuses == ["stopped"] and "stopping after a checkpoint" in words
    assert without_record(plan) == [0, 1, 2] and not folder(plan, 1).path.exists()
