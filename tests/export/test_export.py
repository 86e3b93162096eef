"""Records written for other trackers, and read back from what was written."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.errors import StorageError, UsageError
from lab.export import mlflow, tensorboard
from lab.export.__main__ import main
from lab.export.values import exported, exported_runs
from tests.report.records import make_record, write

STARTED = 1_700_000_000.0


def record(**other: Any) -> dict[str, Any]:
    made = make_record(epochs=3, **other)
    made["measured"] |= {"started": "2023-11-14T22:13:20+00:00", "finished": "2023-11-14T22:15:00+00:00"}
    return made


def events(folder: Path) -> list[Any]:
    """The events of a folder's one file, their checksums checked."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    (path,) = folder.iterdir()
    assert "tfevents" in path.name
    data, place, found = path.read_bytes(), 0, []
    while place < len(data):
        head = data[place : place + 8]
        (size,), (check,) = struct.unpack("<Q", head), struct.unpack("<I", data[place + 8 : place + 12])
        body = data[place + 12 : place + 12 + size]
        assert check == masked_crc32c(head)
        assert struct.unpack("<I", data[place + 12 + size : place + 16 + size]) == (masked_crc32c(body),)
        found.append(Event.FromString(body))
        place += 16 + size
    return found


def test_a_run_is_its_curves_options_and_results(tmp_path: Path) -> None:
    made = record()
    made["history"][1]["valid"]["loss"] = None
    run = exported(write(tmp_path, made), made)
    assert run.name == "MNIST_mlp-3x500_backprop_seed=0_ba-mlp-3x500" and (run.status, run.data) == ("ok", "MNIST")
    assert (run.started, run.finished) == (STARTED, STARTED + 100)
    errors = [(s.step, s.value) for s in run.scalars if s.tag == "valid/error"]
    assert errors == [(550 * e["epoch"], pytest.approx(e["valid"]["error"])) for e in made["history"]]
    seconds = sum(e["train_seconds"] for e in made["measured"]["epochs"][:2])
    second = [s for s in run.scalars if s.step == 1100 and s.tag == "cost/seconds"]
    assert [s.value for s in second] == [pytest.approx(seconds)] and second[0].at == pytest.approx(
        STARTED + seconds, abs=1e-3
    )
    assert all(math.isfinite(scalar.value) for scalar in run.scalars)
    assert [s.step for s in run.scalars if s.tag == "valid/loss"] == [550, 1650], "what is unknown is no point"
    assert run.options["optimizer.learning_rate"] == "0.01" and run.options["trainer.name"] == '"backprop"'
    assert run.results["test_error"] == pytest.approx(made["final"]["test"]["error"])
    assert run.results["memory_peak"] == made["memory"]["peak"] and "energy_joules" not in run.results


def test_an_epoch_without_a_step_or_a_start_has_its_number_and_no_time(tmp_path: Path) -> None:
    made = record()
    del made["measured"]["started"]
    for entry in made["history"]:
        del entry["step"]
    errors = [s for s in exported(tmp_path, made).scalars if s.tag == "valid/error"]
    assert [(s.step, s.at) for s in errors] == [(1, 0.0), (2, 0.0), (3, 0.0)]


def test_diagnostics_are_curves_of_their_block(tmp_path: Path) -> None:
    made = record(family="forward_forward")
    for entry in made["history"]:
        for number, block in enumerate(entry["blocks"]):
            block["dead_units"] = 0.1 * number
    run = exported(tmp_path, made)
    assert [s.value for s in run.scalars if s.tag == "dead_units/block2"] == pytest.approx([0.1] * 3)


