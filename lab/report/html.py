"""What every self-contained page is made with: its template's environment, its style, and its policy."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from lab.report.style import COLOURS, css


def environment(*, html: bool = True) -> Environment:
    """Templates in which a name that is not there is an error; with `html`, everything put in is escaped."""
    return Environment(
        autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )


def page_style() -> str:
    """The report's look: colours for light and dark, those of paper for print, and its rules."""
    # Paper is light, whatever the screen is.
    paper = f"@media print{{:root{{{''.join(f'--{name}:{value};' for name, value, _ in COLOURS)}}}}}"
    return css() + paper + template("page.css")


def policy(style: str, script: str = "") -> str:
    """A content security policy that allows this style and this script by their digests, and nothing else."""
    scripts = f"script-src {_digest(script)}; " if script else ""
    return (
        f"default-src 'none'; style-src {_digest(style)}; {scripts}img-src data:; base-uri 'none'; form-action 'none'"
    )


def template(name: str, package: str = "lab.report") -> str:
    """The text of a file in the package's folder of templates."""
    return (files(package) / "template" / name).read_text(encoding="utf-8")


def _digest(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
