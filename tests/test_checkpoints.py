"""A run's checkpoints: two generations and the best, a bad one set aside, another build only where it is allowed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lab.run
from lab.config import RunConfig, parse
from lab.errors import Busy, UsageError
from lab.record.checkpoint import read_checkpoint, write_checkpoint
from lab.record.generations import Generations
from lab.record.keeper import Keeper
from lab.record.record import RunRecord
from lab.run import run
from tests.sweep.conftest import raw_config

STEPS = 3 * 7  # three epochs over 64 rows, ten at a time


class Eager(Keeper):
    """Writes a checkpoint whenever it is offered one."""

    def offer(self, *details: object) -> bool:
        self.keep(*details)
        return True


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    rng = np.random.default_rng(0)
    y = np.arange(100) % 2
    np.savez(tmp_path / "rows.npz", x=(rng.normal(size=(100, 6)) + y[:, None]).astype(np.float32), y=y)
    monkeypatch.setattr(lab.run, "Keeper", Eager)
    return parse(raw_config(tmp_path, imports=[], trainer__name="backprop"))


def stopped_after(config: RunConfig, path: Path, steps: int) -> None:
    left = iter(range(steps))
    with pytest.raises(Busy):
        run(config, checkpoint=path, stopped=lambda: next(left, None) is None)


def digest(path: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in read_checkpoint(path)[0].items()}


def without_times(record: RunRecord) -> dict[str, Any]:
    return {key: value for key, value in record.as_dict().items() if key != "measured"}


def test_the_last_two_and_the_best_are_kept(config: RunConfig, tmp_path: Path) -> None:
    kept = Generations(tmp_path / "c" / "checkpoint.safetensors")
    kept.newest.parent.mkdir()
    record = run(config, checkpoint=kept.newest)
    steps = [read_checkpoint(path)[1]["progress"]["step"] for path in (kept.newest, kept.previous)]
    assert steps == [STEPS, STEPS]  # after the last step, and with what the validation rows then gave
    accuracies = [epoch["valid"]["accuracy"] for epoch in record.history]
    best = read_checkpoint(kept.best)[1]["progress"]["history"]
    assert len(best) == 1 + accuracies.index(max(accuracies))
    assert sorted(path.name for path in kept.newest.parent.iterdir()) == sorted(
        path.name for path in (kept.newest, kept.previous, kept.best)
    )


def test_the_best_is_known_to_a_resumed_run(tmp_path: Path) -> None:
    def write(accuracy: float) -> None:
        kept = Generations(tmp_path / "checkpoint.safetensors")
        header = {"progress": {"history": [{"valid": {"accuracy": accuracy}}]}}
        kept.write(lambda path, keep: write_checkpoint(path, {}, header, keep), {"accuracy": accuracy})

    for accuracy in (0.5, 0.9, 0.7):
        write(accuracy)
    names = ("checkpoint", "checkpoint-previous", "checkpoint-best")
    found = [read_checkpoint(tmp_path / f"{name}.safetensors")[1]["progress"]["history"][0]["valid"] for name in names]
    assert [valid["accuracy"] for valid in found] == [0.7, 0.9, 0.9]


def test_a_bad_checkpoint_is_set_aside_and_the_one_before_is_used(config: RunConfig, tmp_path: Path) -> None:
    whole = run(config, checkpoint=tmp_path / "whole.safetensors")
    kept = Generations(tmp_path / "checkpoint.safetensors")
    for bad in (1, 2, 3):
        for path in tmp_path.glob("checkpoint*"):
            path.unlink()
        stopped_after(config, kept.newest, 9)
        for path in (kept.newest, kept.previous, kept.best)[:bad]:
            contents = bytearray(path.read_bytes())
            contents[-1] ^= 1
            path.write_bytes(contents)
        record = run(config, checkpoint=kept.newest)
        notes = record.measured["notes"]
        assert len(notes) == bad + 1 and all("SHA-256" in note and ".bad" in note for note in notes[:bad])
        end = ["resumed after epoch 1, step 9, from checkpoint-previous.safetensors",
               "resumed after epoch 1, step 7, from checkpoint-best.safetensors", "started anew"][bad - 1]  # fmt: skip
        assert notes[-1] == end and record.measured["resumed"] is (bad < 3)
        assert len(list(tmp_path.glob("checkpoint*.bad"))) == bad
        assert without_times(record) == without_times(whole)
        assert digest(kept.newest) == digest(tmp_path / "whole.safetensors")


def test_another_build_goes_on_only_where_it_is_allowed(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    stopped_after(config, path, 9)
    before = path.read_bytes()
    real = lab.run.build_of
    monkeypatch.setattr(lab.run, "build_of", lambda facts: {**real(facts), "numpy": "1.0"})
    with pytest.raises(UsageError, match=r"numpy .* there and 1\.0 here.*allow_env_change=true"):
        run(config, checkpoint=path)
    assert path.read_bytes() == before
    allowed = parse({**config.as_dict(), "allow_env_change": True})
    record = run(allowed, checkpoint=path)
    assert record.status == "ok" and record.measured["resumed"] is True
    assert record.measured["notes"][-1].startswith("not bit for bit the same as an uninterrupted run: numpy")
    assert allowed.resolved() == config.resolved()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("run", "f" * 16, "of run 'ffffffffffffffff'"),
        ("in_shape", [10**9], "of other data"),
        ("in_shape", "x", "of other data"),
        ("n_outputs", 10**9, "of other data"),
        ("task", None, "of other data"),
        ("progress", None, "is damaged"),
        ("progress", {"epoch": "many"}, "is damaged"),
        ("scale", "x", "of other data"),
        ("options", [], "is damaged"),
    ],
)
def test_a_header_with_a_right_digest_and_wrong_words(
    config: RunConfig, tmp_path: Path, key: str, value: Any, words: str
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    stopped_after(config, path, 3)
    arrays, header = read_checkpoint(path)
    Generations(path).previous.unlink()
    write_checkpoint(path, arrays, {**header, key: value})
    record = run(config, checkpoint=path)
    assert record.status == "ok" and words in record.measured["notes"][0]
    assert record.measured["notes"][1:] == ["started anew"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("epoch", -5), ("epoch", 10**4000), ("step", True), ("batch", 1.5), ("images", 2**53), ("seconds", -1.0)],
    ids=lambda value: f"{value!r:.12}",
)
def test_a_header_with_a_right_digest_that_counts_wrongly(
    config: RunConfig, tmp_path: Path, name: str, value: Any
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    stopped_after(config, path, 3)
    arrays, header = read_checkpoint(path)
    Generations(path).previous.unlink()
    write_checkpoint(path, arrays, {**header, "progress": {**header["progress"], name: value}})
    record = run(config, checkpoint=path)
    note, *rest = record.measured["notes"]
    assert record.status == "ok" and "is damaged" in note and len(note) < 400 and rest == ["started anew"]
