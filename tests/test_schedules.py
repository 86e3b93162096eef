"""Learning rates that change over the epochs."""

from __future__ import annotations

from typing import Any

import pytest

from lab.config import parse
from lab.errors import UsageError
from lab.networks import mlp
from lab.optimizers import SGD, Adam
from lab.schedules import gain
from lab.trainers import BackpropTrainer
from tests.test_conf import composed
from tests.trainers.test_forward_forward import toy

PUBLISHED = ("50%:0.25", "75%:0.25", "89%:0.25", "94%:0.25")


def test_steps_multiply_the_rate_once_so_many_epochs_are_done() -> None:
    rates = [gain(PUBLISHED, epoch, 100) for epoch in range(1, 101)]
    assert [epoch for epoch in range(2, 101) if rates[epoch - 1] != rates[epoch - 2]] == [51, 76, 90, 95]
    assert sorted(set(rates), reverse=True) == [0.25**k for k in range(5)]
    assert [gain(("2:0.1", "50%:0.5"), epoch, 6) for epoch in range(1, 7)] == [1, 1, 0.1, *[pytest.approx(0.05)] * 3]
    for share in (7, 14, 28, 55, 56):  # which are not exact in binary
        assert [gain((f"{share}%:0.5",), epoch, 100) for epoch in (share, share + 1)] == [1, 0.5]
    assert gain(("3:0.5",), 9, 10**9) == 0.5 and gain(("1%:0.5",), 9, 10**9) == 1


@pytest.mark.parametrize("optimizer", [SGD(0.1, 0.0, schedule=("1:0.5", "2:0")), Adam(0.1, schedule=("1:0.5", "2:0"))])
def test_a_trainer_follows_them(optimizer: Any) -> None:
    trainer, last = BackpropTrainer(mlp(depth=1, width=8), optimizer=optimizer, seed=0), {}
    rates = []
    for record in trainer.fit(toy(), epochs=3):
        rates.append(record.learning_rate)
        if record.epoch == 2:
            last = {name: array.copy() for name, array in trainer.network.parameters().items()}
    assert rates == [0.1, 0.05, 0.0]
    assert all((array == last[name]).all() for name, array in trainer.network.parameters().items())


def test_a_config_names_them() -> None:
    config = parse(composed("trainer=backprop", "optimizer.schedule=[50%:0.25,40:0.1]"))
    assert config.optimizer is not None and config.optimizer["schedule"] == ("50%:0.25", "40:0.1")
    assert parse(config.as_dict()) == config


@pytest.mark.parametrize(
    "step", ["50%", "0%:0.5", "100%:0.5", "1.5:0.5", "half:0.5", "50%:-1", "5:0.1:2", "\u0665:0.1"]
)
def test_what_is_no_step_is_refused(step: str) -> None:
    with pytest.raises(UsageError, match=r"is no step of a learning rate; write when:factor, such as 50%:0\.25"):
        Adam(schedule=(step,))
    with pytest.raises(UsageError, match="constant, cooldown, cosine"):
        Adam(schedule=step)  # type: ignore[arg-type]


def test_a_step_that_never_comes_is_refused_before_any_work() -> None:
    trainer = BackpropTrainer(mlp(depth=1, width=8), optimizer=SGD(0.1, schedule=("50%:0.5", "3:0.5")), seed=0)
    with pytest.raises(UsageError, match=r"the step '3:0\.5' .* comes after 3 epochs, and there are 3; train"):
        next(trainer.fit(toy(), epochs=3))
    assert trainer.progress.step == 0
    assert len(list(trainer.fit(toy(), epochs=4))) == 4
