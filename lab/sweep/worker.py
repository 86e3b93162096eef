"""`python -m lab.sweep.worker RUN_DIR`: make the one run whose config stands in RUN_DIR, in a process of its own.

So a crash, a kill or a lack of memory ends this run and nothing else, and the peak memory is this run's own. Progress
goes to stdout as one JSON object a line; all else that is printed goes to stderr.

Exit status: 0 ok, 1 failed, 2 wrong config, 65 diverged, 66 bad data, 71 out of memory, 74 disk, 75 locked or stopped.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from lab.errors import LabError, UsageError
from lab.record import storage
from lab.record.record import SETTLED
from lab.record.store import RunFolder

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS")
_SPIN = "10"  # log2 of the ticks for which OpenBLAS's idle threads hold on to cores that compiled kernels want


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    faulthandler.enable()
    channel, stop = Channel(), Stop()
    try:
        if len(arguments) != 1:
            raise UsageError("give one run folder: python -m lab.sweep.worker RUN_DIR")
        folder = RunFolder(arguments[0])
        run_id, raw = folder.read_config()
        set_threads(raw)
        return _work(folder, run_id, raw, channel, stop)
    except LabError as error:
        channel.tell({"event": "error", "kind": type(error).__name__, "text": str(error)})
        print(error, file=sys.stderr)
        return error.exit_code


def _work(folder: RunFolder, run_id: str, raw: Mapping[str, Any], channel: Channel, stop: Stop) -> int:
    # Imported only now: numpy reads the number of threads when it is loaded.
    from lab.config import parse
    from lab.run import run

    with folder.lock():
        before = folder.record()
        if before is not None and before.status in SETTLED:
            return before.exit_code
        config = parse(raw)
        storage.clear_temporaries(folder.path)
        record = run(
            config,
            named=run_id,
            checkpoint=folder.checkpoint,
            tell=channel.tell,
            stopped=lambda: stop.asked or channel.broken,
        )
        if before is not None:
            folder.set_record_aside()
        record.write(folder.record_path)
    return record.exit_code


def set_threads(raw: Mapping[str, Any]) -> None:
    """Set how many threads the libraries may use, which they read once, when they are loaded."""
    backend = raw.get("backend")
    threads = backend.get("threads") if isinstance(backend, Mapping) else None
    if isinstance(threads, int):
        os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", _SPIN)


class Stop:
    """Takes SIGTERM and SIGINT as a wish to stop at the next step; a second one ends the process at once."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: object) -> None:
        self.asked = True
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)


class Channel:
    """Tells the parent what happens; `broken` once nobody listens any more."""

    def __init__(self) -> None:
        self.broken = False
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # what anything else prints must not look like progress

    def tell(self, event: dict[str, Any]) -> None:
        """Send one event; where nobody listens, the run is asked to stop."""
        if self.broken:
            return
        try:
            self._file.write(json.dumps(event) + "\n")
            self._file.flush()
        except OSError:
            self.broken = True
            with contextlib.suppress(OSError):
                self._file.close()


if __name__ == "__main__":
    sys.exit(main())