def test_event_files_hold_the_run(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra `track` is not installed")
    made = record()
    write(tmp_path / "runs", made)
    assert tensorboard.write(exported_runs([tmp_path / "runs"], []), str(tmp_path / "logs")) == 1
    (folder,) = (tmp_path / "logs").iterdir()
    read = events(folder)
    values = [
        (v.tag, e.step, e.wall_time, v.simple_value)
        for e in read
        for v in e.summary.value
        if not v.metadata.plugin_data.plugin_name
    ]
    errors = [(step, value) for tag, step, _, value in values if tag == "valid/error"]
    assert errors == [(550 * e["epoch"], pytest.approx(e["valid"]["error"], rel=1e-6)) for e in made["history"]]
    assert all(at >= STARTED for _, _, at, _ in values)
    (result,) = [v for tag, *_, v in values if tag == "results/test_error"]
    assert result == pytest.approx(made["final"]["test"]["error"], rel=1e-6)
    plugins = {v.tag for e in read for v in e.summary.value if v.metadata.plugin_data.plugin_name == "hparams"}
    assert len(plugins) == 3 and any("optimizer.learning_rate" in str(e) for e in read)


def test_an_export_made_again_takes_the_place_of_the_former(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra `track` is not installed")
    for accuracy in (0.5, 0.75):
        made = record()
        made["final"]["test"] |= {"accuracy": accuracy, "error": 1 - accuracy}
        write(tmp_path / "runs", made)
        assert main([str(tmp_path / "runs"), "--to", "tensorboard", "--out", str(tmp_path / "logs")]) == 0
    (folder,) = (tmp_path / "logs").iterdir()
    assert [path.name for path in folder.iterdir()] == [tensorboard.FILE], "whose name says nothing of the time"
    found = [v.simple_value for e in events(folder) for v in e.summary.value if v.tag == "results/test_error"]
    assert found == [0.25]


def test_what_cannot_be_read_is_said_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboardX", reason="the extra `track` is not installed")
    write(tmp_path / "runs", record(status="diverged", reason="nan at step 7"), "lost")
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "record.json").write_text("{")
    assert main([str(tmp_path / "runs"), "--to", "tensorboard", "--out", str(tmp_path / "logs")]) == 0
    said = capsys.readouterr()
    assert "1 run written" in said.out and "tensorboard --logdir" in said.out
    assert "broken: record.json is not whole JSON" in said.err
    (folder,) = (tmp_path / "logs").iterdir()
    assert any("diverged: nan at step 7" in str(event) for event in events(folder))


def test_no_name_in_a_record_leads_elsewhere(tmp_path: Path) -> None:
    made = record(data="../../../x")
    made["network"]["label"] = "..\\/ \u202e"
    made["config"]["seed"] = "/etc"
    name = exported(tmp_path / ".." / "..", made).name
    assert "/" not in name and "\\" not in name and ".." not in name and not name.startswith(".")


def test_odd_records_make_no_trouble(tmp_path: Path) -> None:
    for odd in ({}, {"history": 3}, {"config": []}, {"measured": {"started": "soon", "finished": 7}}):
        run = exported(tmp_path, {"schema": 1, "status": "ok", **odd})
        assert run.started == 0.0 and run.scalars == ()


def test_runs_are_added_to_mlflow_once(tmp_path: Path) -> None:
    package = pytest.importorskip("mlflow", reason="the extra `track` is not installed")
    made = make_record(epochs=250)
    made["measured"] |= {"started": "2023-11-14T22:13:20+00:00", "finished": "2023-11-14T22:15:00+00:00"}
    made["config"] |= {"long": "x" * 5000, "many": {f"option{i}": i for i in range(150)}}  # more than it takes at once
    write(tmp_path / "runs", made)
    write(tmp_path / "runs", record(seed=1, status="diverged", reason="nan"))
    command = [str(tmp_path / "runs"), "--to", "mlflow", "--out", str(tmp_path / "mlruns")]
    assert main(command) == main(command) == 0
    client = package.MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())
    added = client.search_runs([client.get_experiment_by_name("MNIST").experiment_id])
    assert len(added) == 2
    found = {r.data.tags["lab.run_id"]: r for r in added}
    assert sorted(r.info.status for r in found.values()) == ["FAILED", "FINISHED"]
    run = found[made["run_id"]]
    assert run.data.metrics["results/test_error"] == pytest.approx(made["final"]["test"]["error"])
    assert run.data.params["optimizer.learning_rate"] == "0.01" and run.info.start_time == STARTED * 1000
    assert run.data.params["long"] == ('"' + "x" * 5000)[:500]
    history = client.get_metric_history(run.info.run_id, "valid/error")
    assert [m.step for m in history] == [550 * n for n in range(1, 251)]
    assert run.data.params["many.option149"] == "149"


class Server:
    """What a server of MLflow's is asked for; it takes no more than so much at once, as a folder does not mind."""

    def __init__(self) -> None:
        self.sizes: dict[str, list[int]] = {"params": [], "metrics": []}

    def get_experiment_by_name(self, name: str) -> None:
        return None

    def create_experiment(self, name: str) -> str:
        return "1"

    def search_runs(self, *asked: Any, **options: Any) -> list[Any]:
        return []

    def create_run(self, experiment: str, **options: Any) -> Any:
        return SimpleNamespace(info=SimpleNamespace(run_id="a"))

    def log_batch(self, run_id: str, **given: list[Any]) -> None:
        for kind, values in given.items():
            self.sizes[kind].append(len(values))

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        pass


def test_a_server_is_given_no_more_than_it_takes_at_once(tmp_path: Path) -> None:
    made = make_record(epochs=250)
    made["config"]["many"] = {f"option{i}": i for i in range(150)}
    run, server = exported(tmp_path, made), Server()
    kinds = SimpleNamespace(Metric=lambda *parts: parts, Param=lambda *parts: parts)
    assert mlflow._write(kinds, server, run)
    params, metrics = server.sizes["params"], server.sizes["metrics"]
    assert max(params) == mlflow.PARAMS and sum(params) == len(run.options) > 150
    assert max(metrics) == mlflow.METRICS and sum(metrics) == len(run.scalars) + len(run.results)


@pytest.mark.parametrize(("tracker", "package"), [("tensorboard", "tensorboardX"), ("mlflow", "mlflow")])
def test_a_missing_extra_is_one_sentence(
    tracker: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    write(tmp_path / "runs", record())
    with pytest.raises(UsageError, match="the extra track brings it: make setup EXTRAS=dev,fast,track"):
        main([str(tmp_path / "runs"), "--to", tracker, "--out", str(tmp_path / "logs")])
    assert not (tmp_path / "logs").exists()


def test_a_place_that_takes_nothing_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra `track` is not installed")
    write(tmp_path / "runs", record())
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        main([str(tmp_path / "runs"), "--to", "tensorboard", "--out", str(tmp_path / "file")])
    with pytest.raises(UsageError, match="is an address"):
        main([str(tmp_path / "runs"), "--to", "tensorboard", "--out", "http://localhost:1"])


def test_the_command_is_part_of_lab(tmp_path: Path) -> None:
    write(tmp_path / "runs", record())
    command = [sys.executable, "-m", "lab", "export", str(tmp_path / "runs"), "--to", "nothing"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2 and "tensorboard" in found.stderr and "mlflow" in found.stderr
    assert json.loads((tmp_path / "runs" / record()["run_id"] / "record.json").read_text())["schema"] == 1
