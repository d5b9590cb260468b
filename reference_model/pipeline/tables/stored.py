"""The paired differences of a table: each is computed once, and the table's record has them as plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reference_model.pipeline.tables.statistics import Difference, Interval
from reference_model.runs import with_nan

Pair = tuple[tuple[str, ...], tuple[str, ...]]
"""The keys of the cells of two ways to train, each in the order of the seeds."""


class DifferenceStore:
    """What the rows of a table look differences up in.

    Args:
        stored: Differences that are known already, by the pair of cells.
    """

    def __init__(self, stored: Mapping[Pair, Difference] | None = None) -> None:
        self._known = dict(stored or {})
        self._stored = frozenset(self._known)
        self._by_attribute: dict[Pair, bool] = {}

    def look_up(self, pair: Pair, compute: Callable[[], Difference], *, by_attribute: bool) -> Difference:
        """Return the difference of a pair, which is computed only where it is not known.

        Args:
            pair: The cells.
            compute: Computes the difference with those of the attributes.
            by_attribute: Whether the differences of the attributes are read; without, the result has none.
        """
        known = self._known.get(pair)
        if known is None or (by_attribute and not known.attributes):
            known = self._known[pair] = compute()
        self._by_attribute[pair] = by_attribute or self._by_attribute.get(pair, False)
        return known if by_attribute else replace(known, attributes={})

    def is_stored(self, pair: Pair) -> bool:
        """Say whether the difference of a pair was known from the start."""
        return pair in self._stored

    def used(self) -> dict[Pair, Difference]:
        """Return the differences that were looked up, in that order, each with as much as was read of it."""
        return {
            pair: self._known[pair] if by_attribute else replace(self._known[pair], attributes={})
            for pair, by_attribute in self._by_attribute.items()
        }


def plain_differences(differences: Mapping[Pair, Difference]) -> list[dict[str, Any]]:
    """Return differences as values that JSON holds; intervals are their mean, low and high."""
    return [
        {
            "first": first,
            "second": second,
            "accuracy": _plain(change.accuracy),
            "unit": change.unit,
            "units": change.units,
            **(
                {"attributes": {name: _plain(one) for name, one in change.attributes.items()}}
                if change.attributes
                else {}
            ),
        }
        for (first, second), change in differences.items()
    ]


def differences_of(plain: Sequence[Mapping[str, Any]]) -> dict[Pair, Difference]:
    """Return the differences that `plain_differences` has made plain; null, which JSON has for NaN, is NaN again.

    Raises:
        KeyError, TypeError, ValueError: If they are not of that form.
    """
    differences: dict[Pair, Difference] = {}
    for one in plain:
        first, second = tuple(one["first"]), tuple(one["second"])
        if not first or len(first) != len(second) or one["unit"] not in ("people", "pictures"):
            raise ValueError("a difference is one of as many cells, between people or pictures")
        attributes = {str(name): _interval(values, len(first)) for name, values in one.get("attributes", {}).items()}
        accuracy = _interval(one["accuracy"], len(first))
        differences[first, second] = Difference(accuracy, attributes, one["unit"], int(one["units"]), len(first))
    return differences


def _plain(interval: Interval) -> list[float]:
    return [interval.mean, interval.low, interval.high]


def _interval(values: Sequence[float | None], seeds: int) -> Interval:
    mean, low, high = map(float, with_nan(values))
    return Interval(mean, low, high, seeds)
