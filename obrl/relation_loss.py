"""The relation loss alone for NumPy, in float64: with a relation of its own, and under one that a user hands in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.arrays import as_array, relation_matrix
from obrl.criterion import Reduced, RelationCriterion, as_number
from obrl.errors import metadata
from obrl.namespace import NUMPY
from obrl.online import relation_laplacians
from obrl.problem import Problem, evaluate
from obrl.settings import check_relation_loss


class RelationLoss(RelationCriterion):
    """L_B alone (Eq. 2) with its own relation, to add to any other loss.

    The arguments are those of `OBRLoss` without alpha, pos_weight and cross_entropy.

    Example:
        >>> criterion = RelationLoss(2)
        >>> round(criterion([[3.0, -3.0], [3.0, -3.0]], [[1, 1], [0, 0]]), 4)
        0.2048
    """

    __module__ = "obrl"
    _joint = False

    def __init__(
        self,
        num_labels: int,
        *,
        decay: float = 0.99,
        positive_threshold: float = 0.8,
        negative_threshold: float = 0.2,
        measure: str = "unit_pearson",
        estimator: str = "batch",
        normalization: str = "all_pairs",
        reduction: str = "mean",
        ignore_index: int | None = None,
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        freeze: bool = False,
        impl: str = "auto",
    ) -> None:
        super().__init__(
            num_labels,
            decay=decay,
            positive_threshold=positive_threshold,
            negative_threshold=negative_threshold,
            measure=measure,
            estimator=estimator,
            normalization=normalization,
            reduction=reduction,
            ignore_index=ignore_index,
            label_names=label_names,
            relation=relation,
            freeze=freeze,
            impl=impl,
        )

    def __call__(
        self,
        logits: npt.ArrayLike,
        targets: npt.ArrayLike,
        *,
        observed: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        update: bool | None = None,
    ) -> Reduced:
        """Update the relation, then give L_B; the arguments are those of `OBRLoss.__call__`."""
        batch = self._checked(logits, targets, observed, sample_weight)
        return self._evaluate(batch, update, joint=False, gradients_of="none")[0][0]

    def value_and_grad(
        self,
        logits: npt.ArrayLike,
        targets: npt.ArrayLike,
        *,
        observed: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        update: bool | None = None,
    ) -> tuple[Reduced, npt.NDArray[Any]]:
        """As a call, with the gradient of L_B with respect to the logits, in their shape and dtype."""
        batch = self._checked(logits, targets, observed, sample_weight)
        (value,), (gradient,) = self._evaluate(batch, update, joint=False, gradients_of="total")
        return value, gradient.astype(np.asarray(logits).dtype)


def relation_loss(
    logits: npt.ArrayLike,
    relation: npt.ArrayLike,
    *,
    positive_threshold: float = 0.8,
    negative_threshold: float = 0.2,
    normalization: str = "all_pairs",
    reduction: str = "mean",
) -> Reduced:
    """L_B (Eq. 2) under a given relation, without state.

    Args:
        logits: x, (batch, num_labels), floating point.
        relation: R, (num_labels, num_labels), any real scale; NaN is no evidence. Where it is not symmetric, each
            direction counts half.
        positive_threshold: r_p of Eq. 3.
        negative_threshold: r_n of Eq. 3, below it.
        normalization: `"all_pairs"` (Eq. 2) or `"active_pairs"`.
        reduction: `"mean"`, `"sum"` or `"none"`.

    Returns:
        A float, or (batch,) with `reduction="none"`.

    Raises:
        TypeError, ValueError: what was expected and what came.

    Example:
        >>> relation_loss([[0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
        0.25
    """
    x, matrix = as_array("logits", logits), relation_matrix(relation)
    r_p, r_n = check_relation_loss(
        metadata(x),
        metadata(matrix),
        positive_threshold=positive_threshold,
        negative_threshold=negative_threshold,
        normalization=normalization,
        reduction=reduction,
    )
    matrix = matrix.astype(np.float64)
    pairs = relation_laplacians(NUMPY, matrix, ~np.isnan(matrix), r_p, r_n, normalization=normalization, like=matrix)
    problem = Problem(None, None, None, None, pairs, 1.0, reduction, len(x))
    return as_number(evaluate(NUMPY, x.astype(np.float64), problem, gradients_of="none")[0][0])
