"""A sweep is watched from its files alone, at every stage of its runs, and its page follows."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest

from lab.app import main
from lab.config import parse
from lab.errors import Busy
from lab.record.record import RunRecord
from lab.record.store import RunFolder, Store
from lab.run import run
from lab.sweep.plan import Plan, make_plan
from lab.watch.look import Seen, look
from lab.watch.page import Page
from lab.watch.view import SILENT, bar, summary
from tests.sweep.conftest import raw_config


@pytest.fixture
def plan(rows: Path, tmp_path: Path) -> Plan:
    """Four runs of three epochs: one ends, one is stopped in its second epoch, one failed, one waits."""
    trainer = {"name": "backprop", "epochs": 3, "batch_size": 10}
    configs = [parse(raw_config(tmp_path, seed=seed, imports=[], trainer=trainer)) for seed in range(4)]
    made = make_plan("four", str(tmp_path / "runs"), [(c, (f"seed={c.seed}",)) for c in configs])
    made.write()
    for number in range(3):
        folder(made, number).write_config(made.runs[number].run_id, made.runs[number].config)
    run(configs[0]).write(folder(made, 0).record_path)
    steps = iter(range(1000))
    per_epoch = run(configs[0]).history[0]["step"]
    with pytest.raises(Busy):
        run(
            configs[1], checkpoint=folder(made, 1).checkpoint, stopped=lambda: next(steps) >= per_epoch + per_epoch // 2
        )
    RunRecord(made.runs[2].run_id, made.runs[2].config, "failed", "made up").write(folder(made, 2).record_path)
    return made


def folder(plan: Plan, number: int) -> RunFolder:
    return Store(plan.runs_folder).run(plan.runs[number].run_id)


def contents(root: Path) -> dict[str, Any]:
    return {str(p.relative_to(root)): (p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob("*")}


def test_each_stage_is_told_from_the_files_which_stay_as_they_are(plan: Plan) -> None:
    before = contents(plan.runs_folder)
    ended, begun, failed, waiting = look(plan)
    assert contents(plan.runs_folder) == before
    assert (ended.state, ended.status, ended.epochs, ended.of) == ("ended", "ok", 3, 3)
    assert ended.figures and 0.5 <= ended.figures["accuracy"] <= 1
    assert begun.state == "begun" and 1 < begun.epochs < 2 and begun.figures and begun.silent < 60
    assert begun.left and begun.left == pytest.approx(begun.seconds / begun.epochs * (3 - begun.epochs))
    assert (failed.state, failed.status) == ("ended", "failed")
    assert (waiting.state, waiting.epochs, waiting.left) == ("waiting", 0, None)


def test_a_summary_counts_every_run_once(plan: Plan) -> None:
    seen = look(plan)
    assert summary(seen).startswith("2 of 4 ended: 1 ok, 1 failed; 1 at work; about ")
    assert bar(seen).total == 12 and 7 < bar(seen).completed < 8


def test_a_run_without_a_sign_for_long_is_called_silent(plan: Plan) -> None:
    seen = look(plan, now=time.time() + SILENT + 60)
    assert summary(seen) == "2 of 4 ended: 1 ok, 1 failed; 1 silent"


@pytest.mark.parametrize("damage", [b"", b"\x00" * 64, b"\xff" * 8])
def test_a_checkpoint_that_cannot_be_read_hides_nothing_else(plan: Plan, damage: bytes) -> None:
    folder(plan, 1).checkpoint.write_bytes(damage)
    begun = look(plan)[1]
    assert (begun.state, begun.epochs, begun.figures) == ("begun", 0, None)


def test_the_page_is_drawn_when_something_ended_and_reloads_until_all_has(plan: Plan) -> None:
    page, seen = Page(plan, 12.0), look(plan)
    assert page.update(seen) and not page.update(seen)
    assert '<meta http-equiv="refresh" content="12">' in page.path.read_text(encoding="utf-8")
    assert page.update([dataclasses.replace(run, state="ended", status="ok") for run in seen])
    assert "refresh" not in page.path.read_text(encoding="utf-8")


def test_the_command_shows_every_run_and_its_status_tells_of_failures(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", "four", "--runs", str(plan.runs_folder)]) == 1
    shown = capsys.readouterr().out
    assert [run.run_id[:8] for run in plan.runs if run.run_id[:8] not in shown] == [] and "page:" in shown, shown
    assert all(word in shown for word in ("ok", "failed", "waiting", "at work", "1.6 / 3", "rows.npz"))


def test_an_hour_of_nothing_and_an_unknown_sweep_are_refused(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "four", "--runs", str(plan.runs_folder), "--every", "0"]) == 2
    assert "0.5 to 3600" in capsys.readouterr().err
    assert main(["watch", "five", "--runs", str(plan.runs_folder)]) == 2
    assert "four" in capsys.readouterr().err


def test_what_a_config_holds_cannot_command_the_terminal(plan: Plan) -> None:
    from rich.console import Console

    from lab.watch.view import view

    evil = Seen("0" * 16, "\x1b[2J[red]x[/red]", "m", "d", "0", "waiting", of=1)
    console = Console(record=True, width=120, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(view("\x1b]0;title\x07", [evil], 5))
    text = console.export_text(styles=False)
    assert "\x1b" not in text and "[red]x[/red]" in text
