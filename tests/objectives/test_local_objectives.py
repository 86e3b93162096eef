"""Local objectives: gradients against central differences, values by hand, and what they refuse."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend, written
from lab.errors import UsageError
from lab.layers import Ctx, GroupNorm
from lab.objectives import (
    ClassObjective,
    CwComp,
    DeeperForward,
    Goodness,
    LocalObjective,
    MonoForward,
    PredSim,
    Rows,
    SelfContrast,
    SymBa,
)
from lab.objectives.pieces import Pieces
from lab.objectives.similarity import matching
from tests.layers.gradcheck import assert_close, numeric_gradient

K = 3
SHAPES = [(6,), (6, 2, 2), (4, 6)]  # units, images, steps
LENGTHS = np.array([4, 1, 2, 3, 4, 4, 2, 1])


def shown(objective: LocalObjective, n: int) -> tuple[Rows, int]:
    """The rows that an objective is asked of, and how many there are of them."""
    target = np.arange(n) % K
    if isinstance(objective, ClassObjective):
        return Rows(n, slice(0, n), target=target, n_classes=K), n
    return Rows(n, slice(0, n), slice(n, 2 * n), target), 2 * n


def check_objective(objective: LocalObjective, shape: Any, n: int = 4, seed: int = 0, masked: bool = False) -> None:
    """dh and the gradient of each parameter of its own are those of the loss."""
    rng, ops = np.random.default_rng(seed), NumpyBackend("float64")
    rows, height = shown(objective, n)
    mask = np.arange(shape[0]) < LENGTHS[:height, None] if masked else None
    ctx = Ctx(ops, train=True, keep=True, mask=mask)
    objective.check(shape, K)
    own = objective.parameters(shape, K, ops, rng)
    for p in own.values():  # also those that start at 0
        p += rng.standard_normal(p.shape) * 0.3
    h = rng.standard_normal((height, *shape))
    if masked:
        h[~mask] = 0  # as recurrent layers leave them

    def call() -> Any:
        return objective(h, rows, own | objective.start(shape, ops), ctx)

    before = h.copy()
    signal = call()
    found = written(signal.dh, ops)
    assert np.array_equal(h, before), "an objective changed the activities"
    want = numeric_gradient(lambda: float(call().loss), h)
    if masked:  # no gradient comes from steps that do not exist, whatever stands there
        found, want = found[mask], want[mask]
    assert_close(found, want, "dh")
    assert signal.grads.keys() == own.keys()
    for name, p in own.items():
        assert_close(signal.grads[name], numeric_gradient(lambda: float(call().loss), p), f"d{name}")


OBJECTIVES = [
    SymBa(), SymBa(alpha=0.5), CwComp(), CwComp(scale=5.0), DeeperForward(), DeeperForward(scale=3.0), MonoForward(),
    PredSim(), PredSim(beta=0.3), PredSim(decoder=6), SelfContrast(), SelfContrast(penalty=0.2, where="row"),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_gradients(objective: LocalObjective, shape: Any) -> None:
    check_objective(objective, shape)


WHERE = [
    ((6, 2, 2), "row"),
    ((6, 2, 2), "position"),
    ((4, 6), "row"),
    ((4, 6), "step"),
    ((4, 6), "last"),
    ((6,), "row"),
]


@pytest.mark.parametrize(("shape", "where"), WHERE, ids=str)
@pytest.mark.parametrize(("of", "reduce", "groups"), list(product(("squares", "activity"), ("sum", "mean"), (1, 3))))
def test_goodness_of_cells(shape: Any, where: Any, of: Any, reduce: Any, groups: int) -> None:
    objective = Goodness(of=of, reduce=reduce, where=where, groups=groups)
    check_objective(objective, shape)
    if len(shape) == 2:
        check_objective(objective, shape, masked=True)


@pytest.mark.parametrize("objective", [CwComp(), DeeperForward(), SelfContrast(), SelfContrast(where="last")], ids=str)
def test_steps_that_do_not_exist_do_not_count(objective: LocalObjective) -> None:
    check_objective(objective, (4, 6), masked=True)


@pytest.mark.parametrize("where", ["row", "step", "last"])
@pytest.mark.parametrize(
    "make", [lambda where: Goodness(where=where, peer=0.0), lambda where: SelfContrast(where=where)]
)
def test_a_short_row_is_judged_as_if_alone(make: Any, where: Any) -> None:
    """Losses of rows with two of four steps equal those of the two steps."""
    ops, objective = NumpyBackend("float64"), make(where)
    h = np.random.default_rng(0).standard_normal((6, 4, 5))
    h[:, 2:] = 0
    rows = Rows(3, slice(0, 3), slice(3, 6))
    mask = np.zeros((6, 4), bool)
    mask[:, :2] = True
    long = objective(h, rows, {}, Ctx(ops, mask=mask))
    short = objective(h[:, :2].copy(), rows, {}, Ctx(ops))
    assert float(long.loss) == pytest.approx(float(short.loss), rel=1e-12)
    np.testing.assert_allclose(written(long.dh, ops)[:, :2], written(short.dh, ops), rtol=1e-12)


def test_cells_by_hand(ops: Backend) -> None:
    h = ops.asarray([[[1.0, 2.0], [3.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]])  # two rows of two steps of two units
    ctx = Ctx(ops)
    for where, want in (("row", [14, 1]), ("step", [7, 0.5]), ("last", [9, 1])):
        assert ops.to_host(Goodness(where=where).evidence(h, {}, ctx)).tolist() == want  # type: ignore[arg-type]
    images = ops.asarray([[[[1.0, 2.0]], [[3.0, 0.0]]]])  # one image of two channels, one row of two pixels
    u = np.array([10, 4]) - 2
    signal = Goodness(where="position", peer=0.0)(images, Rows(1, slice(0, 1)), {}, ctx)
    assert float(signal.loss) == pytest.approx(np.log1p(np.exp(-u)).mean() / 2)


def test_symba_by_hand(ops: Backend) -> None:
    h = ops.asarray([[2.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]])  # g 2, 1 against 0, 1
    signal = SymBa()(h, Rows(2, slice(0, 2), slice(2, 4)), {}, Ctx(ops))
    assert float(signal.loss) == pytest.approx((np.log1p(np.exp(-8)) + np.log(2)) / 2)
    none = SymBa()(h[:0], Rows(0, slice(0, 0), slice(0, 0)), {}, Ctx(ops))  # warnings are errors here
    assert float(none.loss) == 0 and not none.seen


def test_class_groups_by_hand(ops: Backend) -> None:
    h = ops.asarray([[1.0, 3.0, 0.0, 1.0]])  # two classes: means 2 and 0.5, mean squares 5 and 0.5
    rows, ctx = Rows(1, slice(0, 1), target=ops.xp.asarray([1]), n_classes=2), Ctx(ops)
    for objective, gap in ((DeeperForward(), 1.5), (CwComp(), 4.5), (CwComp(scale=2.0), 9.0)):
        assert float(objective(h, rows, {}, ctx).loss) == pytest.approx(np.log1p(np.exp(gap)))


def test_what_deeper_forward_asks_for_is_not_passed_on() -> None:
    """Behind the norm that it asks for, every class has the same mean activity."""
    ops = NumpyBackend("float64")
    h = np.maximum(0, np.random.default_rng(0).standard_normal((5, 6, 4, 4)))
    norm = GroupNorm(K, affine=False)
    norm.build(h.shape[1:], ops, np.random.default_rng(0))
    g = DeeperForward().evidence(norm.forward(h, Ctx(ops))[0], K, {}, Ctx(ops))
    assert np.ptp(DeeperForward().evidence(h, K, {}, Ctx(ops))) > 0.05
    assert np.abs(g).max() < 1e-12
    assert DeeperForward.norm == "group"


@given(n=st.integers(2, 6), seed=st.integers(0, 99))
def test_similarity_is_least_where_classes_are_apart(n: int, seed: int) -> None:
    ops, rng = NumpyBackend("float64"), np.random.default_rng(seed)
    target = rng.integers(0, K, n)
    assert float(matching(np.eye(K)[target] * 7 + 1, target, K, ops)[0]) == pytest.approx(0, abs=1e-12)
    z = rng.standard_normal((n, 5))
    corr = np.corrcoef(z)
    want = ((corr - np.where(target[:, None] == target, 1, -1 / (K - 1))) ** 2).mean()
    assert float(matching(z, target, K, ops)[0]) == pytest.approx(want)


def test_predsim_of_dead_channels_stays_finite(ops: Backend) -> None:
    objective = PredSim()
    own = objective.parameters((4, 2, 2), K, ops, np.random.default_rng(0))
    rows = Rows(3, slice(0, 3), target=ops.xp.asarray([0, 1, 2]), n_classes=K)
    signal = objective(ops.zeros((3, 4, 2, 2)), rows, own, Ctx(ops))
    assert np.isfinite(float(signal.loss))
    assert np.isfinite(ops.to_host(signal.dh)).all()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "decoder"), [((4, 5, 3), 24), ((4, 5, 3), 4), ((3, 7, 1), 9), ((3, 4, 4), 48)], ids=str
)
def test_predsim_of_images_that_pieces_do_not_divide(shape: Any, decoder: int) -> None:
    check_objective(PredSim(beta=0.6, decoder=decoder), shape)


def test_pieces_are_the_means_of_windows(ops: Backend) -> None:
    pieces = Pieces.within((2, 5, 4), 12)
    assert (pieces.high, pieces.wide, pieces.count) == (2, 2, (2, 3, 2))
    h = np.arange(40.0).reshape(1, 2, 5, 4)
    found = ops.to_host(pieces.pool(ops.asarray(h), ops)).reshape(2, 3, 2)
    want = [[[h[0, c, i : i + 2, j : j + 2].mean() for j in (0, 2)] for i in (0, 2, 4)] for c in range(2)]
    np.testing.assert_allclose(found, want, rtol=1e-6)
    assert Pieces.within((2, 5, 4), 40).count == (2, 5, 4)
    none = ops.asarray(np.zeros((0, 2, 5, 4)))  # a batch without rows
    assert pieces.spread(pieces.pool(none, ops), ops).shape == none.shape
    assert Pieces.within((256, 16, 16), 4096).count == (256, 4, 4)


def test_predsim_compares_deviations_of_a_convolution() -> None:
    """The similarity loss is that of hand-written steps: pad, 3x3 windows, deviation of each channel, cosines."""
    ops, rng = NumpyBackend("float64"), np.random.default_rng(0)
    objective, h, target = PredSim(), rng.standard_normal((4, 2, 3, 3)), np.array([0, 1, 2, 0])
    own = objective.parameters((2, 3, 3), K, ops, rng)
    padded = np.pad(h, ((0, 0), (0, 0), (1, 1), (1, 1)))
    z = np.zeros((4, 2, 3, 3))
    for i, j in product(range(3), range(3)):
        z[:, :, i, j] = np.einsum("ncij,ocij->no", padded[:, :, i : i + 3, j : j + 3], own["P"])
    want = float(matching(z.reshape(4, 2, 9).std(axis=2, ddof=1), target, K, ops)[0])
    seen = objective(h, Rows(4, slice(0, 4), target=target, n_classes=K), own, Ctx(ops)).seen
    assert float(seen["similarity"]) == pytest.approx(want, rel=1e-12)
    assert float(seen["prediction"]) == pytest.approx(np.log(K))  # D starts at 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PredSim(decoder=0), "decoder=0"),
        (lambda: Goodness(where="position").check((5,), K), "where=position is asked of images"),
        (lambda: Goodness(where="step").check((4, 3, 3), K), "where=step is asked of steps"),
        (lambda: Goodness(groups=4).check((6,), K), "groups=4 does not divide 6; use 4 or 8"),
        (lambda: Goodness(groups=0), "groups=0"),
        (lambda: SelfContrast(where="last").check((5,), K), "where=last"),
        (lambda: SelfContrast(penalty=-1.0), "penalty=-1.0"),
        (lambda: CwComp().check((32, 3, 3), 10), "number of classes=10 does not divide 32; use 30 or 40"),
        (lambda: DeeperForward().check((4, 25), 10), "does not divide 25; use 20 or 30"),
        (lambda: CwComp().check((5,), 10), "does not divide 5; use 10"),
        (lambda: DeeperForward().check((5,), 1), "at least 2 classes"),
        (lambda: CwComp(scale=0.0), "scale=0.0"),
        (lambda: SymBa(alpha=-1.0), "alpha=-1.0"),
        (lambda: PredSim(beta=1.5), "beta=1.5"),
        (lambda: PredSim().check((1, 4, 4), K), "compares channels"),
    ],
)
def test_what_is_not_defined_is_refused_in_a_sentence(make: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        make()
    assert words in str(raised.value)
