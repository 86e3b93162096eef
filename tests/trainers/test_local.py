"""Trainers of blocks by local objectives: locality, memory, resuming, and that each learns a simple task."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import Ctx
from lab.networks import cnn, linear, mlp, rnn
from lab.objectives import CwComp, DeeperForward, Goodness, MonoForward, PredSim, SelfContrast, SymBa
from lab.optimizers import SGD, Adam
from lab.trainers import (
    ContrastiveTrainer,
    EvidenceReadout,
    ForwardForwardTrainer,
    LinearReadout,
    LocalSupervisedTrainer,
    Readout,
    UnsupervisedTrainer,
)
from tests.trainers.test_forward_forward import toy

CLASSWISE = [CwComp(scale=5.0), DeeperForward(scale=5.0), MonoForward(), PredSim(beta=0.9)]
RULES = [
    *(pytest.param(LocalSupervisedTrainer, objective, id=str(objective)) for objective in CLASSWISE),
    pytest.param(ContrastiveTrainer, SelfContrast(), id="SelfContrast"),
    pytest.param(UnsupervisedTrainer, Goodness(), id="hybrids"),
    pytest.param(
        partial(ForwardForwardTrainer, negatives="uniform", readout=Readout(head="none")), SymBa(), id="SymBa"
    ),
]


def made(kind: Any, objective: Any, depth: int = 2, width: int = 30, **options: Any) -> Any:
    options = {"optimizer": Adam(0.01), "batch_size": 20, "seed": 0, **options}
    return kind(mlp(depth=depth, width=width), objective=objective, **options)


@pytest.mark.parametrize(("kind", "objective"), RULES)
def test_it_learns_a_simple_task_and_says_what_it_is(kind: Any, objective: Any) -> None:
    trainer = made(kind, objective)
    records = list(trainer.fit(toy(), toy(30, seed=1), epochs=15))
    found = trainer.evaluate(toy(300, seed=2))
    assert found["accuracy"] > 0.9
    assert [row["name"] for row in found["blocks"]] == ["block1", "block2"]
    assert trainer.family == objective.family
    assert {row["name"] for row in records[-1].blocks} >= {"block1", "block2"}
    p = trainer.predict_proba(toy(300, seed=2).x)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert (p.argmax(axis=1) == toy(300, seed=2).y).mean() == found["accuracy"]


@pytest.mark.parametrize(("kind", "objective"), RULES)
def test_no_block_reads_what_lies_above_it(kind: Any, objective: Any) -> None:
    """Weights of lower blocks, and their objectives' own, are bit-equal whatever the upper blocks are."""
    states = []
    for change in (0.0, 0.5):
        trainer = made(kind, objective, depth=3, dtype="float64").build((12,), 3)
        for p in trainer.network.blocks[2].params.values():
            p += change
        list(trainer.fit(toy(), epochs=2))
        states.append(trainer.state())
    lower = [name for name in states[0] if name.startswith(("weights/", "objective/")) and "block3" not in name]
    assert len(lower) >= 4
    assert all(np.array_equal(states[0][name], states[1][name]) for name in lower)
    upper = [name for name in states[0] if name.startswith("weights/block3")]
    assert any((states[0][name] != states[1][name]).any() for name in upper)


@pytest.mark.parametrize(("kind", "objective"), RULES)
def test_activations_are_flat_in_depth_and_steps_allocate_nothing(kind: Any, objective: Any) -> None:
    used, fresh = {}, list[int]()
    for depth in (3, 12):
        trainer = made(kind, objective, depth=depth)
        fresh.clear()
        list(trainer.fit(toy(120), epochs=1, on_step=lambda t: fresh.append(t.ops.pool.fresh)))
        used[depth] = trainer.memory()
        assert fresh[3:] == [fresh[3]] * 3
    assert used[12]["activations"] == pytest.approx(used[3]["activations"], rel=0.02)
    assert used[12]["gradients"] == pytest.approx(used[3]["gradients"], rel=0.02)


@pytest.mark.parametrize(("kind", "objective"), RULES)
def test_a_resumed_run_ends_with_the_same_bits(kind: Any, objective: Any, tmp_path: Path) -> None:
    """Also in the middle of an epoch: the objectives' own parameters, and the optimizer's state of them, are saved."""
    whole = made(kind, objective)
    list(whole.fit(toy(), epochs=3))

    def stop(trainer: Any) -> None:
        if trainer.progress.step == 5:
            trainer.save(tmp_path / "half.safetensors")

    list(made(kind, objective).fit(toy(), epochs=3, on_step=stop))
    resumed = made(kind, objective).load(tmp_path / "half.safetensors")
    list(resumed.fit(toy(), epochs=3))
    assert whole.state().keys() == resumed.state().keys()
    assert all(np.array_equal(value, resumed.state()[name]) for name, value in whole.state().items())


def test_an_objectives_parameters_are_trained_with_the_blocks() -> None:
    trainer = made(LocalSupervisedTrainer, MonoForward(), optimizer=SGD(0.1, 0.0), dtype="float64").build((12,), 3)
    before = trainer.state()["objective/block1.M"].copy()
    assert before.std() == pytest.approx(1 / 30**0.5, rel=0.2)
    assert not np.array_equal(before, trainer.state()["objective/block2.M"])
    x, y = toy(20).x, toy(20).y
    h, _ = trainer.network.blocks[0].respond([x], Ctx(trainer.ops))
    error = np.exp(h @ before)
    error = error / error.sum(axis=1, keepdims=True) - np.eye(3)[y]
    list(trainer.fit(Split(x, y), epochs=1))
    np.testing.assert_allclose(trainer.state()["objective/block1.M"], before - 0.1 * h.T @ error / 20, atol=1e-12)
    assert trainer.describe()["objective_parameters"] == 2 * 30 * 3


