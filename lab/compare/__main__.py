"""`lab compare PROTOCOL` or `python -m lab.compare PROTOCOL`: tunes, trains, tests and reports by a protocol.

Ends with 0 where every run of the comparison is ok, 75 where it was stopped, else 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.errors import LabError


def main(argv: list[str] | None = None) -> int:
    """Runs the command with these arguments; returns its exit status."""
    parser = argparse.ArgumentParser(prog="lab compare", description="Makes a whole comparison by its protocol.")
    parser.add_argument("protocol", help="a name in conf/protocol, or a .yaml file")
    parser.add_argument("--out", type=Path, help="folder for everything (runs/comparisons/NAME)")
    parser.add_argument("--until", choices=["tuning", "runs", "report"], default="report", help="where to end (report)")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="no line on how far a run is")
    chosen = parser.parse_args(argv)
    try:
        from lab.app import config_folder
        from lab.compare.story import compare
        from lab.protocol import read_protocol

        protocol = read_protocol(chosen.protocol, config_folder())
        out = chosen.out or Path("runs", "comparisons", protocol.name)
        return compare(protocol, out, until=chosen.until, progress=chosen.progress)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
