"""Where configs are looked for: folders, and packages that are known. Looking into a package would run its code."""

from __future__ import annotations

from collections.abc import Sequence

from lab.errors import UsageError

_KNOWN = ("hydra.conf", "lab.conf", "hydra_plugins")


def check_searchpath(paths: Sequence[str | None]) -> None:
    """Raise UsageError for a package of others in Hydra's search path."""
    for path in paths:
        scheme, _, name = (path or "").partition("://")
        if name and scheme == "pkg" and not name.startswith(_KNOWN):
            raise UsageError(f"hydra.searchpath names the package {name}, whose code would run; name a folder instead")
        if name and scheme not in ("pkg", "file", "structured"):
            raise UsageError(f"hydra.searchpath holds {path!r}, which is no folder")
