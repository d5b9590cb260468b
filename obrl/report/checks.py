"""What a report must hold for its page to be right."""

from __future__ import annotations

import numpy as np

from obrl.errors import check_choice, check_matrix, metadata
from obrl.measures import MEASURES
from obrl.report.content import Drift, PairEvidence, Report
from obrl.settings import check_thresholds

MOST_LABELS = 4_000
"""With so many labels, eight million pairs, a browser takes ten seconds to open the page and five to sort pairs."""
PLACES = ("{positive_threshold}", "{negative_threshold}")
"""What the page replaces in the line that builds the loss."""


def check_report(report: Report) -> None:
    """Raise TypeError or ValueError, with what was expected and what came, unless the parts fit each other."""
    num_labels = len(report.label_names)
    check_size(num_labels)
    check_choice("measure", report.measure, tuple(MEASURES))
    check_matrix("relation", metadata(np.asarray(report.relation)), num_labels=num_labels)
    check_thresholds(*report.thresholds)
    if report.counts is not None and report.weight is not None:
        raise ValueError("expected counts (of a table) or weight (of a loss), got both")
    if report.counts is None and report.evidence is not None:
        raise ValueError("expected evidence only with counts, got evidence without counts")
    if report.counts is not None and np.shape(report.counts.s) != (num_labels, num_labels):
        raise ValueError(f"counts.s must have shape {(num_labels, num_labels)}, got {np.shape(report.counts.s)}")
    if report.weight is not None:
        check_matrix("weight", metadata(np.asarray(report.weight)), num_labels=num_labels)
    if report.evidence is not None:
        _check_evidence(report.evidence, num_labels)
    if missing := [place for place in PLACES if place not in report.code]:
        raise ValueError(f"code must contain {' and '.join(PLACES)}, got none of {' and '.join(missing)}")
    for drift in report.drift:
        _check_drift(drift)


def check_size(num_labels: int) -> None:
    """Raise ValueError unless a browser can show a report on this many labels."""
    if num_labels < 1:
        raise ValueError("a report needs at least one label, got none")
    if num_labels > MOST_LABELS:
        raise ValueError(
            f"a report shows at most {MOST_LABELS:,} labels, since a browser cannot handle more pairs, got "
            f"{num_labels:,}: take the labels that matter, or read the pairs from pairs.csv of `obrl mine`"
        )


def _check_evidence(evidence: PairEvidence, num_labels: int) -> None:
    expected = (num_labels * (num_labels - 1) // 2,)
    for name in ("phi_low", "phi_high", "q", "related"):
        shape = np.shape(getattr(evidence, name))
        if shape != expected:
            raise ValueError(f"evidence.{name} must have shape {expected}, one entry a pair, got {shape}")


def _check_drift(drift: Drift) -> None:
    for number, row in enumerate(drift.rows, 1):
        if len(row) != len(drift.columns):
            raise ValueError(
                f"drift {drift.title!r}: row {number} must have {len(drift.columns)} cells, one a column, "
                f"got {len(row)}"
            )
    for name, values in drift.series:
        if len(values) != len(drift.steps):
            raise ValueError(
                f"drift {drift.title!r}: series {name!r} must have {len(drift.steps)} values, one a step, "
                f"got {len(values)}"
            )
