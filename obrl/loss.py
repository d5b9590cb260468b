"""The joint loss for NumPy, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.algebra import LossTerms
from obrl.criterion import Reduced, RelationCriterion


class OBRLoss(RelationCriterion):
    """L = L_E + alpha L_B: cross-entropy, and agreement with the relation learnt online.

        L_E = -1/K sum_k sum_m [ y log p + (1 - y) log(1 - p) ]                                          (Eq. 4)
        L_B = 1/(2 K M^2) sum_k sum_ij [ f_p(R_ij) (p_ki - p_kj)^2 + f_n(R_ij) (1 - (p_ki - p_kj)^2)^2 ]  (Eq. 2)

    with p = sigmoid(logits), f_p(R) = 1 where R >= positive_threshold and f_n(R) = 1 where R <= negative_threshold
    (Eq. 3; the diagonal and pairs without evidence count for neither). Each call first updates the relation R from
    its targets alone, then uses it. Missing targets leave L_E and the relation; L_B acts on every prediction.

    Args:
        num_labels: M.
        decay: lambda of Eq. 1, in (0, 1].
        alpha: weight of L_B.
        positive_threshold: r_p, on the scale of `measure`.
        negative_threshold: r_n, below it.
        measure: a key of `obrl.MEASURES`; `"unit_pearson"` is (1 + phi) / 2, `"pearson"` the formula as printed.
        estimator: `"batch"` (Eq. 1) or `"counts"`.
        normalization: `"all_pairs"` (Eq. 2) or `"active_pairs"`, which divides by the number of active ordered
            pairs in place of M^2.
        reduction: `"mean"` (the paper: 1/K sum_k w_k L_k), `"sum"` or `"none"`.
        pos_weight: (num_labels,), finite and non-negative; multiplies the positives' part of L_E.
        cross_entropy: `"bce"` (Eq. 4), or a function that takes its place: of logits and targets, float64 arrays
            (batch, num_labels), it returns two, the loss of each label and its derivative with respect to the logit.
            obrl masks the missing labels, sums over labels, weighs the samples and reduces. A missing target is 0.
            Not beside `pos_weight`.
        ignore_index: a number such as -1 or 255 that marks missing targets, in the loss and in the relation; targets
            are then integers. Where values are read, targets coded -1 and 1 are refused with -1: a batch in which -1
            occurs and at least 32 labels are known, all of them 1.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation, its .npz, or a (num_labels, num_labels) matrix.
        freeze: never update the relation; requires `relation=`.
        impl: `"auto"` or `"plain"`, which are the same here. `"fused"` raises a ValueError: it needs `obrl.torch`,
            `obrl.jax` or `obrl.tensorflow`.

    Raises:
        TypeError, ValueError: an argument of another type, shape or range.

    Example:
        >>> import numpy as np
        >>> criterion = OBRLoss(3)
        >>> logits = np.zeros((4, 3))
        >>> targets = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]])
        >>> round(criterion(logits, targets), 4)  # 3 log 2 + 0.5 * 4 / 18
        2.1906
        >>> print(criterion.pairs())
        sign     label label relation    phi evidence
        together 0     1        1.000   1.00      1.0
        apart    0     2        0.000  -1.00      1.0
        apart    1     2        0.000  -1.00      1.0

    Source: Wang, Su and Zhao, Eq. 1 to 4.
    """

    __module__ = "obrl"

    def __call__(
        self,
        logits: npt.ArrayLike,
        targets: npt.ArrayLike,
        *,
        observed: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        update: bool | None = None,
    ) -> Reduced:
        """Update the relation, then give L.

        Args:
            logits: x, (batch, num_labels), floating point.
            targets: y, (batch, num_labels), bool, integer or floating point in [0, 1]; NaN is missing; the relation
                counts at least 0.5 as 1.
            observed: (batch, num_labels), bool; False marks a missing target, whatever it holds.
            sample_weight: w, (batch,); multiplies each sample's loss and never touches the relation.
            update: whether to update the relation; by default yes, unless frozen.

        Returns:
            A float, or (batch,) with `reduction="none"`.

        Raises:
            TypeError, ValueError: what was expected and what came; the relation is then as it was.
        """
        return self.terms(logits, targets, observed=observed, sample_weight=sample_weight, update=update).total

    def terms(
        self,
        logits: npt.ArrayLike,
        targets: npt.ArrayLike,
        *,
        observed: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        update: bool | None = None,
    ) -> LossTerms:
        """As a call, with L_E and L_B (before alpha) beside the total."""
        batch = self._checked(logits, targets, observed, sample_weight)
        return LossTerms(*self._evaluate(batch, update, joint=True, gradients_of="none")[0])

    def value_and_grad(
        self,
        logits: npt.ArrayLike,
        targets: npt.ArrayLike,
        *,
        observed: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        update: bool | None = None,
    ) -> tuple[LossTerms, npt.NDArray[Any]]:
        """As `terms`, with the gradient of the total.

        Returns:
            The terms, and the gradient with respect to the logits, in their shape and dtype. With
            `reduction="none"` row k is the gradient of sample k's loss.
        """
        batch = self._checked(logits, targets, observed, sample_weight)
        terms, (gradient,) = self._evaluate(batch, update, joint=True, gradients_of="total")
        return LossTerms(*terms), gradient.astype(np.asarray(logits).dtype)
