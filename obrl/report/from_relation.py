"""The report of a relation that a loss has learnt, or would act on under thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from obrl._version import __version__
from obrl.counts import PairCounts
from obrl.evidence import effective_counts, phi_interval
from obrl.measures import MEASURES
from obrl.namespace import NUMPY
from obrl.online import is_symmetric, select_pairs
from obrl.relation import OnlineBatchRelation
from obrl.report.checks import check_size
from obrl.report.code import code_of_saved
from obrl.report.content import Finding, Report
from obrl.report.findings import ONE_LABEL, WHAT_PHI_IS, groups_in_words, label_groups
from obrl.report.words import counted, fading_in_words, interval_in_words, listed, verb
from obrl.settings import Settings

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FEW_BATCHES = 10.0
_CONSTANT = "there is none while one of the two labels is the same in all {rows}"
_REASONS = {
    "matching": "there is none without {rows} labels",
    "cosine": "there is none while one of the two labels is absent in all {rows}",
    "jaccard": "there is none while both labels are absent in all {rows}",
    "conditional": "there is none, given a label that is absent in all {rows}",
}
"""Why a pair has no relation yet, by measure; `_CONSTANT` is the reason for every measure that is not listed."""


def report_of_relation(
    relation: OnlineBatchRelation,
    settings: Settings,
    *,
    title: str = "How labels relate",
    code: str | None = None,
    findings: Sequence[Finding] = (),
) -> Report:
    """What to show of a relation without the table behind it.

    Args:
        relation: the state, in float64.
        settings: of the loss; a relation by itself has thresholds here, too.
        title: of the page.
        code: the lines that build the loss, as in `Report`; None for NumPy's loss after `relation.save`.
        findings: further ones, put behind those of the relation.

    Returns:
        The report, without counts and so without intervals and charges.

    Raises:
        ValueError: more than 4,000 labels.

    Example:
        >>> from obrl import OnlineBatchRelation
        >>> relation = OnlineBatchRelation(2, label_names=["hat", "cap"]).update([[1, 1], [0, 0], [1, 1]])
        >>> report = report_of_relation(relation, relation.settings)
        >>> print(report.code)
        relation.save('relation.npz')
        from obrl import OBRLoss
        OBRLoss(2, relation='relation.npz', positive_threshold={positive_threshold}, \
negative_threshold={negative_threshold})
        >>> print(report.findings[0].text)
        With these thresholds a loss acts on 1 of 1 pair of 2 labels: 1 occurs together, 0 occur apart.
    """
    size = relation.num_labels
    check_size(size)
    names = tuple(map(str, range(size))) if relation.label_names is None else relation.label_names
    facts = {
        "labels": f"{size:,}",
        "measure": f"{settings.measure}: {MEASURES[settings.measure].formula}",
        "estimator": settings.estimator,
        "decay": f"{settings.decay:g}",
        "alpha": f"{settings.alpha:g}",
        "normalization": settings.normalization,
        "obrl": __version__,
    }
    return Report(
        title=title,
        label_names=names,
        findings=(*_findings(relation, settings, names), *findings),
        facts=tuple(facts.items()),
        measure=settings.measure,
        relation=relation.relation,
        counts=None,
        weight=relation.relation_weight,
        thresholds=(settings.positive_threshold, settings.negative_threshold),
        evidence=None,
        code=code_of_saved(size, settings) if code is None else code,
    )


def _findings(relation: OnlineBatchRelation, settings: Settings, names: Sequence[str]) -> tuple[Finding, ...]:
    value = relation.relation
    together, apart = (np.asarray(part) for part in select_pairs(NUMPY, relation.state, settings))
    if is_symmetric(settings):
        together, apart = np.triu(together), np.triu(apart)
    known = ~np.isnan(value)
    if len(value) == 1:
        return (ONE_LABEL,)
    if not known[~np.eye(len(value), dtype=bool)].any():
        return (Finding("The relation is empty: no pair of labels has been learnt yet.", warning=True),)
    listed_findings = [
        _active(value, together, apart, settings),
        _strongest(relation, together, 1, settings, names),
        _strongest(relation, apart, -1, settings, names),
        _groups(value, together, names) if is_symmetric(settings) else None,
        _undefined(known, settings, names),
        _weight(relation, settings),
        _no_intervals(settings),
    ]
    return tuple(finding for finding in listed_findings if finding is not None)


def _active(value: FloatArray, together: BoolArray, apart: BoolArray, settings: Settings) -> Finding:
    """How many pairs the loss acts on; where it acts on none, how far off they are."""
    symmetric = is_symmetric(settings)
    size = len(value)
    pairs = size * (size - 1) // (2 if symmetric else 1)
    positive, negative = int(together.sum()), int(apart.sum())
    if positive + negative:
        return Finding(
            f"With these thresholds a loss acts on {positive + negative:,} of "
            f"{counted(pairs, 'pair' if symmetric else 'ordered pair')} of {counted(size, 'label')}: {positive:,} "
            f"{verb(positive, 'occur')} together, {negative:,} {verb(negative, 'occur')} apart."
        )
    others = value[~np.eye(size, dtype=bool)]
    return Finding(
        f"With these thresholds a loss acts on no pair of its {size:,} labels, so it is cross-entropy alone: the "
        f"relations reach from {np.nanmin(others):.2f} to {np.nanmax(others):.2f}, and the thresholds are "
        f"{settings.positive_threshold:g} for pairs that occur together and {settings.negative_threshold:g} for those "
        "apart.",
        warning=True,
    )


def _strongest(
    relation: OnlineBatchRelation, selected: BoolArray, sign: int, settings: Settings, names: Sequence[str]
) -> Finding | None:
    """The strongest active pair of a sign; with its interval where there are counts."""
    if not selected.any():
        return None
    value = relation.relation
    i, j = divmod(int(np.where(selected, sign * value, -np.inf).argmax()), len(value))
    to_phi = MEASURES[settings.measure].to_phi
    number = float(value[i, j])
    size = f"{settings.measure} is {number:.2f}" if to_phi is None else f"phi is {to_phi(number):.2f}"
    if settings.estimator == "counts":
        low, high = phi_interval(PairCounts(*(field[i, j] for field in effective_counts(relation.state, settings))))
        size += f", and phi lies with 95 % confidence {interval_in_words(float(low), float(high))}"
    what = "go together" if sign > 0 else "avoid each other"
    explained = f" {WHAT_PHI_IS}" if sign > 0 and to_phi is not None else ""
    return Finding(f"{listed([names[i], names[j]])} {what} most: {size}.{explained}")


def _groups(value: FloatArray, together: BoolArray, names: Sequence[str]) -> Finding | None:
    i, j = np.nonzero(together)
    groups = label_groups(len(names), i, j, value[i, j] - value[i, j].min(initial=0.0) + 1.0)
    if not groups:
        return None
    return Finding(
        f"{counted(len(groups), 'group')} of labels in which the loss pulls every two together: "
        f"{groups_in_words(groups, names)}."
    )


def _undefined(known: BoolArray, settings: Settings, names: Sequence[str]) -> Finding | None:
    """Which pairs, ordered ones where the relation of (i, j) is not that of (j, i), have no relation, and why."""
    symmetric = is_symmetric(settings)
    unknown = ~known & ~np.eye(len(known), dtype=bool)
    if not unknown.any():
        return None
    alone = (unknown & unknown.T).sum(axis=1) == len(known) - 1
    whole = [names[label] for label in np.flatnonzero(alone).tolist()]
    pairs = int((np.triu(unknown) if symmetric else unknown).sum())
    labels = f"; {listed(whole)} {'has' if len(whole) == 1 else 'have'} none with any label" if whole else ""
    rows = f"rows{' of a batch' if settings.estimator == 'batch' else ''} that know both"
    return Finding(
        f"{counted(pairs, 'pair' if symmetric else 'ordered pair')} {'has' if pairs == 1 else 'have'} no relation yet: "
        f"{_REASONS.get(settings.measure, _CONSTANT).format(rows=rows)}{labels}.",
        warning=True,
    )


def _weight(relation: OnlineBatchRelation, settings: Settings) -> Finding | None:
    """What the relation rests on."""
    weight = relation.relation_weight[~np.eye(relation.num_labels, dtype=bool)]
    weight = weight[weight > 0]
    low, high = float(weight.min()), float(weight.max())
    few = "" if low >= FEW_BATCHES else ". Pairs of so few batches are uncertain"
    first, last = (f"{value:,.1f}".removesuffix(".0") for value in (low, high))
    batches = last if high - low < 0.05 else f"{first} to {last}"
    fades = f"; with decay {settings.decay:g} {fading_in_words(settings.decay)}" if settings.decay < 1 else ""
    noun = "batch" if batches == "1" else "batches"
    return Finding(f"The relation weight of a pair is {batches} {noun}{fades}{few}.", warning=bool(few))


def _no_intervals(settings: Settings) -> Finding | None:
    if settings.estimator == "counts":
        return None
    return Finding(
        'The estimator "batch" stores no counts of rows, so nothing here says how sure a pair is. Mine the table of '
        "labels with `obrl mine` for intervals, tests and charges."
    )
