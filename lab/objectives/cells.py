"""Cells: the pieces of a block's activities that goodness is taken of, each by itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from lab.backend import Array, Backend, ScaledRows, Shape
from lab.errors import UsageError

Where = Literal["row", "position", "step", "last"]
_NEEDS = {"position": (3, "images (C, H, W)"), "step": (2, "steps (T, F)"), "last": (2, "steps (T, F)")}


@dataclass(frozen=True)
class Cells:
    """Activities h (N, *shape) by cells: `units` (N, G, S, P) is a view of them, and a cell holds S units.

    where  row: the P places of a row are one cell; position, step: each pixel of an image, each step of a sequence is;
           last: the last step is, and the others do not count
    G      groups: neighbouring units or channels, each group with cells of its own
    share  how much each cell counts in its row, (N or 1, 1, P or 1); over the cells of a row 1 in all
    size   units in a cell, a number or (N, 1, 1): steps that do not exist have none
    """

    units: Array
    whole: bool
    share: Array | float
    size: Array | int

    @classmethod
    def of(cls, h: Array, where: Where, groups: int, mask: Array | None, ops: Backend) -> Cells:
        """The cells of h; `mask` (N, T) says which steps exist where h is (N, T, F), and means nothing elsewhere."""
        units, whole = by_unit(h, groups, where == "row"), where == "row"
        places = units.shape[3]
        if h.ndim != 3 or (mask is None and where != "last"):
            return cls(units, whole, 1 / groups / (1 if whole else places), units.shape[2] * (places if whole else 1))
        exists = ops.xp.ones((1, h.shape[1]), bool) if mask is None else mask
        steps = ops.xp.maximum(exists.sum(axis=1), 1)[:, None, None]
        if whole:
            return cls(units, whole, 1 / groups, (h.shape[2] // groups * steps).astype(ops.dtype))
        if where == "last":  # the highest index that exists
            place = ops.xp.arange(h.shape[1])
            exists = exists & (place == (exists * place).max(axis=1)[:, None])
            steps = ops.xp.ones((1, 1, 1))
        return cls(units, whole, (exists[:, None, :] / (steps * groups)).astype(ops.dtype), units.shape[2])

    def squares(self, ops: Backend) -> Array:
        """The sum of squares of each cell: (N, G, P), or (N, G, 1) by row."""
        if self._one:
            return ops.row_squares(self.units[:, 0, :, 0])[:, None, None]
        found: Array = ops.xp.einsum("ngsp,ngsp->ng" if self.whole else "ngsp,ngsp->ngp", self.units, self.units)
        return found[:, :, None] if self.whole else found

    def activity(self) -> Array:
        """The sum of each cell."""
        found: Array = self.units.sum(axis=(2, 3) if self.whole else 2)
        return found[:, :, None] if self.whole else found

    def by_row(self, amount: Array) -> Array:
        """The mean of what each cell has over the cells that count: (N,)."""
        found: Array = (amount * self.share).sum(axis=(1, 2))
        return found

    def over(self, h: Array, slope: Array, squares: bool, ops: Backend) -> Array | ScaledRows:
        """An array of h's shape: in each cell its slope times the units (squares), or its slope alone."""
        if self._one and squares:
            return ScaledRows(h, slope[:, 0, 0].astype(ops.dtype, copy=False))
        out = ops.empty(h.shape)
        view = by_unit(out, self.units.shape[1], self.whole)
        if squares:
            ops.xp.multiply(self.units, slope[:, :, None], out=view)
        else:
            view[...] = slope[:, :, None]
        return out

    @property
    def _one(self) -> bool:
        """Whether each row is one cell, its units side by side in memory."""
        return self.whole and self.units.shape[1] == self.units.shape[3] == 1


def by_unit(h: Array, groups: int, row: bool = False) -> Array:
    """A view of h by units (N, groups, units in a group, places).

    Units are the channels of images (N, C, H, W), the features of steps (N, T, F) and of rows (N, F). Where a `row`
    has one group, its places are units too, side by side in memory.
    """
    n = len(h)
    if row and groups == 1:
        return h.reshape(n, 1, prod(h.shape[1:]), 1)
    if h.ndim == 3:
        h = h.swapaxes(1, 2)
    return h.reshape(n, groups, h.shape[1] // groups, prod(h.shape[2:]))


def n_units(shape: Shape) -> int:
    """How many units activities of `shape` have: channels (C, H, W), or features (F,) and (T, F)."""
    return shape[-1] if len(shape) == 2 else shape[0]


def check_where(name: str, where: Where, shape: Shape) -> None:
    """Raise UsageError where activities of `shape` have no such cells."""
    if where in _NEEDS and len(shape) != _NEEDS[where][0]:
        raise UsageError(
            f"{name} where={where} is asked of {_NEEDS[where][1]}, but a block's activities have shape {shape}; "
            "use where=row, or another network"
        )


def check_groups(name: str, groups: int, shape: Shape, option: str) -> None:
    """Raise UsageError unless `groups`, which `option` names, divide the units of activities of `shape`."""
    units = n_units(shape)
    if units % groups:
        below = units - units % groups
        raise UsageError(
            f"{name} parts a block's {units} {'channels' if len(shape) == 3 else 'units'} into groups, but "
            f"{option}={groups} does not divide {units}; use {f'{below} or ' if below else ''}{below + groups}"
        )
