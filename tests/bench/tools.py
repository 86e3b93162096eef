"""Small works, and a way to let a subject make a number of steps in this process."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from lab.bench.work import Subject, Work


class Stop(Exception):
    pass


def steps(subject: Subject, count: int) -> None:
    """Let the subject make `count` steps."""
    left = count

    def tick() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Stop

    with suppress(Stop):
        subject.train(tick)


def work(family: str, **options: Any) -> Work:
    """A work of a second or less; depth and width are the network's."""
    network = {"name": "mlp", "depth": options.pop("depth", 3), "width": options.pop("width", 32)}
    return Work(family, network, **{"batch_size": 20, "rows": 200, "threads": 1, **options})
