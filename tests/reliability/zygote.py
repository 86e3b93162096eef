"""`python -m tests.reliability.zygote`: forks a worker for each line it is told, so that one costs no imports.

Line: {"folder": run folder, "kill": seconds or null, "trouble": what goes wrong, or null}; answer: the exit status, or
minus the signal. SIGKILL is a true one: what the kernel holds for the process, its lock, is let go as it would be.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

import lab.data
import lab.trainers
from lab.errors import LabError
from lab.record.store import RunFolder
from lab.sweep.worker import Stop, work
from tests.reliability import story


def child(task: dict[str, Any]) -> int:
    """Make one run as a worker does; returns the exit status."""
    folder = RunFolder(task["folder"])
    trouble(task["trouble"])
    lab.run.Keeper = story.Often
    try:
        run_id, raw = folder.read_config()
        return work(folder, run_id, raw, story.Told(), Stop(), time.time())  # type: ignore[arg-type]
    except LabError as error:
        return error.exit_code


def trouble(what: str | None) -> None:
    """Arrange for something to go wrong in this process alone."""
    if what == "small files":
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python itself does
    if what == "small memory":
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + (24 << 20), now + (24 << 20)))


def wait(pid: int, seconds: float | None) -> int:
    """The child's exit status, or minus the signal that ended it; after `seconds` that is SIGKILL."""
    descriptor = os.pidfd_open(pid)
    if not select.select([descriptor], [], [], seconds)[0]:
        os.kill(pid, signal.SIGKILL)
    os.close(descriptor)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def main() -> None:
    """Answer lines until there are none."""
    for line in sys.stdin:
        task = json.loads(line)
        pid = os.fork()
        if not pid:
            os._exit(child(task))
        print(wait(pid, task["kill"]), flush=True)


if __name__ == "__main__":
    main()
