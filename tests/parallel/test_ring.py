"""Rings between processes: order, bounds, waiting, and the end of either side."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

import numpy as np
import pytest

from lab.parallel import Disconnected, Ring
from lab.parallel.ring import close_others
from lab.parallel.shared import ALIGN


def forked(work: Callable[[], None]) -> int:
    """The pid of a child that does `work` and ends with status 0, or 1 where that raises."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def status_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_records_arrive_whole_and_in_order_with_their_own_numbers_of_rows() -> None:
    ring = Ring({"a": ((5, 3), "f4"), "b": ((4,), "i8")}, slots=2)

    def write() -> None:
        ring.take("writer")
        for i in range(50):
            ring.send({"i": i, "third": i / 3}, {"a": np.full((1 + i % 5, 3), i, "f4"), "b": np.arange(i % 4)})

    pid = forked(write)
    ring.take("reader")
    for i in range(50):
        message, arrays = ring.receive()
        assert message == {"i": i, "third": i / 3}
        assert arrays["a"].shape == (1 + i % 5, 3) and (arrays["a"] == i).all()
        assert np.array_equal(arrays["b"], np.arange(i % 4))
        assert arrays["a"].ctypes.data % ALIGN == 0
        ring.release()
    with pytest.raises(Disconnected):
        ring.receive()  # the writer has ended
    assert status_of(pid) == 0


def test_a_full_ring_holds_its_writer_back() -> None:
    ring, full = Ring({"a": ((1,), "i8")}, slots=3), os.pipe()

    def write() -> None:
        ring.take("writer")
        for i in range(3):
            assert ring.has_room()
            ring.send({}, {"a": np.array([i])})
        assert not ring.has_room()
        os.write(full[1], b"x")
        ring.send({}, {"a": np.array([3])})

    pid = forked(write)
    os.close(full[1])
    ring.take("reader")
    first = [ring.receive()[1]["a"] for _ in range(3)]
    assert os.read(full[0], 1) == b"x"
    assert not select.select([ring._messages[0]], [], [], 0.1)[0]  # the fourth waits, since nothing was released
    assert [int(a[0]) for a in first] == [0, 1, 2]  # and nothing that is held was written over
    ring.release()
    assert int(ring.receive()[1]["a"][0]) == 3
    assert status_of(pid) == 0


def test_a_dead_reader_is_seen_by_a_writer_that_waits() -> None:
    ring = Ring({"a": ((1,), "i8")}, slots=1)

    def read_one_and_die() -> None:
        ring.take("reader")
        ring.receive()

    pid = forked(read_one_and_die)
    ring.take("writer")
    ring.send({}, {"a": np.zeros(1, int)})
    with pytest.raises(Disconnected):
        ring.send({}, {"a": np.zeros(1, int)})
    assert status_of(pid) == 0


def test_a_child_that_has_no_part_in_a_ring_does_not_keep_it_open() -> None:
    ring, other, ready, go = Ring({}), Ring({}), os.pipe(), os.pipe()

    def bystander() -> None:
        close_others([other])
        os.write(ready[1], b"x")
        os.read(go[0], 1)

    pid = forked(bystander)
    os.read(ready[0], 1)
    writer = forked(lambda: ring.take("writer"))
    ring.take("reader")
    with pytest.raises(Disconnected):
        ring.receive()  # though the bystander lives
    assert status_of(writer) == 0
    os.write(go[1], b"x")
    assert status_of(pid) == 0


def test_no_rows_too_many() -> None:
    ring = Ring({"a": ((2, 3), "f4")})
    with pytest.raises(ValueError, match="broadcast"):
        ring.send({}, {"a": np.zeros((3, 3), "f4")})
