"""What counts as training time: the device's work, wherever it is waited for, and nothing that comes before a step."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import lab

ROWS = lab.Split(np.arange(24, dtype=np.float32).reshape(8, 3), np.arange(8) % 2)


def test_waiting_for_the_device_is_training_time() -> None:
    trainer = lab.BackpropTrainer(lab.mlp(depth=1, width=2), batch_size=2)
    trainer.ops.synchronize = lambda: time.sleep(0.05)  # type: ignore[method-assign]
    (epoch,) = trainer.fit(ROWS, epochs=1)
    assert epoch.train_seconds >= 0.05


def test_a_checkpoint_in_an_epoch_waits_for_the_steps_first(tmp_path: Path) -> None:
    trainer = lab.BackpropTrainer(lab.mlp(depth=1, width=2), batch_size=2)
    waited: list[int] = []
    trainer.ops.synchronize = lambda: waited.append(trainer.progress.batch)  # type: ignore[method-assign]
    for _ in trainer.fit(ROWS, epochs=1, on_step=lambda t: t.save(tmp_path / "c.safetensors")):
        pass
    assert waited == [1, 2, 3, 4, 4]
