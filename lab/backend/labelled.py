"""Rows that differ in their label alone, kept unwritten, so that what they share is computed once.

A batch is seen with its label, with a wrong one and with the neutral one, and a trained network tries all K labels: the
same image each time, but for K numbers. A linear map of such rows is that of the image, which is shared, plus that of
the label, which is K columns wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.backend.product import Product

if TYPE_CHECKING:
    from lab.backend.base import Array, Backend, Shape


class Base:
    """Flat rows (N, size) with zeros where a label goes, and their products with weight matrices.

    A product is computed once for each matrix, which must not change while this object is in use: the passes of one
    step all see the weights from before its update, and a new batch is a new Base.
    """

    def __init__(self, rows: Array, place: slice) -> None:
        self.rows, self.place = rows, place
        self._products: dict[int, Array] = {}

    def product(self, W: Array, ops: Backend) -> Array:
        """rows W: (N, O)."""
        found = self._products.get(id(W))
        if found is None:
            found = self._products[id(W)] = ops.affine(self.rows, W, None)
        return found


class LabelledRows:
    """The rows of `base` once for each of `labels`, each (N, K): row i N + n is scale_i,n (base_n, label_i,n in place).

    `shape` is that of the array it stands for. `scales` holds (N, 1) factors for each label, or None before a norm.
    """

    def __init__(
        self, base: Base, labels: Sequence[Array], shape: Shape, scales: Sequence[Array] | None = None
    ) -> None:
        self.base, self.labels, self.scales = base, labels, scales
        self.shape = (len(labels) * len(base.rows), *shape)

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, n: int, *shape: int) -> LabelledRows:
        """The same rows in another shape; nothing moves, since they are not written out."""
        return LabelledRows(self.base, self.labels, shape, self.scales)

    def written(self, ops: Backend) -> Array:
        """The array that this stands for: the reference of every operation on it."""
        n = len(self.base.rows)
        out = ops.empty((len(self), self.base.rows.shape[1]))
        for i, label in enumerate(self.labels):
            part = out[i * n : (i + 1) * n]
            part[...] = self.base.rows
            part[:, self.base.place] = label
            if self.scales is not None:
                part *= self.scales[i]
        return out.reshape(self.shape)

    def picked(self, index: Array, mean_of: slice | None, out: Array, ops: Backend) -> Array:
        """`out`, with the rows of that index, written, and below them the mean of those of a slice, if one is given."""
        n, (rows, place) = len(self.base.rows), (self.base.rows, self.base.place)
        out[len(index) :] = 0
        for i, label in enumerate(self.labels):
            of_label = ops.xp.flatnonzero(index // n == i)
            these = index[of_label] % n
            part = rows[these]
            part[:, place] = label[these]
            out[of_label] = part if self.scales is None else part * self.scales[i][these]
            if mean_of is not None:
                low, high = (min(n, max(0, end - i * n)) for end in (mean_of.start, mean_of.stop))
                share = ops.xp.full(high - low, 1 / max(1, mean_of.stop - mean_of.start), ops.dtype)
                if self.scales is not None:
                    share *= self.scales[i][low:high, 0]
                out[-1] += share @ rows[low:high]
                out[-1, place] += share @ label[low:high]
        return out

    def length_norm(self, tiny: float, ops: Backend) -> tuple[LabelledRows, Array]:
        """As Backend.length_norm over whole rows: the same rows with other scales, and the factors (rows, 1)."""
        assert self.scales is None, "these rows are normalised already"
        xp, rows = ops.xp, self.base.rows
        shared = xp.einsum("ij,ij->i", rows, rows)
        scales = []
        for label in self.labels:
            root = xp.sqrt((shared + xp.einsum("ij,ij->i", label, label)) / max(1, rows.shape[1]))[:, None]
            scale = xp.where(xp.isfinite(root), 1 / (root + tiny), xp.nan)  # as in Backend.length_norm
            scales.append(xp.where(root > 0, scale, 0 * root).astype(ops.dtype))
        return LabelledRows(self.base, self.labels, self.shape[1:], scales), xp.concatenate(scales)

    def affine(self, W: Array, b: Array | None, ops: Backend) -> Array:
        """As Backend.affine: scale (base W + label W[place]) + b."""
        n, product, columns = len(self.base.rows), self.base.product(W, ops), W[self.base.place]
        y = ops.empty((len(self), W.shape[1]))
        for i, label in enumerate(self.labels):
            scale = None if self.scales is None else self.scales[i]
            ops.add_labels(product, label, columns, scale, b, y[i * n : (i + 1) * n])
        return y

    def product_with(self, dy: Array, ops: Backend) -> Product:
        """(these rows)^T dy for dy (rows, O): the rows' gradients meet in one product with what they share."""
        rows, n = self.base.rows, len(self.base.rows)
        total = ops.zeros((n, dy.shape[1]), kind="workspace")
        at_label = ops.zeros((self.labels[0].shape[1], dy.shape[1]), kind="workspace")
        for i, label in enumerate(self.labels):
            scale = None if self.scales is None else self.scales[i]
            ops.add_label_gradients(dy[i * n : (i + 1) * n], label, scale, total, at_label)
        return Product(rows, total, self.base.place, at_label)
