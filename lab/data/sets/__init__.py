"""The named data sets, one module each; `lab.data.registry` says how to add one. Importing this imports them all."""

from __future__ import annotations

import importlib
import pkgutil

for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
