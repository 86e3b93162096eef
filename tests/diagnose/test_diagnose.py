"""Diagnostics on small nets, where their values are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.data import Split
from lab.diagnose import DIAGNOSTICS, diagnose, note
from lab.diagnose.gradients import local_gradients, true_gradients
from lab.diagnose.probes import accuracy
from lab.diagnose.rows import images_of
from lab.errors import UsageError
from lab.networks import cnn, lstm, mlp
from lab.objectives import Goodness
from lab.optimizers import SGD
from lab.trainers import (
    BackpropTrainer,
    ContrastiveTrainer,
    FeedbackAlignmentTrainer,
    ForwardForwardTrainer,
    LayerParallelTrainer,
    LocalSupervisedTrainer,
    Readout,
    RecurrentTrainer,
    UnsupervisedTrainer,
)
from tests.layers.gradcheck import assert_close, numeric_gradient
from tests.trainers.test_forward_forward import toy

ROWS = toy(60)


def built(kind: Any = ForwardForwardTrainer, network: Any = None, **options: Any) -> Any:
    return kind(network or mlp(depth=3, width=8), dtype="float64", **options).build((12,), 3)


@pytest.mark.parametrize("norm", ["none", "length"])
@pytest.mark.parametrize(("label", "size"), [("none", 100), ("neutral", 17)])
def test_backprops_own_update_has_cosine_one(norm: Any, label: Any, size: int) -> None:
    trainer = built(
        BackpropTrainer, mlp(depth=3, width=8, norm=norm, dropout=0.2), label=label, recompute=2, batch_size=size
    )
    found = diagnose(trainer, ROWS, ["cosine"])
    assert [f["cosine"] for f in found.values()] == pytest.approx([1.0] * 3, abs=1e-12)


def test_feedback_that_is_backprops_own_has_cosine_one_in_the_last_block() -> None:
    trainer = built(FeedbackAlignmentTrainer)
    before = diagnose(trainer, ROWS, ["cosine"])
    assert all(abs(f["cosine"]) < 0.9 for f in before.values())
    trainer.network.head.params["0.W"][...] = built(FeedbackAlignmentTrainer).feedback["block3"].T
    after = diagnose(trainer, ROWS, ["cosine"])
    assert after["block3"]["cosine"] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("head", ["stored", "recomputed", "per_block"])
def test_the_true_gradient_is_that_of_the_heads_loss(head: Any) -> None:
    """By central differences of the softmax head's own loss, through all blocks."""
    trainer = built(readout=Readout(head=head, blocks=(1, 3)))
    rng = np.random.default_rng(0)
    for v in trainer._head.weights.values():
        v[...] = rng.standard_normal(v.shape)
    images, target = images_of(trainer, toy(9))
    label = trainer.network.label_input

    def loss() -> float:
        x, _ = trainer.network.labelled(images, [label.neutral(9, trainer.ops)], trainer.ops)
        outputs = [
            n @ trainer._head.weights[block.name]
            for block, _, n in trainer.network.walk(x, trainer._ctx(0))
            if block.name in trainer._head.blocks
        ]
        total = 0.0
        for o in outputs if head == "per_block" else [sum(outputs)]:
            p = np.exp(o) / np.exp(o).sum(axis=1, keepdims=True)
            total -= float(np.log(p[np.arange(9), target]).mean())
        return total / (len(outputs) if head == "per_block" else 1)

    true = true_gradients(trainer, toy(9))
    assert true is not None
    for block in trainer.network.blocks:
        want = np.concatenate([numeric_gradient(loss, p).ravel() for p in block.params.values()])
        assert_close(true[block.name], want, block.name)


def test_forward_forwards_local_gradient_is_the_one_of_its_step() -> None:
    """What the copy's optimizer sees is what moves the trainer's weights, and the trainer itself is left alone."""
    trainer = built(optimizer=SGD(0.5, momentum=0.0), negatives="uniform", batch_size=60)
    before = {name: a.copy() for name, a in trainer.state().items()}
    local = local_gradients(trainer, ROWS, 1)
    assert all(np.array_equal(a, before[name]) for name, a in trainer.state().items())
    trainer._start_epoch(1, 1, 60)
    x, y = images_of(trainer, ROWS)
    trainer._step(x, y, np.arange(60), 0, 1.0, trainer._ctx(0))
    for block in trainer.network.blocks:
        moved = [(before[f"weights/{block.name}.{key}"] - p).ravel() / 0.5 for key, p in block.params.items()]
        assert_close(np.concatenate(moved), local[block.name], block.name, 1e-12)


