"""The joint loss and the relation loss over an explicit state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from obrl import errors
from obrl.algebra import LossTerms, PairWeights
from obrl.errors import REDUCTIONS, check_choice, check_impl, checked_pos_weight, resolve_update
from obrl.online import RelationState, state_laplacians
from obrl.pairs import describe_settings
from obrl.settings import Settings
from obrl_jax import rows
from obrl_jax.functions import Differentiable, Problem, Results, Static, differentiable_terms
from obrl_jax.inputs import (
    computation_dtype,
    may_read_values,
    metadata,
    on_host,
    optional_metadata,
    split_labels,
)
from obrl_jax.namespace import JAX
from obrl_jax.relation import AxisName, RelationConfiguration


@dataclass(frozen=True, init=False, repr=False)
class _Criterion(RelationConfiguration):
    """A loss with a relation."""

    reduction: str
    freeze: bool
    impl: str
    pos_weight: tuple[float, ...] | None

    def __init__(
        self,
        num_labels: int,
        settings: Settings,
        *,
        reduction: str,
        pos_weight: Any,
        label_names: Sequence[str] | None,
        relation: Any,
        freeze: bool,
        impl: str,
        axis_name: AxisName | None,
        validate: bool | None,
    ) -> None:
        check_choice("reduction", reduction, REDUCTIONS)
        check_impl(impl)
        super().__init__(
            num_labels,
            settings,
            label_names=label_names,
            relation=relation,
            axis_name=axis_name,
            validate=validate,
        )
        weights = None if pos_weight is None else checked_pos_weight(on_host(pos_weight), num_labels=self.num_labels)
        self._set(reduction=reduction, freeze=bool(freeze), impl=impl, pos_weight=weights)

    def _terms(
        self,
        logits: Array,
        targets: Array,
        state: RelationState,
        observed: Array | None,
        sample_weight: Array | None,
        update: bool | None,
        *,
        joint: bool,
        parts: bool,
    ) -> tuple[Results, RelationState]:
        errors.check_batch(
            metadata("logits", logits),
            metadata("targets", targets),
            optional_metadata("observed", observed),
            optional_metadata("sample_weight", sample_weight),
            num_labels=self.num_labels,
        )
        state = self._checked(state)
        moves = resolve_update(update, default=True, freeze=self.freeze)
        make = self._fused_problem if self.impl == "fused" else self._problem
        problem, state = make(logits, targets, state, observed, sample_weight, moves=moves, joint=joint)
        static = Static(self.settings.alpha, self.reduction, self.settings.normalization, parts)
        return differentiable_terms(static, jnp.asarray(logits), problem, impl=self.impl), state

    def _problem(
        self,
        logits: Any,
        targets: Any,
        state: RelationState,
        observed: Any,
        sample_weight: Any,
        *,
        moves: bool,
        joint: bool,
    ) -> tuple[Differentiable, RelationState]:
        """What the algebra takes, and the new state."""
        labels = split_labels(targets, observed, read_values=may_read_values(self.validate, targets, observed))
        if moves:
            state = self._advance(state, labels)
        dtype = computation_dtype(logits)
        pairs = self._pairs(jax.lax.stop_gradient(state), logits, dtype)
        weight, pos_weight = self._weights(sample_weight, dtype)
        problem = Problem(
            targets=labels.targets.astype(dtype) if joint else None,
            observed=labels.observed if joint else None,
            sample_weight=None if weight is None else weight[:, None],
            pos_weight=None if pos_weight is None else pos_weight[None],
            pairs=pairs,
        )
        return problem, state

    def _pairs(self, state: RelationState, logits: Array, dtype: Any) -> PairWeights:
        """Eq. 3 on a state, in the form that its size asks for."""
        if self.impl == "plain" or not rows.are_taken(self.num_labels, logits, *state):
            return state_laplacians(JAX, state, self.settings, num_labels=self.num_labels, like=jnp.zeros((), dtype))
        return rows.RowPairs.of_state(state, self.settings)

    def _fused_problem(
        self,
        logits: Any,
        targets: Any,
        state: RelationState,
        observed: Any,
        sample_weight: Any,
        *,
        moves: bool,
        joint: bool,
    ) -> tuple[Differentiable, RelationState]:
        """What the native code takes, and the new state."""
        from obrl_jax import fused
        from obrl_jax.platforms import target_of

        dtype = computation_dtype(logits)
        target = target_of(
            self.num_labels, dtype, relation_weight=state.relation_weight, targets=targets, logits=logits
        )
        read_values = may_read_values(self.validate, targets, observed)
        targets, observed = fused.fused_labels(targets, observed, dtype, read_values=read_values)
        if moves:
            state, code = fused.advance(target, state, targets, observed, self.settings, self.axis_name)
        else:
            code = fused.code(target, state, self.settings)
        weight, pos_weight = self._weights(sample_weight, dtype)
        problem = fused.FusedProblem(
            targets=targets if joint else None,
            observed=observed if joint else None,
            sample_weight=weight,
            pos_weight=pos_weight,
            code=code,
            target=target,
        )
        return problem, state

    def _weights(self, sample_weight: Any, dtype: Any) -> tuple[Array | None, Array | None]:
        """Those of the samples and of the positives, where there are any."""
        return (
            None if sample_weight is None else jnp.asarray(sample_weight).astype(dtype),
            None if self.pos_weight is None else jnp.asarray(self.pos_weight, dtype),
        )

    def _describe(self, *extra: str) -> str:
        words = describe_settings(self.num_labels, self.settings, *extra, reduction=self.reduction, freeze=self.freeze)
        return f"{type(self).__name__}({words})"


class OBRLoss(_Criterion):
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
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation of NumPy, its .npz, or a (num_labels, num_labels) matrix.
        freeze: never update the relation.
        impl: `"auto"` computes the gradient with the value; `"plain"` leaves it to JAX, which forward mode needs;
            `"fused"` runs both in native code, on a CPU or a CUDA device, which a C++ compiler builds at the first
            call.
        axis_name: the axis, or axes, of `jax.shard_map` or `jax.pmap` over which to sum the counts. Under plain jit
            on global arrays nothing is needed.
        validate: whether to check the values of targets: None does for arrays on the CPU; True does on every device,
            where it makes the host wait; False never does. Traced arrays have no values to check; shapes and dtypes
            are always checked.

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
        pos_weight: Any = None,
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        freeze: bool = False,
        impl: str = "auto",
        axis_name: AxisName | None = None,
        validate: bool | None = None,
    ) -> None:
        settings = Settings(
            decay=decay,
            alpha=alpha,
            positive_threshold=positive_threshold,
            negative_threshold=negative_threshold,
            measure=measure,
            estimator=estimator,
            normalization=normalization,
        )
        super().__init__(
            num_labels,
            settings,
            reduction=reduction,
            pos_weight=pos_weight,
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
        (total,), state = self._terms(logits, targets, state, observed, sample_weight, update, joint=True, parts=False)
        return total, state

    def terms(
        self,
        logits: Array,
        targets: Array,
        state: RelationState,
        observed: Array | None = None,
        sample_weight: Array | None = None,
        update: bool | None = None,
    ) -> tuple[LossTerms, RelationState]:
        """As a call, with L_E and L_B (before alpha) beside the total; each can be differentiated."""
        terms, state = self._terms(logits, targets, state, observed, sample_weight, update, joint=True, parts=True)
        return LossTerms(*terms), state

    def __repr__(self) -> str:
        return self._describe(f"alpha={self.settings.alpha:g}")


class RelationLoss(_Criterion):
    """L_B alone (Eq. 2) with its own relation, to add to any other loss.

    The arguments, the state and when it moves are those of `OBRLoss`, without alpha and pos_weight.

    Example:
        >>> import jax.numpy as jnp
        >>> criterion = RelationLoss(2)
        >>> logits, targets = jnp.array([[3.0, -3.0], [3.0, -3.0]]), jnp.array([[1, 1], [0, 0]])
        >>> loss, state = criterion(logits, targets, criterion.init())
        >>> round(float(loss), 4)
        0.2048
    """

    __module__ = "obrl.jax"

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
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        freeze: bool = False,
        impl: str = "auto",
        axis_name: AxisName | None = None,
        validate: bool | None = None,
    ) -> None:
        settings = Settings(
            decay=decay,
            positive_threshold=positive_threshold,
            negative_threshold=negative_threshold,
            measure=measure,
            estimator=estimator,
            normalization=normalization,
        )
        super().__init__(
            num_labels,
            settings,
            reduction=reduction,
            pos_weight=None,
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
        observed: Array | None = None,
        sample_weight: Array | None = None,
        update: bool | None = None,
    ) -> tuple[Array, RelationState]:
        """Update the relation, then give L_B; the arguments are those of `OBRLoss.__call__`."""
        (value,), state = self._terms(logits, targets, state, observed, sample_weight, update, joint=False, parts=False)
        return value, state

    def __repr__(self) -> str:
        return self._describe()
