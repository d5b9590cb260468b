"""What the counts of a table say, in sentences for somebody who sees the table for the first time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts, two_present
from obrl.measures import apply_measure
from obrl.namespace import NUMPY
from obrl.report.content import Finding, PairEvidence
from obrl.report.words import counted, interval_in_words, listed, share_in_words, verb
from obrl.significance import FEWEST_JOINT, RELATED_Q

FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

GROUPED_PHI = 0.3
"""In a group that is named every two labels have at least this phi."""
SAME_PHI = 0.95
"""Beyond it two labels are nearly the same, or nearly opposites."""
GROUPS_SHOWN = 3
ONE_LABEL = Finding("There is one label alone, so there are no pairs that could be related.", warning=True)
MUCH_MISSING = 0.5
WHAT_PHI_IS = (
    "Phi is 1 for labels that always agree, 0 for unrelated ones, and negative for those that avoid each other."
)


class CountedPairs:
    """The pairs of a table as the findings need them.

    Args:
        names: one a label.
        counts: of the table, each field (num_labels, num_labels).
        evidence: of its pairs.

    Attributes:
        i, j: the labels of each pair, in the order of `evidence`.
        phi: of each pair; 0 where it is undefined.
    """

    def __init__(self, names: Sequence[str], counts: PairCounts, evidence: PairEvidence) -> None:
        self.names, self.evidence = names, evidence
        self.i, self.j = np.triu_indices(len(names), 1)
        shape = np.shape(counts.s)
        fields = (np.broadcast_to(field, shape)[self.i, self.j].astype(np.float64) for field in counts)
        self.counts = PairCounts(*fields)
        phi, defined = apply_measure(NUMPY, "pearson", self.counts)
        self.phi: FloatArray = np.where(defined > 0, phi, 0.0)

    def pair(self, position: int) -> str:
        """The two names of a pair."""
        return listed([self.names[self.i[position]], self.names[self.j[position]]])

    def ordered(self, which: npt.NDArray[np.bool_], key: FloatArray) -> Indices:
        """The positions of some pairs, those with the largest key first."""
        positions = np.flatnonzero(which)
        return positions[np.argsort(-key[positions], kind="stable")]


def findings_of_counts(
    names: Sequence[str], counts: PairCounts, rows: int, evidence: PairEvidence
) -> tuple[Finding, ...]:
    """What a table says of its labels, the most important first.

    Args:
        names: one a label.
        counts: of the table, int64, each field (num_labels, num_labels).
        rows: of the table.
        evidence: of the pairs i < j.

    Example:
        >>> none = np.full(1, np.nan)
        >>> counts = PairCounts(*(np.array(part) for part in ([[9, 9], [9, 9]], [[3, 3], [3, 9]], [[3], [9]], [3, 9])))
        >>> for finding in findings_of_counts(["hat", "face"], counts, 9, PairEvidence(none, none, none, none > 0)):
        ...     print(finding.text)
        9 rows and 2 labels: no pair of labels is related. More rows may show relations that these cannot.
        1 label is constant and relates to nothing: “face” is always present.
        1 label is present in fewer than 5 rows, too seldom to be called related to another: “hat”.
    """
    pairs = CountedPairs(names, counts, evidence)
    listed_findings = [
        _headline(pairs, rows),
        single_positive(counts),
        _strongest(pairs, sign=1),
        _strongest(pairs, sign=-1),
        _groups(pairs),
        _exclusive(pairs),
        _nearly_same(pairs, sign=1),
        _nearly_same(pairs, sign=-1),
        _constant(names, counts),
        _rare(names, counts),
        _missing(names, counts, rows),
    ]
    return tuple(finding for finding in listed_findings if finding is not None)


def _headline(pairs: CountedPairs, rows: int) -> Finding:
    related = pairs.evidence.related
    size = f"{counted(rows, 'row')} and {counted(len(pairs.names), 'label')}"
    if len(pairs.names) == 1:
        return ONE_LABEL
    if not related.any():
        return Finding(
            f"{size}: no pair of labels is related. More rows may show relations that these cannot.", warning=True
        )
    number = int(related.sum())
    together = int((pairs.phi[related] > 0).sum())
    apart = number - together
    return Finding(
        f"{size}: {number:,} of {counted(len(related), 'pair')} of labels {'is' if number == 1 else 'are'} related (at "
        f"most 1 in {1 / RELATED_Q:.0f} of them by chance): {together:,} {verb(together, 'occur')} together, {apart:,} "
        f"{verb(apart, 'occur')} apart. {WHAT_PHI_IS}"
    )


def single_positive(counts: PairCounts) -> Finding | None:
    """Says that no row has two labels present, where that is so."""
    if (np.diagonal(counts.s) > 0).sum() < 2 or two_present(counts):
        return None
    return Finding(
        "No row has two labels present, as in a table of classes. That labels occur apart then says nothing but that "
        "each row has one class, and a loss over single labels needs no relation.",
        warning=True,
    )


def _strongest(pairs: CountedPairs, *, sign: int) -> Finding | None:
    """The pair that is surest to be strong."""
    low, high = pairs.evidence.phi_low, pairs.evidence.phi_high
    nearer = low if sign > 0 else -high
    order = pairs.ordered(pairs.evidence.related & (sign * pairs.phi > 0), nearer)
    if not len(order):
        return None
    best = int(order[0])
    what = "go together" if sign > 0 else "avoid each other"
    return Finding(
        f"{pairs.pair(best)} {what} most surely: phi is {pairs.phi[best]:.2f}, and with 95 % confidence "
        f"{interval_in_words(float(low[best]), float(high[best]))}."
    )


def _groups(pairs: CountedPairs) -> Finding | None:
    strong = pairs.evidence.related & (pairs.phi >= GROUPED_PHI)
    groups = label_groups(len(pairs.names), pairs.i[strong], pairs.j[strong], pairs.phi[strong])
    if not groups:
        return None
    return Finding(
        f"{counted(len(groups), 'group')} of labels {'goes' if len(groups) == 1 else 'go'} together, with a phi of "
        f"{GROUPED_PHI} or more between any two: {groups_in_words(groups, pairs.names)}."
    )


def label_groups(
    num_labels: int, i: Indices, j: Indices, strength: FloatArray, *, smallest: int = 3
) -> list[list[int]]:
    """Groups of labels of which every two are linked, the largest first.

    Each group starts from the strongest link that is left, and takes up the label with the largest sum of links to its
    members for as long as one is linked to all of them. A label is in one group at most.

    Args:
        num_labels: M.
        i: the first label of each link.
        j: the second label.
        strength: of each link, above 0.
        smallest: the least number of labels in a group.

    Example:
        >>> links = [(0, 1, 0.9), (0, 2, 0.5), (1, 2, 0.4), (2, 3, 0.8)]
        >>> label_groups(4, *(np.array(column) for column in zip(*links)))
        [[0, 1, 2]]
    """
    links = np.zeros((num_labels, num_labels))
    links[i, j] = links[j, i] = strength
    free = np.ones(num_labels, bool)
    groups = []
    for link in np.argsort(-strength, kind="stable").tolist():
        first, second = int(i[link]), int(j[link])
        if not (free[first] and free[second]):
            continue
        members, total = [first, second], links[first] + links[second]
        common = free & (links[first] > 0) & (links[second] > 0)
        while common.any():
            further = int(np.where(common, total, -1).argmax())
            members.append(further)
            total = total + links[further]
            common &= links[further] > 0
        if len(members) >= smallest:
            free[members] = False
            groups.append(members)
    return sorted(groups, key=len, reverse=True)


def groups_in_words(groups: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """The names of the labels in the first few groups."""
    words = [listed([names[label] for label in group]) for group in groups[:GROUPS_SHOWN]]
    words += [f"and {len(groups) - GROUPS_SHOWN:,} more"] if len(groups) > GROUPS_SHOWN else []
    return "; ".join(words)


def _exclusive(pairs: CountedPairs) -> Finding | None:
    n, s, r, c = pairs.counts
    expected = r * c / np.maximum(n, 1)
    order = pairs.ordered(pairs.evidence.related & (s == 0), expected)
    if not len(order):
        return None
    first = order[0]
    return Finding(
        f"{counted(len(order), 'pair')} of labels never {verb(len(order), 'occur')} together, though by "
        f"chance alone {'it' if len(order) == 1 else 'each'} would in {FEWEST_JOINT} rows or more: {pairs.pair(first)} "
        f"would by chance in {expected[first]:,.0f}{'' if len(order) == 1 else ', for example'}."
    )


def _nearly_same(pairs: CountedPairs, *, sign: int) -> Finding | None:
    n, s, r, c = pairs.counts
    order = pairs.ordered(pairs.evidence.related & (sign * pairs.phi >= SAME_PHI), sign * pairs.phi)
    if not len(order):
        return None
    first = order[0]
    unequal = r[first] + c[first] - 2 * s[first]
    differ, what = (unequal, "the same label") if sign > 0 else (n[first] - unequal, "opposites")
    rows = "all rows" if differ == 0 else f"all but {counted(int(differ), 'row')}"
    more = len(order) - 1
    others = f" There {'is' if more == 1 else 'are'} {counted(more, 'more such pair')}." if more else ""
    return Finding(
        f"{pairs.pair(first)} are {what} in {rows} (phi {pairs.phi[first]:.2f}): one of them tells what the other "
        f"tells, so check that both are meant to be there.{others}",
        warning=True,
    )


def _constant(names: Sequence[str], counts: PairCounts) -> Finding | None:
    known, present = (np.diagonal(np.broadcast_to(field, np.shape(counts.s))) for field in (counts.n, counts.s))
    kinds = (
        ("never present", (known > 0) & (present == 0)),
        ("always present", (known > 0) & (present == known)),
        ("never known", known == 0),
    )
    words = []
    for word, which in kinds:
        labels = [names[label] for label in np.flatnonzero(which).tolist()]
        words += [f"{listed(labels)} {'is' if len(labels) == 1 else 'are'} {word}"] if labels else []
    constant = int(sum(which.sum() for _, which in kinds))
    if not constant:
        return None
    verbs = "is constant and relates" if constant == 1 else "are constant and relate"
    return Finding(f"{counted(constant, 'label')} {verbs} to nothing: {'; '.join(words)}.", warning=True)


def _rare(names: Sequence[str], counts: PairCounts) -> Finding | None:
    present = np.diagonal(counts.s)
    rare = np.flatnonzero((present > 0) & (present < FEWEST_JOINT))
    if not len(rare):
        return None
    return Finding(
        f"{counted(len(rare), 'label')} {'is' if len(rare) == 1 else 'are'} present in fewer than {FEWEST_JOINT} "
        f"rows, too seldom to be called related to another: {listed([names[label] for label in rare.tolist()])}."
    )


def _missing(names: Sequence[str], counts: PairCounts, rows: int) -> Finding | None:
    known = np.diagonal(np.broadcast_to(counts.n, np.shape(counts.s)))
    missing = 1 - known / max(rows, 1)
    if not missing.any():
        return None
    worst = int(missing.argmax())
    return Finding(
        f"{share_in_words(float(missing.mean()))} of the entries are missing, most of {listed([names[worst]])} "
        f"({share_in_words(float(missing[worst]))}). A pair is judged by the rows that know both of its labels.",
        warning=bool(missing[worst] > MUCH_MISSING),
    )
