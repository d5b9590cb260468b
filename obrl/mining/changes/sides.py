"""The two sides of a comparison, with their labels in the same order."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from obrl.conditioning import relation_phi
from obrl.counts import PairCounts
from obrl.evidence import phi_coefficients
from obrl.mining.accumulate import TableCounts
from obrl.mining.errors import MiningError, MiningWarning
from obrl.mining.jackknife import pairs_of
from obrl.mining.miner import RelationMiner
from obrl.relation import OnlineBatchRelation
from obrl.report.words import listed

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Side:
    """What a comparison reads of a relation.

    Attributes:
        counts: of the table, or None for a relation without counts, as a loss saves it.
        phi: (num_labels, num_labels), where there are no counts; else None.
        label_names: num_labels names, or None.
        num_labels: M.
    """

    counts: TableCounts | None
    phi: FloatArray | None
    label_names: tuple[str, ...] | None
    num_labels: int

    def phi_matrix(self) -> FloatArray:
        """Phi of all pairs, (num_labels, num_labels), NaN where undefined."""
        if self.counts is None:
            assert self.phi is not None
            return self.phi
        i, j = np.indices((self.num_labels, self.num_labels))
        return phi_coefficients(pairs_of(self.counts.counts, i, j))


def as_side(value: RelationMiner | TableCounts | OnlineBatchRelation, name: str) -> Side:
    """Read one side.

    Args:
        value: what was handed in.
        name: of the argument, for errors.

    Raises:
        TypeError: something else.
        MiningError: a miner that has mined nothing, or a relation whose measure phi does not follow from.
    """
    if isinstance(value, TableCounts):
        return Side(value, None, value.label_names, value.num_labels)
    if isinstance(value, RelationMiner):
        relation = value.to_numpy()
        try:
            return as_side(value.table_counts_, name)
        except MiningError:  # read from a file without counts
            value = relation
    if not isinstance(value, OnlineBatchRelation):
        raise TypeError(f"{name} must be a RelationMiner, TableCounts or a relation, got {type(value).__name__}")
    try:
        phi = relation_phi(value.state, value.settings)
    except ValueError as error:
        raise MiningError(f"{name}: {error}") from error
    return Side(None, phi, value.label_names, value.num_labels)


def in_one_order(a: Side, b: Side, labels: Sequence[str] | None) -> tuple[Side, Side]:
    """Both sides with the same labels in the same order: that of `labels`, or else of a.

    A side without names gets those of the other, with a warning, where it has as many labels.

    Raises:
        TypeError: labels that are no sequence of strings.
        MiningError: labels that only one side has, fewer than two, or one twice; or sides without names that have
            another number of labels.
    """
    if labels is not None:
        labels = _checked(labels)
    if (a.label_names is None) != (b.label_names is None):
        a, b = _named_alike(a, b)
    if a.label_names is None or b.label_names is None:
        return _without_names(a, b, labels)
    if labels is None:
        alone = [
            [name for name in one if name not in others]
            for one, others in ((names, set(other)) for names, other in _both_ways(a, b))
        ]
        if any(alone):
            words = [f"only {side} has {listed(names)}" for side, names in zip("AB", alone, strict=True) if names]
            raise MiningError(
                f"expected two tables with the same labels, but {' and '.join(words)}; name the labels that both have "
                "with --labels, in Python labels="
            )
        labels = a.label_names
    for side, names in (("A", a.label_names), ("B", b.label_names)):
        if lacking := [name for name in labels if name not in names]:
            raise MiningError(f"labels: {side} has no {listed(lacking)}; it has {listed(names)}")
    return _ordered(a, labels), _ordered(b, labels)


def _checked(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels that the user chose; raises where no pair could be made of them."""
    if isinstance(labels, str) or not all(isinstance(name, str) for name in labels):
        raise TypeError(f"labels must be a sequence of label names, got {labels!r}")
    if repeated := [name for name, times in Counter(labels).items() if times > 1]:
        raise MiningError(f"labels: expected each label once, got {listed(repeated)} more than once")
    if len(labels) < 2:
        raise MiningError(
            f"labels: expected at least two, as pairs are compared, got {listed(labels) if labels else 'none'}"
        )
    return tuple(labels)


def _named_alike(a: Side, b: Side) -> tuple[Side, Side]:
    """The sides with the names of the one that has some; warns, as labels in another order would be mistaken."""
    with_names, without = ("B", "A") if a.label_names is None else ("A", "B")
    if a.num_labels != b.num_labels:
        raise MiningError(
            f"only {with_names} has label names, and A has {a.num_labels} labels but B {b.num_labels}, so labels "
            "cannot be matched; give both names"
        )
    warnings.warn(
        f"{without} has no label names, so its labels are taken to be those of {with_names}, in the same order",
        MiningWarning,
        stacklevel=4,  # the line that calls compare
    )
    names = a.label_names or b.label_names
    return _named(a, names), _named(b, names)


def _named(side: Side, names: tuple[str, ...] | None) -> Side:
    counts = None if side.counts is None else replace(side.counts, label_names=names)
    return replace(side, counts=counts, label_names=names)


def _without_names(a: Side, b: Side, labels: Sequence[str] | None) -> tuple[Side, Side]:
    """Sides that are matched by position, as neither has names."""
    if labels is not None:
        raise MiningError("labels can be chosen by name where a side has names, but none has")
    if a.num_labels != b.num_labels:
        raise MiningError(f"expected two tables with as many labels, got {a.num_labels} and {b.num_labels}")
    return a, b


def _both_ways(a: Side, b: Side) -> tuple[tuple[Sequence[str], Sequence[str]], tuple[Sequence[str], Sequence[str]]]:
    first, second = a.label_names or (), b.label_names or ()
    return (first, second), (second, first)


def _ordered(side: Side, names: Sequence[str]) -> Side:
    """The side with these labels in this order."""
    chosen = tuple(names)
    if side.label_names is None or side.label_names == chosen:
        return side
    place = {name: position for position, name in enumerate(side.label_names)}
    which = np.array([place[name] for name in chosen], np.intp)
    phi = None if side.phi is None else side.phi[np.ix_(which, which)]
    counts = side.counts
    if counts is not None:
        groups = None if counts.groups is None else _chosen(counts.groups, which)
        counts = replace(counts, counts=_chosen(counts.counts, which), groups=groups, label_names=chosen)
    return Side(counts, phi, chosen, len(chosen))


def _chosen(counts: PairCounts, which: npt.NDArray[np.intp]) -> PairCounts:
    """The counts of some labels; the last two axes are those of the labels."""
    shape = np.shape(counts.s)
    return PairCounts(*(np.broadcast_to(field, shape)[..., which[:, None], which[None, :]] for field in counts))
