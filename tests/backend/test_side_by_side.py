"""Parts of a batch on several threads: the same arrays, the same bytes counted, and errors that arrive."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest

from lab.backend import NumpyBackend
from lab.backend.blas import thread_setter
from lab.backend.side_by_side import inside, side_by_side
from lab.layers import Conv2D, Ctx

NO_SETTER = "numpy runs on a BLAS whose threads are set elsewhere"
needs_setter = pytest.mark.skipif(thread_setter() is None, reason=NO_SETTER)


def test_results_keep_their_order_and_parts_are_not_parted_again() -> None:
    names = side_by_side([lambda i=i: (i, threading.current_thread().name, inside()) for i in range(3)])  # type: ignore[misc]
    assert [i for i, _, _ in names] == [0, 1, 2]
    assert len({name for _, name, _ in names}) > 1
    assert all(busy for _, _, busy in names)
    assert not inside()


@pytest.mark.parametrize("bad", [0, 1])
def test_an_error_of_any_part_is_raised(bad: int) -> None:
    def part(i: int) -> int:
        if i == bad:
            raise MemoryError("no room")
        return i

    with pytest.raises(MemoryError, match="no room"):
        side_by_side([lambda i=i: part(i) for i in range(2)])  # type: ignore[misc]
    assert not inside()


@needs_setter
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_convolution_in_parts_is_the_whole(groups: int, kernel: int) -> None:
    found = []
    for threads in (1, 3):
        ops, rng = NumpyBackend("float64", threads=threads), np.random.default_rng(0)
        layer = Conv2D(4, kernel, groups=groups)
        layer.build((2, 6, 7), ops, rng)
        x = rng.standard_normal((7, 2, 6, 7))
        y, cache = layer.forward(x, Ctx(ops, keep=True))
        dx, grads = layer.backward(np.cos(y), cache, Ctx(ops))
        found.append([y.copy(), dx, *grads.values()])
        alive = ops.usage.live["workspace"]
        assert alive == 0, f"{alive} bytes of the parts are still counted"
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@needs_setter
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    def work(ops: NumpyBackend) -> Any:
        return ops.in_parts(lambda rows: rows.stop - rows.start, 5)

    ops = NumpyBackend(threads=2)
    assert work(ops) == [2, 3]
    child = os.fork()
    if child == 0:
        os._exit(0 if work(ops) == [2, 3] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
