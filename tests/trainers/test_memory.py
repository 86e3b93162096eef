"""Memory, counted in bytes: flat in depth for forward-forward, linear for backprop; no allocation in a steady step."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from lab.data.dataset import Split
from lab.networks import mlp
from lab.optimizers import SGD
from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Readout, Trainer

WIDTH, BATCH = 64, 50


def rows(n: int = 2 * BATCH) -> Split:
    rng = np.random.default_rng(0)
    return Split(rng.random((n, 100)).astype(np.float32), np.arange(n) % 10)


def trained(kind: type[Any], depth: int, **options: Any) -> Any:
    trainer = kind(mlp(depth=depth, width=WIDTH), optimizer=SGD(1e-4, 0.9), batch_size=BATCH, **options)
    list(trainer.fit(rows(), epochs=1))
    return trainer


@pytest.mark.parametrize("passes", ["joint", "separate"])
@pytest.mark.parametrize("head", ["stored", "recomputed", "per_block"])
def test_forward_forward_activations_are_flat_in_depth(passes: str, head: Any) -> None:
    readout = Readout(head=head)
    # from three blocks on: the first reads no activities, the last passes none on
    used = {d: trained(ForwardForwardTrainer, d, passes=passes, readout=readout).memory() for d in (3, 8, 32)}
    for depth in (8, 32):
        assert used[depth]["activations"] == pytest.approx(used[3]["activations"], rel=0.02)
        assert used[depth]["gradients"] == pytest.approx(used[3]["gradients"], rel=0.02)
    a_block = (used[32]["readout"] - used[8]["readout"]) / 24  # the head's gradient, and what it keeps
    assert a_block == pytest.approx(WIDTH * 10 * 4 + (BATCH * WIDTH * 4 if head == "stored" else 0), rel=0.02)


def test_separate_passes_hold_fewer_rows() -> None:
    joint, separate = (trained(ForwardForwardTrainer, 4, passes=p).memory() for p in ("joint", "separate"))
    assert separate["activations"] < 0.85 * joint["activations"]


@pytest.mark.parametrize("norm", ["none", "length"])
def test_backprop_activations_grow_linearly_with_depth(norm: Any) -> None:
    used = {}
    for depth in (2, 8, 32):
        trainer = BackpropTrainer(mlp(depth=depth, width=WIDTH, norm=norm), batch_size=BATCH)
        list(trainer.fit(rows(), epochs=1))
        used[depth] = trainer.memory()
    arrays = 1 if norm == "none" else 2  # a layer: its output, and the normalised one
    for kind, a_layer in (("activations", arrays * BATCH * WIDTH * 4), ("gradients", (WIDTH + 1) * WIDTH * 4)):
        for low, high in ((2, 8), (8, 32)):
            slope = (used[high][kind] - used[low][kind]) / (high - low)
            assert slope == pytest.approx(a_layer, rel=0.05)


@pytest.mark.parametrize("kind", [BackpropTrainer, ForwardForwardTrainer])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_steady_step_allocates_no_buffer(kind: Any, dropout: float) -> None:
    trainer = kind(mlp(depth=3, width=WIDTH, dropout=dropout), batch_size=BATCH)
    fresh = []
    list(trainer.fit(rows(6 * BATCH), epochs=1, on_step=lambda t: fresh.append(t.ops.pool.fresh)))
    assert fresh[2:] == [fresh[2]] * 4


@pytest.mark.parametrize("kind", [BackpropTrainer, ForwardForwardTrainer])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_what_the_pool_does_not_see_is_small(kind: Any, dropout: float) -> None:
    """numpy's own temporaries, traced from outside, stay below a twentieth of what is counted."""
    trainer = kind(mlp(depth=3, width=512, dropout=dropout), optimizer=SGD(1e-4, 0.9), batch_size=BATCH)
    peaks: list[int] = []

    def watch(t: Trainer) -> None:
        if t.progress.step >= 2:
            peaks.append(tracemalloc.get_traced_memory()[1] - tracemalloc.get_traced_memory()[0])
        tracemalloc.reset_peak()

    tracemalloc.start()
    try:
        list(trainer.fit(rows(4 * BATCH), epochs=1, on_step=watch))
    finally:
        tracemalloc.stop()
    assert max(peaks) < trainer.memory()["peak"] / 20


def test_the_split_names_kinds_and_the_peaks_place() -> None:
    memory = trained(BackpropTrainer, 3).memory()
    parameters = sum(a.nbytes for name, a in trained(BackpropTrainer, 3).state().items() if name.startswith("weights"))
    assert memory["weights"] == pytest.approx(parameters, rel=0.02)
    assert memory["gradients"] == pytest.approx(parameters, rel=0.02)
    assert memory["optimizer"] == pytest.approx(parameters, rel=0.02)
    assert memory["peak"] <= sum(v for k, v in memory.items() if not k.startswith("peak"))
    assert memory["peak_at"] in {"update", "loss", "head backward", *(f"block{i} backward" for i in (1, 2, 3))}
