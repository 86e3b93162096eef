"""A weight gradient that is not written out, for updates that only add it to a running average.

The gradient of a linear map is one product, dW = x^T dy. Written out it is as large as the weights, and goes through
memory three times before it is in the average; BLAS can add a product to what is there (beta).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.backend.base import Array, Backend, Shape
    from lab.backend.steps import StepOperations


class Product:
    """Stands for x^T dy (I, O), x (N, I), dy (N, O); `more` (k, O), if there is more, is added to its rows `place`."""

    def __init__(self, x: Array, dy: Array, place: slice | None = None, more: Array | None = None) -> None:
        self.x, self.dy, self.place, self.more = x, dy, place, more

    @property
    def shape(self) -> Shape:
        """The shape of the array that this stands for."""
        return self.x.shape[1], self.dy.shape[1]

    def written(self, ops: StepOperations) -> Array:
        """That array, counted as a gradient."""
        out = ops.empty(self.shape, kind="gradients")
        ops.matmul(self.x.T, self.dy, out)
        if self.place is not None and self.more is not None:
            out[self.place] += self.more
        return out

    def add_to(self, v: Array, beta: float, share: float, ops: Backend) -> None:
        """v <- beta v + share x^T dy, in place."""
        ops.add_product(v, self.x, self.dy, beta, share)
        if self.place is not None and self.more is not None:
            v[self.place] += self.more * ops.dtype.type(share)
