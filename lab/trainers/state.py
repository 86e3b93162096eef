"""A trainer's state as a checkpoint file, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import DataError, UsageError
from lab.record.checkpoint import read_checkpoint, write_checkpoint
from lab.trainers.stopping import BEST

if TYPE_CHECKING:
    from lab.backend import Array
    from lab.trainers.trained import TrainedNetwork

VERSION = 1


def save(trainer: TrainedNetwork, path: Path, more: Mapping[str, Any] | None = None, keep: Path | None = None) -> None:
    """Write every array that training changes, and where training stands.

    more   what else the header says, such as the run that the checkpoint belongs to
    keep   the name under which the checkpoint that was at `path` goes on
    """
    arrays = trainer.state()  # first: a trainer with steps under way ends them for it
    header = {
        **(more or {}),
        "version": VERSION,
        "family": trainer.family,
        "seed": trainer.seed,
        "dtype": str(trainer.ops.dtype),
        "options": trainer.options(),
        **_standing(trainer),
    }
    write_checkpoint(path, arrays, header, keep)


def load(trainer: TrainedNetwork, path: Path, check: Callable[[dict[str, Any]], None] = lambda header: None) -> None:
    """Check a checkpoint against the trainer, name by name, then take it over; `check` may refuse it by its header."""
    arrays, header = read_checkpoint(path)
    check(header)
    try:
        _admit(trainer, header, path)
        _take_over(trainer, arrays, header, str(path))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Its digest is right, so it was written so: by another program, or by somebody who wishes harm.
        raise DataError(f"{path} is damaged: its header has no sense ({type(error).__name__}: {error})") from error


def _admit(trainer: TrainedNetwork, header: dict[str, Any], path: Path) -> None:
    """Raise UsageError unless the checkpoint is of a trainer such as this one."""
    for key, have in (("version", VERSION), ("family", trainer.family), ("dtype", str(trainer.ops.dtype))):
        if header.get(key) != have:
            raise UsageError(f"{path} is a checkpoint with {key} {header.get(key)!r}, this trainer has {have!r}")
    if header.get("seed") != trainer.seed:
        raise UsageError(
            f"{path} was trained with seed {header.get('seed')}, this trainer has seed {trainer.seed}; use the same"
        )
    for name, have in trainer.options().items():
        if (saved := header.get("options", {}).get(name)) != have:
            raise UsageError(f"{path} was trained with {name}={saved}, this trainer has {name}={have}; use the same")


def pack(trainer: TrainedNetwork) -> dict[str, Any]:
    """The same for a pickle or a copy: {} where nothing was built yet."""
    return {"arrays": trainer.state(), **_standing(trainer)} if trainer.n_outputs else {}


def unpack(trainer: TrainedNetwork, packed: dict[str, Any]) -> None:
    """Take over what `pack` gave of a trainer with the same options."""
    if packed:
        _take_over(trainer, packed["arrays"], packed, "the pickle")


def _standing(trainer: TrainedNetwork) -> dict[str, Any]:
    """What the network was built for, and where training stands."""
    if trainer.progress.batch:  # in the middle of an epoch: its peaks so far are not lost with this process
        trainer.note_memory()
    return {
        "in_shape": list(trainer.in_shape),
        "n_outputs": trainer.n_outputs,
        "task": trainer.task,
        "scale": trainer.scale,
        "alphabet": trainer.alphabet,
        "progress": trainer.progress.as_dict(),
    }


def _take_over(trainer: TrainedNetwork, arrays: dict[str, Array], standing: dict[str, Any], where: str) -> None:
    shape, alphabet = tuple(standing["in_shape"]), standing.get("alphabet", 0)
    trainer.build(shape, standing["n_outputs"], standing["task"], standing["scale"], alphabet)
    best = {name.removeprefix(BEST): a for name, a in arrays.items() if name.startswith(BEST)}
    arrays = {name: a for name, a in arrays.items() if not name.startswith(BEST)}
    own = trainer._arrays()
    if own.keys() != arrays.keys():
        odd = sorted(own.keys() ^ arrays.keys())
        raise UsageError(f"{where} is of another network or optimizer: {odd[0]!r} is only in one of them")
    for name, found in [*arrays.items(), *best.items()]:
        array = own.get(name)
        if array is None or found.shape != array.shape or found.dtype != array.dtype:
            have = "nothing" if array is None else f"{array.dtype} {array.shape}"
            raise UsageError(f"{where} is of another network: {name} is {found.dtype} {found.shape}, here {have}")
        if not np.isfinite(found).all():
            raise DataError(f"{where} holds values in {name} that are not finite; use an earlier checkpoint")
    trainer.progress.restore(standing["progress"])
    put(trainer, arrays)
    trainer.best = {name: array.copy() for name, array in best.items()}


def put(trainer: TrainedNetwork, arrays: Mapping[str, Array]) -> None:
    """Copy host arrays, by name, over the trainer's own."""
    own = trainer._arrays()
    for name, found in arrays.items():
        array = own[name]
        array[...] = trainer.ops.xp.asarray(found)
