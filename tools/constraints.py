"""Resolve pyproject.toml to pinned versions with uv: `make constraints`, and the lower bounds for `make test-lowest`.

python tools/constraints.py            write constraints.txt: one resolution that holds for every Python >= 3.11,
                                       every extra and every platform (environment markers where versions differ)
python tools/constraints.py lowest     print the oldest versions that the dependencies allow on this Python
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "constraints.txt"

# cuda12 and cuda13 want different toolkits and cannot be resolved together, so cupy is resolved without its toolkit;
# what belongs to the toolkit is dropped from the result, because cupy and torch each bound their own.
CUDA_EXTRAS = {"cuda12", "cuda13"}
TOOLKIT = re.compile(r"(cuda-(bindings|toolkit)|triton|nvidia-(?!ml-py)[a-z0-9-]+)==")

HEADER = """\
# Pinned versions of every dependency and extra, for Python 3.11 and newer: pip install -c constraints.txt -e '.[dev]'
# Written by `make constraints`; not edited by hand.
"""


def resolve(*options: str, requirements: list[str] | None = None, extras: list[str]) -> list[str]:
    """The lines that uv resolves pyproject.toml, the named extras and further requirements to."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-annotate", "--no-header", *options]
    command += [part for extra in extras for part in ("--extra", extra)]
    run = subprocess.run(
        [*command, "pyproject.toml", "-"],
        cwd=ROOT,
        input="\n".join(requirements or []),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if run.returncode:
        sys.exit(f"uv found no resolution (exit status {run.returncode}); its reason stands above")
    return [line for line in run.stdout.splitlines() if line and not line.startswith("#")]


def main() -> None:
    """Write constraints.txt, or print the lowest versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    if sys.argv[1:] == ["lowest"]:
        print(*resolve("--resolution", "lowest-direct", extras=["dev"]), sep="\n")
        return
    cupy = [name.replace("[ctk]", "") for extra in sorted(CUDA_EXTRAS) for name in extras[extra]]
    lines = resolve(
        "--universal",
        "--python-version=3.11",
        requirements=["setuptools", "torch==2.13.0", *cupy],
        extras=[extra for extra in extras if extra not in CUDA_EXTRAS],
    )
    kept = [line for line in lines if not TOOLKIT.match(line)]
    if hosts := [line for line in kept if "://" in line or line.startswith("-")]:
        sys.exit(f"{hosts[0]!r} names a place and not a version; constraints.txt is left as it was")
    OUT.write_text(HEADER + "\n".join(kept) + "\n", encoding="utf-8")
    print(f"{len(kept)} versions in {OUT.name}")


if __name__ == "__main__":
    main()
