"""Passes over the rows of a matrix (N, F), contiguous: activations, norms, sums of squares, rows with labels.

Constants take the arrays' type: a literal would take a float32 loop out of its type, at half the speed or less.
"""

from __future__ import annotations

from math import inf, nan, sqrt
from typing import Any

from lab.backend.compiled.tools import compiled, reordered


@compiled
def add_bias(y: Any, b: Any) -> None:
    """y_ij <- y_ij + b_j."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += b[j]


@compiled
def relu(x: Any, y: Any) -> None:
    """y = max(x, 0), flat; not a number stays not a number."""
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = zero if x[i] <= zero else x[i]


@compiled
def relu_backward(dy: Any, y: Any, dx: Any) -> None:
    """dx = dy where y > 0, else 0, flat."""
    zero = y.dtype.type(0)
    for i in range(y.size):
        dx[i] = dy[i] if y[i] > zero else zero


@compiled
def leaky_relu(x: Any, y: Any, slope: Any) -> None:
    """y = x where x > 0, else slope x, flat; not a number stays not a number."""
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = x[i] if x[i] > zero else slope * x[i]


@compiled
def leaky_relu_backward(dy: Any, y: Any, dx: Any, slope: Any) -> None:
    """dx = dy where y > 0, else slope dy, flat."""
    zero = y.dtype.type(0)
    for i in range(y.size):
        dx[i] = dy[i] if y[i] > zero else slope * dy[i]


@compiled
def relu_backward_of_rows(y: Any, scale: Any, dx: Any) -> None:
    """dx_ij = scale_i y_ij where y_ij > 0, else 0."""
    zero = y.dtype.type(0)
    for i in range(y.shape[0]):
        s = scale[i]
        for j in range(y.shape[1]):
            dx[i, j] = s * y[i, j] if y[i, j] > zero else zero


@compiled
def scale_rows(x: Any, scale: Any, y: Any) -> None:
    """y_ij = scale_i x_ij."""
    for i in range(x.shape[0]):
        s = scale[i]
        for j in range(x.shape[1]):
            y[i, j] = s * x[i, j]


@reordered
def row_squares(x: Any, g: Any) -> None:
    """g_i = sum_j x_ij^2."""
    for i in range(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += x[i, j] * x[i, j]
        g[i] = total


@reordered
def length_norm(x: Any, y: Any, r: Any, tiny: Any) -> None:
    """r_i = 1 / (tiny + root mean square of row i), 0 for zeros, not a number where that is not finite; y = r x."""
    width = x.shape[1]
    for i in range(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(width):
            total += x[i, j] * x[i, j]
        root = sqrt(total / width)
        if root == 0:
            r[i] = 0
        elif root < inf:
            r[i] = 1 / (root + tiny)
        else:
            r[i] = nan
        s = r[i]
        for j in range(width):
            y[i, j] = s * x[i, j]


@reordered
def length_norm_backward(dy: Any, y: Any, r: Any, dx: Any) -> None:
    """dx_i = r_i (dy_i - y_i mean_j(dy_ij y_ij))."""
    width = y.shape[1]
    for i in range(y.shape[0]):
        total = y.dtype.type(0)
        for j in range(width):
            total += dy[i, j] * y[i, j]
        along, s = y.dtype.type(total / width), r[i]
        for j in range(width):
            dx[i, j] = s * (dy[i, j] - y[i, j] * along)


@compiled
def labelled(product: Any, label: Any, columns: Any, scale: Any, b: Any, y: Any) -> None:
    """y_i = scale_i (product_i + sum_k label_ik columns_k) + b; a class of which a row has nothing costs nothing."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = product[i, j]
        for k in range(label.shape[1]):
            share = label[i, k]
            if share != 0:
                for j in range(y.shape[1]):
                    y[i, j] += share * columns[k, j]
        s = scale[i]
        for j in range(y.shape[1]):
            y[i, j] = s * y[i, j] + b[j]


@compiled
def labelled_backward(dy: Any, label: Any, scale: Any, total: Any, at_label: Any) -> None:
    """total_i <- total_i + scale_i dy_i; at_label_k <- at_label_k + sum_i label_ik scale_i dy_i."""
    for i in range(dy.shape[0]):
        s = scale[i]
        for j in range(dy.shape[1]):
            total[i, j] += s * dy[i, j]
        for k in range(label.shape[1]):
            share = label[i, k] * s
            if share != 0:
                for j in range(dy.shape[1]):
                    at_label[k, j] += share * dy[i, j]
