"""Similarity matrices: which rows of a batch are alike, and how a loss of that goes back to the rows."""

from __future__ import annotations

from dataclasses import dataclass

from lab.backend import Array, Backend

_TINY = 1e-8  # guards rows whose entries are all equal


@dataclass(frozen=True)
class Similarity:
    """Cosines between the centred rows of z (N, m): matrix = u u^T, u_n = c_n / |c_n|, c_n = z_n - mean(z_n)."""

    u: Array
    length: Array

    @classmethod
    def of(cls, z: Array, ops: Backend) -> Similarity:
        """The similarity of the rows of z."""
        u = ops.empty(z.shape)
        ops.xp.subtract(z, z.mean(axis=1, keepdims=True), out=u)
        length = ops.xp.sqrt(ops.row_squares(u))[:, None] + _TINY
        u /= length
        return cls(u, length)

    def matrix(self, ops: Backend) -> Array:
        """(N, N), ones on its diagonal."""
        out = ops.empty((len(self.u), len(self.u)))
        ops.matmul(self.u, self.u.T, out)
        return out

    def backward(self, d: Array, ops: Backend) -> Array:
        """dz for the gradient d of a loss with respect to the matrix, d symmetric.

        du = 2 d u; dz = (du - u (u . du)) / |c|: what is along c changes its length alone. No mean is to be subtracted
        again, since u is centred, and so is what is made of it.
        """
        dz = ops.empty(self.u.shape)
        ops.matmul(d, self.u, dz)
        dz *= 2
        along = ops.empty(dz.shape, kind="workspace")
        ops.xp.multiply(self.u, ops.xp.einsum("nm,nm->n", self.u, dz)[:, None], out=along)
        dz -= along
        dz /= self.length
        return dz


def matching(z: Array, target: Array, n_classes: int, ops: Backend) -> tuple[Array, Array]:
    """The mean square of S(z) - S(onehot(target)) over all N^2 pairs, and its gradient with respect to z (N, m).

    S(onehot) is 1 for rows of one class and -1 / (K - 1) for those of two.
    """
    n = max(1, len(z))
    one_hot = ops.zeros((len(z), n_classes))
    one_hot[ops.xp.arange(len(z)), target] = 1
    found = Similarity.of(z, ops)
    d = found.matrix(ops)
    d -= Similarity.of(one_hot, ops).matrix(ops)
    flat = d.reshape(1, d.size)
    loss = ops.row_squares(flat)[0] / (n * n)
    d *= 2 / (n * n)
    return loss, found.backward(d, ops)


def deviation(z: Array, ops: Backend) -> Array:
    """f (N, C): the standard deviation of each channel of z (N, C, H, W) over its m positions, of their m - 1."""
    x = z.reshape(*z.shape[:2], -1)
    centred = ops.empty(x.shape, kind="workspace")
    ops.xp.subtract(x, x.mean(axis=2, keepdims=True), out=centred)
    f: Array = ops.xp.sqrt(ops.xp.einsum("ncp,ncp->nc", centred, centred) / (x.shape[2] - 1))
    return f


def deviation_backward(z: Array, f: Array, df: Array, ops: Backend) -> Array:
    """dz = df (z - mean(z)) / ((m - 1) f), and 0 for a channel whose positions are all equal."""
    x = z.reshape(*z.shape[:2], -1)
    slope = ops.xp.where(f > 0, df / ops.xp.where(f > 0, f, 1), 0) / (x.shape[2] - 1)
    dz = ops.empty(x.shape)
    ops.xp.subtract(x, x.mean(axis=2, keepdims=True), out=dz)
    dz *= slope[:, :, None]
    return dz.reshape(z.shape)
