"""What the two losses share: a call checks its batch, moves the relation, and evaluates the loss."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from obrl.arrays import unmask_labels
from obrl.cross_entropy import (
    CrossEntropy,
    check_losses,
    checked_cross_entropy,
    function_arguments,
    returned_metadata,
)
from obrl.errors import REDUCTIONS, check_batch, check_choice, check_impl, checked_pos_weight, resolve_update
from obrl.online import RelationState, state_laplacians
from obrl.pairs import describe
from obrl.problem import Reduction, joint_terms
from obrl.settings import Settings
from obrl.start import loaded_relation
from obrl.storage import save_relation
from obrl_jax.configuration import AxisName, RelationConfiguration, check_state_dtype, state_on_host
from obrl_jax.inputs import (
    computation_dtype,
    concrete,
    known_targets,
    metadata,
    optional_metadata,
    split_labels,
    warn_of_logits,
)
from obrl_jax.namespace import JAX
from obrl_jax.relation import advance
from obrl_jax.terms import AlgebraLoss, FusedLoss, LossOptions, Results, differentiable_terms


class Batch(NamedTuple):
    """The arrays of a call, as the user gave them."""

    logits: Array
    targets: Array
    observed: Array | None
    sample_weight: Array | None


def function_losses(function: Callable[..., Any], batch: Batch, *, complete: bool) -> tuple[Array, Array | None]:
    """The losses of a function for L_E, which JAX differentiates, and which targets are observed (None for all).

    The logits of the batch are in the dtype to compute in.

    Raises:
        TypeError, ValueError: it returned something else than (batch, num_labels) numbers in the dtype to compute in.
    """
    labels = split_labels(batch.targets, batch.observed, complete=complete)
    observed = None if labels.observed is None else jnp.asarray(labels.observed)
    labels = labels._replace(targets=jnp.asarray(labels.targets), observed=observed)
    losses = function(*function_arguments(JAX, batch.logits, labels, like=batch.logits))
    check_losses(returned_metadata(metadata, losses), metadata("logits", batch.logits))
    return jnp.asarray(losses), observed


def _check_hashable(function: CrossEntropy) -> None:
    """Raise TypeError unless a criterion with this function can be a static argument of `jax.jit`."""
    try:
        hash(function)
    except TypeError as error:
        raise TypeError(
            "cross_entropy must be hashable, so that a criterion can be a static argument of jax.jit, got a "
            f"{type(function).__name__} that is not: {error}; give a function that calls it"
        ) from error


@dataclass(frozen=True, init=False, repr=False)
class Criterion(RelationConfiguration):
    """A loss with a relation; the arguments are those of `OBRLoss`."""

    reduction: str
    freeze: bool
    impl: str
    pos_weight: tuple[float, ...] | None
    cross_entropy: CrossEntropy
    _joint = True  # whether L_E is part of it

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
        cross_entropy: CrossEntropy = "bce",
        ignore_index: int | None = None,
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
        check_choice("reduction", reduction, REDUCTIONS)
        check_impl(impl)
        super().__init__(
            num_labels,
            settings,
            label_names=label_names,
            relation=relation,
            axis_name=axis_name,
            validate=validate,
            ignore_index=ignore_index,
            freeze=freeze,
        )
        weights = checked_pos_weight(concrete("pos_weight", pos_weight), num_labels=self.num_labels)
        function = checked_cross_entropy(cross_entropy, pos_weight)
        _check_hashable(function)
        self._set(reduction=reduction, freeze=bool(freeze), impl=impl, pos_weight=weights, cross_entropy=function)

    def save_relation(self, path: str | os.PathLike[str], state: RelationState) -> None:
        """Write the relation as an .npz (no pickle) that every framework of obrl can start from."""
        save_relation(path, state_on_host(self._checked(state)), self.settings, self.label_names)

    def load_relation(self, path: str | os.PathLike[str], dtype: Any = jnp.float32) -> RelationState:
        """The state in a file that any framework of obrl wrote; its label names must be those of this loss, if any.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: no relation of obrl, or one of another number of labels, other names, or another decay,
                measure or estimator.
        """
        check_state_dtype(dtype)
        stored = loaded_relation(path, self.settings, self.num_labels, self.label_names)
        return RelationState(*(jnp.asarray(part, dtype) for part in stored.state))

    def _evaluate(
        self, batch: Batch, state: RelationState, update: bool | None, *, joint: bool, parts: bool = False
    ) -> tuple[Results, RelationState]:
        """The terms of a batch, ready to be differentiated, and the new state.

        Args:
            batch: the arrays of the call.
            state: the accumulators.
            update: whether the relation moves.
            joint: whether L_E belongs to the loss.
            parts: whether L_E and L_B are returned beside L.
        """
        targets, observed = unmask_labels(batch.targets, batch.observed)
        batch = batch._replace(targets=targets, observed=observed)
        check_batch(
            metadata("logits", batch.logits),
            metadata("targets", targets),
            optional_metadata("observed", observed),
            optional_metadata("sample_weight", batch.sample_weight),
            num_labels=self.num_labels,
            ignore_index=self.ignore_index,
        )
        state = jax.lax.stop_gradient(self._checked(state))
        moves = resolve_update(update, default=True, freeze=self.freeze)
        warn_of_logits(batch.logits, self.validate)
        observed, complete = known_targets(self.validate, targets, observed, self.ignore_index)
        batch = batch._replace(observed=observed)
        function = self.cross_entropy if joint and callable(self.cross_entropy) else None
        if function is not None:  # cast once for both losses, so that their gradients add up in this dtype
            batch = batch._replace(logits=jnp.asarray(batch.logits).astype(computation_dtype(batch.logits)))
        entropy = None if function is None else function_losses(function, batch, complete=complete)
        build = self._fused_loss if self.impl == "fused" else self._algebra_loss
        loss, state = build(batch, state, moves=moves, joint=joint and entropy is None, complete=complete)
        options = LossOptions(self.settings.alpha, self.reduction, self.settings.normalization, parts)
        terms = differentiable_terms(options, jnp.asarray(batch.logits), loss, impl=self.impl)
        if entropy is None:
            return terms, state
        weight = None if loss.sample_weight is None else loss.sample_weight[:, None]
        reduction = Reduction(self.reduction, weight, len(batch.logits))
        joined = joint_terms(JAX, *entropy, terms[0], reduction, alpha=self.settings.alpha)
        return (joined if parts else joined[:1]), state

    def _algebra_loss(
        self, batch: Batch, state: RelationState, *, moves: bool, joint: bool, complete: bool
    ) -> tuple[AlgebraLoss, RelationState]:
        """The loss for the algebra, and the new state; `complete` says that no target is missing."""
        labels = split_labels(batch.targets, batch.observed, complete=complete)
        if moves:
            state = advance(state, labels, self.settings, self.axis_name)
        dtype = computation_dtype(batch.logits)
        like = jnp.zeros((), dtype)
        sample_weight, pos_weight = self._weights(batch, dtype)
        loss = AlgebraLoss(
            targets=jnp.asarray(labels.targets).astype(dtype) if joint else None,
            observed=jnp.asarray(labels.observed) if joint and labels.observed is not None else None,
            sample_weight=sample_weight,
            pos_weight=pos_weight,
            pairs=state_laplacians(JAX, state, self.settings, num_labels=self.num_labels, like=like),
        )
        return loss, state

    def _fused_loss(
        self, batch: Batch, state: RelationState, *, moves: bool, joint: bool, complete: bool
    ) -> tuple[FusedLoss, RelationState]:
        """The loss for native code, and the new state; `complete` says that no target is missing."""
        from obrl_jax import fused

        dtype = computation_dtype(batch.logits)
        target = fused.target_of(
            self.num_labels, dtype, relation_weight=state.relation_weight, targets=batch.targets, logits=batch.logits
        )
        labels = fused.native_labels(batch.targets, batch.observed, dtype, complete=complete)
        if moves:
            state, code = fused.advance(target, state, labels, self.settings, self.axis_name)
        else:
            code = fused.code_state(target, state, self.settings)
        sample_weight, pos_weight = self._weights(batch, dtype)
        loss = FusedLoss(
            targets=labels.targets if joint else None,
            observed=labels.observed if joint else None,
            sample_weight=sample_weight,
            pos_weight=pos_weight,
            code=code,
            target=target,
        )
        return loss, state

    def _weights(self, batch: Batch, dtype: Any) -> tuple[Array | None, Array | None]:
        """The weights of the samples and of the positives, where there are any."""
        return (
            None if batch.sample_weight is None else jnp.asarray(batch.sample_weight).astype(dtype),
            None if self.pos_weight is None else jnp.asarray(self.pos_weight, dtype),
        )

    def __repr__(self) -> str:
        names = ("reduction", "pos_weight", "cross_entropy", "ignore_index", "freeze", "impl", "axis_name", "validate")
        options = {name: getattr(self, name) for name in names}
        return f"{type(self).__name__}({describe(self.num_labels, self.settings, **options)})"
