"""A trainer that meets with trouble where the environment says so: with and without, the run has the same id."""

import os
import signal
import time
from typing import Any

from lab.data.dataset import Split
from lab.registry import register
from lab.trainers import BackpropTrainer

VARIABLE = "LAB_TEST_TROUBLE"  # "kill@13": SIGKILL after step 13; "kill@test": when the test rows are opened


TROUBLES = "LAB_TEST_TROUBLES"  # the same for several runs of a sweep, by their seeds: "0:raise@2,3:hang@2"


def meet(place: str, seed: int = 0) -> None:
    """Do what the environment says for this place."""
    each = dict(entry.split(":") for entry in os.environ.get(TROUBLES, "").split(",") if entry)
    what, _, where = each.get(str(seed), os.environ.get(VARIABLE, "")).partition("@")
    if where != place:
        return
    once = os.environ.get("LAB_TEST_ONCE", "")
    if what == "kill_once" and not os.path.exists(once):
        open(once, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
    if what == "exit":
        os._exit(3)
    if what == "memory":
        raise MemoryError("Unable to allocate 1.00 EiB")
    if what == "raise":
        raise ZeroDivisionError("a part of the user's own is wrong")
    if what == "hang":
        time.sleep(60)
    if what == "print":
        print('{"event": "epoch", "epoch": 99}')  # must not be taken for progress


@register("trainer", "troubled")
class Troubled(BackpropTrainer):
    """Backprop that may end badly."""

    def _step(self, *arguments: Any) -> Any:
        seen = super()._step(*arguments)
        meet(str(self.progress.step + 1), self.seed)
        if os.environ.get("LAB_TEST_SLOW"):
            time.sleep(float(os.environ["LAB_TEST_SLOW"]))
        return seen

    def _evaluate(self, split: Split) -> dict[str, Any]:
        if split.name.endswith("(test)"):
            meet("test", self.seed)
        return super()._evaluate(split)
