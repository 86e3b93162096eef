from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.data import load_dataset
from lab.data.__main__ import main
from lab.data.registry import Say
from tests.data.conftest import Mirror
from tests.data.test_fetch import serve_fashion, small_sets

__all__ = ["small_sets"]  # used by name, as every fixture is


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"{name} "))


def test_list(capsys: pytest.CaptureFixture[str], mirror: Mirror, cache: Path) -> None:
    assert main(["list"]) == 0
    table = capsys.readouterr().out
    for word in ("classification", "1 x 28 x 28", "60,000 + 10,000", "7eb6e0d20b1a", "embedded", "CC BY-SA 3.0"):
        assert word in row(table, "mnist")
    assert "3 x 32 x 32  50,000 + 10,000" in row(table, "cifar10")
    assert "see below" in row(table, "cifar10")
    assert re.search(r"^cifar10 is not here \(.*\); run: python -m lab\.data fetch cifar10\.$", table, re.MULTILINE)
    assert "regression" in row(table, "diabetes")
    assert str(cache) in table

    serve_fashion(mirror)
    assert main(["fetch", "fashion_mnist"]) == 0
    capsys.readouterr()
    assert main(["list", "--full"]) == 0
    table = capsys.readouterr().out
    assert load_dataset("mnist").digest in row(table, "mnist")
    assert "SHA-256 as published" in row(table, "fashion_mnist")


def test_fetch_and_fetch_again(capsys: pytest.CaptureFixture[str], mirror: Mirror, cache: Path) -> None:
    serve_fashion(mirror)
    assert main(["fetch", "fashion_mnist", "mnist"]) == 0
    out = capsys.readouterr().out
    assert "fashion_mnist: from the mirror 127.0.0.1" in out
    assert "mnist: nothing to fetch (MNIST, embedded in the package)" in out
    mirror.asked.clear()
    assert main(["fetch", "fashion_mnist"]) == 0
    assert "fashion_mnist: here already" in capsys.readouterr().out
    assert mirror.asked == []

    damaged = cache / "fashion_mnist" / "t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert main(["fetch", "fashion_mnist"]) == 0
    assert "GET /fashion/t10k-labels-idx1-ubyte.gz" in mirror.asked
    assert main(["list"]) == 0


def test_errors_are_one_line_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "fashion-mnist"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown data set 'fashion-mnist': did you mean 'fashion_mnist'?")
    assert main(["fetch", "cifar10"]) == 66
    captured = capsys.readouterr()
    assert captured.err.startswith("error: cifar10 could not be fetched (the mirror 127.0.0.1")
    assert captured.err.count("\n") == 1
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert main(["lst"]) == 2


def test_no_name_is_fetched_before_all_are_known(mirror: Mirror, cache: Path) -> None:
    serve_fashion(mirror)
    assert main(["fetch", "fashion_mnist", "fashion"]) == 2
    assert mirror.asked == []


def test_an_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(say: Say) -> None:
        raise KeyboardInterrupt

    from lab.data import registry

    entry = registry.entry("cifar10")
    monkeypatch.setitem(registry._entries, "cifar10", registry.Entry("cifar10", entry.load, interrupted))
    assert main(["fetch", "cifar10"]) == 130
    assert capsys.readouterr().err == "error: interrupted; nothing half-written is left, run the same command again\n"


def test_the_command_itself() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "lab.data", "fetch", "nothing"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: unknown data set 'nothing'")
