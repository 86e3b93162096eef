"""A search: the same trials whether it is stopped on its way or not, and nothing kept but runs and a plan."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from lab.app import main
from lab.config import RunConfig
from lab.record.record import RunRecord
from lab.record.store import Store
from lab.sweep.launch import Outcome, name_run
from lab.sweep.plan import find_plan
from tests.reliability.story import make_rows

pytest.importorskip("optuna")
SEARCH = ["--search", "optimizer.learning_rate=1e-4..1e-1:log", "model.width=4..64", "trainer.batch_size=10,20"]
OPTIONS = ["data=npz", "data.name=rows.npz", "trainer=backprop", "trainer.epochs=1", "name=search"]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """The runs that were made: without training, their results follow from their options."""
    make_rows(tmp_path / "rows.npz")
    monkeypatch.chdir(tmp_path)
    runs: list[RunConfig] = []

    def launch(config: RunConfig, *rest: Any, **options: Any) -> Outcome:
        name = name_run(config)
        folder = Store(config.runs).run(name)
        if folder.record() is None:
            runs.append(config)
            folder.write_config(name, config.as_dict())
            assert config.optimizer is not None
            away = abs(math.log10(config.optimizer["learning_rate"]) + 2)
            record = RunRecord(name, config.resolved(), status="diverged" if away > 1.8 else "ok")
            record.final = {"valid": {"accuracy": 1 - away / 4}, "test": {"accuracy": away / 4}}
            record.write(folder.record_path)
        return Outcome(name, "ok")

    monkeypatch.setattr("lab.tune.launch", launch)
    monkeypatch.setattr("lab.report.make_report", lambda runs, out, **options: out)
    return runs


def test_a_search_goes_on_as_if_it_had_not_stopped(
    made: list[RunConfig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", *OPTIONS, "--trials", "14", *SEARCH, "--sampler", "tpe", "runs=whole"]) in (0, 1)
    whole = [config.resolved() for config in made]
    assert {config.test for config in made} == {"closed"}
    assert len(whole) == 14 and len({str(config) for config in whole}) > 10
    best = max(made, key=lambda config: -abs(math.log10(config.optimizer["learning_rate"]) + 2))  # type: ignore[index]
    assert best.optimizer is not None
    rate = best.optimizer["learning_rate"]
    error = 25 * abs(math.log10(rate) + 2)
    said = f"best by the validation rows (valid error {error:.2f} %): optimizer.learning_rate={rate}"
    assert said in capsys.readouterr().out
    made.clear()
    for trials in ("5", "6", "14"):
        main(["tune", *OPTIONS, "runs=parts", "--trials", trials, *SEARCH])
    assert [config.resolved() for config in made] == whole
    plan = find_plan("search", "parts")
    assert [run.config for run in plan.runs] == whole and len(plan.runs[0].overrides) == 3
    assert len(list(Path("parts/sweeps").iterdir())) == 1
    for config in whole:
        assert 1e-4 <= config["optimizer"]["learning_rate"] <= 1e-1 and 4 <= config["model"]["width"] <= 64
        assert config["trainer"]["batch_size"] in (10, 20)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--search", "seed=5"], "is no range; write KEY=LOW..HIGH"),
        (["--search", "model.width=9..3"], "model.width=9..3"),
        (["--search", "nothing=1..3"], "unknown option 'nothing'"),
        (["--search", "seed=0..3", "--trials", "0"], "makes no run"),
    ],
)
def test_a_mistake_is_one_sentence(
    made: list[RunConfig], capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["tune", *OPTIONS, *arguments]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1 and not made
