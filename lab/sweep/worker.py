"""`python -m lab.sweep.worker RUN_DIR [MODULE ...]`: make the one run whose config stands in RUN_DIR, in a process of
its own. Modules of the user's own are imported only where they are named here as well.

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
import time
from collections.abc import Mapping, Sequence
from typing import Any

from lab.errors import LabError, UsageError
from lab.record import storage
from lab.record.store import RunFolder

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS")
_SPIN = "10"  # log2 of the ticks for which OpenBLAS's idle threads hold on to cores that compiled kernels want


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    began = time.time()
    faulthandler.enable()
    channel, stop = Channel(), Stop()
    try:
        if not arguments:
            raise UsageError("give one run folder: python -m lab.sweep.worker RUN_DIR [MODULE ...]")
        folder, listed = RunFolder(arguments[0]), arguments[1:]
        run_id, raw = folder.read_config()
        check_imports(raw.get("imports"), listed, f"{folder.config_path}: list them behind the folder")
        set_threads(raw)
        return work(folder, run_id, raw, channel, stop, began)
    except LabError as error:
        channel.tell({"event": "error", "kind": type(error).__name__, "text": str(error)})
        print(error, file=sys.stderr)
        return error.exit_code


def check_imports(asked: object, listed: Sequence[str], where: str) -> None:
    """Raise UsageError unless whoever starts a run has listed every module that its config would import."""
    wanted = asked if isinstance(asked, list | tuple) else [] if asked is None else [asked]
    if odd := [str(module) for module in wanted if module not in listed]:
        raise UsageError(f"the config would run the modules {', '.join(odd)}, which were not listed; {where}")


def work(
    folder: RunFolder, run_id: str, raw: Mapping[str, Any], channel: Channel, stop: Stop, began: float | None = None
) -> int:
    """Make the run and write its record; a record written since `began` is another process's, and stands."""
    # Imported only now: numpy reads the number of threads when it is loaded.
    from lab.config import parse
    from lab.measure.build import code_version
    from lab.run import run

    with folder.lock():
        config = parse(raw)
        before = folder.record()
        stands = before is not None and before.stands(code_version() if config.rerun == "stale" else None)
        if before is not None and (stands or (began is not None and folder.ended_since(began))):
            return before.exit_code  # or another process has just ended it, in whatever way
        storage.clear_temporaries(folder.path)
        record = run(
            config,
            named=run_id,
            checkpoint=folder.checkpoint,
            tell=channel.tell,
            stopped=lambda: stop.asked or channel.broken,
        )
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
