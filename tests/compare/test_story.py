"""A small comparison by one command: equal studies, shut test rows, fresh seeds, and nothing made twice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.app import main
from lab.compare.story import compare
from lab.config import RunConfig
from lab.errors import UsageError
from lab.protocol import parse_protocol
from lab.record import storage
from lab.record.record import RunRecord
from lab.record.store import Store
from lab.run import run
from lab.sweep.launch import Outcome, name_run
from tests.protocol.test_protocol import rules

pytest.importorskip("optuna")
PROTOCOL = rules(
    runs__seeds=[0, 1], runs__sizes=[100], runs__size_seeds=1, runs__baseline_seeds=1,
    baselines=[
        {"name": "logistic", "model": ["model=linear"], "options": ["trainer=backprop"]},
        {"name": "in parts", "like": "backprop", "options": ["trainer=backprop", "trainer.micro_batches=2"]},
    ],
)  # fmt: skip


class Maker:
    """Trains in this process, since a worker each would take seconds; `runs` are those made, and `stop` ends it."""

    def __init__(self) -> None:
        self.runs: list[RunConfig] = []
        self.stop = -1  # after so many runs

    def launch(self, config: RunConfig, *rest: Any, **options: Any) -> Outcome:
        name = name_run(config)
        folder = Store(config.runs).run(name)
        if (record := folder.record()) is None:
            if len(self.runs) == self.stop:
                return Outcome(name, "stopped")
            self.runs.append(config)
            folder.write_config(name, config.as_dict())
            record = run(config)
            record.write(folder.record_path)
        return Outcome(name, record.status, record=record)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Maker:
    maker = Maker()
    monkeypatch.setattr("lab.tune.launch", maker.launch)
    monkeypatch.setattr("lab.sweep.make.launch", maker.launch)
    monkeypatch.setattr("lab.report.make_report", lambda runs, out, **options: out)
    return maker


def test_a_comparison_is_its_protocol(made: Maker, tmp_path: Path) -> None:
    protocol, out = parse_protocol(PROTOCOL), tmp_path / "out"
    assert compare(protocol, out, progress=False) == 0
    ledger = storage.read_json(out / "comparison.json")
    assert len(ledger["studies"]) == 2 and all(len(study["trials"]) == 3 for study in ledger["studies"])
    trials = {
        name: RunRecord.read(out / "trials" / name / "record.json") for s in ledger["studies"] for name in s["trials"]
    }
    assert all("test" not in record.final and "right" not in record.final for record in trials.values())
    for study in ledger["studies"]:
        best = max(study["trials"], key=lambda name: trials[name].final["valid"]["accuracy"])
        assert trials[study["best"]].final["valid"] == trials[best].final["valid"]
        rate = trials[study["best"]].config["optimizer"]["learning_rate"]
        own = [entry for entry in ledger["runs"] if entry["side"] == study["side"]]
        assert {entry["seed"] for entry in own if entry["rows"] is None} == {0, 1}
        assert [entry["rows"] for entry in own if entry["rows"]] == [100]
        for entry in own:
            folder = "sizes" if entry["rows"] else "runs"
            record = RunRecord.read(out / folder / entry["run_id"] / "record.json")
            assert record.config["optimizer"]["learning_rate"] == rate and record.final["test"]["n"] > 0
            assert record.data["n_train"] == (entry["rows"] or record.data["n_train"])
    assert sum(entry["side"] == "logistic" for entry in ledger["runs"]) == 1
    alike = {
        side: [RunRecord.read(out / "runs" / entry["run_id"] / "record.json") for entry in ledger["runs"]
               if entry["side"] == side and entry["rows"] is None]
        for side in ("backprop", "in parts")
    }  # fmt: skip
    whole, parts = alike["backprop"], alike["in parts"]
    assert [r.config["seed"] for r in parts] == [r.config["seed"] for r in whole] == [0, 1]
    for a, b in zip(whole, parts, strict=True):
        assert a.config["optimizer"] == b.config["optimizer"]
        assert [r.config["trainer"]["micro_batches"] for r in (a, b)] == [1, 2]
        assert b.memory["activations"] < a.memory["activations"]
    count = len(made.runs)
    assert count == 2 * 3 + 2 * 2 + 1 + 2 + 2
    assert compare(protocol, out, progress=False) == 0 and len(made.runs) == count


def test_stopped_anywhere_it_ends_as_if_it_had_not_been(made: Maker, tmp_path: Path) -> None:
    protocol = parse_protocol(PROTOCOL)
    assert compare(protocol, tmp_path / "whole", progress=False) == 0
    names = [name_run(config) for config in made.runs]
    made.runs.clear()
    for made.stop in (1, 4, 6, 8, 11, -1):
        assert compare(protocol, tmp_path / "parts", progress=False) == (75 if made.stop >= 0 else 0)
    assert [name_run(config) for config in made.runs] == names
    files = [(tmp_path / folder / "comparison.json").read_bytes() for folder in ("whole", "parts")]
    assert files[0] == files[1]


def test_the_command(made: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "small.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump(PROTOCOL))
    assert main(["compare", str(path), "--out", str(out), "--until", "tuning"]) == 0
    assert len(made.runs) == 6 and not (out / "runs").exists()
    tuned = len(made.runs)
    assert (
        main(["tune", "--protocol", str(path), "--side", "forward", "--data", "digits", f"runs={out / 'trials'}"]) == 0
    )
    assert len(made.runs) == tuned, "the same study, made already"
    path.write_text(yaml.safe_dump({**PROTOCOL, "timed": False}))
    capsys.readouterr()
    assert main(["compare", str(path), "--out", str(out)]) == 2
    assert "is of another protocol" in capsys.readouterr().err
    wrong = {**PROTOCOL, "shared": ["model=mlp", "model.dpeth=2"]}
    path.write_text(yaml.safe_dump(wrong))
    assert main(["compare", str(path), "--out", str(tmp_path / "new")]) == 2
    assert "model.dpeth" in capsys.readouterr().err and not (tmp_path / "new").exists()
    assert main(["tune", "--protocol", str(path), "--side", "forward"]) == 2
    assert "name one study" in capsys.readouterr().err


def test_what_cannot_be_is_said_before_anything_is_made(
    made: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol, taken = parse_protocol(PROTOCOL), tmp_path / "taken"
    taken.write_text("")
    with pytest.raises(UsageError, match="taken is a file; name a folder with --out"):
        compare(protocol, taken, progress=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match="Optuna, which draws settings, is not installed; the extra sweep brings it"):
        compare(protocol, tmp_path / "out", progress=False)
    assert not made.runs and not (tmp_path / "out").exists()
