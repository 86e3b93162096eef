"""PyTorch's step and ours are the same step: from equal weights, rows and draws they go to equal weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.bench.ours import Ours
from lab.bench.work import SUBJECTS, subjects
from lab.errors import UsageError
from tests.bench.tools import steps, work

torch = pytest.importorskip("torch", reason="the comparison needs PyTorch, the extra bench")

STEPS = 12  # more than an epoch, so that orders and draws of the second one are compared too
RIVALS = [e for e in SUBJECTS if e.needs == "torch" and not e.floor and not e.options.get("compiled")]


def weights_of_both(entry: Any, **options: Any) -> dict[str, tuple[Any, Any]]:
    """name -> (ours, theirs) after STEPS steps each."""
    wanted = work(entry.family, **options)
    ours, theirs = Ours(wanted), entry.make(wanted)
    start = {name: array.copy() for name, array in theirs.weights().items()}
    steps(ours, STEPS)
    steps(theirs, STEPS)
    state = ours.trainer.state()
    heads = {f"head{i}": f"readout/block{i + 1}" for i in range(99)} if entry.family == "forward_forward" else {}
    found = {name: (state[heads.get(name, f"weights/{name}")], array) for name, array in theirs.weights().items()}
    assert set(state) >= {f"weights/{name}" for name in found if name not in heads}
    for name, (mine, _) in found.items():
        assert not np.array_equal(mine, start[name]), f"{name} did not move"
    return found


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("entry", RIVALS, ids=lambda entry: f"{entry.family}-{entry.name}")
def test_equal_steps_in_float64(entry: Any, depth: int) -> None:
    for name, (ours, theirs) in weights_of_both(entry, depth=depth, dtype="float64").items():
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-11 * np.abs(ours).max(), err_msg=name)


@pytest.mark.parametrize("entry", RIVALS, ids=lambda entry: f"{entry.family}-{entry.name}")
def test_equal_steps_in_float32(entry: Any) -> None:
    # Adam divides by the root of a tiny average, which makes much of the last bit of small gradients.
    tolerance = 1e-3 if entry.family == "backprop" else 2e-5
    for name, (ours, theirs) in weights_of_both(entry).items():
        assert ours.dtype == theirs.dtype == np.float32
        assert np.abs(theirs - ours).max() < tolerance * np.abs(ours).max(), name


def test_every_block_and_head_is_compared() -> None:
    for entry in RIVALS:
        params = {
            name for name in Ours(work(entry.family)).trainer.state() if name.startswith(("weights/", "readout/"))
        }
        made = entry.make(work(entry.family))
        assert len(made.weights()) == len(params), entry.name


@pytest.mark.parametrize(
    "options",
    [{"negatives": "uniform"}, {"schedule": "greedy"}],
)
def test_a_trainer_that_pytorch_has_no_twin_of_is_refused(options: dict[str, Any]) -> None:
    wanted = work("forward_forward", options=options)
    for entry in subjects(wanted):
        if entry.needs and not entry.floor:
            with pytest.raises(UsageError, match="recipe"):
                entry.make(wanted)
