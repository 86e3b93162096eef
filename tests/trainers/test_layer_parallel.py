"""Layer-parallel training ends with the bits of a serial one, and with a clear word where it cannot go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.errors import Diverged, UsageError
from lab.networks import MLP, mlp
from lab.optimizers import SGD, Adam
from lab.parallel import WorkerFailed
from lab.trainers import ForwardForwardTrainer, LayerParallelTrainer, Readout
from tests.trainers.test_forward_forward import toy

EPOCHS = 3  # of 60 rows: 4 steps each, the last one short


def network(depth: int = 3, **options: Any) -> MLP:
    return mlp(depth=depth, width=7, **options)


def trained(kind: type[ForwardForwardTrainer], net: MLP, **options: Any) -> ForwardForwardTrainer:
    options = {"seed": 3, "batch_size": 16, "threads": 1, **options}
    trainer = kind(net, **options)
    list(trainer.fit(toy(), toy(20, seed=1), epochs=EPOCHS))
    return trainer


def results(trainer: ForwardForwardTrainer) -> Any:
    """What has to be equal: the state's bits, and the history but for what is measured."""
    state = {name: (a.dtype, a.shape, a.tobytes()) for name, a in trainer.state().items()}
    return state, [record.as_dict()["result"] for record in trainer.progress.history]


