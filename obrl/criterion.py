"""What the two NumPy losses share: settings, the relation, and how a call moves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.arrays import as_array, as_labels, check_no_gradient
from obrl.cross_entropy import CrossEntropy, check_losses, checked_cross_entropy, function_arguments
from obrl.errors import (
    REDUCTIONS,
    check_batch,
    check_choice,
    check_ignore_index,
    check_impl,
    check_label_names,
    check_num_labels,
    checked_pos_weight,
    metadata,
    resolve_update,
)
from obrl.holders import LossWithRelation
from obrl.labels import Labels, read_labels
from obrl.logits import warn_of_probabilities
from obrl.namespace import NUMPY
from obrl.online import RelationState, state_laplacians
from obrl.pairs import describe
from obrl.problem import Problem, Reduction, evaluate, joint_gradient, joint_terms
from obrl.relation import FloatArray, OnlineBatchRelation, updated_state
from obrl.settings import Settings
from obrl.start import starting_relation

Reduced = float | FloatArray
"""A loss: a float, or (batch,) with `reduction="none"`."""


def as_number(value: Any) -> Any:
    """A scalar array as a float; any other as it is."""
    return float(value) if np.ndim(value) == 0 else value


class Batch(NamedTuple):
    """A checked batch in float64."""

    logits: FloatArray
    labels: Labels
    sample_weight: FloatArray | None


def checked_batch(
    logits: Any,
    targets: Any,
    observed: Any,
    sample_weight: Any,
    *,
    num_labels: int,
    ignore_index: int | None = None,
) -> Batch:
    """Refuse a bad batch of NumPy arrays, or give it in float64.

    Raises:
        TypeError, ValueError: what was expected and what came.
    """
    check_no_gradient("logits", logits)
    y, mask = as_labels(targets, observed)
    x = as_array("logits", logits)
    weight = None if sample_weight is None else as_array("sample_weight", sample_weight)
    check_batch(
        metadata(x),
        metadata(y),
        None if mask is None else metadata(mask),
        None if weight is None else metadata(weight),
        num_labels=num_labels,
        ignore_index=ignore_index,
    )
    warn_of_probabilities(x)
    labels = read_labels(y, mask, ignore_index)
    return Batch(
        logits=x.astype(np.float64),
        labels=labels._replace(targets=labels.targets.astype(np.float64)),
        sample_weight=None if weight is None else weight.astype(np.float64)[:, np.newaxis],
    )


def batch_problem(
    batch: Batch,
    state: RelationState,
    settings: Settings,
    *,
    pos_weight: Sequence[float] | None,
    reduction: str,
    joint: bool,
) -> Problem:
    """The loss of a batch under a relation; without `joint` L_B alone."""
    num_labels, like = batch.logits.shape[1], np.zeros(())
    return Problem(
        targets=batch.labels.targets if joint else None,
        observed=batch.labels.observed,
        sample_weight=batch.sample_weight,
        pos_weight=None if pos_weight is None else np.array([pos_weight]),
        pairs=state_laplacians(NUMPY, state, settings, num_labels=num_labels, like=like),
        alpha=settings.alpha,
        reduction=reduction,
        rows=len(batch.logits),
    )


def function_losses(function: Callable[..., Any], batch: Batch) -> tuple[FloatArray, FloatArray]:
    """The losses of a function for L_E and their gradients, each (batch, num_labels).

    Raises:
        TypeError, ValueError: it returned something else.
    """
    results = function(*function_arguments(NUMPY, batch.logits, batch.labels, like=batch.logits))
    if not isinstance(results, tuple) or len(results) != 2:
        raise TypeError(
            "cross_entropy must return two arrays, the losses and their gradients with respect to the logits, since "
            f"NumPy does not differentiate, got {type(results).__name__}"
            + (": it ends without `return`" if results is None else "")
        )
    losses, slopes = map(np.asarray, results)
    check_losses(metadata(losses), metadata(batch.logits))
    check_losses(metadata(slopes), metadata(batch.logits), what="gradients")
    return losses, slopes


class RelationCriterion(LossWithRelation):
    """What the two losses share: settings, the relation, and how a call moves it.

    The arguments are those of `OBRLoss`, which adds nothing to them.
    """

    def __init__(
        self,
        num_labels: int,
        *,
        decay: float = 0.99,
        alpha: float = 0.5,
        positive_threshold: float = 0.8,
        negative_threshold: float = 0.2,
        measure: str = "unit_pearson",
        estimator: str = "batch",
        normalization: str = "all_pairs",
        reduction: str = "mean",
        pos_weight: npt.ArrayLike | None = None,
        cross_entropy: CrossEntropy = "bce",
        ignore_index: int | None = None,
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        freeze: bool = False,
        impl: str = "auto",
    ) -> None:
        self.num_labels = check_num_labels(num_labels)
        self.settings = Settings(
            decay=decay,
            alpha=alpha,
            positive_threshold=positive_threshold,
            negative_threshold=negative_threshold,
            measure=measure,
            estimator=estimator,
            normalization=normalization,
        )
        check_choice("reduction", reduction, REDUCTIONS)
        check_impl(impl, has_kernels=False)
        self.reduction = reduction
        self.impl = impl
        self.freeze = bool(freeze)
        self.pos_weight = checked_pos_weight(pos_weight, num_labels=self.num_labels)
        self.cross_entropy = checked_cross_entropy(cross_entropy, pos_weight)
        self.ignore_index = check_ignore_index(ignore_index)
        names = check_label_names(label_names, self.num_labels)
        self._online = starting_relation(relation, self.settings, self.num_labels, names, freeze=self.freeze)
        self.label_names = self._online.label_names

    @property
    def relation(self) -> FloatArray:
        """R_g, (num_labels, num_labels) float64, NaN where there is no evidence; a copy."""
        return self._online.relation

    @property
    def relation_sum(self) -> FloatArray:
        """R_sb of Eq. 1; a copy."""
        return self._online.relation_sum

    @property
    def relation_weight(self) -> FloatArray:
        """S of Eq. 1, a number a pair: (num_labels, num_labels); a copy."""
        return self._online.relation_weight

    def _host_state(self) -> RelationState:
        return self._online.state

    def _write(self, state: RelationState) -> None:
        self._online = OnlineBatchRelation.from_state(state, self.settings, self.label_names)

    def reset(self) -> None:
        """Forget all evidence, also what the relation started from."""
        self._online.reset()

    def _checked(self, logits: Any, targets: Any, observed: Any, sample_weight: Any) -> Batch:
        """Refuse a bad batch, or give it in float64."""
        labels: dict[str, Any] = {"num_labels": self.num_labels, "ignore_index": self.ignore_index}
        return checked_batch(logits, targets, observed, sample_weight, **labels)

    def _evaluate(
        self, batch: Batch, update: bool | None, *, joint: bool, gradients_of: str
    ) -> tuple[tuple[Reduced, ...], tuple[FloatArray, ...]]:
        """Move the relation, then evaluate L, L_E and L_B, or without `joint` L_B alone."""
        state = self._online.state
        losses = function_losses(self.cross_entropy, batch) if joint and callable(self.cross_entropy) else None
        if resolve_update(update, default=True, freeze=self.freeze):
            state = updated_state(state, self.settings, batch.labels)
        pos_weight = self.pos_weight
        problem = batch_problem(
            batch,
            state,
            self.settings,
            pos_weight=pos_weight,
            reduction=self.reduction,
            joint=joint and losses is None,
        )
        terms, gradients = evaluate(NUMPY, batch.logits, problem, gradients_of=gradients_of)
        if losses is not None:
            reduction = Reduction(self.reduction, batch.sample_weight, len(batch.logits))
            alpha, observed, (values, slopes) = self.settings.alpha, batch.labels.observed, losses
            terms = joint_terms(NUMPY, values, observed, terms[0], reduction, alpha=alpha)
            gradients = tuple(joint_gradient(NUMPY, slopes, observed, of, reduction, alpha=alpha) for of in gradients)
        self._write(state)
        return tuple(map(as_number, terms)), gradients

    def __repr__(self) -> str:
        names = ("reduction", "pos_weight", "cross_entropy", "ignore_index", "freeze", "impl")
        options = {name: getattr(self, name) for name in names}
        return f"{type(self).__name__}({describe(self.num_labels, self.settings, **options)})"
