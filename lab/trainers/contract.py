"""check_trainer: what every trainer promises, a user's own too, tried on small made-up rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.data.dataset import Split
from lab.errors import DataError, LabError, UsageError
from lab.networks import mlp

if TYPE_CHECKING:
    from lab.trainers.base import Trainer

Make = Callable[[], "Trainer"]
FEATURES, CLASSES, EPOCHS = 12, 3, 2


class _Stop(Exception):
    """Ends training where a check wants it to."""


def check_trainer(trainer: type[Trainer] | Make) -> list[str]:
    """Raise AssertionError where a trainer breaks the contract; returns the names of the checks it passed.

    trainer: a class, made with a small network, seed=0 and batch_size=10; or a function of no arguments that returns a
    new trainer at each call, for rows of 12 features in 3 classes.

    The checks: equal seeds give equal bits; rows are left as they were, and may be read-only or strided; a saved
    trainer that is loaded answers the same; one that stops after any step and goes on ends with the same bits; classes
    and probabilities are well formed; one class, no rows, wrong types and NaN end in a result or a LabError.
    """
    make: Make = trainer
    if isinstance(trainer, type):
        kind: Any = trainer
        make = partial(kind, mlp(depth=2, width=8), seed=0, batch_size=10)
    passed = []
    for check in (
        _equal_seeds, _rows_unchanged, _any_layout, _save_and_load, _resume, _answers, _one_class, _no_rows,
        _wrong_types, _not_finite, _before_training,
    ):  # fmt: skip
        check(make)
        passed.append(check.__name__.removeprefix("_"))
    return passed


def _rows(n: int = 35, seed: int = 0, classes: int = CLASSES) -> Split:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    y[:classes] = np.arange(classes)
    x = rng.random((n, FEATURES)).astype(np.float32)
    x[np.arange(n), y] += 1
    return Split(x, y, name="made-up rows")


def _fit(trainer: Trainer, rows: Split | None = None, **options: Any) -> Trainer:
    for _ in trainer.fit(_rows() if rows is None else rows, _rows(12, 1), epochs=EPOCHS, **options):
        pass
    return trainer


def _state(trainer: Trainer) -> Any:
    history = [epoch.as_dict()["result"] for epoch in trainer.progress.history]
    return {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in trainer.state().items()}, history


def _same(first: Any, second: Any, what: str) -> None:
    odd = [name for name in first[0].keys() | second[0].keys() if first[0].get(name) != second[0].get(name)]
    _require(not odd, f"{what}: {', '.join(sorted(odd)[:4])} differ")
    _require(first[1] == second[1], f"{what}: the records of epochs differ")


def _equal_seeds(make: Make) -> None:
    _same(_state(_fit(make())), _state(_fit(make())), "two trainings with one seed")


def _rows_unchanged(make: Make) -> None:
    rows = _rows()
    before = rows.x.copy(), rows.y.copy()
    trainer = _fit(make(), rows)
    trainer.evaluate(rows)
    trainer.predict_proba(rows.x)
    same = np.array_equal(rows.x, before[0]) and np.array_equal(rows.y, before[1])
    _require(same, "training or answering changed the rows it was given")


def _any_layout(make: Make) -> None:
    plain = _rows()
    wide = np.zeros((len(plain), 2 * FEATURES), np.float32)
    wide[:, ::2] = plain.x
    strided = wide[:, ::2]
    fixed = np.asfortranarray(plain.x)
    for x in (strided, fixed):
        x.setflags(write=False)
        y = plain.y.copy()
        y.setflags(write=False)
        trainer = _fit(make(), Split(x, y, name="rows of another layout"))
        _same(_state(_fit(make())), _state(trainer), "training on read-only rows of another layout in memory")
        same = np.array_equal(trainer.predict_proba(x), trainer.predict_proba(plain.x))
        _require(same, "answers depend on how the rows lie in memory")


def _save_and_load(make: Make) -> None:
    trainer = _fit(make())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trainer.safetensors"
        trainer.save(path)
        loaded = make().load(path)
    _same(_state(trainer), _state(loaded), "a saved trainer and the loaded one")
    x = _rows(9, 2).x
    same = np.array_equal(trainer.predict_proba(x), loaded.predict_proba(x))
    _require(same, "a loaded trainer answers otherwise than the saved one")


def _resume(make: Make) -> None:
    whole = _fit(make())
    for step in range(1, whole.progress.step):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trainer.safetensors"
            _stop_after(make(), step, path)
            resumed = _fit(make().load(path))
        _same(_state(whole), _state(resumed), f"a training that was resumed after step {step}")


def _stop_after(trainer: Trainer, step: int, path: Path) -> None:
    def stop(running: Trainer) -> None:
        if running.progress.step == step:
            running.save(path)
            raise _Stop

    try:
        _fit(trainer, on_step=stop)
    except _Stop:
        return
    raise AssertionError(f"on_step was not called after step {step}")


def _answers(make: Make) -> None:
    trainer = _fit(make())
    for n in (1, 7):
        x = _rows(12, 3).x[:n]
        probabilities, labels = trainer.predict_proba(x), trainer.predict(x)
        _require(probabilities.shape == (n, CLASSES), f"predict_proba gave {probabilities.shape} for {n} rows")
        _require((probabilities >= 0).all(), "probabilities below 0, or NaN")
        _require(np.allclose(probabilities.sum(axis=1), 1, atol=1e-4), "probabilities that do not sum to 1")
        _require((labels.shape, labels.dtype.kind) == ((n,), "i"), f"predict gave {labels.dtype} {labels.shape}")
        _require((labels == probabilities.argmax(axis=1)).all(), "predict and predict_proba disagree")
    found = trainer.evaluate(_rows(12, 3))
    _require((found["n"], 0 <= found["accuracy"] <= 1) == (12, True), f"evaluate gave {found}")


def _one_class(make: Make) -> None:
    rows = _rows()
    alone = Split(rows.x, np.zeros(len(rows), np.int64), name="rows of one class")
    _refused_or_done(lambda: list(make().fit(alone, epochs=1)), "training on one class")


def _no_rows(make: Make) -> None:
    none = Split(np.zeros((0, FEATURES), np.float32), np.zeros(0, np.int64), name="no rows")
    _refused(lambda: list(make().fit(none, epochs=1)), UsageError, "training on no rows")
    _require(
        _fit(make()).predict_proba(none.x).shape == (0, CLASSES), "answers for no rows are not of shape (0, classes)"
    )


def _wrong_types(make: Make) -> None:
    trainer, rows = _fit(make()), _rows()
    for x in (rows.x.astype(str), rows.x.astype(complex), rows.x[:, :-1], rows.x[0]):
        _refused(partial(trainer.predict, x), LabError, f"answering for rows of {x.dtype} {x.shape}")
    more = Split(rows.x, rows.y + CLASSES, name="rows of more classes")
    _refused(lambda: trainer.evaluate(more), LabError, "evaluating on labels that were never seen")
    _refused(lambda: list(make().fit(rows, epochs=0)), UsageError, "training for no epochs")


def _not_finite(make: Make) -> None:
    for value in (np.nan, np.inf):
        x = _rows().x.copy()
        x[3, 4] = value
        _refused(partial(Split, x, _rows().y), DataError, f"training on {value}")
        _refused(partial(_fit(make()).predict, x), LabError, f"answering for {value}")


def _before_training(make: Make) -> None:
    _refused(lambda: make().predict(_rows().x), UsageError, "answering before training")
    _refused(lambda: make().evaluate(_rows()), UsageError, "evaluating before training")


def _require(holds: Any, what: str) -> None:
    if not holds:  # and no assert statement: `python -O` would leave it out
        raise AssertionError(what)


def _refused(act: Callable[[], Any], error: type[LabError], what: str) -> None:
    try:
        act()
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{what} raised {type(other).__name__} ({other}), not {error.__name__}") from other
    raise AssertionError(f"{what} was not refused")


def _refused_or_done(act: Callable[[], Any], what: str) -> None:
    try:
        act()
    except LabError:
        return
    except Exception as other:
        raise AssertionError(f"{what} raised {type(other).__name__} ({other}), which is no LabError") from other
