"""Tiles of sums that stay in registers, by which runs of numbers are multiplied where they lie.

They are written in LLVM's own language, because no loop in Python's words promises that: a vector is so many numbers of
a run, a step of a tile of sums several vectors times several weights, one of a tile of weight gradients several rows of
dy times several runs, so that the processor multiplies more often than it loads.

numba keeps a loop on disk until the file of that loop changes: who changes this one changes its callers too.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba.extending import intrinsic

from lab.backend.compiled.vectors import Writer


def tile(height: int, across: int) -> Any:
    """z[m, r] = b[m] + sum over k of w[k, m] x[at + shifts[k] + r] for m < height and r < across vectors.

    w_row, b_row: how far the weights of two k, and the biases of two m, are apart; pitch: two rows of z.
    """

    @intrinsic
    def sums(
        typing: Any, x: Any, at: Any, shifts: Any, first: Any, depth: Any, w: Any, w_at: Any, w_row: Any, b: Any,
        b_at: Any, b_row: Any, z: Any, z_at: Any, pitch: Any,
    ) -> Any:  # fmt: skip
        def written(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            x, at, shifts, first, depth, w, w_at, w_row, b, b_at, b_row, z, z_at, pitch = arguments
            kinds, write = signature.args, Writer(context, builder, signature.args[0].dtype)
            image, table = write.data(kinds[0], x, at), write.data(kinds[2], shifts, first)
            weights, out = write.data(kinds[5], w, w_at), write.data(kinds[11], z, z_at)
            bias = write.data(kinds[8], b, b_at)

            def step(k: Any, sums: list[Any]) -> list[Any]:
                run = builder.gep(image, [builder.load(builder.gep(table, [k]))])
                seen = [write.load(builder.gep(run, [write.integer(v * write.lanes)])) for v in range(across)]
                row = builder.gep(weights, [builder.mul(k, w_row)])
                found = []
                for m in range(height):
                    weight = write.spread(builder.gep(row, [write.integer(m)]))
                    found += [write.added(weight, seen[v], sums[m * across + v]) for v in range(across)]
                return found

            above = [write.spread(builder.gep(bias, [builder.mul(b_row, write.integer(m))])) for m in range(height)]
            start = [above[m] for m in range(height) for _ in range(across)]
            for place, total in enumerate(write.repeat(depth, start, step)):
                m, v = divmod(place, across)
                row = builder.gep(out, [builder.mul(pitch, write.integer(m))])
                write.store(total, builder.gep(row, [write.integer(v * write.lanes)]))
            return context.get_dummy_value()

        words = (at, shifts, first, depth)
        return numba.types.void(x, *words, w, w_at, w_row, b, b_at, b_row, z, z_at, pitch), written

    return sums


def weight_tile(rows: int, offsets: int, turned: bool = False) -> Any:
    """out[m, j] = sum over images n and r of dy[dy_at + m dy_row + n dy_image + r] x[x_at + shifts[j] + n x_image + r].

    m < rows, j < offsets, r < `steps` vectors. With `turned` it is out[j, m]. The tile is one run of `out` that begins
    at `to`; nothing beyond it is written.
    """

    @intrinsic
    def sums(
        typing: Any, dy: Any, dy_at: Any, dy_row: Any, dy_image: Any, x: Any, x_at: Any, x_image: Any, shifts: Any,
        first: Any, images: Any, steps: Any, out: Any, to: Any,
    ) -> Any:  # fmt: skip

        def written(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            dy, dy_at, dy_row, dy_image, x, x_at, x_image, shifts, first, images, steps, out, to = arguments
            kinds, write = signature.args, Writer(context, builder, signature.args[0].dtype)
            table, sums = write.data(kinds[7], shifts, first), write.data(kinds[11], out, to)
            places = [builder.load(builder.gep(table, [write.integer(j)])) for j in range(offsets)]
            above = [builder.mul(dy_row, write.integer(m)) for m in range(rows)]

            def image(n: Any, totals: list[Any]) -> list[Any]:
                gradient = write.data(kinds[0], dy, builder.add(dy_at, builder.mul(n, dy_image)))
                pixels = write.data(kinds[4], x, builder.add(x_at, builder.mul(n, x_image)))

                def step(i: Any, totals: list[Any]) -> list[Any]:
                    r = builder.mul(i, write.integer(write.lanes))
                    given = [write.load(builder.gep(gradient, [builder.add(row, r)])) for row in above]
                    found = list(totals)
                    for j, offset in enumerate(places):
                        seen = write.load(builder.gep(pixels, [builder.add(offset, r)]))
                        for m in range(rows):
                            found[m * offsets + j] = write.added(given[m], seen, totals[m * offsets + j])
                    return found

                return write.repeat(steps, totals, step)

            start = [ir.Constant(write.vector, [0.0] * write.lanes)] * (rows * offsets)
            found = write.repeat(images, start, image)
            if turned:
                found = [found[m * offsets + j] for j in range(offsets) for m in range(rows)]
            write.store_totals(found, sums)
            return context.get_dummy_value()

        given = (dy, dy_at, dy_row, dy_image, x, x_at, x_image, shifts, first, images, steps, out, to)
        return numba.types.void(*given), written

    return sums
