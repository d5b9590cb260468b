"""What the two losses share: a call checks its batch, moves the relation, and evaluates the loss."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from obrl.arrays import unmask_labels
from obrl.errors import REDUCTIONS, check_batch, check_choice, check_impl, checked_pos_weight, resolve_update
from obrl.online import RelationState, state_laplacians
from obrl.pairs import describe
from obrl.settings import Settings
from obrl.start import loaded_relation
from obrl.storage import save_relation
from obrl_jax.configuration import AxisName, RelationConfiguration, check_state_dtype, state_on_host
from obrl_jax.inputs import (
    computation_dtype,
    concrete,
    metadata,
    optional_metadata,
    split_labels,
    values_are_complete,
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


@dataclass(frozen=True, init=False, repr=False)
class Criterion(RelationConfiguration):
    """A loss with a relation; the arguments are those of `OBRLoss`."""

    reduction: str
    freeze: bool
    impl: str
    pos_weight: tuple[float, ...] | None
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
            freeze=freeze,
        )
        weights = checked_pos_weight(concrete("pos_weight", pos_weight), num_labels=self.num_labels)
        self._set(reduction=reduction, freeze=bool(freeze), impl=impl, pos_weight=weights)

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
        )
        state = jax.lax.stop_gradient(self._checked(state))
        moves = resolve_update(update, default=True, freeze=self.freeze)
        warn_of_logits(batch.logits, self.validate)
        build = self._fused_loss if self.impl == "fused" else self._algebra_loss
        loss, state = build(batch, state, moves=moves, joint=joint)
        options = LossOptions(self.settings.alpha, self.reduction, self.settings.normalization, parts)
        return differentiable_terms(options, jnp.asarray(batch.logits), loss, impl=self.impl), state

    def _algebra_loss(
        self, batch: Batch, state: RelationState, *, moves: bool, joint: bool
    ) -> tuple[AlgebraLoss, RelationState]:
        """The loss for the algebra, and the new state."""
        complete = values_are_complete(self.validate, batch.targets, batch.observed)
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
        self, batch: Batch, state: RelationState, *, moves: bool, joint: bool
    ) -> tuple[FusedLoss, RelationState]:
        """The loss for native code, and the new state."""
        from obrl_jax import fused

        dtype = computation_dtype(batch.logits)
        target = fused.target_of(
            self.num_labels, dtype, relation_weight=state.relation_weight, targets=batch.targets, logits=batch.logits
        )
        complete = values_are_complete(self.validate, batch.targets, batch.observed)
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
        options = {
            name: getattr(self, name) for name in ("reduction", "freeze", "impl", "pos_weight", "axis_name", "validate")
        }
        return f"{type(self).__name__}({describe(self.num_labels, self.settings, **options)})"
