"""Config files from others are data: none runs code, reads the environment, or writes outside."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

import lab
from lab.app import main
from lab.errors import UsageError
from lab.guard import check_composed
from lab.guard.files import MOST, check_text

MARK = "code-was-run"
EVIL = f"{{_target_: os.system, command: touch {MARK}}}"
FILES = {
    "a callback": f"hydra: {{callbacks: {{evil: {EVIL}}}}}",
    "a launcher": f"hydra: {{launcher: {EVIL}}}",
    "a sweeper": f"hydra: {{sweeper: {EVIL}, mode: MULTIRUN}}",
    "through a module of ours": "hydra: {callbacks: {evil: {_target_: lab.sweep.process.subprocess.getoutput, "
    f"cmd: touch {MARK}}}}}}}",
    "put together": f"evil: os.system\nhydra: {{callbacks: {{e: {{_target_: '${{evil}}', command: touch {MARK}}}}}}}",
    "made by a function": f'hydra: {{callbacks: {{evil: "${{oc.create:{EVIL}}}"}}}}',
    "made from text": "hydra: {callbacks: {evil: \"${oc.decode:'{_target_: evil_module.run}'}\"}}",
    "made where nothing is": 'hydra: {callbacks: {evil: "${oc.select:nosuch,{_target_: evil_module.run}}"}}',
    "made inside a known one": 'hydra: {callbacks: {planning: {x: "${oc.create:{_target_: evil_module.run}}"}}}',
    "made with spaces": 'hydra: {callbacks: {evil: "${ oc.create : {_target_: evil_module.run}}"}}',
    "made by a name put together": "word: create\n"
    "hydra: {callbacks: {evil: '${oc.${word}:{_target_: evil_module.run}}'}}",
    "made of the library's own": 'hydra: {callbacks: {evil: "${oc.create:{_target_: pathlib.Path.touch, '
    "self: {_target_: pathlib.Path, _args_: ['../outside']}}}\"}}",
    "made beside the rest": 'extra: "${oc.create:{_target_: evil_module.run}}"\n'
    "hydra: {callbacks: {evil: '${extra}'}}",
    "a logging stream, by reference": "hydra: {job: {name: 'ext://evil_module.h'}, job_logging: {version: 1, root: "
    "{handlers: [h]}, handlers: {h: {class: logging.StreamHandler, stream: '${hydra.job.name}'}}}}",
    "a logging handler, by reference": "own: {class: evil_module.Handler}\nhydra: {job_logging: {version: 1, root: "
    "{handlers: [h]}, handlers: {h: '${own}'}}}",
    "logging, by reference": "own: {version: 1, root: {handlers: [h]}, handlers: {h: {class: evil_module.Handler}}}\n"
    "hydra: {job_logging: '${own}'}",
    "a log elsewhere, by reference": "hydra: {job: {name: ../outside.log}, job_logging: {version: 1, root: {handlers: "
    "[h]}, handlers: {h: {class: logging.FileHandler, filename: '${hydra.job.name}'}}}}",
    "a line of a batch script": f'hydra: {{launcher: {{comment: "x\\ntouch {MARK}\\n#"}}}}',
    "a line of a batch script, by reference": f'name: "x\\ntouch {MARK}\\n#"\n'
    "hydra: {launcher: {comment: '${name}'}}",
    "commands of a launcher, by reference": f"own: {{setup: [touch {MARK}]}}\nhydra: {{launcher: '${{own}}'}}",
    "a part": f"model: {EVIL}",
    "inside a part": f"trainer: {{batch_size: {EVIL}}}",
    "in a list": f"imports: [{EVIL}]",
    "an import": "imports: [evil_module]",
    "an import by a sweep": "hydra: {mode: MULTIRUN, sweeper: {params: {imports: '[evil_module]'}}}",
    "logging": f"hydra: {{job_logging: {{root: {{handlers: [h]}}, handlers: {{h: {{(): os.system, command: touch {MARK}"
    "}}}}",
    "a logging class": "hydra: {hydra_logging: {root: {handlers: [h]}, handlers: {h: {class: evil_module.Handler}}}}",
    "a logging stream": "hydra: {job_logging: {root: {handlers: [h]}, "
    "handlers: {h: {class: logging.StreamHandler, stream: 'ext://evil_module'}}}}",
    "a log elsewhere": "hydra: {job_logging: {root: {handlers: [h]}, "
    "handlers: {h: {class: logging.FileHandler, filename: ../outside}}}}",
    "a variable": "hydra: {job: {env_set: {PYTHONSTARTUP: evil_module.py}}}",
    "a copied variable": "hydra: {job: {env_copy: [SECRET]}}",
    "commands of a launcher": f"hydra: {{launcher: {{setup: [touch {MARK}]}}}}",
    "the environment": "name: ${oc.env:SECRET}",
    "the environment, put together": "name: ${oc.${trainer.word}:SECRET}\ntrainer: {word: env}",
    "the environment in a part": "data: {name: '${oc.env:SECRET}'}",
    "a folder elsewhere": "runs: ../outside",
    "an absolute folder": "runs: /tmp/outside-of-the-lab",
    "a folder with a NUL": 'runs: "a\\0b"',
    "a run folder of Hydra's": "hydra: {run: {dir: ../outside}}",
    "a sweep folder of Hydra's": "hydra: {mode: MULTIRUN, sweep: {dir: ../outside}}",
    "a folder of a job": "hydra: {mode: MULTIRUN, sweep: {subdir: ../../outside}}",
    "Hydra's own files": "hydra: {output_subdir: ../outside}",
    "a sweep's name": "hydra: {mode: MULTIRUN, sweeper: {params: {seed: '0,1'}}}\nname: ../outside",
    "a very long name": f"hydra: {{mode: MULTIRUN, sweeper: {{params: {{seed: '0,1'}}}}}}\nname: {'x' * 10_000}",
    "a long path": f"data: {{name: {'x' * 10_000}.npz}}",
    "a path with a NUL": 'data: {name: "a\\0.npz"}',
    "a tag": f"name: !!python/object/apply:os.system ['touch {MARK}']",
    "a bomb": "\n".join(
        ["a0: &a0 [x, x, x, x, x, x, x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]" for i in range(1, 9)]
    ),
    "a loop": "a: &a [*a]",
    "depth": "name: " + "[" * 5000 + "]" * 5000,
    "size": "name: " + "x" * (2 << 20),
    "two of a key": "seed: 0\nseed: 1",
    "no YAML": "name: [\n",
    "no text": "\udcff",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    (folder / "conf" / "experiment").mkdir(parents=True)
    np.savez(folder / "rows.npz", x=np.ones((60, 5), np.float32), y=np.arange(60) % 3)
    (folder / "evil_module.py").write_text(f"open({MARK!r}, 'w').close()\n\n\ndef run(*a, **k): pass\n")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("SECRET", "the-secret")
    return folder


def status(*arguments: str) -> int:
    try:
        return main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)


def tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("attack", FILES)
def test_a_file_of_others_is_refused_in_one_sentence(
    attack: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tally: Counter[str]
) -> None:
    text = f"defaults: [config, _self_]\n{FILES[attack]}\n"
    (place / "conf" / "evil.yaml").write_text(text, errors="surrogateescape")
    before = tree(tmp_path)
    code = status("--config-dir=conf", "--config-name=evil", "data=npz", *_unless(attack, "data.name=rows.npz"),
                  "trainer.epochs=1", "model.width=4")  # fmt: skip
    out, err = capsys.readouterr()
    assert code in (2, 66), (out, err)
    assert err.count("\n") == 1 and len(err) < 1500 and "Traceback" not in out + err and "the-secret" not in out + err
    assert tree(tmp_path) == before
    assert not os.path.exists("/tmp/outside-of-the-lab")
    tally["attacks tried"] += 1
    tally["attacks that ran code"] = int((place / MARK).exists())
    tally["attacks that wrote a file"] = len(tree(tmp_path) - before)


def _unless(attack: str, argument: str) -> list[str]:
    return [] if FILES[attack].startswith("data:") else [argument]


def test_what_the_user_says_counts(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same wishes on the command line are the user's own."""
    (place / "mine.py").write_text(
        "from hydra.experimental.callback import Callback\nimport subprocess\nclass Told(Callback):\n"
        "    def on_run_start(self, config, **kwargs): print('told')\n"
    )
    run = ["data=npz", "data.name=rows.npz", "trainer.epochs=1", "model.width=4", "imports=[mine]"]
    assert status(*run, "+hydra.callbacks.told._target_=mine.Told", f"runs={tmp_path}/runs") == 0
    assert "told" in capsys.readouterr().out and len(list((tmp_path / "runs").iterdir())) == 1
    assert status(*run, "+hydra.callbacks.told._target_=mine.subprocess.Popen") == 2
    assert status(*run, "+hydra.callbacks.told._target_=os.Told") == 2


