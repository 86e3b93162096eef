"""`python -m lab` and the command `lab`."""

from __future__ import annotations

import sys

from lab.app import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
