"""Looks over a trainer's shoulder for one step: its own layers, objectives and optimizer are asked what they compute.

Nothing is computed again here. Every layer's `forward` and `backward`, every objective, optimizer and product outside
a layer goes through a wrapper that copies what went in and came out, and calls the trainer's own code in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lab.backend import Array, NumpyBackend
from lab.backend.labelled import LabelledRows
from lab.explain.formula import backward_formula, forward_formula, whole_formula
from lab.explain.memory import Alive
from lab.explain.names import Role, children, roles
from lab.explain.trace import Event, Moment, Trace, Value
from lab.layers import Ctx, Layer
from lab.objectives import Signal
from lab.registry import names, part
from lab.trainers import Trainer


class Watch:
    """Fills `trace` with what `trainer`, which is built, does while `on` lasts."""

    def __init__(self, trainer: Trainer, trace: Trace) -> None:
        assert isinstance(trainer.ops, NumpyBackend), "memory is counted by the pool of the CPU's backend"
        self.trainer, self.trace, self.ops = trainer, trace, trainer.ops
        self._alive = Alive(self.ops)
        self._aside = NumpyBackend(str(self.ops.dtype))  # for what is written out to be shown: its own, uncounted pool
        self._inside = 0  # layers under way, whose products are theirs
        self._shown: dict[str, str] = {}  # what a place of the step is called where its own name says too little

    @contextmanager
    def on(self) -> Iterator[None]:
        """Watch while inside; afterwards the trainer is as it was."""
        undo: list[Callable[[], None]] = []

        def put(owner: Any, name: str, value: Any) -> None:
            had, before = name in vars(owner), vars(owner).get(name)
            object.__setattr__(owner, name, value)
            undo.append(lambda: object.__setattr__(owner, name, before) if had else object.__delattr__(owner, name))

        for role in roles(self.trainer.network):
            put(role.layer, "forward", self._forward(role))
            put(role.layer, "backward", self._backward(role))
        for owner, name, value in _parts(self.trainer):
            if hasattr(value, "step"):
                put(owner, name, _Stand(value, step=self._step(value)))
            else:
                put(owner, name, _Stand(value, call=self._objective(value)))
        put(self.ops, "affine", self._affine)
        put(self.ops, "affine_backward", self._affine_backward)
        put(self.ops.usage, "during", self._during)
        put(self.ops, "gather", self._gather)
        self._alive.start()
        try:
            yield
        finally:
            self._alive.stop()
            for back in reversed(undo):
                back()

    # -- layers --------------------------------------------------------------------------------------------------
    def _forward(self, role: Role) -> Callable[..., Any]:
        own = role.layer.forward

        def forward(x: Any, ctx: Ctx) -> Any:
            flops = self._rows_of_work(x, role.layer) * role.flops
            reads = (self._value("x", x, role.reads), *self._parameters(role))
            self._inside += 1
            y, cache = own(x, ctx)
            self._inside -= 1
            kept = _kept(cache, x=x, y=y) if ctx.keep else ()
            makes = (self._value("y", y, role.makes),)
            self._note(role.title, "forward", forward_formula(role.layer), reads, makes, kept, flops, role.owner)
            return y, cache

        return forward

    def _backward(self, role: Role) -> Callable[..., Any]:
        own = role.layer.backward

        def backward(dy: Array, cache: Any, ctx: Ctx, need_dx: bool = True) -> Any:
            reads = (self._value("dy", dy, f"d{role.makes}"),)
            self._inside += 1
            dx, grads = own(dy, cache, ctx, need_dx)
            self._inside -= 1
            makes = [self._value(f"d{key}", g, f"d{role.parameter(key)}") for key, g in grads.items()]
            if dx is not None:
                makes.append(self._value("dx", dx, f"d{role.reads}"))
            asked = bool(grads) + (dx is not None)
            read = cache if isinstance(cache, LabelledRows) else dy
            flops = self._rows_of_work(read, None) * role.flops * asked
            formula = backward_formula(role.layer) or forward_formula(role.layer)
            self._note(role.title, "backward", formula, reads, tuple(makes), None, flops, role.owner)
            return dx, grads

        return backward

    def _parameters(self, role: Role) -> list[Value]:
        if children(role.layer):
            return []
        return [Value(key, role.parameter(key), _copy(p)) for key, p in role.layer.params.items()]

    def _rows_of_work(self, x: Any, layer: Layer | None) -> int:
        """Rows that a product goes over. Those that share an image are computed once for all of their labels."""
        if not isinstance(x, LabelledRows):
            return len(x)
        if layer is not None and layer.params:
            weights = next(iter(layer.params.values()))
            return 0 if id(weights) in x.base._products else len(x.base.rows)
        return len(x.base.rows)

    # -- what is no layer ----------------------------------------------------------------------------------------
    def _objective(self, own: Any) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            arrays = [a for a in args if isinstance(a, np.ndarray)]
            found = own(*args, **options)
            h = arrays[0]
            output = self._alive.call(h, "o")
            reads = [self._value("h" if isinstance(found, Signal) else "o", h, output)]
            reads += [Value("target", "target", _copy(a)) for a in arrays[1:]]
            makes = []
            if isinstance(found, Signal):
                makes += [Value("g", "g", _copy(own.evidence(h, self._aside)))] if hasattr(own, "evidence") else []
                if hasattr(own, "threshold"):
                    makes.append(Value("theta", "theta", np.asarray(own.threshold(h[0].size))))
                loss, dh, dz = found.loss, found.dh, found.dz
                if dz is not None:
                    makes.append(Value("dz", "dz", _copy(dz[1])))
            else:
                loss, dh = found
            makes += [
                Value("L", "L", _copy(loss)),
                self._value("dh" if reads[0].letter == "h" else "do", dh, f"d{output}"),
            ]
            self._note(type(own).__name__, "objective", whole_formula(own), tuple(reads), tuple(makes), None)
            return found

        return call

    def _step(self, own: Any) -> Callable[..., Any]:
        def step(params: dict[str, Array], grads: dict[str, Array], state: Any, ops: Any, gain: float = 1.0) -> None:
            place = self.ops.usage.place.split(" ")[0]
            before = [Value(f"w: {key}", f"{place}.{key}", _copy(p)) for key, p in params.items()]
            reads = [v for b, g in zip(before, grads.values(), strict=False) for v in (b, Value("g", "", _copy(g)))]
            own.step(params, grads, state, ops, gain)
            makes = tuple(Value(b.letter, b.name, _copy(p)) for b, p in zip(before, params.values(), strict=True))
            self._note(f"{type(own).__name__}, rate {own.learning_rate * gain:g}", "update", whole_formula(own),
                       tuple(reads), makes, None)  # fmt: skip

        return step

    def _affine(self, x: Any, W: Array, b: Array | None) -> Array:
        y = type(self.ops).affine(self.ops, x, W, b)
        if not self._inside:
            reads = [self._value("x", x, "x"), Value("V", "V", _copy(W))]
            makes = (self._value("o", y, "o"),)
            self._note("product", "forward", "o = x V", tuple(reads), makes, (), 2 * len(x) * W.size)
        return y

    def _affine_backward(self, x: Any, W: Array, dy: Array, bias: bool, need_dx: bool) -> Any:
        found = type(self.ops).affine_backward(self.ops, x, W, dy, bias, need_dx)
        if not self._inside:
            makes = [self._value("dV", found[1], "dV")] + ([self._value("dx", found[0], "dx")] if need_dx else [])
            reads = (self._value("x", x, "x"), self._value("do", dy, "do"))
            formula = "dV = x^T do" + (", dx = do V^T" if need_dx else "")
            self._note("product", "backward", formula, reads, tuple(makes), None, 2 * len(x) * W.size * len(makes))
        return found

    def _gather(self, *args: Any) -> Array:
        images = type(self.ops).gather(self.ops, *args)
        self._alive.call(images, "x")
        return images

    @contextmanager
    def _during(self, place: str, kind: str | None = None, *, every: bool = False) -> Iterator[None]:
        usage = self.ops.usage
        with type(usage).during(usage, place, kind, every=every):
            yield
        moment = Moment(self._shown.get(place, place), dict(usage.live), self._alive.names())
        last = self.trace.moments[-1:]
        if not last or (last[0].bytes, last[0].alive) != (moment.bytes, moment.alive):
            self.trace.moments.append(moment)

    # -- notes ---------------------------------------------------------------------------------------------------
    def _value(self, letter: str, array: Any, name: str) -> Value:
        if isinstance(array, LabelledRows):
            self._alive.call(array.base.rows, "rows")
            return Value(letter, name, _copy(array.written(self._aside)))
        return Value(letter, self._alive.call(array, name), _copy(array))

    def _note(
        self, title: str, action: str, formula: str, reads: tuple[Value, ...], makes: tuple[Value, ...],
        kept: tuple[str, ...] | None, flops: int = 0, owner: str = "",
    ) -> None:  # fmt: skip
        place = self.ops.usage.place
        if owner and owner not in place:
            if place == action:  # the head's part of a pass through all blocks
                self._shown[place] = place = f"{owner} {action}"
            else:
                place = f"{place}: {owner}"
        self.trace.events.append(Event(place, title, action, formula, reads, makes, kept, flops))


class _Stand:
    """Stands where an objective or optimizer stood, and is it in all but the one call that is watched."""

    def __init__(self, own: Any, **calls: Callable[..., Any]) -> None:
        self._own, self._calls = own, calls

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._calls["call"](*args, **options)

    def __getattr__(self, name: str) -> Any:
        return self._calls.get(name) or getattr(self._own, name)


def _parts(trainer: Trainer) -> Iterator[tuple[Any, str, Any]]:
    """(owner, attribute, value) of every objective and optimizer that the trainer, or its readout, works with."""
    kinds = tuple({type(trainer.optimizer)} | {k for g in ("objective", "optimizer") for n in names(g)
                                               if isinstance(k := part(g, n), type)})  # fmt: skip
    owners = [trainer, *(v for v in vars(trainer).values() if type(v).__module__.startswith("lab.trainers."))]
    for owner in owners:
        if getattr(type(owner), "__dataclass_params__", None) is None:
            yield from ((owner, name, v) for name, v in list(vars(owner).items()) if isinstance(v, kinds))


def _copy(array: Any) -> Array:
    return np.array(array)  # in memory of numpy's own, which nobody counts


def _kept(cache: Any, **arrays: Any) -> tuple[str, ...]:
    """Which of the arrays are in the cache; "..." for what is in it beside them."""
    held = list(_leaves(cache))
    found = [letter for letter, array in arrays.items() if any(array is h for h in held)]
    more = any(all(h is not array for array in arrays.values()) for h in held)
    return (*found, *(["more"] if more else []))


def _leaves(cache: Any) -> Iterator[Any]:
    if isinstance(cache, list | tuple):
        for inner in cache:
            yield from _leaves(inner)
    elif isinstance(cache, dict):
        yield from _leaves(list(cache.values()))
    elif isinstance(cache, np.ndarray | LabelledRows):
        yield cache