def test_launchers_of_plugins_count(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An installed plugin's own class does, and nothing that its modules import."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    assert status("hydra/launcher=joblib", "--cfg", "hydra") == 0
    target = "hydra_plugins.hydra_joblib_launcher.joblib_launcher"
    for odd in (f"{target}.logging.Logger", f"{target}.Launcher", "hydra_plugins.none.such.Launcher"):
        assert status("hydra/launcher=joblib", f"hydra.launcher._target_={odd}", "--cfg", "hydra") == 2


def test_configs_stay_in_their_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "outside.yaml").write_text("# @package _global_\nseed: 7\n")
    for text in ("defaults: [/../outside]", "defaults: [../../outside]"):
        (place / "conf" / "experiment" / "evil.yaml").write_text(f"# @package _global_\n{text}\n")
        assert status("--config-dir=conf", "experiment=evil", "--cfg", "job") == 2
        assert "seed: 7" not in capsys.readouterr().out
    (place / "conf" / "experiment" / "evil.yaml").unlink()
    (place / "conf" / "experiment" / "evil.yaml").symlink_to(place / "outside.yaml")
    assert status("--config-dir=conf", "experiment=evil", "--cfg", "job") == 2
    assert "outside its folder" in capsys.readouterr().err
    (place / "conf" / "own.yaml").write_text("defaults: [config]\nhydra: {searchpath: ['pkg://evil_module']}\n")
    assert status("--config-dir=conf", "--config-name=own", "--cfg", "job") == 2
    assert "whose code would run" in capsys.readouterr().err and not (place / MARK).exists()


