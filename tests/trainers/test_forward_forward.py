"""Forward-forward: the recipe, locality, negatives, passes, schedules and readouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend
from lab.data.dataset import Split
from lab.errors import Diverged, UsageError
from lab.layers import Ctx
from lab.networks import linear, mlp
from lab.objectives import Goodness
from lab.optimizers import SGD
from lab.trainers import ForwardForwardTrainer, Readout, check_trainer
from lab.trainers.negatives import hard, uniform
from tests.trainers.checks import check_locality, check_recipe, forward_forward, images


def toy(n: int = 60, seed: int = 0) -> Split:
    """Three classes that a small net can tell apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.standard_normal((n, 12)) * 0.3
    x[np.arange(n), y * 4] += 2
    return Split(x, y.astype(np.int64))


def test_phases_show_positive_rows_alone_and_then_negative_ones_alone() -> None:
    trainer = ForwardForwardTrainer(mlp(depth=2, width=8), batch_size=10, phase=3)
    seen: list[bool] = []
    update = trainer.update_blocks

    def look(shown: Any, ctx: Any) -> Any:
        (_, rows), *rest = shown
        assert not rest
        assert (rows.positive.stop > 0) != (rows.negative.stop > 0)
        seen.append(rows.positive.stop > 0)
        return update(shown, ctx)

    trainer.update_blocks = look  # type: ignore[method-assign, assignment]
    list(trainer.fit(toy(40), epochs=3))
    assert seen == ([True] * 3 + [False] * 3) * 2
    check_trainer(lambda: ForwardForwardTrainer(mlp(depth=2, width=8), batch_size=10, phase=2))


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(("passes", "head"), [("joint", "stored"), ("separate", "stored"), ("joint", "recomputed")])
def test_steps_equal_an_independent_transcription_of_the_recipe(depth: int, passes: str, head: str) -> None:
    check_recipe(depth, passes=passes, head=head)


def test_locality() -> None:
    check_locality()


@given(n=st.integers(0, 40), k=st.integers(2, 6), seed=st.integers(0, 999), sharp=st.sampled_from([0.1, 1.0, 300.0]))
def test_negatives_are_never_the_true_label(n: int, k: int, seed: int, sharp: float) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((n, k)) * sharp
    p = np.exp(logits - logits.max(axis=1, keepdims=True)) if n else logits
    p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32) if n else p
    target = rng.integers(0, k, n)
    u = np.where(rng.random(n) < 0.2, np.nextafter(1, 0), rng.random(n))
    numpy_ops = NumpyBackend()
    for wrong in (hard(numpy_ops, p, target, u), uniform(numpy_ops, k, target, u)):
        assert ((wrong >= 0) & (wrong < k) & (wrong != target)).all()


def test_hard_negatives_follow_the_beliefs(ops: Backend) -> None:
    xp, n = ops.xp, 20_000
    p = xp.tile(xp.asarray([0.5, 0.2, 0.3, 0.0]), (n, 1))
    u = xp.asarray(np.random.default_rng(0).random(n))
    drawn = ops.to_host(hard(ops, p, xp.zeros(n, dtype=xp.int64), u))
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / n, [0, 0.4, 0.6, 0], atol=0.015)
    drawn = ops.to_host(uniform(ops, 4, xp.ones(n, dtype=xp.int64), u))
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / n, [1 / 3, 0, 1 / 3, 1 / 3], atol=0.015)


@pytest.mark.parametrize(("negatives", "changes"), [("fixed", False), ("uniform", True)])
def test_fixed_negatives_stay_with_the_image(negatives: Any, changes: bool) -> None:
    trainer = forward_forward(negatives=negatives)
    drawn = []
    for epoch, order in ((1, np.arange(40)), (2, np.arange(40)[::-1])):
        trainer._start_epoch(epoch, 9, 40)
        target = np.arange(40) % 10
        wrong = np.empty(40, np.int64)
        wrong[order] = trainer.draw_negatives(None, target[order], order, 0)
        assert (wrong != target).all()
        drawn.append(wrong)
    assert (drawn[0] != drawn[1]).any() == changes


