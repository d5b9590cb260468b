"""Numbers as the tables of Markdown show them."""

from __future__ import annotations

import math


def two_digits(value: float, sign: str = "") -> str:
    """Return a number with two digits, never ``-0.00``; a dash for NaN.

    Args:
        value: The number.
        sign: ``"+"`` to write a plus too.

    Example:
        >>> two_digits(-0.001), two_digits(0.5, "+")
        ('0.00', '+0.50')
    """
    return "-" if math.isnan(value) else f"{round(value, 2) + 0.0:{sign}.2f}"


def interval_in_words(low: float, high: float) -> str:
    """Return an interval in brackets, a dash there where one seed gives none.

    Example:
        >>> interval_in_words(-0.001, 1.5), interval_in_words(float("nan"), float("nan"))
        ('(0.00 to 1.50)', '(-)')
    """
    return "(-)" if math.isnan(low) else f"({two_digits(low)} to {two_digits(high)})"
