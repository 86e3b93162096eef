"""Late beliefs: hard negatives drawn from what the head thought of the very images some steps ago."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.backend import Array
from lab.errors import UsageError
from lab.layers import Ctx
from lab.networks import mlp
from lab.trainers import ForwardForwardTrainer
from tests.trainers.test_forward_forward import toy
from tests.trainers.test_resume import results

BATCH, STEPS = 10, 6  # an epoch of 60 rows


def late(delay: int, **options: Any) -> ForwardForwardTrainer:
    return ForwardForwardTrainer(mlp(depth=2, width=7), belief_delay=delay, batch_size=BATCH, seed=3, **options)


class Watched(ForwardForwardTrainer):
    """Writes down from what beliefs negatives are drawn, and for which images."""

    def draw_negatives(self, probabilities: Array | None, target: Array, index: Array, step: int) -> Array:
        assert probabilities is not None
        self.__dict__.setdefault("drawn", []).append((step, index.copy(), probabilities.copy()))
        return super().draw_negatives(probabilities, target, index, step)


@pytest.mark.parametrize("delay", [1, 2, 4])
def test_beliefs_are_those_of_the_network_so_many_steps_ago(delay: int) -> None:
    trainer = Watched(mlp(depth=2, width=7), belief_delay=delay, batch_size=BATCH, seed=3, dtype="float64")
    before: list[Any] = []  # the trainer after each step
    list(trainer.fit(toy(), epochs=1, on_step=lambda t: before.append(deepcopy(t))))
    drawn = trainer.__dict__["drawn"]
    assert [step for step, _, _ in drawn] == list(range(STEPS))
    for step, index, probabilities in drawn:
        if step <= delay:
            continue  # of the first network, whose head was taught in between: no copy of that was kept
        then = before[step - delay - 1]  # as it was when step - delay began
        images = then.ops.gather(toy().x, index, toy().scale)
        neutral, _ = then.neutral(images)
        expected = then._head.probabilities(neutral, Ctx(then.ops, train=True))
        np.testing.assert_allclose(probabilities, expected, rtol=1e-12, err_msg=f"step {step}")


def test_the_head_sees_each_batch_once_and_in_order() -> None:
    """With blocks that do not learn, only the time at which the head sees a batch differs, and not what it learns."""
    from lab.optimizers import SGD

    heads = []
    for delay in (0, 2, 50):
        trainer = late(delay, optimizer=SGD(0.0, 0.0))
        list(trainer.fit(toy(), epochs=2))
        heads.append({k: a.tobytes() for k, a in trainer._head.arrays().items()})
        assert [r.blocks[0]["name"] for r in trainer.progress.history] == ["head", "head"]
    assert heads[0] == heads[1] == heads[2]
    losses = {delay: [r.blocks[0]["loss"] for r in fitted(delay).progress.history] for delay in (0, 3)}
    assert losses[0][0] != losses[3][0]  # and with blocks that do, it does differ


def fitted(delay: int) -> ForwardForwardTrainer:
    trainer = late(delay)
    list(trainer.fit(toy(), epochs=2))
    return trainer


@pytest.mark.parametrize("delay", [1, 3, 9])
@pytest.mark.parametrize("at", [1, 5, 6, 8])
def test_resume_is_bit_exact(delay: int, at: int, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def save(trainer: ForwardForwardTrainer) -> None:
        if trainer.progress.step == at:
            trainer.save(tmp_path / "c")
            raise Stop

    with pytest.raises(Stop):
        list(late(delay).fit(toy(), epochs=2, on_step=save))
    resumed = late(delay).load(tmp_path / "c")
    list(resumed.fit(toy(), epochs=2))
    assert results(resumed) == results(fitted(delay))
    with pytest.raises(UsageError, match=f"trained with belief_delay={delay}, this trainer has belief_delay=0"):
        late(0).load(tmp_path / "c")


def test_only_hard_negatives_have_beliefs_to_wait_for() -> None:
    for negatives in ("uniform", "fixed"):
        with pytest.raises(UsageError, match=f"belief_delay=2 does not fit negatives={negatives}"):
            late(2, negatives=negatives)
    with pytest.raises(UsageError, match="belief_delay=-1"):
        late(-1)
