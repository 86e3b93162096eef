"""How numbers are written: grouped thousands, a true minus sign, digits that mean something."""

from __future__ import annotations

import math


def fixed(value: float, decimals: int) -> str:
    """Writes a number with so many decimals, thousands separated, and a true minus sign."""
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", "\u2212")


def significant(value: float, digits: int = 3) -> str:
    """Writes a number with so many significant digits, never in powers of ten below 10^15: 41,200 or 0.0123."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "\u2013"
    if not 1e-6 <= abs(value) < 1e15:
        return f"{value:.{digits - 1}e}".replace("-", "\u2212")
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    if rounded == int(rounded) and decimals <= 0:
        return fixed(rounded, 0)
    return fixed(value, max(0, digits - 1 - math.floor(math.log10(abs(rounded)))))


def plain(value: float) -> str:
    """Writes a round number, such as an axis tick, without trailing zeros: 2, 0.5, 50,000."""
    if 0 < abs(value) < 1e-6 or abs(value) >= 1e15:
        return significant(value, 2)
    return fixed(
        value, next((d for d in range(7) if math.isclose(round(value, d), value, rel_tol=1e-6, abs_tol=1e-9)), 6)
    )
