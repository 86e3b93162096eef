"""Recurrent: what all recurrent layers share. The walk over steps, masks, truncation, products over all steps."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer
from lab.layers.initializers import Init, draw
from lab.registry import unknown

Output = Literal["last", "steps"]
States: TypeAlias = list[Array]
Keep: TypeAlias = Literal["all", "h", "none"]

PIECE = 16  # steps at a time where none is kept: as fast as all at once, and what is worked in does not grow with T


@dataclass(frozen=True)
class Steps:
    """A pass over steps `first`.. of x (N, T, F), time-major: what one step wrote is one piece of memory.

    gates    what the cell keeps of its gates, (T, gates, N, H), and `extra`, (T, extra, N, H)
    states   the cell's states, h first, each (T + 1, N, H): [t] is before step t and [t + 1] after it; in a pass that
             nothing follows they have two rows that take turns
    present  (T, N, 1), 1 where a row has such a step and 0 where not; None where all steps exist
    """

    x: Array
    first: int
    gates: Array | None
    extra: Array
    states: States
    present: Array | None


class Recurrent(Layer):
    """h_t = cell(x_t, h_{t-1}) over the steps of x (N, T, F), from a state of zeros; H `units`.

    output  "last": the state after the last step, (N, H); "steps": every state, (N, T, H), as another layer reads them
    bptt    how far gradients go back in time: None is all the way (Werbos 1990); k cuts them every k steps, counted
            from a row's last step, so that the state at the end is learnt from through its last k steps; 1 is local in
            time: every step takes the state before it as given. With output="last" only k steps are kept.

    Variable lengths: `ctx.mask` (N, T) says which steps exist. At a step that does not, a row's state stays as it is:
    "last" is the state after its last real step; in "steps" its output is 0, and no gradient comes from it. What x
    holds there is not used, but must be finite.

    The input's part of all gates at all steps is one (batched) matrix product, and so is each gradient (of W, U and the
    input); only the recurrent part goes step by step. Parameters W (F, gates H), b (gates H,), U (H, gates H), which
    starts as an orthogonal matrix for each gate, so that it neither shrinks nor grows what it is given (Saxe et al.
    2014).
    """

    gates: ClassVar[int]  # width of the gates, in units
    n_states: ClassVar[int] = 1
    keeps_gates: ClassVar[bool] = True
    extra: ClassVar[int] = 0  # units that the cell keeps beside its gates; as many more does its gradient have
    direct: ClassVar[bool] = False  # whether h_t depends on h_{t-1} by more than the product with U

    def __init__(self, units: int, *, output: Output = "last", bptt: int | None = None, init: Init = "lecun") -> None:
        name = type(self).__name__
        if units < 1:
            raise UsageError(f"{name} needs at least 1 unit, got units={units}")
        if output not in get_args(Output):
            raise UsageError(unknown(f"{name} output", output, get_args(Output)))
        if bptt is not None and bptt < 1:
            raise UsageError(f"{name} needs bptt of at least 1 step, or None for all of them, got bptt={bptt}")
        self.units, self.output, self.bptt, self.init = units, output, bptt, init

    # -- the cell ------------------------------------------------------------------------------------------------
    @abstractmethod
    def _step(self, a: Array, extra: Array, product: Array, before: States, after: States, ops: Backend) -> None:
        """One step: `after` from `a` (gates, N, H), which is x_t W, and from `product` (N, gates H), h_{t-1} U.

        `a` and `extra` become what `_step_back` needs of them. The biases are the cell's to add.
        """

    @abstractmethod
    def _step_back(
        self, d: Array, a: Array | None, extra: Array, before: States, after: States, up: States, ops: Backend
    ) -> None:
        """The gradients of one step, from `up`, those of `after`.

        `d` (N, (gates + extra) H) becomes the gates' gradient: its first ones that of the input's part, its last ones
        that of h_{t-1} U. `up` becomes what goes to `before` directly; of h where the class is `direct`.
        """

    # -- building ------------------------------------------------------------------------------------------------
    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        name = type(self).__name__
        if len(in_shape) != 2:
            raise UsageError(f"{name} takes sequences (T, F), but its input has shape {in_shape}")
        if 0 in in_shape:
            raise UsageError(f"{name} needs at least 1 step of 1 feature, but its input has shape {in_shape}")
        T, F = in_shape
        H, width = self.units, self.gates * self.units
        W = draw(self.init, (F, width), F, H, rng)
        U = np.concatenate([_orthogonal(H, rng) for _ in range(self.gates)], axis=1)
        self.params = {name: ops.asarray(p, kind="weights") for name, p in (("W", W), ("U", U))}
        self.params["b"] = ops.zeros((width,), kind="weights")
        self._T = T
        return (H,) if self.output == "last" else (T, H)

    def flops(self) -> int:
        return 2 * self._T * (self.params["W"].size + self.params["U"].size)

    # -- forward -------------------------------------------------------------------------------------------------
    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        self._check_mask(x, ctx)
        parts = ctx.ops.in_parts(lambda rows: (rows, *self._forward(x[rows], self._of_rows(ctx, rows))), len(x))
        caches = [(rows, steps) for rows, _, steps in parts] if ctx.keep else None
        if len(parts) == 1:
            return parts[0][1], caches
        y = _together([(rows, part) for rows, part, _ in parts], ctx.ops)
        return y, caches

    def _of_rows(self, ctx: Ctx, rows: slice) -> Ctx:
        return ctx if ctx.mask is None else replace(ctx, mask=ctx.mask[rows])

    def _forward(self, x: Array, ctx: Ctx) -> tuple[Array, Steps | None]:
        """The output for rows x, which need none of the others, and their steps where they are kept."""
        ops, (N, T) = ctx.ops, x.shape[:2]
        present = self._present(x, ctx)
        start = [ops.zeros((N, self.units), kind="workspace") for _ in range(self.n_states)]
        first = 0  # steps that no gradient reaches are gone through and forgotten
        if self.output == "last" and not ctx.keep:
            first = T
        elif self.output == "last" and self.bptt and present is None:
            first = max(0, T - self.bptt)
        for begin in range(0, first, PIECE):
            end = min(first, begin + PIECE)
            here = None if present is None else present[begin:end]
            start = [s[(end - begin) % 2] for s in self._walk(x[:, begin:end], 0, start, here, "none", ops).states]
        if first == T:
            y = ops.empty((N, self.units))
            y[...] = start[0]
            return y, None
        steps = self._walk(x, first, start, present, "all" if ctx.keep else "h", ops)
        del start
        h = steps.states[0]
        if self.output == "last":
            y = ops.empty((N, self.units))
            y[...] = h[-1]
        elif present is None:
            y = h[1:].swapaxes(0, 1)
        else:
            y = ops.empty((T, N, self.units)).swapaxes(0, 1)
            ops.xp.multiply(h[1:], present, out=y.swapaxes(0, 1))
        return y, steps if ctx.keep else None

    def _walk(self, x: Array, first: int, start: States, present: Array | None, keep: Keep, ops: Backend) -> Steps:
        """The steps of x from `first` on, from the states `start`; what is not kept has a place or two in turn."""
        xp, W, U, H = ops.xp, self.params["W"], self.params["U"], self.units
        (N, _, F), T, width = x.shape, x.shape[1] - first, W.shape[1]
        states: States = []
        for s0 in start:
            every = keep == "all" or (keep == "h" and not states)
            states.append(ops.empty((T + 1 if every else 2, N, H), kind=None if every else "workspace"))
            states[-1][0] = s0
        kind = None if keep == "all" else "workspace"
        gates = ops.empty((T, self.gates, N, H), kind=kind if self.keeps_gates else "workspace")
        extra = ops.empty((T if keep == "all" else 1, self.extra, N, H), kind=kind)
        by_gate = W.reshape(F, self.gates, H).swapaxes(0, 1)
        ops.matmul(time_major(x[:, first:], ops).reshape(T, 1, N, F), by_gate, gates)
        product = ops.empty((N, width), kind="workspace")
        for t in range(T):
            before, after = [s[t % len(s)] for s in states], [s[(t + 1) % len(s)] for s in states]
            ops.matmul(before[0], U, product)
            self._step(gates[t], extra[t % len(extra)], product, before, after, ops)
            if present is not None:
                for s, old in zip(after, before, strict=True):
                    xp.copyto(s, old, where=present[t] == 0)
        return Steps(x, first, gates if self.keeps_gates else None, extra, states, present)

    def _check_mask(self, x: Array, ctx: Ctx) -> None:
        if ctx.mask is not None and ctx.mask.shape != x.shape[:2]:
            raise UsageError(
                f"the mask has shape {ctx.mask.shape}, but {type(self).__name__} reads {len(x)} rows of {x.shape[1]} "
                f"steps; give one of shape {x.shape[:2]}"
            )

    def _present(self, x: Array, ctx: Ctx) -> Array | None:
        if ctx.mask is None:
            return None
        present = ctx.ops.empty((x.shape[1], len(x), 1))
        present[:, :, 0] = ctx.mask.T
        return present

    # -- backward ------------------------------------------------------------------------------------------------
    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        by_rows = {rows.start: steps for rows, steps in cache}

        def part(rows: slice) -> tuple[slice, Array | None, Grads]:
            return rows, *self._backward(dy[rows], by_rows[rows.start], ctx.ops, need_dx)

        # the rows of each part are those of the forward pass, whose steps it walks back
        parts = ctx.ops.in_parts(part, len(dy)) if len(cache) > 1 else [part(cache[0][0])]
        (_, dx, grads), *others = parts
        for _, _, more in others:
            for name, g in more.items():
                grads[name] += g
        if dx is not None and others:
            dx = _together([(rows, found) for rows, found, _ in parts if found is not None], ctx.ops)
        return dx, grads

    def _backward(self, dy: Array, steps: Steps, ops: Backend, need_dx: bool) -> tuple[Array | None, Grads]:
        """The gradients of rows that were gone through together."""
        xp, U, H, present = ops.xp, self.params["U"], self.units, steps.present
        T, N, blocks = len(steps.states[0]) - 1, len(dy), self.gates + self.extra
        all_d = ops.empty((T, N, blocks * H), kind="workspace")
        up = [ops.zeros((N, H), kind="workspace") for _ in steps.states]
        held = [ops.empty((N, H), kind="workspace") for _ in up] if present is not None else []
        product = ops.empty((N, H), kind="workspace")
        U_T, cuts = _transposed(U, ops), self._cuts(T, present, ops)
        if self.output == "last":
            up[0][...] = dy
        for t in range(T - 1, -1, -1):
            if self.output == "steps":
                up[0] += dy[:, t] if present is None else xp.multiply(dy[:, t], present[t], out=product)
            for u, h in zip(up, held, strict=False):
                h[...] = u
            a = None if steps.gates is None else steps.gates[t]
            before, after = [s[t] for s in steps.states], [s[t + 1] for s in steps.states]
            self._step_back(all_d[t], a, steps.extra[t], before, after, up, ops)
            if present is not None:
                all_d[t] *= present[t]
            if t == 0:
                break
            cut = cuts[t]
            if cut is not True:
                into = product if self.direct else up[0]
                ops.matmul(all_d[t, :, self.extra * H :], U_T, into)
                if self.direct:
                    up[0] += product
            if present is not None:
                for u, h in zip(up, held, strict=True):
                    xp.copyto(u, h, where=present[t] == 0)
            if cut is not False:
                for u in up:
                    if cut is True:
                        u[...] = 0
                    else:
                        u *= 1 - cut
        return self._products(steps, all_d, need_dx, ops)

    def _cuts(self, T: int, present: Array | None, ops: Backend) -> list[bool | Array]:
        """For each step whether gradients end there: a flag, or (N, 1) of 0 and 1 where rows end at different steps."""
        if self.bptt is None:
            return [False] * T
        if present is None:
            return [(T - t) % self.bptt == 0 for t in range(T)]
        left = ops.xp.cumsum(present[::-1], axis=0)[::-1]  # real steps from here to the row's end
        return list((left % self.bptt == 0) * present)

    def _products(self, steps: Steps, d: Array, need_dx: bool, ops: Backend) -> tuple[Array | None, Grads]:
        """The input's gradient and those of W, U and b, each one product over all steps."""
        xp, W, H = ops.xp, self.params["W"], self.units
        (T, N), (F, width) = d.shape[:2], W.shape
        flat = d.reshape(T * N, d.shape[2])
        from_input, from_state = flat[:, :width], flat[:, self.extra * H :]
        grads = {name: ops.empty(p.shape, kind="gradients") for name, p in self.params.items()}
        ops.matmul(time_major(steps.x[:, steps.first :], ops).T, from_input, grads["W"])
        ops.matmul(steps.states[0][:T].reshape(T * N, H).T, from_state, grads["U"])
        xp.sum(from_input, axis=0, out=grads["b"])
        if "c" in grads:
            xp.sum(flat[:, width:], axis=0, out=grads["c"])
        if not need_dx:
            return None, grads
        dx = ops.empty((steps.first + T, N, F))
        dx[: steps.first] = 0
        ops.matmul(from_input, _transposed(W, ops), dx[steps.first :].reshape(T * N, F))
        return dx.swapaxes(0, 1), grads