def test_what_blocks_pass_on_is_the_objectives_choice_unless_described() -> None:
    def norms(objective: Any, **options: Any) -> list[str]:
        trainer = LocalSupervisedTrainer(mlp(depth=1, width=30, **options), objective=objective).build((12,), 3)
        block = trainer.network.blocks[0]
        return [type(part).__name__ for part in (*block.bodies[0].layers, block.norm)]  # type: ignore[attr-defined]

    assert norms(DeeperForward())[-1] == "GroupNorm"
    assert norms(CwComp()) == norms(PredSim()) == ["Flatten", "Dense", "BatchNorm", "NoneType"]
    assert norms(MonoForward())[-1] == "NoneType"
    assert norms(MonoForward(), norm="length")[-1] == "LengthNorm"


def test_which_blocks_count_can_be_chosen() -> None:
    x = toy(30).x
    for blocks, counted in (("all", {0, 1}), ("last", {1}), ("auto", {1}), ((1,), {0})):
        trainer = made(LocalSupervisedTrainer, MonoForward(), readout=EvidenceReadout(blocks))  # type: ignore[arg-type]
        trainer.build((12,), 3)
        scores = list(trainer.block_scores(x.astype(np.float32)).values())
        total = sum(scores[i] for i in counted)
        np.testing.assert_allclose(trainer.predict(x), total.argmax(axis=1))
    with pytest.raises(UsageError, match=r"readout.blocks=\[3\]"):
        made(LocalSupervisedTrainer, MonoForward(), readout=EvidenceReadout((3,))).build((12,), 3)


@pytest.mark.parametrize(
    ("kind", "objective"), [(ContrastiveTrainer, SelfContrast()), (UnsupervisedTrainer, Goodness())]
)
@pytest.mark.parametrize("head", ["stored", "recomputed", "per_block"])
def test_labels_do_not_reach_unlabelled_blocks(kind: Any, objective: Any, head: Any) -> None:
    """Other labels, other head; the same blocks."""
    states = []
    for labels in (toy().y, (toy().y + 1) % 3):
        trainer = made(kind, objective, readout=LinearReadout(head))
        list(trainer.fit(Split(toy().x, labels), epochs=2))
        states.append(trainer.state())
    blocks = [name for name in states[0] if name.startswith(("weights/", "optimizer/"))]
    assert all(np.array_equal(states[0][name], states[1][name]) for name in blocks)
    heads = [name for name in states[0] if name.startswith("readout/")]
    assert heads
    assert all((states[0][name] != states[1][name]).any() for name in heads)


@pytest.mark.parametrize(
    ("shape", "network"), [((12,), mlp(depth=1, width=9)), ((2, 4, 4), cnn(channels=(6,)))], ids=str
)
def test_contrasted_rows_are_an_image_beside_itself_and_beside_another(shape: Any, network: Any) -> None:
    trainer = ContrastiveTrainer(network, seed=3, batch_size=5).build(shape, 3)
    trainer._start_epoch(1, 1, 11)
    seen = []
    trainer.update_blocks = lambda shown, ctx: seen.extend(shown) or {}  # type: ignore[method-assign, func-returns-value]
    images = np.random.default_rng(0).random((5, *shape)).astype(np.float32)
    trainer._step(images, np.arange(5) % 3, np.arange(5), 0, 1.0, Ctx(trainer.ops, train=True, keep=True))
    rows, which = seen[0]
    first, second = rows[:, : shape[0]], rows[:, shape[0] :]
    assert rows.shape == (10, 2 * shape[0], *shape[1:])
    assert np.array_equal(first[:5], images)
    assert np.array_equal(second[:5], images)
    assert np.array_equal(first[5:], images)
    assert {tuple(row.ravel()) for row in second[5:]} == {tuple(row.ravel()) for row in images}
    assert not any(np.array_equal(a, b) for a, b in zip(second[5:], images, strict=True))
    assert (which.n, which.positive, which.negative, which.target) == (5, slice(0, 5), slice(5, 10), None)


def test_a_last_batch_of_one_image_has_nothing_to_be_contrasted_with() -> None:
    trainer = made(ContrastiveTrainer, SelfContrast())
    assert len(list(trainer.fit(toy(21), epochs=1))) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: made(LocalSupervisedTrainer, CwComp(), width=31).build((12,), 3), "does not divide 31; use 30"),
        (lambda: LocalSupervisedTrainer(linear()).build((12,), 3), "no hidden block"),
        (lambda: ContrastiveTrainer(mlp()).build((12,), 1, "regression"), "needs class labels"),
        (lambda: made(ForwardForwardTrainer, SymBa(), passes="separate"), "use passes=joint"),
        (lambda: made(ForwardForwardTrainer, Goodness(where="step")).build((12,), 3), "where=step is asked of steps"),
        (lambda: ContrastiveTrainer(mlp(), batch_size=1), "batch_size=2"),
        (lambda: ContrastiveTrainer(rnn(masked=True)).build((5, 4), 3), "masked"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(make: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        make()
    assert words in str(raised.value)
