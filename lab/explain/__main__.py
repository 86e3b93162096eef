"""`lab explain [GROUP=NAME] [KEY=VALUE] ...`: one training step worked with real numbers, as text and as a page."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from lab.errors import LabError, UsageError

ABOUT = """\
One step of each trainer on a network of two blocks of two units: formulas, numbers, shapes, operations, and what is in
memory at each moment. Options are those of a run, written the same way: `lab explain model.depth=3 data=digits`,
`lab explain trainer=backprop`, `lab explain trainer=backprop,forward_forward model.norm=length`."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with these arguments; returns its exit status: 0, or that of a LabError."""
    parser = argparse.ArgumentParser(
        prog="lab explain", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="options, as for a run")
    parser.add_argument("--out", type=Path, help="the page to write (reports/mine/explain.html)")
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help="your own config files beside those of the lab")
    chosen = parser.parse_intermixed_args(argv)
    out = chosen.out or Path("reports/mine/explain.html")
    try:
        for override in chosen.overrides:
            if "=" not in override:
                raise UsageError(f"cannot read the option {override!r}; write KEY=VALUE")
        from lab.explain.page import as_html
        from lab.explain.steps import explain
        from lab.explain.story import story
        from lab.explain.terminal import as_text
        from lab.record import storage

        own = [] if chosen.config_dir is None else ["--config-dir", chosen.config_dir]
        words = [*own, *chosen.overrides]
        told = story(explain(chosen.overrides, chosen.config_dir))
        text, page = as_text(told, shutil.get_terminal_size((100, 24)).columns), as_html(told, words)
        if out.is_dir():
            raise UsageError(f"{str(out)!r} is a folder; name the page in it, such as --out {out / 'explain.html'}")
        storage.make_folder(out.parent)
        storage.write_atomic(out, page.encode())
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{text}\npage: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