def _together(parts: list[tuple[slice, Array]], ops: Backend) -> Array:
    """Arrays of neighbouring rows as one: (N, H), or (N, T, H) that is time-major in memory, as layers read it."""
    n, first = parts[-1][0].stop, parts[0][1]
    shape = (n, *first.shape[1:])
    y = ops.empty(shape) if first.ndim == 2 else ops.empty((shape[1], n, *shape[2:])).swapaxes(0, 1)
    for rows, part in parts:
        y[rows] = part
    return y


def time_major(x: Array, ops: Backend) -> Array:
    """x (N, T, F) as rows (T N, F), step by step: x itself where it is the output of another recurrent layer."""
    N, T, F = x.shape
    steps = x.swapaxes(0, 1)
    if not steps.flags.c_contiguous:
        copy = ops.empty(steps.shape, kind="workspace")
        copy[...] = steps
        steps = copy
    return steps.reshape(T * N, F)


def _transposed(a: Array, ops: Backend) -> Array:
    """A copy of a^T: as the right factor of few rows a product takes it up to a third faster than a view (measured)."""
    out = ops.empty(a.shape[::-1], kind="workspace")
    out[...] = a.T
    return out


def _orthogonal(n: int, rng: np.random.Generator) -> Array:
    """A random orthogonal matrix, evenly distributed: signs as if R's diagonal were above 0 (Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    q *= np.sign(np.diag(r))
    return q