CASES: dict[str, tuple[MLP, dict[str, Any]]] = {
    "uniform": (network(), {"negatives": "uniform"}),
    "fixed, separate": (network(4), {"negatives": "fixed", "passes": "separate", "workers": 3}),
    "hard": (network(), {"negatives": "hard", "belief_delay": 2}),
    "hard, later than an epoch is long": (network(4), {"belief_delay": 7, "workers": 4}),
    "hard, one step late": (network(), {"belief_delay": 1, "workers": 3}),
    "one worker": (network(2), {"workers": 1}),
    "no head": (network(), {"negatives": "uniform", "readout": Readout(head="none")}),
    "a head a block, of all blocks": (
        network(), {"belief_delay": 2, "readout": Readout(head="per_block", blocks=(1, 2, 3))},
    ),
    "head recomputed, of the first block": (
        network(), {"belief_delay": 3, "workers": 3, "readout": Readout(head="recomputed", blocks=(1,))},
    ),
    "greedy": (network(), {"negatives": "uniform", "schedule": "greedy"}),
    "dropout, adam, float64": (
        network(dropout=0.3), {"belief_delay": 2, "optimizer": Adam(schedule="cosine"), "dtype": "float64"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_bit_is_that_of_the_serial_training(name: str) -> None:
    net, options = CASES[name]
    serial = {key: value for key, value in options.items() if key != "workers"}
    assert results(trained(LayerParallelTrainer, net, **options)) == results(
        trained(ForwardForwardTrainer, net, **serial)
    )


def hard(**options: Any) -> LayerParallelTrainer:
    return LayerParallelTrainer(network(), **{"seed": 3, "batch_size": 16, "threads": 1, **options})


class Stop(Exception):
    """Ends training where a test wants it to end."""


def stopped(trainer: ForwardForwardTrainer, at: int, act: Callable[[Any], None]) -> int:
    """Train until step `at`, act, and end; returns the step at which it ended."""

    def on_step(trainer: ForwardForwardTrainer) -> None:
        if trainer.progress.step >= at:
            act(trainer)
            raise Stop

    with pytest.raises(Stop):
        list(trainer.fit(toy(), toy(20, seed=1), epochs=EPOCHS, on_step=on_step))
    return trainer.progress.step


@pytest.mark.parametrize("negatives", ["hard", "uniform"])
@pytest.mark.parametrize("at", [1, 3, 4, 6, 9])
def test_a_checkpoint_goes_on_in_either_trainer(negatives: Any, at: int, tmp_path: Path) -> None:
    delay = 2 if negatives == "hard" else 0
    whole = hard(negatives=negatives)
    list(whole.fit(toy(), toy(20, seed=1), epochs=EPOCHS))
    step = stopped(hard(negatives=negatives), at, lambda trainer: trainer.save(tmp_path / "c"))
    assert at <= step <= -(-at // 4) * 4, "no further than what was under way, and not beyond the epoch"
    serial = ForwardForwardTrainer(
        network(), negatives=negatives, belief_delay=delay, seed=3, batch_size=16, threads=1
    ).load(tmp_path / "c")
    parallel = hard(negatives=negatives).load(tmp_path / "c")
    other = hard(negatives=negatives, workers=3, belief_delay=delay).load(tmp_path / "c")
    for resumed in (serial, parallel, other):
        assert resumed.progress.step == step
        list(resumed.fit(toy(), toy(20, seed=1), epochs=EPOCHS))
        assert results(resumed) == results(whole)


def test_a_serial_checkpoint_goes_on_in_parallel(tmp_path: Path) -> None:
    serial = ForwardForwardTrainer(network(), belief_delay=2, seed=3, batch_size=16, threads=1)
    assert stopped(serial, 6, lambda trainer: trainer.save(tmp_path / "c")) == 6
    resumed = hard().load(tmp_path / "c")
    list(resumed.fit(toy(), toy(20, seed=1), epochs=EPOCHS))
    assert results(resumed) == results(trained(ForwardForwardTrainer, network(), belief_delay=2))


def test_a_training_that_ends_early_leaves_one_step() -> None:
    """Whatever ends it, the state is that of the step the trainer says it is at."""
    trainer = hard()
    step = stopped(trainer, 5, lambda trainer: None)
    serial = ForwardForwardTrainer(network(), belief_delay=2, seed=3, batch_size=16, threads=1)
    stopped(serial, step, lambda trainer: None)
    assert results(trainer) == results(serial)
    list(trainer.fit(toy(), toy(20, seed=1), epochs=EPOCHS))
    assert results(trainer) == results(trained(ForwardForwardTrainer, network(), belief_delay=2))


def test_on_step_may_ask_for_answers() -> None:
    asked = []

    def ask(trainer: LayerParallelTrainer) -> None:
        asked.append((trainer.progress.step, trainer.evaluate(toy(20, seed=1))["loss"]))

    trainer = hard()
    list(trainer.fit(toy(), epochs=1, on_step=ask))
    serial = ForwardForwardTrainer(network(), belief_delay=2, seed=3, batch_size=16, threads=1)
    there: dict[int, float] = {}
    list(
        serial.fit(
            toy(), epochs=1, on_step=lambda t: there.update({t.progress.step: t.evaluate(toy(20, seed=1))["loss"]})
        )
    )
    # an answer is that of the step reached by then, which is the one named when it was asked, or a later one
    assert asked and all(loss in [there[s] for s in range(step, 5)] for step, loss in asked)


def workers_of(trainer: LayerParallelTrainer) -> list[Any]:
    assert trainer._pipeline is not None
    return [job.process for job in trainer._pipeline._crew.jobs]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_killed_worker_ends_training_with_its_name(which: int) -> None:
    trainer, processes = hard(workers=3), list[Any]()

    def kill(trainer: LayerParallelTrainer) -> None:
        if not processes:
            processes[:] = workers_of(trainer)
            os.kill(processes[which].pid, signal.SIGKILL)
            processes[which].join()

    with pytest.raises(WorkerFailed, match=rf"worker {which + 1} of 3 \(block{which + 1}\) was killed by SIGKILL"):
        list(trainer.fit(toy(), epochs=50, on_step=kill))
    assert len(processes) == 3 and not any(process.is_alive() for process in processes)
    with pytest.raises(UsageError, match="interrupted while blocks were at different steps"):
        trainer.state()
    list(trainer.build((12,), 3).fit(toy(), epochs=1))  # built anew it trains again


def test_divergence_is_told_with_the_step_of_a_serial_training() -> None:
    told = []
    for kind in (ForwardForwardTrainer, LayerParallelTrainer):
        trainer = kind(network(), optimizer=SGD(1e25, 0.0), negatives="uniform", batch_size=16, threads=1)
        with pytest.raises(Diverged) as caught, np.errstate(all="ignore"):
            list(trainer.fit(toy(), epochs=2))
        told.append(caught.value.step)
    assert told[0] == told[1]


def test_an_interrupt_ends_the_workers() -> None:
    trainer, processes = hard(), list[Any]()

    def interrupt(trainer: LayerParallelTrainer) -> None:
        processes[:] = workers_of(trainer)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(trainer.fit(toy(), epochs=2, on_step=interrupt))
    assert len(processes) == 2 and not any(process.is_alive() for process in processes)


def test_a_generator_that_is_dropped_ends_the_workers() -> None:
    trainer = hard()
    records = trainer.fit(toy(), epochs=2)
    next(records)
    processes = workers_of(trainer)
    assert all(process.is_alive() for process in processes)
    with pytest.raises(UsageError, match="end the training before it is built or loaded anew"):
        trainer.build((12,), 3)
    records.close()
    assert not any(process.is_alive() for process in processes)


def test_memory_is_counted_in_each_process_and_summed() -> None:
    memory = {}
    for workers in (1, 2, 4):
        trainer = LayerParallelTrainer(mlp(depth=4, width=64), workers=workers, negatives="uniform", batch_size=50)
        list(trainer.fit(toy(100), epochs=1))
        memory[workers] = trainer.memory()
    for workers in (2, 4):
        found = memory[workers]
        main, *processes = found["processes"]
        assert [p["name"] for p in processes] == [f"worker {k + 1}" for k in range(workers)]
        assert [name for p in processes for name in p["blocks"]] == ["block1", "block2", "block3", "block4"]
        for kind in ("weights", "optimizer", "activations", "readout", "peak"):
            assert found[kind] == main[kind] + sum(p[kind] for p in processes), kind
        assert main["weights"] == main["optimizer"] == 0
        # the state is held once, whoever holds it; Adam's counters and rounding to cache lines aside
        for kind in ("weights", "optimizer"):
            assert found[kind] == pytest.approx(memory[1][kind], rel=0.02)
    # each further worker holds activations of a batch of its own, and the rings between
    assert memory[1]["activations"] < memory[2]["activations"] < memory[4]["activations"]


def test_what_cannot_be_shared_out_is_refused() -> None:
    for options, words in (
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"workers": 2, "belief_delay": 0}, "belief_delay=0 would have each worker wait"),
        ({"worker_threads": 0}, "worker_threads must be at least 1, got 0"),
        ({"backend": "cupy"}, "use backend=numpy"),
        ({"negatives": "uniform", "belief_delay": 1}, "belief_delay=1 does not fit negatives=uniform"),
    ):
        with pytest.raises(UsageError, match=words):
            LayerParallelTrainer(network(), **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="3 blocks cannot be shared out to 4 workers; use 1 to 3"):
        LayerParallelTrainer(network(), workers=4).build((20,), 4)


def test_threads_are_shared_out() -> None:
    assert LayerParallelTrainer(network(), workers=2, threads=8).worker_threads == 4
    assert LayerParallelTrainer(network(), workers=3, threads=2).worker_threads == 1
    assert LayerParallelTrainer(network(), workers=2, threads=8, worker_threads=3).worker_threads == 3
