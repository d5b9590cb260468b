"""The settings that every framework shares: same names, same defaults, same errors."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, fields, replace
from typing import Any

from obrl.errors import REDUCTIONS, Metadata, check_choice, check_logits, check_matrix, check_number
from obrl.measures import MEASURES

ESTIMATORS = ("batch", "counts")
NORMALIZATIONS = ("all_pairs", "active_pairs")

OPTION_DEFAULTS = {
    "reduction": "mean",
    "pos_weight": None,
    "cross_entropy": "bce",
    "ignore_index": None,
    "freeze": False,
    "impl": "auto",
    "sync": True,
    "process_group": None,
    "axis_name": None,
    "validate": None,
    "dtype": "float32",
}
"""What a loss or a relation takes beside its `Settings`, with the defaults that a `repr` leaves out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What defines the relation and its loss; immutable and hashable.

    Args:
        decay: lambda of Eq. 1, in (0, 1]. 1 is the plain mean over all batches.
        alpha: weight of the relation loss L_B in L = L_E + alpha L_B, at least 0.
        positive_threshold: r_p of Eq. 3; pairs related by at least this much are pulled together.
        negative_threshold: r_n of Eq. 3, below `positive_threshold`; pairs related by at most this much are
            pushed apart. A threshold outside the measure's range selects no pair, or every pair; a loss then warns.
        measure: what relates two labels, a key of `obrl.MEASURES`. The thresholds are on its scale.
        estimator: `"batch"` averages the relation of each batch (Eq. 1); `"counts"` averages the pair counts
            and applies the measure to the average.
        normalization: `"all_pairs"` divides L_B by 2 K M^2 (Eq. 2); `"active_pairs"` by 2 K times the number
            of active ordered pairs.

    Raises:
        TypeError: a number is expected and something else came.
        ValueError: a value outside its range, or thresholds that are equal or cross.

    Example:
        >>> Settings(decay=0.9).measure
        'unit_pearson'
    """

    decay: float = 0.99
    alpha: float = 0.5
    positive_threshold: float = 0.8
    negative_threshold: float = 0.2
    measure: str = "unit_pearson"
    estimator: str = "batch"
    normalization: str = "all_pairs"

    def __post_init__(self) -> None:
        for name in ("decay", "alpha", "positive_threshold", "negative_threshold"):
            object.__setattr__(self, name, check_number(name, getattr(self, name)))
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay must be in (0, 1], got {self.decay}")
        if not 0 <= self.alpha < math.inf:
            raise ValueError(f"alpha must be finite and at least 0, got {self.alpha}")
        check_thresholds(self.positive_threshold, self.negative_threshold)
        check_choice("measure", self.measure, tuple(MEASURES))
        check_choice("estimator", self.estimator, ESTIMATORS)
        check_choice("normalization", self.normalization, NORMALIZATIONS)

    def describe_thresholds(self) -> str:
        """The thresholds in words, for the two Pearson measures also as phi coefficients.

        Example:
            >>> Settings().describe_thresholds()
            'together: relation >= 0.8 (phi >= 0.6), apart: relation <= 0.2 (phi <= -0.6)'
        """
        to_phi = MEASURES[self.measure].to_phi
        parts = []
        for word, sign, threshold in (
            ("together", ">=", self.positive_threshold),
            ("apart", "<=", self.negative_threshold),
        ):
            phi = "" if to_phi is None else f" (phi {sign} {to_phi(threshold):.12g})"
            parts.append(f"{word}: relation {sign} {threshold!r}{phi}")
        return ", ".join(parts)

    def changed(self) -> dict[str, Any]:
        """The settings that differ from their defaults, by name."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}


def scaled_thresholds(measure: str) -> tuple[float, float]:
    """The default thresholds of a loss, carried over to the range of a measure: positive and negative.

    Args:
        measure: a key of `obrl.MEASURES`.

    Example:
        >>> scaled_thresholds("jaccard"), scaled_thresholds("pearson")
        ((0.8, 0.2), (0.6, -0.6))
    """
    low, high = MEASURES[measure].low, MEASURES[measure].high
    default = Settings()
    positive, negative = (
        round(low + share * (high - low), 4) for share in (default.positive_threshold, default.negative_threshold)
    )
    return positive, negative


def with_thresholds(
    settings: Settings, positive_threshold: float | None = None, negative_threshold: float | None = None
) -> Settings:
    """The settings of a relation by itself, which has no thresholds, with some; None for those of `scaled_thresholds`.

    Raises:
        TypeError, ValueError: thresholds that are no numbers, or in the wrong order.
    """
    positive, negative = scaled_thresholds(settings.measure)
    return replace(
        settings,
        positive_threshold=positive if positive_threshold is None else positive_threshold,
        negative_threshold=negative if negative_threshold is None else negative_threshold,
    )


def warn_unreachable_thresholds(settings: Settings) -> None:
    """Warn where a threshold lies outside of the measure's range, so that no pair, or every pair, passes it."""
    measure = MEASURES[settings.measure]
    positive, negative = settings.positive_threshold, settings.negative_threshold
    outside = [
        f"with {name}={threshold!r} {'every' if passes else 'no'} pair passes"
        for name, threshold, passes in (
            ("positive_threshold", positive, positive < measure.low),
            ("negative_threshold", negative, negative > measure.high),
        )
        if not measure.low <= threshold <= measure.high
    ]
    if outside:
        remedy = ""
        if settings.measure == "unit_pearson" and -1 <= negative < positive <= 1:
            remedy = (
                f". If they are phi coefficients: give (1 + phi) / 2, positive_threshold={(1 + positive) / 2:.6g} and "
                f'negative_threshold={(1 + negative) / 2:.6g}, or measure="pearson"'
            )
        warnings.warn(
            f"thresholds must lie in [{measure.low}, {measure.high}], the range of measure={settings.measure!r}: "
            f"{' and '.join(outside)}{remedy}",
            stacklevel=4,  # the line that builds the loss
        )


def check_relation_loss(
    logits: Metadata,
    relation: Metadata,
    *,
    positive_threshold: float,
    negative_threshold: float,
    normalization: str,
    reduction: str,
) -> tuple[float, float]:
    """Check what the stateless `relation_loss` of every framework takes; the thresholds r_p and r_n as floats.

    Raises:
        TypeError, ValueError: what was expected and what came.
    """
    check_matrix("relation", relation)
    check_logits(logits, num_labels=relation.shape[0])
    r_p = check_number("positive_threshold", positive_threshold)
    r_n = check_number("negative_threshold", negative_threshold)
    check_thresholds(r_p, r_n)
    check_choice("normalization", normalization, NORMALIZATIONS)
    check_choice("reduction", reduction, REDUCTIONS)
    return r_p, r_n


def check_thresholds(positive_threshold: float, negative_threshold: float) -> None:
    """Raise ValueError unless both thresholds are finite and the negative one is the lower."""
    if not -math.inf < negative_threshold < positive_threshold < math.inf:
        raise ValueError(
            "negative_threshold must be below positive_threshold, both finite, got "
            f"negative_threshold={negative_threshold} and positive_threshold={positive_threshold}"
        )