def test_cosine_is_left_out_where_there_is_no_readout_or_no_update() -> None:
    none = built(readout=Readout(head="none"), negatives="uniform")
    assert diagnose(none, ROWS, ["cosine"]) == {"block1": {}, "block2": {}, "block3": {}}
    greedy = built(schedule="greedy", negatives="uniform")
    greedy._head.weights["block3"][...] = 1
    found = diagnose(greedy, ROWS, ["cosine"], epochs=3)
    assert {name for name, figures in found.items() if figures} <= {"block1"}


def test_a_unit_that_is_forced_to_be_dead_is_found() -> None:
    trainer = built(BackpropTrainer)
    assert diagnose(trainer, ROWS, ["dead_units"])["block2"]["dead_units"] < 0.5
    before = diagnose(trainer, ROWS, ["dead_units"])["block2"]["dead_units"] * 8
    alive = next(h for b, h, _ in trainer.network.walk(ROWS.x, trainer._ctx(0)) if b.name == "block2").any(axis=0)
    trainer.network.blocks[1].params["block1.0.b"][np.flatnonzero(alive)[0]] = -1e6
    assert diagnose(trainer, ROWS, ["dead_units"])["block2"]["dead_units"] * 8 == before + 1


@pytest.mark.parametrize(("network", "shape", "units"), [(cnn(channels=(4, 5)), (1, 4, 4), 4), (lstm(), (4, 3), 128)])
def test_units_of_images_are_channels_and_of_sequences_features(network: Any, shape: Any, units: int) -> None:
    trainer = BackpropTrainer(network, dtype="float64").build(shape, 3)
    rows = Split(np.random.default_rng(0).random((20, *shape)), np.arange(20) % 3)
    block = trainer.network.blocks[0]
    if len(block.shape) == 3:
        block.params["input.0.b"][0] = -1e6
        assert diagnose(trainer, rows, ["dead_units"])["block1"]["dead_units"] == 1 / units
    else:
        assert diagnose(trainer, rows, ["dead_units"])["block1"]["dead_units"] == 0
    assert set(diagnose(trainer, rows)["block1"]) == {"cosine", "probes", "dead_units", "weight_norms"}


@pytest.mark.parametrize("aim", ["maximise", "minimise"])
def test_histograms_count_goodness_by_its_threshold(aim: Any) -> None:
    trainer = built(network=mlp(depth=1, width=2, norm="none", label="features"), objective=Goodness(aim=aim, theta=2))
    W, b = trainer.network.blocks[0].params.values()
    W[...], b[...] = 0, 0
    W[12, :] = 2.0  # the label's first entry: g = 8 for it, four times theta, and 0 for every other
    rows = toy(30)
    rows.y[...] = 0
    found = diagnose(trainer, rows, ["histograms"])["block1"]["histograms"]
    assert {kind: [i for i, n in enumerate(bins) if n] for kind, bins in found.items()} == {
        "positive": [24], "negative": [0]
    }  # fmt: skip
    assert all(len(bins) == 32 and sum(bins) == 30 for bins in found.values())


@pytest.mark.parametrize("aim", ["maximise", "minimise"])
def test_pairs_and_saturation_where_the_answer_is_known(aim: Any) -> None:
    """A block that copies the label's first entry: own label 0 is the positive row with more activity."""
    trainer = built(network=mlp(depth=1, width=2, norm="none", label="features"), objective=Goodness(aim=aim))
    W, b = trainer.network.blocks[0].params.values()
    W[...], b[...] = 0, 0
    W[12, :] = 100.0  # the first of the three numbers of the label behind the image
    rows = toy(30)
    rows.y[...] = 0
    found = diagnose(trainer, rows, ["pairwise_errors", "saturation"])["block1"]
    assert found == {"pairwise_errors": 0.0 if aim == "maximise" else 1.0, "saturation": 0.5}  # g = 20000 or 0, theta 2
    W[...] = 0
    found = diagnose(trainer, rows, ["pairwise_errors", "saturation"])["block1"]
    assert found == {"pairwise_errors": 1.0, "saturation": 0.0}  # nothing tells the two apart