def test_a_bomb_is_found_in_a_fresh_process_too(place: Path) -> None:
    """Hydra loads its plugins anew as it starts: a guard of the classes from before would guard nothing."""
    (place / "conf" / "experiment" / "evil.yaml").write_text(f"# @package _global_\n{FILES['a bomb']}\n")
    command = [sys.executable, "-m", "lab", "--config-dir=conf", "experiment=evil", "--cfg", "job"]
    environment = {**os.environ, "PYTHONPATH": str(Path(lab.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 2 and "its aliases written out" in done.stderr


def test_aliases_count_as_often_as_they_are_repeated() -> None:
    check_text(b"a: &a [1, 2]\nb: [*a, *a]\n", "f")
    text = "a: &a [" + "x, " * (MOST // 3) + "]\n"
    check_text(f"{text}b: *a\n".encode(), "f")
    with pytest.raises(UsageError, match="aliases written out"):
        check_text(f"{text}b: *a\nc: *a\nd: *a\n".encode(), "f")


@pytest.mark.parametrize("key", ["comment", "partition", "name", "submitit_folder"])
def test_no_line_of_a_batch_script_comes_from_a_file(key: str) -> None:
    """Options of Slurm are written into a script, a line each, whatever is in them."""
    launcher = {"_target_": "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"}
    config = OmegaConf.create({"runs": "runs", "name": "x\n touch it", "hydra": {"launcher": launcher}})
    check_composed(config, [])
    for value in ("x\n touch it", "${name}", "a\u2028b"):
        config.hydra.launcher[key] = value
        with pytest.raises(UsageError, match="do not print"):
            check_composed(config, [])
