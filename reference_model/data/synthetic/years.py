"""Ages of drawn faces, and how far they show."""

from __future__ import annotations

import numpy as np

YOUNG_BELOW = 40.0
"""Faces younger than this have the attribute Young, all others lack it."""

YOUNGEST, OLDEST = 16.0, 85.0
_USUAL = {True: YOUNGEST, False: 66.0}
# Years between pictures of one person, at most.
_SPREAD = 4.0


def ageing(years: float) -> float:
    """Return how visible the signs of an age are, in [0, 1].

    They grow with the years, from none at 16 to all at 85, with a step where faces stop being young, so that the
    attribute Young can be seen as well as the years.
    """
    if years < YOUNG_BELOW:
        return 0.4 * max(0.0, years - YOUNGEST) / (YOUNG_BELOW - YOUNGEST)
    return 0.6 + 0.4 * (min(years, OLDEST) - YOUNG_BELOW) / (OLDEST - YOUNG_BELOW)


def usual_years(*, young: bool) -> float:
    """Return the age at which a face is drawn that is young, or not, and of which nothing else is known."""
    return _USUAL[young]


def draw_years(generator: np.random.Generator, person: float, *, young: bool) -> float:
    """Draw the age at which a person is shown.

    Args:
        generator: Of the picture.
        person: The person's place in the range of ages, in [0, 1]; pictures of a person differ by a few years.
        young: Whether the face has the attribute Young.

    Returns:
        Whole years: 16 to 39 if young, else 40 to 85.
    """
    low, high = (YOUNGEST, YOUNG_BELOW - 1) if young else (YOUNG_BELOW, OLDEST)
    years = low + person * (high - low) + generator.uniform(-_SPREAD, _SPREAD)
    return float(round(min(max(years, low), high)))
