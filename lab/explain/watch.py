"""Looks over a trainer's shoulder for one step: its own layers, objectives and optimizer are asked what they compute.

Nothing is computed again here. Every layer's `forward` and `backward`, every objective, optimizer and product outside
a layer goes through a wrapper that copies what went in and came out, and calls the trainer's own code in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from lab.backend import Array, NumpyBackend
from lab.backend.labelled import LabelledRows
from lab.explain.formula import backward_formula, forward_formula, update_formula, whole_formula
from lab.explain.memory import Alive
from lab.explain.names import Role, children, roles
from lab.explain.stand import Stand, copy, kept_in, parts
from lab.explain.trace import Event, Moment, Trace, Value
from lab.layers import Ctx, Layer
from lab.objectives import ClassObjective, PairObjective, Rows, Signal
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
            put(role.layer, "forward", self._forward(role, role.layer.forward))
            if type(role.layer).overwrite is not Layer.overwrite:
                put(role.layer, "overwrite", self._forward(role, role.layer.overwrite))
            put(role.layer, "backward", self._backward(role))
        for owner, name, value in parts(self.trainer):
            if hasattr(value, "step"):
                put(owner, name, Stand(value, step=self._step(value)))
            else:
                put(owner, name, Stand(value, call=self._objective(value)))
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
    def _forward(self, role: Role, own: Callable[..., Any]) -> Callable[..., Any]:
        def forward(x: Any, ctx: Ctx) -> Any:
            flops = self._rows_of_work(x, role.layer) * role.flops
            reads = (self._value("x", x, role.reads), *self._parameters(role))
            self._inside += 1
            y, cache = own(x, ctx)
            self._inside -= 1
            kept = kept_in(cache, y=y, x=x) if ctx.keep else ()
            makes = (self._made("y", y, role.makes),)
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
            makes = [self._made(f"d{key}", g, f"d{role.parameter(key)}") for key, g in grads.items()]
            if dx is not None:
                makes.append(self._made("dx", dx, f"d{role.reads}"))
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
        return [Value(key, role.parameter(key), copy(p)) for key, p in role.layer.params.items()]

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
        def call(h: Array, *args: Any) -> Any:
            output = self._alive.call(h, "o")
            inner = output != "o"
            reads = [Value("h" if inner else "o", output, copy(h))]
            targets = [a.target if isinstance(a, Rows) else a for a in args]
            reads += [Value("target", "target", copy(a)) for a in targets if isinstance(a, np.ndarray)]
            found = own(h, *args)
            makes: list[Value] = []
            if isinstance(found, Signal):
                makes += self._evidence(own, h, args)
                if found.dz is not None:
                    makes.append(Value("dz", "dz", copy(found.dz[1])))
                makes += [Value(f"d{key}", f"d{key}", copy(g)) for key, g in found.grads.items()]
                loss, dh = found.loss, found.dh
            else:
                loss, dh = found
            makes += [Value("L", "L", copy(loss)), self._made(f"d{reads[0].letter}", dh, f"d{output}")]
            self._note(type(own).__name__, "objective", whole_formula(own), tuple(reads), tuple(makes), None)
            return found

        return call

    def _evidence(self, own: Any, h: Array, args: Sequence[Any]) -> list[Value]:
        """What the objective looks at, and what it compares that with."""
        rows, state, ctx = args
        aside = replace(ctx, ops=self._aside)
        found = []
        if isinstance(own, PairObjective):
            found.append(Value("g", "g", copy(own.evidence(h, state, aside))))
        elif isinstance(own, ClassObjective):
            found.append(Value("G", "G", copy(own.evidence(h, rows.n_classes, state, aside))))
        if hasattr(own, "threshold"):
            found.append(Value("theta", "theta", np.asarray(own.threshold(h[0].size))))
        return found

    def _step(self, own: Any) -> Callable[..., Any]:
        called = {id(p): role.parameter(key) for role in roles(self.trainer.network) if not children(role.layer)
                  for key, p in role.layer.params.items()}  # fmt: skip

        def step(params: dict[str, Array], grads: dict[str, Array], state: Any, ops: Any, gain: float = 1.0) -> None:
            names = {key: called.get(id(p), "V" if p.ndim > 1 else key) for key, p in params.items()}
            reads = []
            for key, p in params.items():
                reads += [Value("w", names[key], copy(p)), Value("g", f"d{names[key]}", self._written(grads[key]))]
            own.step(params, grads, state, ops, gain)
            makes = tuple(Value("w", names[key], copy(p)) for key, p in params.items())
            title = f"{type(own).__name__}, rate {own.learning_rate * gain:g}"
            self._note(title, "update", update_formula(own), tuple(reads), makes, None)

        return step

    def _affine(self, x: Any, W: Array, b: Array | None) -> Array:
        y = type(self.ops).affine(self.ops, x, W, b)
        if not self._inside:
            reads = [self._value("x", x, "x"), Value("V", "V", copy(W))]
            makes = (self._made("o", y, "o"),)
            self._note("product", "forward", "o = x V", tuple(reads), makes, (), 2 * len(x) * W.size)
        return y

    def _affine_backward(self, x: Any, W: Array, dy: Array, *how: Any, **named: Any) -> Any:
        found = type(self.ops).affine_backward(self.ops, x, W, dy, *how, **named)
        if not self._inside:
            dx, dW, _ = found
            makes = [self._made("dV", dW, "dV"), *([self._made("dx", dx, "dx")] if dx is not None else [])]
            reads = (self._value("x", x, "x"), self._value("do", dy, "do"))
            formula = "dV = x^T do" + (", dx = do V^T" if dx is not None else "")
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
        before = self.trace.moments[-1] if self.trace.moments else Moment("", {}, ())
        alive = self._alive.names()
        gone = tuple(name for name in before.alive if name not in alive)
        moment = Moment(self._shown.get(place, place), dict(usage.live), alive, gone)
        if (before.bytes, before.alive) != (moment.bytes, moment.alive):
            self.trace.moments.append(moment)

    # -- notes ---------------------------------------------------------------------------------------------------
    def _value(self, letter: str, array: Any, name: str) -> Value:
        """An array that is read: it goes by the name that it has."""
        if isinstance(array, LabelledRows):
            self._alive.call(array.base.rows, "rows")
        else:
            name = self._alive.call(array, name)
        return Value(letter, name, self._written(array))

    def _made(self, letter: str, array: Any, name: str) -> Value:
        """An array that was made, perhaps in the place of another one: it has a new name."""
        self._alive.rename(array, name)
        return Value(letter, name, self._written(array))

    def _written(self, array: Any) -> Array:
        """A copy, of what stands for an array too."""
        return copy(array.written(self._aside) if hasattr(array, "written") else array)

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
