"""Rollouts: what the network writes, and that its negative rows are windows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.data import Split
from lab.errors import UsageError
from lab.networks import linear, mlp
from lab.trainers import ChanceTrainer, RolloutTrainer
from tests.trainers.test_forward_forward import toy

K, WINDOW = 5, 4
CODES = np.arange(400) % K  # after each character comes the next one of five


def rows(n: int = 100) -> Split:
    x = np.stack([CODES[i : i + WINDOW] for i in range(n)]).astype(np.uint8)
    return Split(x, CODES[WINDOW : WINDOW + n], 1.0, "text", K)


def made(**options: Any) -> RolloutTrainer:
    return RolloutTrainer(mlp(depth=2, width=16), strings=7, length=6, batch_size=20, dtype="float64", **options)


def test_it_writes_what_its_head_believes() -> None:
    trainer = made()
    list(trainer.fit(rows(), epochs=1))
    for name, w in trainer._head.weights.items():
        w[...] = 0
        w[:, 2] = 100.0 if name else 0.0  # activities are positive, so the head is sure of 2
    first = rows(3).x
    written = trainer.write(first, 5)
    assert np.array_equal(written[:, :WINDOW], first) and (written[:, WINDOW:] == 2).all()


def test_what_it_is_unsure_of_is_drawn_from_its_beliefs() -> None:
    trainer = made()
    trainer.build((WINDOW, K), K, "classification", 1.0, K)  # the head's weights are 0: all characters are as probable
    first = np.zeros((4000, WINDOW), dtype=np.uint8)
    written = trainer.write(first, 1)[:, WINDOW]
    assert np.abs(np.bincount(written, minlength=K) / 4000 - 1 / K).max() < 0.03
    assert np.array_equal(written, trainer.write(first, 1)[:, WINDOW])
    assert not np.array_equal(written, trainer.write(first, 1, key=1)[:, WINDOW])


def test_negative_rows_are_windows_of_what_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, seen = made(), []
    drawn = RolloutTrainer._drawn

    def look(self: RolloutTrainer, step: Any, n: int) -> Any:
        found = drawn(self, step, n)
        seen.append((found[0].argmax(axis=2), found[1].copy(), self._written.astype(int).copy()))
        return found

    monkeypatch.setattr(RolloutTrainer, "_drawn", look)
    list(trainer.fit(rows(), epochs=2))
    assert len(seen) == 10 and not np.array_equal(seen[0][2], seen[-1][2])  # written anew before each epoch
    begins = set()
    for windows, following, written in seen:
        there = {tuple(line[t : t + WINDOW + 1]) for line in written for t in range(6)}
        assert {(*w, k) for w, k in zip(windows, following, strict=True)} <= there
        begins |= {tuple(line[:WINDOW]) for line in written}
    assert begins <= {tuple(row) for row in rows().x}  # each string begins as the text does somewhere


def test_it_goes_on_in_the_middle_of_an_epoch_with_the_same_strings(tmp_path: Path) -> None:
    whole = made()
    list(whole.fit(rows(), epochs=2))

    class Enough(Exception):
        pass

    def stop(trainer: Any) -> None:
        if trainer.progress.step == 7:
            raise Enough

    part = made()
    with pytest.raises(Enough):
        list(part.fit(rows(), epochs=2, on_step=stop))
    part.save(tmp_path / "part.safetensors")
    again = made().load(tmp_path / "part.safetensors")
    list(again.fit(rows(), epochs=2))
    for name, value in whole.state().items():
        assert np.array_equal(value, again.state()[name]), name


def test_the_head_learns_beside_it() -> None:
    trainer = made()
    list(trainer.fit(rows(), epochs=10))
    assert trainer.evaluate(rows())["accuracy_softmax"] == 1.0


def test_rows_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match="writes text"):
        list(made().fit(toy(20), epochs=1))
    with pytest.raises(UsageError, match="write nothing"):
        RolloutTrainer(mlp(), strings=0)


def test_the_unigram_model_is_chance_by_frequency() -> None:
    data = rows(103)  # classes are not equally frequent
    trainer = ChanceTrainer(linear(), guess="prior", dtype="float64")
    list(trainer.fit(data, epochs=1))
    p = (np.bincount(data.y, minlength=K) + 1) / (len(data.y) + K)
    found = trainer.evaluate(data)
    assert found["loss"] == pytest.approx(-np.log(p[data.y]).mean())
    assert found["bits_per_character"] == pytest.approx(found["loss"] / np.log(2))
    assert found["accuracy"] == (data.y == p.argmax()).mean()
    with pytest.raises(UsageError, match="guess"):
        ChanceTrainer(linear(), guess="most")  # type: ignore[arg-type]