def test_greedy_trains_one_block_after_the_other() -> None:
    trainer = ForwardForwardTrainer(mlp(depth=3, width=6), schedule="greedy", seed=0, batch_size=20)
    before: dict[str, Any] = {}
    moved = []
    for record in trainer.fit(toy(), epochs=7):
        now = {b.name: {k: p.copy() for k, p in b.params.items()} for b in trainer.network.blocks}
        if before:
            moved.append({n for n in now if any((now[n][k] != before[n][k]).any() for k in now[n])})
        before = now
        assert {row["name"] for row in record.blocks} >= {"head"}
    assert moved == [{"block1"}] * 2 + [{"block2"}] * 2 + [{"block3"}] * 2
    with pytest.raises(UsageError, match="greedy"):
        ForwardForwardTrainer(mlp(depth=3, width=6), schedule="greedy").fit(toy(), epochs=2)


@pytest.mark.parametrize("head", ["stored", "recomputed", "per_block", "none"])
@pytest.mark.parametrize("answer", ["goodness", "softmax"])
def test_readouts_learn_a_simple_task(head: Any, answer: Any) -> None:
    if head == "none" and answer == "softmax":
        with pytest.raises(UsageError, match="needs a head"):
            Readout(answer=answer, head=head)
        return
    negatives: Any = "uniform" if head == "none" else "hard"
    readout = Readout(answer=answer, head=head, learning_rate=0.5)
    trainer = ForwardForwardTrainer(
        mlp(depth=2, width=30), optimizer=SGD(0.1, 0.9, dampening=0.9), readout=readout, negatives=negatives, seed=0,
        batch_size=20,
    )  # fmt: skip
    records = list(trainer.fit(toy(), toy(30, seed=1), epochs=15))
    found = trainer.evaluate(toy(300, seed=2))
    assert found["accuracy"] == found[f"accuracy_{answer}"] > 0.9
    assert records[-1].valid["accuracy"] > 0.9
    p = trainer.predict_proba(toy(300, seed=2).x)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert (trainer.predict(toy(300, seed=2).x) == toy(300, seed=2).y).mean() == found["accuracy"]
    assert [row["name"] for row in found["blocks"]] == ["block1", "block2"]
    assert ("accuracy_softmax" in found) == (head != "none")


def test_the_neutral_pass_is_the_same_however_the_head_learns() -> None:
    x, y = images(6)
    results = []
    for head in ("stored", "recomputed"):
        trainer = forward_forward(readout=Readout(head=head), batch_size=6)
        trainer._start_epoch(1, 2, 12)
        for step in range(2):
            trainer._step(x, y, np.arange(6), step, 1.0, Ctx(trainer.ops, train=True, keep=True))
        results.append(trainer.state())
    for name, value in results[0].items():
        assert np.array_equal(value, results[1][name]), name


def test_readout_blocks_can_be_chosen() -> None:
    trainer = forward_forward(readout=Readout(blocks=(1, 3)))
    assert trainer._counted == {"block1", "block3"} == set(trainer._head.weights)
    with pytest.raises(UsageError, match=r"readout.blocks=\[4\]"):
        forward_forward(readout=Readout(blocks=(4,)))


