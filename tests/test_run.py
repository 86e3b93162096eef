"""run(config) in this process: what it records, what it raises, and what it leaves alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.config import parse
from lab.data import load_dataset
from lab.errors import Busy, StorageError, UsageError
from lab.networks import Network
from lab.record import storage
from lab.record.answers import unpacked
from lab.run import _PARTS, run
from tests.sweep.conftest import raw_config


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    path = tmp_path / "rows.npz"
    np.savez(path, x=(rng.normal(size=(90, 6)) + 3 * y[:, None]).astype(np.float32), y=y)
    return path


def values(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    return raw_config(tmp_path, imports=[], **{"trainer__name": "backprop", **changes})


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "measured"}


@pytest.mark.parametrize("trainer", ["backprop", "forward_forward"])
def test_the_same_run_twice_is_the_same_record(rows: Path, tmp_path: Path, trainer: str) -> None:
    config = parse(values(tmp_path, trainer__name=trainer))
    events: list[dict[str, Any]] = []
    first, second = run(config, tell=events.append), run(config)
    assert first.status == "ok" and without_times(first.as_dict()) == without_times(second.as_dict())
    assert [event["event"] for event in events if event["event"] != "step"] == ["start", "epoch", "epoch", "epoch"]
    assert [epoch["epoch"] for epoch in first.history] == [1, 2, 3] and first.family == trainer
    right = unpacked(first.final["right"], first.data["n_test"])
    assert right is not None and right.mean() == pytest.approx(first.final["test"]["accuracy"])
    assert first.final["valid"] == first.history[-1]["valid"] and first.final["test"]["n"] == first.data["n_test"]
    seconds = first.measured["seconds"]
    assert seconds["total"] == pytest.approx(sum(seconds[part] for part in (*_PARTS, "other")))
    assert seconds["train"] == pytest.approx(sum(epoch["train_seconds"] for epoch in first.measured["epochs"]))
    assert first.measured["to_target"] is None and first.measured["steps_per_second"] > 0
    per_sample = first.cost["flops_per_step"] / config.trainer["batch_size"]
    assert first.measured["flops_per_second"] == pytest.approx(per_sample * first.measured["samples_per_second"])
    assert run(parse(values(tmp_path, trainer__name=trainer, seed=1))).history != first.history


def test_a_target_changes_the_record_and_not_the_run(rows: Path, tmp_path: Path) -> None:
    plain, aimed = run(parse(values(tmp_path))), run(parse(values(tmp_path, target=0.01)))
    assert aimed.run_id == plain.run_id and aimed.history == plain.history
    found = aimed.measured["to_target"]
    assert (found["target"], found["epochs"]) == (0.01, 1)
    assert found["seconds"] == aimed.measured["epochs"][0]["train_seconds"]
    assert aimed.measured["graphs"] is None  # a CPU has none
    with pytest.raises(UsageError, match="write 97 % as"):
        parse(values(tmp_path, target=97.0))


@pytest.mark.parametrize("trainer", ["backprop", "forward_forward", "feedback_alignment"])
def test_diagnostics_are_recorded_and_change_no_result(rows: Path, tmp_path: Path, trainer: str) -> None:
    plain = run(parse(values(tmp_path, trainer__name=trainer)))
    config = parse(values(tmp_path, trainer__name=trainer, diagnose=["weight_norms", "cosine"]))
    looked = run(config)
    assert config.diagnose == ("cosine", "weight_norms") and looked.run_id != plain.run_id
    assert looked.final == plain.final and looked.memory == plain.memory
    last = {row["name"]: row for row in looked.history[-1]["blocks"]}
    assert last["block1"]["weight_norms"] > 0 and -1 <= last["block1"]["cosine"] <= 1 + 1e-6
    seconds = looked.measured["seconds"]
    assert seconds["diagnose"] > 0 and "diagnose" not in plain.measured["seconds"]
    assert seconds["train"] == pytest.approx(sum(epoch["train_seconds"] for epoch in looked.measured["epochs"]))
    assert looked.measured["energy_joules"] is None and looked.measured["process_peak_bytes"] is None
    assert run(parse(values(tmp_path, trainer__name=trainer, diagnose=["cosine"], data__valid=0))).status == "ok"


@pytest.mark.parametrize("trainer", ["backprop", "forward_forward"])
def test_measures_come_last_and_change_nothing(rows: Path, tmp_path: Path, trainer: str) -> None:
    plain = run(parse(values(tmp_path, trainer__name=trainer)))
    config = parse(values(tmp_path, trainer__name=trainer, measures=["corruption", "calibration"]))
    measured = run(config)
    assert config.measures == ("calibration", "corruption") and measured.run_id != plain.run_id
    assert set(measured.final.pop("measures")) == {"calibration"}  # rows that are no images
    assert measured.final == plain.final and measured.memory == plain.memory


def test_test_rows_that_stay_shut(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run(parse(values(tmp_path)))
    shut = parse(values(tmp_path, test="closed"))
    data = load_dataset(str(rows))
    object.__setattr__(data, "test", None)  # whoever opened them would fail
    monkeypatch.setattr("lab.run._data_facts", lambda data: plain.data)
    monkeypatch.setattr("lab.run._few_rows", lambda config, data: [])
    monkeypatch.setattr(type(data), "augmented", lambda self, augment: self)
    record = run(shut, data=data)
    assert record.status == "ok" and record.final == {key: plain.final[key] for key in ("valid", "forward_rows")}
    assert record.run_id != plain.run_id and record.memory == plain.memory
    with pytest.raises(UsageError, match="which test=closed keeps shut"):
        parse(values(tmp_path, test="closed", measures=["calibration"]))


def test_without_validation_rows(rows: Path, tmp_path: Path) -> None:
    record = run(parse(values(tmp_path, data__valid=0)))
    assert record.status == "ok" and record.final["valid"] == {} and record.data["n_valid"] == 0


def test_numbers_to_predict(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(90, 4))
    np.savez(tmp_path / "rows.npz", x=x, y=x @ np.array([1.0, -2.0, 0.5, 0.0]) + 3)
    changes = {"model": {"name": "linear"}, "objective": {"name": "squared_error"}, "trainer__epochs": 60}
    record = run(parse(values(tmp_path, **changes)))
    assert record.status == "ok" and record.final["test"]["r2"] > 0.95 and record.data["n_classes"] == 0
    wrong = parse(values(tmp_path, **{**changes, "objective": {"name": "cross_entropy"}}))
    with pytest.raises(UsageError, match="squared_error"):
        run(wrong)


@pytest.mark.parametrize("diagnose", [[], ["cosine", "dead_units"]])
def test_a_stop_leaves_a_checkpoint_from_which_the_run_ends_equal(rows: Path, tmp_path: Path, diagnose: Any) -> None:
    config, checkpoint = parse(values(tmp_path, diagnose=diagnose)), tmp_path / "checkpoint.safetensors"
    steps = iter(range(100))
    with pytest.raises(Busy, match="run it again to go on"):
        run(config, checkpoint=checkpoint, stopped=lambda: next(steps) == 8)
    again = run(config, checkpoint=checkpoint)
    assert again.measured["resumed"] is True and again.measured["notes"] == [
        "resumed after epoch 1, step 9, from checkpoint.safetensors"
    ]
    assert again.measured["energy_joules"] is None
    assert without_times(again.as_dict()) == without_times(run(config).as_dict())


def test_no_memory_for_the_network(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*arguments: Any, **options: Any) -> None:
        raise MemoryError("Unable to allocate 3.6 EiB")

    monkeypatch.setattr(Network, "build", build)
    record = run(parse(values(tmp_path)))
    assert (record.status, record.reason) == ("out_of_memory", "out of memory: Unable to allocate 3.6 EiB")
    assert record.history == [] and record.final == {} and record.measured["environment"]["numpy"]


@pytest.mark.filterwarnings("ignore:overflow")
def test_weights_that_are_not_finite_are_never_kept(rows: Path, tmp_path: Path) -> None:
    config = parse(values(tmp_path, data__valid=0, trainer__epochs=1, trainer__batch_size=1000,
                          optimizer={"name": "sgd", "learning_rate": 1e38, "momentum": 0.0}))  # fmt: skip
    checkpoint = tmp_path / "checkpoint.safetensors"
    record = run(config, checkpoint=checkpoint)
    assert record.status == "diverged" and "at step 1" in (record.reason or "")
    if checkpoint.exists():  # finite weights, of which the evaluation overflowed
        assert "the test rows" in (record.reason or "")


def test_a_full_disk_ends_the_run_and_not_as_a_result(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(storage.Disk):
        def write(self, descriptor: int, data: storage.Buffer) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "disk", Full())
    with pytest.raises(StorageError, match="free some disk space"):
        run(parse(values(tmp_path)), checkpoint=tmp_path / "checkpoint.safetensors")
    assert not list(tmp_path.glob(".*")) and not (tmp_path / "checkpoint.safetensors").exists()


def test_the_test_rows_are_opened_once_and_last(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lab.trainers import BackpropTrainer

    seen: list[str] = []
    evaluate = BackpropTrainer._evaluate

    def watched(self: Any, split: Any) -> Any:
        seen.append(split.name.rpartition("(")[2].rstrip(")"))
        return evaluate(self, split)

    monkeypatch.setattr(BackpropTrainer, "_evaluate", watched)
    run(parse(values(tmp_path)))
    assert seen == ["valid", "valid", "valid", "test"]


def test_data_may_be_handed_over(rows: Path, tmp_path: Path) -> None:
    config = parse(values(tmp_path))
    data = load_dataset(str(rows))
    rows.unlink()
    assert run(config, data=data).status == "ok"


@pytest.mark.parametrize("trainer", ["backprop", "forward_forward"])
def test_an_early_end_is_recorded_and_a_run_that_is_asked_again_ends_equal(
    rows: Path, tmp_path: Path, trainer: str
) -> None:
    changes = {"stop": {"name": "patience", "patience": 2}, "trainer__epochs": 30, "trainer__name": trainer}
    config, checkpoint = parse(values(tmp_path, **changes)), tmp_path / "checkpoint.safetensors"
    record = run(config, checkpoint=checkpoint)
    stop = record.final["stop"]
    assert stop["best_epoch"] + 2 == stop["stopped_epoch"] == len(record.history) < 30
    assert (stop["metric"], stop["restored"]) == ("accuracy", True)
    assert record.final["valid"] == record.history[stop["best_epoch"] - 1]["valid"]
    again = run(config, checkpoint=checkpoint)  # as if the process had ended before the record was written
    assert again.final == record.final and again.history == record.history
    other, steps = tmp_path / "other.safetensors", iter(range(1000))
    with pytest.raises(Busy):
        run(config, checkpoint=other, stopped=lambda: next(steps) == 7)
    assert without_times(run(config, checkpoint=other).as_dict()) == without_times(record.as_dict())
    plain = parse(values(tmp_path, **{**changes, "stop": None}))
    assert run(plain).run_id != record.run_id
    with pytest.raises(
        UsageError, match=r"stop needs validation rows to look at; give fit a valid split, or data\.valid"
    ):
        run(parse(values(tmp_path, **changes, data__valid=0)))


@pytest.mark.parametrize("limit", [5, 40, None])
def test_a_limit_that_leaves_few_test_rows_is_noted(rows: Path, tmp_path: Path, limit: int | None) -> None:
    record = run(parse(values(tmp_path, data__limit=limit, data__valid=3)))
    notes = record.measured["notes"]
    if limit == 5:
        assert notes == [
            "data.limit=5 leaves 5 test rows, so the test accuracy is known to within 44 points at 95 %; "
            "raise it for figures to compare"
        ]
    else:  # 18 test rows, of which a limit of 40 takes none away
        assert notes == []
