"""The lab's errors: one clear sentence each, with the value and the remedy, and the exit code a command ends with."""

from __future__ import annotations


def extra(name: str) -> str:
    """How to get what an extra of pyproject.toml brings: the end of a sentence on a package that is missing."""
    return f"the extra {name} brings it: make setup EXTRAS=dev,fast,{name}"


class LabError(Exception):
    """Something the user can mend. `exit_code` is the status that a command ends with (sysexits.h where one fits)."""

    exit_code = 1


class UsageError(LabError):
    """A wrong option, key, value or shape, found before any work starts."""

    exit_code = 2


class Diverged(LabError):
    """A loss stopped being finite: `step` (counted from 1) and `block` say where."""

    exit_code = 65

    def __init__(self, step: int, block: str, value: float) -> None:
        super().__init__(
            f"the loss of {block} became {value} at step {step}; lower the learning rate or look for huge inputs"
        )
        self.step, self.block, self.value = step, block, value


class DataError(LabError):
    """A data file is missing, truncated, altered, or holds values that cannot be trained on."""

    exit_code = 66


class OtherVersion(DataError):
    """A file of this program, but of another version: not damaged, and not to be replaced."""


class OutOfMemory(LabError):
    """The run needed more memory than there is."""

    exit_code = 71


class StorageError(LabError):
    """A write failed (full disk, read-only folder); what was there before is intact."""

    exit_code = 74


class Busy(LabError):
    """Another process holds the run, or this one was asked to stop: trying again can succeed."""

    exit_code = 75
