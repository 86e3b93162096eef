"""The same sweep through each launcher, and a search: one process is killed in the middle, and nothing is lost.

The victim is the launcher's own worker (the process that waits for a run), or the process of the run itself. The other
process of the pair must notice, the sweep must end with every run ok, and each run as if nothing had been. A job of
Slurm's is preempted, too, where there is a Slurm that has this machine alone.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.record.record import RunRecord
from lab.record.store import RunFolder, Store
from tests.reliability.story import ending, make_rows
from tests.tally import LONG

ROOT = Path(__file__).parents[2]
SEEDS = 4 if LONG else 2
EPOCHS = 60  # so many that a run has checkpoints long before its end
OPTIONS = [
    "data=npz", "data.name=rows.npz", "trainer=backprop", f"trainer.epochs={EPOCHS}", "trainer.batch_size=10",
    "model.depth=2", "model.width=6", "backend.threads=1", "backend.kernels=numpy", "progress=false",
]  # fmt: skip
SWEEP = ["-m", *OPTIONS, f"seed={','.join(map(str, range(SEEDS)))}"]
LAUNCHERS: dict[str, tuple[str, list[str]]] = {  # the package it needs, what is added to the command
    "basic": ("hydra", []),
    "joblib": ("hydra_plugins.hydra_joblib_launcher", ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]),
    "submitit_local": ("hydra_plugins.hydra_submitit_launcher", ["hydra/launcher=submitit_local"]),
    "submitit_slurm": ("hydra_plugins.hydra_submitit_launcher", ["hydra/launcher=submitit_slurm"]),
    "ray": ("hydra_plugins.hydra_ray_launcher", ["hydra/launcher=ray"]),
}


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`lab ARGUMENTS` in a folder, in a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_DEDUP_LOGS": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    with open(folder / "output.txt", "ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "lab", *arguments], cwd=folder, env=environment, text=True, stdout=output,
            stderr=output, start_new_session=True,
        )  # fmt: skip


def finish(process: subprocess.Popen[str], folder: Path) -> None:
    assert process.wait(timeout=280) == 0, (folder / "output.txt").read_text()[-4000:]


def in_the_middle(process: subprocess.Popen[str], runs: Path) -> tuple[int, RunFolder]:
    """Wait for a run that has a checkpoint and is not done; returns its worker's process, stopped, and its folder."""
    while process.poll() is None:
        for folder in (Store(runs).run(name) for name in Store(runs).ids()):
            if folder.checkpoint.exists() and not folder.record_path.exists() and (pid := worker_of(folder)):
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(pid, signal.SIGSTOP)
                    if not folder.record_path.exists():
                        return pid, folder
                    os.kill(pid, signal.SIGCONT)
        time.sleep(0.01)
    raise AssertionError("the sweep ended before a run had a checkpoint: " + (runs.parent / "output.txt").read_text())


def worker_of(folder: RunFolder) -> int:
    """The process of a run's worker; 0 where there is none."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"lab.sweep.worker" in words and any(w.endswith(folder.path.name.encode()) for w in words):
            return int(entry.parent.name)
    return 0


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def endings(runs: Path) -> dict[str, Any]:
    """How each run ended; it has to be ok, and its figures those of one thread, as was asked for."""
    found = {}
    for name in Store(runs).ids():
        folder = Store(runs).run(name)
        record = RunRecord.read(folder.record_path)
        assert record.status == "ok" and record.measured["environment"]["threads"] == 1
        found[name] = ending(folder, EPOCHS)
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The sweep, made by nobody's launcher and disturbed by nobody."""
    folder = tmp_path_factory.mktemp("undisturbed")
    make_rows(folder / "rows.npz")
    finish(start(folder, *SWEEP), folder)
    found = endings(folder / "runs")
    assert len(found) == SEEDS
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make_rows(tmp_path / "rows.npz")
    return tmp_path


@contextmanager
def two_nodes(folder: Path) -> Iterator[list[str]]:
    """A Ray cluster of two nodes with a core each, on this machine; what joins it is given as options."""
    from ray.cluster_utils import Cluster

    before = os.getcwd()
    os.chdir(folder.parent)  # its workers start elsewhere than the sweep
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield [f"hydra.launcher.ray.init.address={cluster.address}"]
    finally:
        cluster.shutdown()
        os.chdir(before)


