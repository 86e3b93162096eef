from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import lab.registry
from lab.data import Parts, load_dataset, register, registry
from lab.errors import UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    parts = lab.registry._PARTS["data"]
    kept = dict(parts)
    yield
    parts.clear()
    parts.update(kept)


@pytest.mark.usefixtures("_clean")
def test_the_example_of_the_docstring_works() -> None:
    assert registry.__doc__ is not None
    code = registry.__doc__.partition("    import numpy")[2].partition("\n\n`load")[0]
    exec("import numpy" + re.sub(r"\n    ", "\n", code), {})  # noqa: S102
    data = load_dataset("noise", valid=8)
    assert (len(data.train), len(data.valid), len(data.test), data.shape) == (72, 8, 20, (4,))
    assert data.source == "numpy's generator"
    assert "noise" in lab.registry.names("data")
    assert lab.registry.part("data", "noise")(valid=8).digest == data.digest


@pytest.mark.usefixtures("_clean")
def test_a_name_is_taken_once() -> None:
    def toy() -> Parts:
        return Parts((np.zeros((9, 1)), np.arange(9) % 2))

    register("toy")(toy)
    register("toy")(toy)  # the same function again, as when its module is imported anew

    with pytest.raises(UsageError, match="'toy' is already taken"):
        register("toy")(lambda: toy())


@pytest.mark.parametrize("name", ["", "a/b", "a.npz", "Toy", "-toy", "a" * 65, "toy\n"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(UsageError, match=r"the data set name .* cannot be used"):
        register(name)


@pytest.mark.parametrize(
    ("name", "near"), [("MNIST", "mnist"), ("fashion-mnist", "fashion_mnist"), ("cifar-10", "cifar10")]
)
def test_an_unknown_name(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_dataset(name)
    assert str(caught.value) == (
        f"unknown data set {name!r}: did you mean {near!r}? "
        "valid: aesop, breast_cancer, cifar10, diabetes, digits, fashion_mnist, japanese_vowels, mnist, "
        "or the path of a file (.npz, or text: .txt, .text, or any name with a / in it)"
    )


def test_a_name_like_no_other() -> None:
    with pytest.raises(UsageError, match=r"unknown data set 'zzz': valid: aesop, breast_cancer"):
        load_dataset("zzz")


def test_importing_is_light() -> None:
    code = "import sys, lab.data, lab.data.__main__; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"pooch", "requests", "sklearn", "scipy", "PIL", "matplotlib", "pandas", "platformdirs", "hydra"}
    assert not heavy & set(done.stdout.split())
