"""The shortlist readout: between softmax and goodness, equal to each at its end, with the passes that it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.backend import Array
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.networks import mlp
from lab.trainers import ForwardForwardTrainer, Readout

K = 5


def trained(answer: Any, k: int = 3, head: Any = "stored") -> tuple[ForwardForwardTrainer, Split]:
    """A few steps on rows that are hard to tell apart, so that the readouts disagree; weights do not depend on k."""
    rng = np.random.default_rng(0)
    y = np.arange(100) % K
    x = rng.standard_normal((100, 12))
    x[np.arange(100), 5 + y] += 1.0
    rows = Split(x, y)
    made = ForwardForwardTrainer(
        mlp(depth=3, width=16), readout=Readout(answer=answer, shortlist=k, head=head), batch_size=20, dtype="float64"
    )
    for _ in made.fit(rows, epochs=4):
        pass
    return made, rows


def answer(name: Any, k: int = 3, head: Any = "stored") -> Array:
    made, rows = trained(name, k, head)
    return made.predict_proba(rows.x)


@pytest.mark.parametrize("head", ["stored", "per_block"])
def test_a_list_of_one_is_softmax_and_a_list_of_all_is_goodness(head: str) -> None:
    np.testing.assert_array_equal(answer("shortlist", 1, head), answer("softmax", head=head))
    np.testing.assert_array_equal(answer("shortlist", K, head), answer("goodness", head=head))
    np.testing.assert_array_equal(answer("shortlist", K + 7, head), answer("goodness", head=head))


def test_the_formula_itself_has_both_ends() -> None:
    """Without the short cuts that a list of one or of all takes."""
    made, rows = trained("shortlist", 3)
    for k, name in ((1, "softmax"), (K, "goodness")):
        object.__setattr__(made.readout, "shortlist", k)
        np.testing.assert_allclose(made._shortlist_probabilities(rows.x), answer(name), rtol=1e-10)


def test_goodness_decides_within_the_list_alone() -> None:
    made, rows = trained("shortlist", 2)
    found, p, g = made.predict_proba(rows.x), answer("softmax"), made.goodness(rows.x)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    two = np.argsort(-p, axis=1)[:, :2]
    better = np.take_along_axis(two, np.take_along_axis(g, two, axis=1).argmax(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_array_equal(made.predict(rows.x), better)
    outside = np.ones_like(p, bool)
    np.put_along_axis(outside, two, False, axis=1)
    np.testing.assert_array_equal(found[outside], p[outside])
    assert (better != p.argmax(axis=1)).any() and (better != g.argmax(axis=1)).any(), "the readouts must disagree"


def test_the_record_has_its_accuracy_beside_the_others() -> None:
    made, rows = trained("shortlist", 2)
    found = made.evaluate(rows)
    assert found["accuracy"] == found["accuracy_shortlist"] == (made.predict(rows.x) == rows.y).mean()
    assert {"accuracy_goodness", "accuracy_softmax"} <= found.keys()


def test_passes_are_counted_as_they_are_made() -> None:
    made, rows = trained("shortlist", 3)
    passes: list[int] = []
    walk = made.network.walk
    made.network.walk = lambda x, ctx: passes.append(len(x)) or walk(x, ctx)  # type: ignore[func-returns-value, method-assign]
    made.predict(rows.x[:10])
    cost = made.cost()
    assert passes == [10] * cost["passes_per_prediction"] == [10] * 4
    once = [block.flops() for block in made.network.blocks]
    head = 2 * sum(v.size for v in made._head.weights.values())
    assert cost["flops_per_prediction"] == once[0] + 4 * sum(once[1:]) + head
    for name, k, expected in (("shortlist", 1, 1), ("shortlist", K, K), ("softmax", 3, 1), ("goodness", 3, K)):
        assert trained(name, k)[0].cost()["passes_per_prediction"] == expected


def test_a_list_without_a_label_or_a_head_is_refused() -> None:
    with pytest.raises(UsageError, match="shortlist=0 leaves no label"):
        Readout(answer="shortlist", shortlist=0)
    with pytest.raises(UsageError, match="answer=shortlist needs a head"):
        Readout(answer="shortlist", head="none")
