"""The pool: memory is counted while it is held, returned with the last reference, and reused."""

from __future__ import annotations

import numpy as np

from lab.backend import NumpyBackend, Pool


def test_a_buffer_returns_with_the_last_view() -> None:
    pool = Pool()
    a = pool.empty((10, 16), np.float32)
    view = a[2:4].reshape(-1)
    assert pool.usage.live["activations"] == 640
    del a
    assert pool.usage.live["activations"] == 640
    del view
    assert pool.usage.live["activations"] == 0


def test_a_returned_buffer_is_reused_and_a_held_one_is_not() -> None:
    pool = Pool()
    a = pool.empty((64,), np.float32)
    place = a.ctypes.data
    b = pool.empty((64,), np.float32)
    assert b.ctypes.data != place
    del a
    c = pool.empty((8, 8), np.int32)
    assert c.ctypes.data == place
    assert pool.fresh == 2


def test_arrays_are_aligned_writable_and_of_any_shape() -> None:
    pool = Pool()
    for shape in [(), (0,), (3, 0, 2), (7,), (5, 3)]:
        for dtype in (np.float32, np.float64, np.bool_, np.int64):
            a = pool.empty(shape, dtype)
            assert a.shape == shape
            assert a.dtype == dtype
            assert a.ctypes.data % 64 == 0 or a.size == 0
            a[...] = 1
            assert (a == 1).all()


def test_peaks_name_kind_and_place() -> None:
    pool = Pool()
    with pool.usage.during("block1 forward", "activations"):
        a = pool.empty((1000,), np.float32)
    with pool.usage.during("block1 backward"):
        b = pool.empty((500,), np.float32, kind="gradients")
        del b
    del a
    c = pool.empty((100,), np.float32, kind="optimizer")
    usage = pool.usage
    assert (usage.peak["activations"], usage.peak["gradients"], usage.peak["optimizer"]) == (4032, 2048, 448)
    assert (usage.peak_total, usage.peak_at) == (6080, "block1 backward")
    assert usage.at_peak["activations"] == 4032
    usage.reset_peak()
    assert usage.peak_total == 448
    del c


def test_trim_gives_waiting_buffers_back() -> None:
    ops = NumpyBackend()
    ops.empty((1000,))
    ops.trim()
    ops.empty((1000,))
    assert ops.pool.fresh == 2
