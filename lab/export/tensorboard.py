"""Runs as TensorBoard's event files: a folder a run, with its curves, its options and its results (as hyperparameters).

TensorBoard itself is not needed to write them; the package tensorboardX is (extra `track`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.errors import StorageError, UsageError, extra
from lab.export.values import Exported

FILE = "events.out.tfevents.0.lab"  # one name, so that an export made again takes the place of the former


def look(out: str) -> str:
    """The command that shows what was written."""
    return f"tensorboard --logdir {out}"


def write(runs: Iterable[Exported], out: str) -> int:
    """Writes each run into a folder of its own under `out`; returns how many there were.

    Raises UsageError without tensorboardX or for an address, StorageError where nothing can be written.
    """
    try:
        import tensorboardX
    except ImportError:
        raise UsageError(
            f"TensorBoard's files are written by tensorboardX, which is not installed; {extra('track')}"
        ) from None
    if "://" in out:
        raise UsageError(f"--out {out} is an address; name a folder for TensorBoard's files")
    count = 0
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
        for run in runs:
            _write(tensorboardX, run, Path(out))
            count += 1
    except OSError as error:
        raise StorageError(f"the runs cannot be written to {out!r} ({error.strerror or error})") from error
    return count


def _write(tensorboardx: Any, run: Exported, out: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix=".export-", dir=out))
    try:
        writer = tensorboardx.SummaryWriter(str(draft))
        for scalar in run.scalars:
            writer.add_scalar(scalar.tag, scalar.value, scalar.step, walltime=scalar.at)
        last = max((scalar.step for scalar in run.scalars), default=0)
        results = {f"results/{name}": value for name, value in run.results.items()}
        for tag, value in results.items():
            writer.add_scalar(tag, value, last, walltime=run.finished)
        for summary in tensorboardx.summary.hparams({**run.options, "status": run.status}, results):
            writer.file_writer.add_summary(summary, walltime=run.started)
        ended = f"{run.status}: {run.reason}" if run.reason else run.status
        writer.add_text("run", f"{run.run_id}, {ended}", 0, walltime=run.started)
        writer.close()
        (made,) = draft.iterdir()
        (out / run.name).mkdir(exist_ok=True)
        os.replace(made, out / run.name / FILE)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