def test_probes_read_what_is_linear_and_no_more() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(400) % 3
    rows = rng.standard_normal((400, 50))
    assert 0.15 < accuracy(rows, rng.permutation(y), 3) < 0.55  # chance
    rows[:, 0] += 20.0 * (y == 0)
    rows[:, 1] += 20.0 * (y == 1)
    assert accuracy(rows, y, 3) == 1.0
    wide = np.concatenate([rows, np.zeros((400, 1000))], axis=1)
    assert accuracy(wide, y, 3) == 1.0
    found = diagnose(built(), ROWS, ["probes"])
    assert all(0 <= f["probes"] <= 1 for f in found.values())


def test_weight_norms_are_those_of_the_weights() -> None:
    trainer = built()
    found = diagnose(trainer, ROWS, ["weight_norms"])
    for block in trainer.network.blocks:
        W = next(p for p in block.params.values() if p.ndim == 2)
        next(p for p in block.params.values() if p.ndim == 1)[...] = 7.0
        assert found[block.name]["weight_norms"] == pytest.approx(np.sqrt((W**2).sum()))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (BackpropTrainer, {}),
        (FeedbackAlignmentTrainer, {}),
        (ForwardForwardTrainer, {}),
        (ForwardForwardTrainer, {"belief_delay": 2}),
        (LayerParallelTrainer, {"workers": 2}),
        (ContrastiveTrainer, {}),
        (UnsupervisedTrainer, {}),
        (RecurrentTrainer, {"iterations": 3, "counted": (2, 3)}),
        (LocalSupervisedTrainer, {}),
    ],
)
def test_training_goes_on_as_if_it_had_not_been_diagnosed(kind: Any, options: Any) -> None:
    results = []
    for names in ((), DIAGNOSTICS):
        trainer = kind(mlp(depth=2, width=8, dropout=0.1), batch_size=20, seed=1, **options)
        for epoch in trainer.fit(toy(), epochs=3):
            if names:
                note(epoch, diagnose(trainer, toy(30, seed=1), names, epochs=3))
        results.append(trainer)
    plain, looked = results
    assert {k: n for k, n in plain.memory().items() if k != "processes"} == {
        k: n for k, n in looked.memory().items() if k != "processes"
    }
    assert plain.ops.usage.live == looked.ops.usage.live
    for name, value in plain.state().items():
        assert np.array_equal(value, looked.state()[name]), name
    rows = {row["name"]: row for row in looked.progress.history[-1].blocks}
    assert {"probes", "dead_units", "weight_norms"} <= rows["block2"].keys()
    # the one has a readout without a gradient, the other one that does not see what its blocks learn from
    assert ("cosine" in rows["block2"]) == (kind not in (LocalSupervisedTrainer, RecurrentTrainer))
    one_pass = (issubclass(kind, ForwardForwardTrainer) and not kind.iterates) or kind is UnsupervisedTrainer
    assert ("pairwise_errors" in rows["block2"]) == one_pass


def test_without_labels_images_are_told_from_hybrids() -> None:
    """A block that sees one pixel alone, which every other image has."""
    trainer = built(UnsupervisedTrainer, mlp(depth=1, width=2, norm="none", activation="relu"), blurs=1)
    W, b = trainer.network.blocks[0].params.values()
    W[...], b[...] = 0, 0
    W[3, :] = 100.0
    x = np.zeros((40, 12))
    x[::2, 3] = 1
    found = diagnose(trainer, Split(x, np.arange(40) % 3), ["pairwise_errors", "saturation"])["block1"]
    # half of the hybrids of those with it have lost it, which alone is told rightly; all others are equal or worse
    assert 0.55 < found["pairwise_errors"] < 0.95 and 0.4 < found["saturation"] < 0.6
    again = diagnose(trainer, Split(x, np.arange(40) % 3), ["pairwise_errors"])["block1"]
    assert again["pairwise_errors"] == found["pairwise_errors"]


def test_wrong_requests_are_one_sentence() -> None:
    with pytest.raises(UsageError, match="did you mean 'cosine'"):
        diagnose(built(), ROWS, ["cosin"])
    with pytest.raises(UsageError, match="no rows"):
        diagnose(built(), toy(0), ["cosine"])
    with pytest.raises(UsageError, match="no network yet"):
        diagnose(BackpropTrainer(mlp()), ROWS)
