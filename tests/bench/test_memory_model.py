"""The analytic model beside what the trainers count: each kind, the peak, and where it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.bench import memory_model as model
from lab.bench.memory import CLASSES, SHAPE, VARIANTS, Variant, count, exponents, largest_deviation, sizes_of
from lab.bench.memory_model import Moment, Sizes
from lab.data import Split

POINTS = [(1, 128, 50), (2, 200, 64), (6, 150, 100), (9, 96, 128)]


EXTREMES = (
    Variant("backprop, updated during", "backprop", update="during"),
    Variant("backprop, recomputed", "backprop", root=True),
    Variant("backprop, recomputed in parts", "backprop", root=True, micro_batches=3),
    Variant("forward-forward, separate, recomputed", "forward_forward", passes="separate", head="recomputed"),
    Variant("forward-forward, separate, no head", "forward_forward", passes="separate", head="none"),
)


@pytest.mark.parametrize("variant", [*VARIANTS, *EXTREMES], ids=lambda v: v.name.replace(", ", "-").replace(" ", "-"))
@pytest.mark.parametrize(("depth", "width", "batch"), POINTS)
def test_the_model_is_within_five_percent_of_what_is_counted(
    variant: Variant, depth: int, width: int, batch: int
) -> None:
    trainer, counted = count(variant, depth, width, batch)
    predicted = model.peaks(variant.held(sizes_of(trainer)))
    assert predicted.keys() == counted.keys()
    assert predicted["peak_at"] == counted["peak_at"]
    for kind in predicted.keys() - {"peak_at"}:
        # a kind that is next to nothing is held to a thousandth of the peak instead
        assert predicted[kind] == pytest.approx(counted[kind], rel=0.05, abs=counted["peak"] / 1000), kind


@pytest.mark.parametrize("family", ["backprop", "forward_forward"])
def test_the_model_knows_the_optimizers_temporary(family: str) -> None:
    from lab.networks import mlp
    from lab.trainers import BackpropTrainer, ForwardForwardTrainer

    class Plain(Variant):
        def trainer(self, depth: int, width: int, batch: int) -> Any:
            kind: Any = BackpropTrainer if family == "backprop" else ForwardForwardTrainer
            return kind(mlp(depth=depth, width=width), batch_size=batch, kernels="numpy")

    held = model.backprop if family == "backprop" else model.forward_forward
    trainer, counted = count(Plain("plain", "backprop", held), 3, 150, 64)
    sizes = sizes_of(trainer)
    assert not sizes.compiled
    predicted = model.peaks(held(sizes))
    assert predicted["workspace"] == pytest.approx(counted["workspace"], rel=0.05)
    assert predicted["workspace"] == 4 * 784 * 150
    assert predicted["peak"] == pytest.approx(counted["peak"], rel=0.05)


@pytest.mark.parametrize("variant", [*VARIANTS, *EXTREMES], ids=lambda v: v.name.replace(", ", "-").replace(" ", "-"))
def test_the_model_is_right_everywhere_in_a_step(variant: Variant) -> None:
    """Not only at the peaks: the most that each kind held at each place of a step."""
    depth, width, batch = 7, 100, 80
    trainer: Any = variant.trainer(depth, width, batch).build(SHAPE, CLASSES, scale=1 / 255)
    usage, found = trainer.ops.usage, dict[tuple[str, str], int]()
    add = usage.add

    def recording(kind: str, nbytes: int) -> None:
        add(kind, nbytes)
        if nbytes < 0:  # what is freed later may still be there when a place begins
            return
        for name in ("activations", "gradients", "readout"):
            found[usage.place, name] = max(found.get((usage.place, name), 0), usage.live[name])

    usage.add = recording
    rows = Split(np.full((batch, *SHAPE), 9, np.uint8), np.arange(batch) % CLASSES, 1 / 255)
    list(trainer.fit(rows, epochs=1))
    predicted: dict[tuple[str, str], int] = {}
    for moment in variant.held(sizes_of(trainer)):
        for name in ("activations", "gradients", "readout"):
            predicted[moment.place, name] = max(predicted.get((moment.place, name), 0), moment.alive.get(name, 0))
    array = 4 * batch * width
    for key, nbytes in predicted.items():
        if key not in found:  # nothing is allocated there
            assert key[0].endswith("update")
            continue
        assert found[key] == pytest.approx(nbytes, abs=array / 2), key


def test_forward_forward_is_flat_in_depth_and_backprop_linear() -> None:
    def activations(held: Any, depth: int) -> int:
        found: int = model.peaks(held(Sizes(100, 784, (500,) * depth, 10, compiled=True)))["activations"]
        return found

    assert activations(model.forward_forward, 3) == activations(model.forward_forward, 100) == 4 * 6 * 100 * 500
    assert activations(model.backprop, 100) - activations(model.backprop, 99) == 4 * 100 * 500


def test_peaks_are_each_kinds_own_and_the_sums() -> None:
    moments = [Moment("a", {"weights": 5, "data": 9}), Moment("b", {"weights": 5, "gradients": 10})]
    found = model.peaks(moments)
    assert (found["weights"], found["data"], found["gradients"], found["readout"]) == (5, 9, 10, 0)
    assert (found["peak"], found["peak_at"]) == (15, "b")


def test_exponents_run_along_one_axis_at_a_time() -> None:
    points = [
        {"variant": "v", "depth": d, "width": w, "batch": n, "counted": {"activations": d * w * n**2, "readout": 0}}
        for d in (1, 2, 4)
        for w in (10, 30)
        for n in (5, 7)
    ]
    found = {(e["axis"], e["kind"]): e["exponent"] for e in exponents(points, ["v"])}
    assert found.keys() == {(axis, "activations") for axis in ("depth", "width", "batch")}  # a log needs bytes
    assert [found[axis, "activations"] for axis in ("depth", "width", "batch")] == pytest.approx([1, 1, 2])


def test_the_largest_deviation_leaves_out_crumbs() -> None:
    counted = {"weights": 1000, "data": 1, "peak": 1001, "peak_at": "x"}
    predicted = {"weights": 1100, "data": 9, "peak": 1001, "peak_at": "y"}
    found = largest_deviation([{"counted": counted, "model": predicted}])
    assert found == pytest.approx({"weights": 0.1, "peak": 0.0})