def test_a_loss_that_is_not_finite_ends_training_before_the_update() -> None:
    trainer = forward_forward(batch_size=6)
    trainer._start_epoch(1, 2, 6)
    trainer.network.blocks[1].params["block1.0.W"][0, 0] = np.inf
    before = {k: v.copy() for k, v in trainer.state().items() if "block2" in k}
    x, y = images(6)
    with pytest.raises(Diverged) as raised, np.errstate(all="ignore"):
        trainer._step(x, y, np.arange(6), 0, 1.0, Ctx(trainer.ops, train=True, keep=True))
    assert (raised.value.step, raised.value.exit_code) == (1, 65)
    assert all(np.array_equal(v, trainer.state()[k]) for k, v in before.items() if "weights" in k)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"negatives": "harder"}, "did you mean 'hard'"),
        ({"passes": "both"}, "valid: joint, separate"),
        ({"schedule": "layerwise"}, "valid: greedy, simultaneous"),
        ({"readout": Readout(head="none")}, "negatives=uniform"),
        ({"batch_size": 0}, "batch_size"),
        ({"dtype": "float16"}, "valid: float32, float64"),
        ({"backend": "torch"}, "valid: cupy, numpy"),
        ({"threads": 0}, "threads"),
    ],
)
@pytest.mark.usefixtures("only_the_labs_parts")
def test_wrong_options_are_one_sentence(options: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        ForwardForwardTrainer(mlp(), **options)
    assert words in str(raised.value)


def test_what_it_cannot_do_is_said_before_any_work() -> None:
    numbers = Split(np.zeros((4, 3)), np.zeros(4))
    with pytest.raises(UsageError, match="give it targets that differ"):
        ForwardForwardTrainer(mlp()).fit(numbers, epochs=1)
    with pytest.raises(UsageError, match="no hidden block"):
        ForwardForwardTrainer(linear()).fit(toy(), epochs=1)
    with pytest.raises(UsageError, match="no rows"):
        ForwardForwardTrainer(mlp()).fit(Split(np.zeros((0, 3)), np.zeros(0, np.int64)), epochs=1)
    with pytest.raises(UsageError, match="epochs must be at least 1"):
        ForwardForwardTrainer(mlp()).fit(toy(), epochs=0)


def test_a_head_that_overflows_ends_training_before_its_update() -> None:
    trainer = forward_forward(batch_size=6)
    trainer._start_epoch(1, 2, 6)
    trainer._head.weights["block2"][...] = np.inf
    before = {k: v.copy() for k, v in trainer.state().items()}
    x, y = images(6)
    with pytest.raises(Diverged, match="softmax head"), np.errstate(all="ignore"):
        trainer._step(x, y, np.arange(6), 0, 1.0, Ctx(trainer.ops, train=True, keep=True))
    assert all(np.array_equal(v, trainer.state()[k]) for k, v in before.items())


@pytest.mark.parametrize("scale", [1.0, 1e30])
def test_rows_too_large_to_be_squared_diverge(scale: float) -> None:
    rows = Split((toy().x * scale).astype(np.float32), toy().y)
    trainer = ForwardForwardTrainer(mlp(depth=2, width=8), batch_size=20)
    if scale == 1.0:
        assert len(list(trainer.fit(rows, epochs=1))) == 1
        return
    with pytest.raises(Diverged), np.errstate(all="ignore"):
        list(trainer.fit(rows, epochs=1))


def test_rows_that_are_no_numbers_are_refused_when_predicting() -> None:
    trainer = ForwardForwardTrainer(mlp(depth=2, width=8), batch_size=20)
    list(trainer.fit(toy(), epochs=1))
    for rows in (np.full((2, 12), np.nan), np.full((2, 12), "a")):
        with pytest.raises(UsageError, match="no finite number"):
            trainer.predict(rows)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Goodness(aim="maximize"), "did you mean 'maximise'"),  # type: ignore[arg-type]
        (lambda: Goodness(of="square"), "did you mean 'squares'"),  # type: ignore[arg-type]
        (lambda: Goodness(theta="atuo"), "did you mean 'auto'"),  # type: ignore[arg-type]
        (lambda: Goodness(temperature=float("inf")), "temperature=inf"),
        (lambda: Readout(head="store"), "did you mean 'stored'"),  # type: ignore[arg-type]
        (lambda: Readout(blocks=2), "blocks=2"),  # type: ignore[arg-type]
        (lambda: mlp(norm="lenght"), "did you mean 'length'"),  # type: ignore[arg-type]
        (lambda: SGD(schedule="cool"), "valid: constant, cooldown, cosine"),  # type: ignore[arg-type]
    ],
)
def test_a_misspelt_word_is_refused_and_not_read_as_another(make: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        make()
    assert words in str(raised.value)
