"""The joint loss and the relation loss over an explicit state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jax import Array

from obrl.algebra import LossTerms
from obrl.online import RelationState
from obrl_jax.configuration import AxisName
from obrl_jax.criterion import Batch, Criterion


class OBRLoss(Criterion):
    """L = L_E + alpha L_B: cross-entropy, and agreement with the relation learnt online.

        L_E = -1/K sum_k sum_m [ y log p + (1 - y) log(1 - p) ]                                          (Eq. 4)
        L_B = 1/(2 K M^2) sum_k sum_ij [ f_p(R_ij) (p_ki - p_kj)^2 + f_n(R_ij) (1 - (p_ki - p_kj)^2)^2 ]  (Eq. 2)

    with p = sigmoid(logits), f_p(R) = 1 where R >= positive_threshold and f_n(R) = 1 where R <= negative_threshold
    (Eq. 3; the diagonal and pairs without evidence count for neither). The relation R comes from the targets alone:
    no gradient flows through it. It is updated first, then used. Missing targets leave L_E and the relation; L_B acts
    on every prediction.

    A criterion is a frozen, hashable configuration. Its state is a NamedTuple of two arrays that `init` gives and
    every call takes and returns, so it works under jit, grad, vmap and scan, and can be donated and checkpointed as
    any other pytree. In validation pass `update=False`, or leave the returned state aside.

    Args:
        num_labels: M.
        decay: lambda of Eq. 1, in (0, 1].
        alpha: weight of L_B.
        positive_threshold: r_p, on the scale of `measure`.
        negative_threshold: r_n, below it.
        measure: a key of `obrl.MEASURES`; `"unit_pearson"` is (1 + phi) / 2, `"pearson"` the formula as printed.
        estimator: `"batch"` (Eq. 1) or `"counts"`.
        normalization: `"all_pairs"` (Eq. 2) or `"active_pairs"`, which divides by the number of active ordered pairs
            in place of M^2.
        reduction: `"mean"` (the paper: 1/K sum_k w_k L_k), `"sum"` or `"none"`.
        pos_weight: (num_labels,), finite and non-negative; multiplies the positives' part of L_E.
        cross_entropy: `"bce"` (Eq. 4), or a function that takes its place: of logits and targets, JAX arrays
            (batch, num_labels) in float32 (float64 for float64 logits), it returns the loss of each label in the same
            shape and dtype, which is differentiated. obrl masks the missing labels, sums over labels, weighs the
            samples and reduces. A missing target is 0. Not beside `pos_weight`. It
            must be hashable; criteria are equal where it is the same function.
        ignore_index: a number such as -1 or 255 that marks missing targets, in the loss and in the relation; targets
            are then integers. Where values are read, targets coded -1 and 1 are refused with -1: a batch in which -1
            occurs and at least 32 labels are known, all of them 1.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation of NumPy, its .npz, or a (num_labels, num_labels) matrix.
        freeze: never update the relation; requires `relation=`.
        impl: `"auto"` computes the gradient with the value; `"plain"` leaves it to JAX; `"fused"` runs both in native
            code, on a CPU or a CUDA device, which a C++ compiler builds at the first call.
        axis_name: the axis, or axes, of `jax.shard_map` or `jax.pmap` over which to sum the counts. Under plain jit
            on global arrays nothing is needed.
        validate: whether to check the values of targets: None does for arrays on the CPU; True does on every device,
            where it makes the host wait, and in compiled programs, where it calls the host; False never does. Shapes
            and dtypes are always checked. Logits that lie in [0, 1] give a warning where values are read.

    Raises:
        TypeError, ValueError: an argument of another type, shape or range.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> criterion = OBRLoss(3)
        >>> targets = jnp.array([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]])
        >>> step = jax.jit(jax.value_and_grad(criterion, has_aux=True))
        >>> (loss, state), gradient = step(jnp.zeros((4, 3)), targets, criterion.init())
        >>> round(float(loss), 4)  # 3 log 2 + 0.5 * 4 / 18
        2.1906

    Source: Wang, Su and Zhao, Eq. 1 to 4.
    """

    __module__ = "obrl.jax"

    def __call__(
        self,
        logits: Array,
        targets: Array,
        state: RelationState,
        *,
        observed: Array | None = None,
        sample_weight: Array | None = None,
        update: bool | None = None,
    ) -> tuple[Array, RelationState]:
        """Update the relation, then give L; `jax.grad(..., has_aux=True)` fits.

        Args:
            logits: x, (batch, num_labels), float16, bfloat16, float32 or float64.
            targets: y, (batch, num_labels), bool, integer or floating point in [0, 1]; NaN is missing; the relation
                counts at least 0.5 as 1.
            state: from `init` or an earlier call.
            observed: (batch, num_labels), bool; False marks a missing target, whatever it holds.
            sample_weight: w, (batch,); multiplies each sample's loss and never touches the relation.
            update: a static bool, whether to update the relation; None: yes, unless frozen.

        Returns:
            A scalar, or (batch,) with `reduction="none"`, in float32, or float64 for float64 logits under
            `jax_enable_x64`; and the new state, in the dtype of the old one. The gradient comes in the dtype of the
            logits.

        Raises:
            TypeError, ValueError: what was expected and what came.
        """
        batch = Batch(logits, targets, observed, sample_weight)
        (total,), state = self._evaluate(batch, state, update, joint=True)
        return total, state

    def terms(
        self,
        logits: Array,
        targets: Array,
        state: RelationState,
        *,
        observed: Array | None = None,
        sample_weight: Array | None = None,
        update: bool | None = None,
    ) -> tuple[LossTerms, RelationState]:
        """As a call, with L_E and L_B (before alpha) beside the total; each can be differentiated."""
        batch = Batch(logits, targets, observed, sample_weight)
        terms, state = self._evaluate(batch, state, update, joint=True, parts=True)
        return LossTerms(*terms), state


class RelationLoss(Criterion):
    """L_B alone (Eq. 2) with its own relation, to add to any other loss.

    The arguments, the state and when it moves are those of `OBRLoss`, without alpha, pos_weight and
    cross_entropy.

    Example:
        >>> import jax.numpy as jnp
        >>> criterion = RelationLoss(2)
        >>> logits, targets = jnp.array([[3.0, -3.0], [3.0, -3.0]]), jnp.array([[1, 1], [0, 0]])
        >>> loss, state = criterion(logits, targets, criterion.init())
        >>> round(float(loss), 4)
        0.2048
    """

    __module__ = "obrl.jax"
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
        axis_name: AxisName | None = None,
        validate: bool | None = None,
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
            axis_name=axis_name,
            validate=validate,
        )

    def __call__(
        self,
        logits: Array,
        targets: Array,
        state: RelationState,
        *,
        observed: Array | None = None,
        sample_weight: Array | None = None,
        update: bool | None = None,
    ) -> tuple[Array, RelationState]:
        """Update the relation, then give L_B; the arguments are those of `OBRLoss.__call__`."""
        batch = Batch(logits, targets, observed, sample_weight)
        (value,), state = self._evaluate(batch, state, update, joint=False)
        return value, state
