"""The command line: what a user types, what is shown, what the exit status is, and that nothing is littered."""

import os
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest

import lab.report
from lab.app import COMMANDS, config_folder, main
from tests.sweep.parts import VARIABLE

SMALL = ["data=npz", "data.name=rows.npz", "model.width=8", "trainer.epochs=1", "backend.threads=1"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a small data file, where the command is given."""
    folder = tmp_path / "here"
    folder.mkdir()
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    np.savez(folder / "rows.npz", x=(rng.normal(size=(60, 5)) + y[:, None]).astype(np.float32), y=y)
    monkeypatch.chdir(folder)
    return folder


def tree(folder: Path) -> set[str]:
    """All files, without those inside run folders and reports."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if "/report/" not in name and not name.startswith("runs/0123456789abcdef")}


def test_a_single_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "trainer=backprop"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == "" and lines[0].startswith("run  backprop  mlp 3x8  rows  seed 0  (")
    (run,) = (place / "runs").iterdir()
    assert lines[1].startswith("run  ok  test ") and lines[2:] == [f"record: runs/{run.name}/record.json"]
    assert {path.name for path in place.iterdir()} == {"rows.npz", "runs"}  # no outputs/, no multirun/, no .hydra
    assert (run / "record.json").is_file()
    assert main([*SMALL, "trainer=backprop"]) == 0
    assert "done already" in capsys.readouterr().out


def test_a_sweep_plans_runs_and_sums_up(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = [*SMALL, "seed=0,1", "-m", "trainer=backprop,forward_forward", "name=mine"]
    assert main(sweep) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for number in range(1, 5):
        assert out.count(f"run {number}/4  ") == 2  # as it starts and as it ends
    assert "4 ok" in out and "forward-forward" in out
    (folder,) = (place / "runs" / "sweeps").iterdir()
    assert folder.name.startswith("mine-")
    assert out.splitlines()[-1] == f"report: runs/sweeps/{folder.name}/report/index.html"
    assert (folder / "report" / "index.html").is_file() and (folder / "sweep.json").is_file()
    assert {path.name for path in place.iterdir()} == {"rows.npz", "runs"}
    assert len(list((place / "runs").glob("*/record.json"))) == 4

    began = time.monotonic()
    assert main(sweep) == 0
    assert time.monotonic() - began < 60
    assert capsys.readouterr().out.count("done already") == 4
    assert list((place / "runs" / "sweeps").iterdir()) == [folder]  # the same sweep: the same folder


@pytest.fixture
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report without its figures: two sweeps above draw them, and that takes most of a small sweep's time."""
    monkeypatch.setattr(lab.report, "make_report", lambda runs, out, **options: out / "index.html")


@pytest.mark.usefixtures("_no_figures")
def test_one_dead_run_does_not_end_a_sweep(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, diverged and refused runs among good ones: all are told of, and the sweep's status is 1."""
    monkeypatch.setenv(VARIABLE, "kill@1")
    sweep = ["-m", *SMALL, "imports=[tests.sweep.parts]", "trainer=backprop", "trainer.name=troubled,backprop"]
    sweep.append("optimizer.learning_rate=0.001,1e30")
    assert main(sweep) == 1
    out, _ = capsys.readouterr()
    assert out.count("failed  its process was killed by SIGKILL (out of memory?)") == 2
    assert out.count("diverged  the loss of") == 1 and out.count("  ok  test") == 1
    assert "learning_rate=1e+30" in out  # a run's line tells what sets it apart
    assert "1 ok" in out and "2 failed" in out and "1 diverged" in out and "report: " in out
    monkeypatch.delenv(VARIABLE)
    assert main(sweep) == 1  # the killed ones are made again, of which one diverges; the others are not
    again = capsys.readouterr().out
    assert again.count("done already") == 2 and "2 ok" in again and "2 diverged" in again


@pytest.mark.usefixtures("_no_figures")
def test_a_sweep_with_a_network_that_does_not_fit(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    assert main(["-m", *SMALL[:2], "trainer=forward_forward", "trainer.epochs=1", "model=linear,mlp"]) == 1
    out, _ = capsys.readouterr()
    assert "failed  linear has no hidden block" in out and "1 failed" in out and "1 ok" in out


WRONG = [
    (["trainer=forwardforward"], "unknown trainer 'forwardforward': did you mean 'forward_forward'? valid: backprop"),
    (["trainer.epoch=3"], "unknown option 'trainer.epoch': did you mean 'trainer.epochs'?"),
    (["epochs=3"], "unknown option 'epochs': did you mean trainer.epochs?"),
    (["trainr=backprop"], "unknown option 'trainr': did you mean 'trainer'?"),
    (["trainer.optimizer.rate=1"], "unknown option 'trainer.optimizer'"),
    (["trainer.negatives=hrad"], "did you mean 'hard'? valid: fixed, hard, uniform"),
    (["+trainer.epochs=3"], "write it without the +"),
    (["+trainer.foo=3"], "unknown option 'trainer.foo'"),
    (["sweep=quick"], "write +sweep=NAME"),
    (["+sweep=quik"], "unknown sweep 'quik': did you mean 'quick'?"),
    (["experiment=ff_3x100"], "did you mean 'ff_3x1000'?"),
    (["data=digits,mnist"], "put -m before it to sweep"),
    (["trainer.epochs=[1"], "write KEY=VALUE"),
    (["model.width=wide"], "model.width='wide' does not fit; give a whole number"),
    (["model.width=0"], "at least 1"),
    (["data=npz"], "data.name is missing; give it as data.name=VALUE"),
    (["data=npz", "data.name=none.npz"], "none.npz"),
    (["data=npz", "data.name=torn.npz"], "torn.npz"),
    (["data=npz", "data.name=nan.npz"], "nan in row 7"),
    (["data.valid=60000"], "valid=60000"),
    (["seed=${nothing}"], "nothing"),
    (["--config-dir=missing"], "missing"),
    (["--config-name=other"], "other"),
    (["--experimental-rerun=x.pickle"], "unpickle"),
    (["--exper=x.pickle"], "unpickle"),
    (["--epochs", "3"], "there is no option --epochs; a run's options are KEY=VALUE"),
    (["-1"], "there is no option -1"),
    (["x=1=]"], "cannot read the option 'x=1=]'"),
    (["data=text", "data.name=README.md"], "with a / in it"),
    (["diagnose=[none]"], "weight_norms or histograms\n"),
    (["-m", "trainer=backprop,backpro"], "trainer=backpro: unknown trainer 'backpro': did you mean 'backprop'?"),
    (["-m", "trainer.epoch=1,2"], "trainer.epoch=1: unknown option 'trainer.epoch': did you mean 'trainer.epochs'?"),
    (["-m", "experiment=ff_mlp,ff_mpl"], "experiment=ff_mpl: unknown experiment 'ff_mpl': did you mean 'ff_mlp'?"),
    (
        ["-m", "trainer=forward_forward,backprop", "trainer.negatives=hard"],
        "trainer=backprop trainer.negatives=hard: unknown option 'trainer.negatives'",
    ),
    (["-m", "--cfg", "job"], "without -m"),
    (["reprot"], "unknown command 'reprot': did you mean 'report'?"),
    (["bench2"], "unknown command 'bench2'"),
    (["-m", "data=npz", "data.name=rows.npz", "trainer.negatives=hard,soft"], "unknown trainer.negatives 'soft'"),
    (["-m", "data=npz", "data.name=none.npz", "seed=0,1"], "none.npz"),
    (["-m", *SMALL, "seed=0,1", "name=../../out"], "cannot name a folder"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    arguments: list[str], words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (place / "rows.npz").read_bytes()
    (place / "torn.npz").write_bytes(whole[: len(whole) // 2])
    x = np.ones((60, 5), np.float32)
    x[7, 2] = np.nan
    np.savez(place / "nan.npz", x=x, y=np.arange(60) % 3)
    before = tree(place)
    code = status_of(arguments)
    out, err = capsys.readouterr()
    assert code in (2, 66), err
    assert words in err and err.count("\n") == 1 and "Traceback" not in err and "run  " not in out
    assert tree(place) == before and not list((place / "runs").glob("*")) if (place / "runs").exists() else True


@pytest.mark.parametrize(
    ("option", "words"),
    [("hydra/launcher=joblib", "hydra-joblib-launcher is not installed; the extra cluster brings it: make setup"),
     ("hydra/launcher=ray", "hydra-ray-launcher is not installed"),
     ("hydra/sweeper=optuna2", "the package hydra-optuna-sweeper is not installed; pip install hydra-optuna-sweeper")],
)  # fmt: skip
def test_a_plugin_that_is_not_installed(
    option: str, words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = words.partition(" is not")[0].rpartition(" ")[2]
    try:
        distribution(package)
    except PackageNotFoundError:
        pass
    else:
        pytest.skip("it is installed")
    before = tree(place)
    assert status_of(["-m", option, *SMALL, "seed=0,1"]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1 and tree(place) == before


def status_of(arguments: list[str]) -> int:
    """The exit status, also where Hydra ends the program by itself."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def test_hydra_shows_everything_where_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    from hydra.errors import HydraException

    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(HydraException):
        main(["trainer=x"])
    assert os.environ["HYDRA_FULL_ERROR"] == "1"


def test_a_users_own_folder_of_configs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "mine" / "experiment").mkdir(parents=True)
    (place / "mine" / "experiment" / "own.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /trainer: backprop\nmodel: {width: 9}\n"
    )
    assert main(["--config-dir=mine", "experiment=own", *SMALL[:2], "--cfg", "job"]) == 0
    out = capsys.readouterr().out
    assert "width: 9" in out and "name: backprop" in out and not (place / "runs").exists()


def test_an_experiment_names_its_own_seed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "mine" / "experiment").mkdir(parents=True)
    (place / "mine" / "experiment" / "own.yaml").write_text("# @package _global_\nseed: 7\nname: mine\nretries: 1\n")
    asked = ["--config-dir=mine", "experiment=own", "--cfg", "job"]
    assert main(asked) == 0
    assert {"seed: 7", "name: mine", "retries: 1"} <= set(capsys.readouterr().out.splitlines())
    assert main([*asked, "seed=3"]) == 0  # the command line has the last word
    assert {"seed: 3", "name: mine"} <= set(capsys.readouterr().out.splitlines())


def test_options_may_stand_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seed=7", "--cfg", "job", "model.width=9", "-p", "model"]) == 0
    assert "width: 9" in capsys.readouterr().out
    assert main(["seed=7", "--package", "seed", "--cfg", "job"]) == 0
    assert capsys.readouterr().out == "7\n"


def test_help_and_completion(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert status_of(["--help"]) == 0
    text = capsys.readouterr().out
    for word in (
        "trainer: backprop,",
        " forward_forward",
        "lab +sweep=quick",
        "negatives: hard",
        "data: aesop, breast_cancer",
    ):
        assert word in text
    monkeypatch.setenv("COMP_LINE", "lab trainer=fo")
    monkeypatch.setenv("COMP_POINT", "14")
    assert status_of(["-sc", "query=bash"]) == 0
    assert capsys.readouterr().out.split() == ["trainer=forward_forward"]


def test_the_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["data", "list"]) == 0
    assert "mnist" in capsys.readouterr().out
    missing = [word for word in COMMANDS if not (config_folder().parent / "lab" / word).exists()]
    for word in missing:
        if (config_folder().parent / "lab" / f"{word}.py").exists():
            continue
        assert status_of([word]) == 2
        assert f"`lab {word}` is not part of this version" in capsys.readouterr().err


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The true command, in a process of its own."""
    home = str(Path(lab.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments], capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": home, **environment},
    )  # fmt: skip


def test_the_true_command(place: Path) -> None:
    done = command(*SMALL)
    assert (done.returncode, done.stderr) == (0, "") and "run  ok  test" in done.stdout
    wrong = command("trainer=x")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and wrong.stdout == ""
    diverged = command(*SMALL, "trainer=backprop", "optimizer=sgd", "optimizer.learning_rate=1e30")
    assert diverged.returncode == 65 and "diverged  the loss of" in diverged.stdout


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, lab.app\n"
        "try: lab.app.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'pandas', 'matplotlib', 'scipy', 'sklearn') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=config_folder().parent)
    assert done.stderr.strip() == "[]" and done.stdout.startswith("lab: ")


def test_two_sweeps_at_once_share_the_work(place: Path) -> None:
    home = str(Path(lab.__file__).parents[1])
    arguments = [sys.executable, "-m", "lab", "-m", *SMALL, "trainer=backprop", "seed=0,1"]
    both = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": home})
        for _ in range(2)
    ]
    texts = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all("2 ok" in text and "report: " in text for text in texts)
    assert not list((place / "runs").glob("*/record-*.json"))  # no run was made twice
