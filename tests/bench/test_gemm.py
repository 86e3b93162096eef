"""The floor is made of the products of our own step: as many operations as the trainer says it costs."""

from __future__ import annotations

import numpy as np
import pytest

from lab.bench.gemm import NumpyProducts, Product, flops, operands, products
from lab.bench.ours import Ours
from lab.bench.work import FAMILIES
from lab.errors import UsageError
from tests.bench.tools import steps, work


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("depth", [1, 3])
def test_products_cost_what_the_trainer_says(family: str, depth: int) -> None:
    wanted = work(family, depth=depth)
    assert flops(products(wanted)) == Ours(wanted).trainer.cost()["flops_per_step"]


def test_operands_have_the_products_shapes_and_layouts() -> None:
    wanted = [Product("0", "nn", 5, 7, 3), Product("0", "tn", 7, 5, 3), Product("0", "nt", 5, 3, 7)]
    (x, W, y), (xT, dy, dW), (dy2, WT, dx) = operands(work("backprop"), wanted)
    assert (x.shape, W.shape, y.shape) == ((5, 7), (7, 3), (5, 3))
    assert (xT.shape, dy.shape, dW.shape) == ((7, 5), (5, 3), (7, 3))
    assert (dy2.shape, WT.shape, dx.shape) == ((5, 3), (3, 7), (5, 7))
    assert np.shares_memory(W, WT) and np.shares_memory(x, xT)
    assert xT.flags.f_contiguous and WT.flags.f_contiguous and W.flags.c_contiguous


def test_steps_compute_every_product() -> None:
    subject = NumpyProducts(work("backprop", depth=1))
    for _, _, out in subject._operands:
        out[...] = np.nan
    steps(subject, 1)
    for a, b, out in subject._operands[-1:]:  # operands of a shape are shared, so the last one stands
        np.testing.assert_allclose(out, a @ b, rtol=1e-5)
    assert all(np.isfinite(out).all() for _, _, out in subject._operands)


def test_a_head_whose_products_are_not_known_is_refused() -> None:
    from lab.trainers import Readout

    with pytest.raises(UsageError, match="head=recomputed"):
        products(work("forward_forward", options={"readout": Readout(head="recomputed")}))
