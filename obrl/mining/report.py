"""What the HTML report says of a table that was mined."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from obrl._version import __version__
from obrl.counts import PairCounts
from obrl.measures import MEASURES, apply_measure
from obrl.mining.accumulate import TableCounts
from obrl.mining.errors import NoThresholds
from obrl.mining.jackknife import FEWEST_GROUPS
from obrl.mining.pair_table import PairTable, pair_table, unused_groups
from obrl.mining.result_tables import label_names
from obrl.mining.row_order import RowOrder, row_order
from obrl.mining.thresholds import (
    FROM_PHI,
    MOST_CHANGES,
    MOST_CHARGE,
    WEAKEST_PHI,
    Ladder,
    Rung,
    threshold_ladder,
)
from obrl.namespace import NUMPY
from obrl.relation import OnlineBatchRelation
from obrl.report.checks import check_size
from obrl.report.code import code_of_mined
from obrl.report.content import Drift, Finding, PairEvidence, Report, Suspects
from obrl.report.findings import findings_of_counts
from obrl.report.words import counted, fading_in_words, verb
from obrl.settings import Settings, scaled_thresholds

FloatArray = npt.NDArray[np.float64]


def report_of_table(
    counts: TableCounts,
    *,
    measure: str = "unit_pearson",
    mined: OnlineBatchRelation | None = None,
    title: str | None = None,
    files: Sequence[str] = (),
    file: str | os.PathLike[str] | None = None,
    facts: Mapping[str, str] | None = None,
    findings: Sequence[Finding] = (),
    pairs: PairTable | None = None,
    order: RowOrder | None = None,
    suspects: Suspects | None = None,
    drift: Sequence[Drift] = (),
) -> Report:
    """What to show of a table's labels.

    Args:
        counts: of the table.
        measure: of the relation; that of `mined` where it is there.
        mined: the relation; needed where it is not that of the counts, with a decay below 1 or the estimator `"batch"`.
        title: of the page; None for one with the name of the first file.
        files: of the table.
        file: the mined relation's .npz, from which the lines of code start; None where they start from `miner`.
        facts: further ones, by name.
        findings: further ones, put behind those of the table.
        pairs: those of the counts, where they have been tested already.
        order: of the rows, where it has been looked at already.
        suspects: entries that are probably wrong.
        drift: what changed against other tables, or over time.

    Raises:
        ValueError: another measure, or more than 4,000 labels.

    Example:
        >>> from obrl.mining import RelationMiner
        >>> miner = RelationMiner(label_names=["hat", "cap"]).fit([[1, 1], [0, 0], [1, 0]] * 40)
        >>> report = report_of_table(miner.table_counts_)
        >>> print(report.findings[1].text)
        “hat” and “cap” go together most surely: phi is 0.50, and with 95 % confidence between 0.39 and 0.59.
        >>> print(report.findings[2].text[:21])
        Too weak to supervise
    """
    check_size(counts.num_labels)
    settings = Settings(measure=measure, decay=1, estimator="counts") if mined is None else mined.settings
    of_counts = settings.decay == 1 and settings.estimator == "counts"
    pairs = pair_table(counts) if pairs is None else pairs
    order = row_order(counts) if order is None else order
    ladder = threshold_ladder(counts, measure=settings.measure, pairs=pairs) if settings.measure in FROM_PHI else None
    names = label_names(counts)
    evidence = PairEvidence(pairs.phi_low, pairs.phi_high, pairs.q, pairs.related())
    said = [
        *findings_of_counts(names, counts.counts, counts.rows, evidence),
        *_of_the_rows(counts, pairs, order),
        *([] if of_counts else [_of_the_settings(settings)]),
        *([] if ladder is None or not evidence.related.any() else [_of_thresholds(ladder)]),
        *findings,
    ]
    return Report(
        title=f"How the labels of {_several(files, 'a table')} relate" if title is None else title,
        label_names=names,
        findings=tuple(said),
        facts=tuple((_facts(counts, settings, files) | dict(facts or {})).items()),
        measure=settings.measure,
        relation=_of_counts(counts.counts, settings.measure) if of_counts or mined is None else mined.relation,
        counts=PairCounts(*(np.broadcast_to(field, np.shape(counts.counts.s)) for field in counts.counts)),
        weight=None,
        thresholds=_first_thresholds(ladder, settings.measure),
        evidence=evidence,
        code=code_of_mined(counts.num_labels, file, settings.measure),
        suspects=suspects,
        drift=tuple(drift),
    )


def _of_counts(counts: PairCounts, measure: str) -> FloatArray:
    """The relation of a whole table, NaN where it is undefined."""
    relation, defined = apply_measure(NUMPY, measure, PairCounts(*(field.astype(np.float64) for field in counts)))
    return np.where(defined > 0, relation, np.nan)


def _several(files: Sequence[str], none: str) -> str:
    """The name of the first file, and how many more there are."""
    more = f" and {counted(len(files) - 1, 'more file')}" if len(files) > 1 else ""
    return f"{PurePath(files[0]).name}{more}" if files else none


def _facts(counts: TableCounts, settings: Settings, files: Sequence[str]) -> dict[str, str]:
    return {
        **({"table": _several(files, "")} if files else {}),
        "rows": f"{counts.rows:,}",
        "labels": f"{counts.num_labels:,}",
        "measure": f"{settings.measure}: {MEASURES[settings.measure].formula}",
        "estimator": settings.estimator,
        "decay": f"{settings.decay:g}",
        "intervals and tests": "for rows in groups" if counts.grouped else "for independent rows",
        "obrl": __version__,
    }


def _first_thresholds(ladder: Ladder | None, measure: str) -> tuple[float, float]:
    """Where the page starts: what is suggested, else |phi| = .3, else as for a relation alone."""
    if ladder is None:
        return scaled_thresholds(measure)
    try:
        suggestion = ladder.suggestion()
    except NoThresholds:
        return ladder.together[0].threshold, ladder.apart[0].threshold
    return suggestion["positive_threshold"], suggestion["negative_threshold"]


def _of_the_rows(counts: TableCounts, pairs: PairTable, order: RowOrder) -> list[Finding]:
    """What the reader should know of how rows depend on each other."""
    words = order.in_words(counts)
    if words is not None:
        return [Finding(f"{words[0].upper()}{words[1:]}.", warning=True)]
    if not counts.grouped:
        return []
    if not pairs.grouped:
        reason = unused_groups(counts)
        return [Finding(f"{reason[0].upper()}{reason[1:]}.", warning=True)]
    if counts.num_groups is not None and counts.num_groups < FEWEST_GROUPS:
        return [
            Finding(
                f"The rows come in {counts.num_groups:,} groups, too few to say well how much rows of a group resemble "
                f"each other: below {FEWEST_GROUPS} groups intervals and q-values are rough.",
                warning=True,
            )
        ]
    return [Finding("Intervals and q-values allow for rows of a group that resemble each other.")]


def _of_the_settings(settings: Settings) -> Finding:
    """What a relation that is not that of the counts is."""
    whole = "Phi, its intervals and the charge are those of the whole table."
    if settings.decay == 1:
        return Finding(f"The relation is the mean of those of the batches, as a loss would learn it. {whole}")
    return Finding(
        f"The relation was mined with decay {settings.decay:g}: the last rows count most, and "
        f"{fading_in_words(settings.decay)}. {whole}",
        warning=True,
    )


def _of_thresholds(ladder: Ladder) -> Finding:
    """What the suggested thresholds would do."""
    together, apart = ladder.suggested()
    if together is None and apart is None:
        return Finding(
            f"Too weak to supervise: no threshold of |phi| >= {WEAKEST_PHI} selects pairs that on average at most "
            f"{_percent(MOST_CHARGE)} of the rows contradict and of which at most {_percent(MOST_CHANGES)} change "
            "sides in a second sample of rows. Train with cross-entropy alone.",
            warning=True,
        )
    sides = (("together", "more", together), ("apart", "less", apart))
    parts = [
        f"{rung.threshold:g} (phi {rung.phi:g} or {further}) selects {counted(rung.pairs, 'pair')} that "
        f"{verb(rung.pairs, 'occur')} {word}, {_contradicted(rung)}"
        if rung is not None
        else f"there is none for pairs that occur {word}"
        for word, further, rung in sides
    ]
    return Finding(
        f"Thresholds worth supervising with: {'; '.join(parts)}. The loss charges for those rows even where the "
        "predictions are the true labels."
    )


def _contradicted(rung: Rung) -> str:
    share = f"contradicted by {_percent(rung.charge)} of the rows"
    return share if rung.pairs == 1 else f"each {share} on average"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
