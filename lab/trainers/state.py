"""A trainer's state as a checkpoint file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.errors import DataError, UsageError
from lab.record.checkpoint import read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from lab.trainers.base import Trainer

VERSION = 1


def save(trainer: Trainer, path: Path) -> None:
    """Write every array that training changes, and where training stands."""
    header = {
        "version": VERSION,
        "family": trainer.family,
        "in_shape": list(trainer.in_shape),
        "n_outputs": trainer.n_outputs,
        "task": trainer.task,
        "scale": trainer.scale,
        "seed": trainer.seed,
        "dtype": str(trainer.ops.dtype),
        "progress": trainer.progress.as_dict(),
    }
    write_checkpoint(path, trainer.state(), header)


def load(trainer: Trainer, path: Path) -> None:
    """Check a checkpoint against the trainer, name by name, then take it over."""
    arrays, header = read_checkpoint(path)
    for key, have in (("version", VERSION), ("family", trainer.family), ("dtype", str(trainer.ops.dtype))):
        if header.get(key) != have:
            raise UsageError(f"{path} is a checkpoint with {key} {header.get(key)!r}, this trainer has {have!r}")
    if header.get("seed") != trainer.seed:
        raise UsageError(
            f"{path} was trained with seed {header.get('seed')}, this trainer has seed {trainer.seed}; use the same"
        )
    trainer.build(tuple(header["in_shape"]), header["n_outputs"], header["task"], header["scale"])
    own = trainer._arrays()
    if own.keys() != arrays.keys():
        odd = sorted(own.keys() ^ arrays.keys())
        raise UsageError(f"{path} is of another network or optimizer: {odd[0]!r} is only in one of them")
    for name, array in own.items():
        found = arrays[name]
        if found.shape != array.shape or found.dtype != array.dtype:
            raise UsageError(
                f"{path} is of another network: {name} is {found.dtype} {found.shape}, here {array.dtype} {array.shape}"
            )
        if not np.isfinite(found).all():
            raise DataError(f"{path} holds values in {name} that are not finite; use an earlier checkpoint")
    trainer.progress.restore(header["progress"])
    for name, array in own.items():
        array[...] = trainer.ops.xp.asarray(arrays[name])
