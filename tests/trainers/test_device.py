"""Whole trainings on a device: no host array gets into them, and the host waits for nothing inside an epoch."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import lab
from lab.data.augment import Augment
from lab.trainers.deep_supervision import DeepSupervisionTrainer
from tests.backend import device
from tests.backend.device import DeviceArray, HostArrayLeak

TRAINERS = {
    "backprop": lambda **o: lab.BackpropTrainer(lab.mlp(depth=2, width=12), **o),
    "backprop on images": lambda **o: lab.BackpropTrainer(lab.cnn(channels=(2, 3)), **o),
    "forward_forward": lambda **o: lab.ForwardForwardTrainer(lab.mlp(depth=3, width=12), **o),
    "uniform negatives": lambda **o: lab.ForwardForwardTrainer(
        lab.mlp(depth=2, width=12), negatives="uniform", passes="separate", optimizer=lab.Adam(0.01), **o
    ),
    "label as a wave": lambda **o: lab.ForwardForwardTrainer(lab.cnn(channels=(2, 3), label="pattern"), **o),
    "steps": lambda **o: lab.ForwardForwardTrainer(lab.rnn(units=6), **o),
    "gated steps": lambda **o: lab.BackpropTrainer(lab.lstm(units=6), **o),
    "local fields": lambda **o: lab.BackpropTrainer(
        lab.local_fields(channels=(2, 3), kernel=[3, 2], stride=[1, 1]), **o
    ),
    "local": lambda **o: lab.LocalSupervisedTrainer(lab.mlp(depth=2, width=12), **o),
    "contrastive": lambda **o: lab.ContrastiveTrainer(lab.mlp(depth=2, width=12), **o),
    "hybrids": lambda **o: lab.UnsupervisedTrainer(lab.mlp(depth=2, width=12), **o),
    "feedback alignment": lambda **o: lab.FeedbackAlignmentTrainer(lab.mlp(depth=2, width=12), **o),
    "late beliefs": lambda **o: lab.ForwardForwardTrainer(lab.mlp(depth=2, width=12), belief_delay=2, **o),
    "lean backprop": lambda **o: lab.BackpropTrainer(lab.mlp(depth=3, width=12), recompute=2, micro_batches=2, **o),
    "dropout": lambda **o: lab.BackpropTrainer(lab.mlp(depth=2, width=12, dropout=0.3), **o),
    "deep supervision": lambda **o: DeepSupervisionTrainer(lab.mlp(depth=2, width=12), **o),
    "forward_forward on images": lambda **o: lab.ForwardForwardTrainer(lab.cnn(channels=(2, 3)), **o),
}

# whose steps ask the host for something
ONE_BY_ONE = {
    "contrastive": "the host draws for each step",
    "late beliefs": "belief_delay has the host choose",
    "deep supervision": "not known to need nothing of the host: DeepSupervisionTrainer",
}


def rows(n: int = 23) -> Any:
    rng = np.random.default_rng(0)
    return lab.Split(rng.integers(0, 256, (n, 1, 8, 8), np.uint8), np.arange(n) % 3, 1 / 255)


def trained(name: str, backend: str) -> tuple[Any, list[int]]:
    """A trainer after three epochs, and how often each epoch's steps made the host wait."""
    trainer = TRAINERS[name](backend=backend, batch_size=5, dtype="float64")
    found = []
    steps = trainer._train_epoch

    def counted(*args: Any) -> None:
        before = device.waits[0]
        steps(*args)
        found.append(device.waits[0] - before)

    trainer._train_epoch = counted
    for _ in trainer.fit(rows(), rows(7), epochs=3):
        pass
    return trainer, found


@pytest.mark.parametrize("backend", ["device", "fused_device", "repeating_device"])
@pytest.mark.parametrize("name", TRAINERS)
def test_a_training_on_a_device_waits_for_nothing_and_equals_one_on_the_cpu(name: str, backend: str) -> None:
    trainer, waits = trained(name, backend)
    assert waits == [0, 0, 0]
    if backend == "repeating_device":  # one record for whole batches and one for the short last one
        assert [made._ran for made in trainer.ops.made] == ([] if name in ONE_BY_ONE else [12, 3])
        graphs = trainer.graphs()
        assert graphs["used"] is (name not in ONE_BY_ONE)
        assert graphs["reason"] is None if graphs["used"] else graphs["reason"].startswith(ONE_BY_ONE[name])
    else:
        assert trainer.graphs() is None
    expected, _ = trained(name, "numpy")
    for key, array in expected.state().items():
        np.testing.assert_allclose(trainer.state()[key], array, rtol=1e-8, atol=1e-10, err_msg=key)
    x = rows().x
    np.testing.assert_allclose(trainer.predict_proba(x), expected.predict_proba(x), atol=1e-8)


class OwnBackprop(lab.BackpropTrainer):
    family = "own"


class OwnSGD(lab.SGD):
    pass


@pytest.mark.parametrize(
    ("made", "options", "reason"),
    [
        (lambda **o: OwnBackprop(lab.mlp(depth=1, width=4), **o), {}, "not known to need nothing of the host: OwnB"),
        (lambda **o: lab.BackpropTrainer(lab.mlp(depth=1, width=4), optimizer=OwnSGD(0.1), **o), {}, "OwnSGD"),
        (
            lambda **o: lab.ForwardForwardTrainer(lab.mlp(depth=2, width=4), schedule="greedy", **o),
            {},
            "schedule=greedy",
        ),
        (lambda **o: lab.BackpropTrainer(lab.mlp(depth=1, width=4), **o), {"augment": Augment()}, "augment"),
    ],
)
def test_why_a_gpu_makes_steps_one_by_one_is_told(made: Any, options: Any, reason: str) -> None:
    trainer = made(backend="repeating_device", batch_size=5, dtype="float64")
    split = dataclasses.replace(rows(), **options)
    list(trainer.fit(split, epochs=2))
    assert trainer.ops.made == []
    assert trainer.graphs()["used"] is False and reason in trainer.graphs()["reason"]


def test_a_step_that_cannot_be_recorded_is_told_beside_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refuses(device.RepeatingDevice):
        """Records whole batches alone."""

        def repeated(self, work: Any, tell: Any) -> Any:
            if not self.made:
                return super().repeated(work, tell)
            tell("RuntimeError: refused")
            return work

    trainer = TRAINERS["backprop"](backend="repeating_device", batch_size=5)
    trainer.ops = Refuses()
    assert trainer.graphs() is None
    list(trainer.fit(rows(), epochs=3))
    assert trainer.graphs() == {"used": True, "reason": "RuntimeError: refused"}


def test_the_device_notices_what_it_is_for() -> None:
    ops = device.Device()
    x = ops.zeros((3,))
    for leak in (lambda: x + np.ones(3), lambda: np.exp(x), lambda: ops.xp.add(x, np.ones(3)), lambda: np.ones(3) * x):
        with pytest.raises((HostArrayLeak, TypeError)):
            leak()
    before = device.waits[0]
    assert isinstance(x.sum(), DeviceArray)
    assert not float(x.sum()) and not bool(x[0] > 0)
    assert device.waits[0] == before + 2