def slurm_is_here() -> bool:
    """Whether sbatch starts jobs on this machine and no other, and sacct, which submitit asks, tells how they ended.

    Processes of jobs elsewhere could not be seen from here, nor killed.
    """
    if not all(map(shutil.which, ("sbatch", "sinfo", "sacct"))):
        return False
    found = subprocess.run(["sinfo", "--noheader", "--Node", "--format=%n"], capture_output=True, text=True)
    accounts = subprocess.run(["sacct", "--noheader"], capture_output=True)
    return (found.returncode, accounts.returncode) == (0, 0) and set(found.stdout.split()) == {socket.gethostname()}


def preempt(pid: int) -> Callable[[], bool]:
    """Have Slurm take the node from the job of a process and queue it again; returns who tells that it started anew."""
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    job = next(word.partition(b"=")[2].decode() for word in words if word.startswith(b"SLURM_JOB_ID="))
    subprocess.run(["scontrol", "requeue", job], check=True)
    show = ["scontrol", "show", "job", job]
    return lambda: "Restarts=1" in subprocess.run(show, capture_output=True, text=True).stdout


@contextmanager
def alone(folder: Path) -> Iterator[list[str]]:
    yield []


@pytest.mark.parametrize(
    ("launcher", "victim"),
    [*((launcher, victim) for launcher in LAUNCHERS for victim in ("engine", "run")), ("submitit_slurm", "job")],
)
def test_a_launcher_survives_a_kill(
    launcher: str, victim: str, place: Path, undisturbed: dict[str, Any], tally: Counter[str]
) -> None:
    package, options = LAUNCHERS[launcher]
    if importlib.util.find_spec(package.partition(".")[0]) is None or importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed (extra: cluster)")
    if not LONG and (launcher, victim) not in (("joblib", "engine"), ("submitit_local", "engine")):
        pytest.skip("the long mode tries every launcher and victim")
    if launcher == "submitit_slurm" and not slurm_is_here():
        pytest.skip("there is no Slurm that has this machine alone")
    engine: Callable[[Path], Any] = two_nodes if launcher == "ray" else alone
    with engine(place) as more:
        sweep = start(place, *SWEEP, *options, *more)
        pid, folder = in_the_middle(sweep, place / "runs")
        killed, queued_again = parent_of(pid) if victim == "engine" else pid, preempt(pid) if victim == "job" else None
        assert killed != os.getpid()
        if not queued_again:
            os.kill(killed, signal.SIGKILL)
        os.kill(pid, signal.SIGCONT)
        if launcher == "basic" and victim == "engine":  # the command itself; it is given again
            assert sweep.wait(timeout=60) == -signal.SIGKILL
            sweep = start(place, *SWEEP)
        finish(sweep, place)
        assert not queued_again or queued_again()
    assert endings(place / "runs") == undisturbed
    assert RunRecord.read(folder.record_path).measured["resumed"]
    tally[f"kills survived by {launcher}"] += 1
    tally["runs that ended equal"] += SEEDS


SEARCHES: dict[str, tuple[str, str | None, list[str]]] = {  # the package it needs, its least version, the command
    "lab tune": (
        "optuna", "4",
        ["tune", *OPTIONS, "--trials", str(SEEDS), "--search", "optimizer.learning_rate=1e-4..1e-1:log"],
    ),
    "hydra/sweeper=optuna2": (
        "hydra_plugins.hydra_optuna_sweeper", None,
        ["-m", *OPTIONS, "hydra/sweeper=optuna2", f"hydra.sweeper.n_trials={SEEDS}",
         "optimizer.learning_rate=tag(log,interval(1e-4,1e-1))"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("victim", ["engine", "run"])
@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_survives_a_kill(search: str, victim: str, place: Path, tmp_path: Path, tally: Counter[str]) -> None:
    package, least, command = SEARCHES[search]
    pytest.importorskip(package, minversion=least)
    if not LONG and victim == "run":
        pytest.skip("the long mode tries every victim")
    whole = tmp_path / "whole"
    whole.mkdir()
    make_rows(whole / "rows.npz")
    finish(start(whole, *command), whole)
    process = start(place, *command)
    pid, folder = in_the_middle(process, place / "runs")
    os.kill(parent_of(pid) if victim == "engine" else pid, signal.SIGKILL)
    os.kill(pid, signal.SIGCONT)
    if victim == "engine":
        assert process.wait(timeout=60) == -signal.SIGKILL
        process = start(place, *command)
    finish(process, place)
    assert endings(place / "runs") == endings(whole / "runs")
    assert RunRecord.read(folder.record_path).measured["resumed"]
    tally[f"kills survived by {search}"] += 1
    tally["runs that ended equal"] += SEEDS
