"""How a loss with a relation is computed: check, Eq. 1, then the terms in TensorFlow's operations or native code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from obrl.errors import resolve_update
from obrl.labels import known_targets
from obrl.online import state_laplacians
from obrl.problem import Problem, Reduction, joint_terms
from obrl_keras.functions import frozen_terms, function_losses
from obrl_keras.graphs import after, with_value_checks
from obrl_tensorflow import fused
from obrl_tensorflow.functions import Results, differentiable_terms
from obrl_tensorflow.inputs import (
    Batch,
    check_batch,
    check_values,
    computation_dtype,
    may_read_values,
    on_host,
    row_count,
    split_labels,
    warn_of_logits,
)
from obrl_tensorflow.namespace import TENSORFLOW, Tensor
from obrl_tensorflow.relation import advance, host_state, values_of
from obrl_tensorflow.stateful import StatefulLoss


class _Options(NamedTuple):
    """How one call is to be computed.

    Attributes:
        update: whether Eq. 1 moves the relation.
        hold: a bool tensor; where it is True (paused or validating), Eq. 1 is skipped although `update` is True. None
            if the call sets `update` itself, or the loss is frozen.
        read_values: whether to check the values of targets.
        reduction: of the terms.
        parts: whether to return L_E and L_B beside L.
        losses: those of a function in place of Eq. 4, (batch, num_labels), which the relation waits for; None without.
    """

    update: bool
    hold: Tensor | None
    read_values: bool
    reduction: str
    parts: bool
    losses: Tensor | None


class Criterion(StatefulLoss):
    """A loss with a relation."""

    # Keras passes sample_weight as the third positional argument, so it is not keyword-only as in other frameworks.
    def __call__(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any = None,
        *,
        observed: Any = None,
        update: bool | None = None,
    ) -> Any:
        """Update the relation where it should move, then give the loss: L of `OBRLoss`, L_B of `RelationLoss`.

        Args:
            y_true: targets y, (batch, num_labels), bool, integer or floating point in [0, 1]; the relation counts at
                least 0.5 as 1. NaN, and what a NumPy masked array masks, is missing.
            y_pred: logits x, (batch, num_labels), float16, bfloat16, float32 or float64.
            sample_weight: w, (batch,); multiplies each sample's loss and never touches the relation.
            observed: (batch, num_labels), bool; False marks a missing target, whatever it holds.
            update: whether to update the relation; None: yes, unless paused or frozen.

        Returns:
            A scalar, or (batch,) with `reduction="none"`; float64 for float64 logits, else float32. The gradient
            comes in the dtype of the logits.

        Raises:
            TypeError, ValueError: what was expected and what came; the relation is then as it was.
            ImportError: with `impl="fused"`, native code cannot be built here; likewise.
        """
        value = self._terms(y_pred, y_true, observed, sample_weight, update, parts=False)[0]
        # Keras sums a mean over replicas, each of which has its share of the batch.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync if self.reduction == "mean" else 1
        return value if replicas == 1 else value / replicas

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample, (batch,), whatever the reduction; the relation moves as in a call of the loss."""
        return self._terms(y_pred, y_true, None, None, None, parts=False, reduction="none")[0]

    def _terms(
        self,
        logits: Any,
        targets: Any,
        observed: Any,
        sample_weight: Any,
        update: bool | None,
        *,
        parts: bool,
        reduction: str | None = None,
    ) -> Results:
        reduction = reduction or self.reduction
        if keras.backend.backend() != "tensorflow":
            resolve_update(update, default=False, freeze=self.freeze)
            return self._frozen_terms(logits, targets, observed, sample_weight, reduction)
        how: dict[str, Any] = {"num_labels": self.num_labels, "ignore_index": self.ignore_index}
        batch = check_batch(logits, targets, observed, sample_weight, **how)
        moves = resolve_update(update, default=True, freeze=self.freeze)
        warn_of_logits(batch.logits, self.validate)
        read_values = may_read_values(self.validate, batch.targets, batch.observed)
        range_check = None
        if self.impl == "fused":
            fused.check(batch.logits, self.num_labels)
            range_check = fused.range_check(batch)
        targets = with_value_checks(
            tf, batch.targets, batch.observed, self.ignore_index, self.validate, range_check=range_check
        )
        known = known_targets(targets, batch.observed, self.ignore_index, on_host=on_host if read_values else None)
        batch = batch._replace(targets=targets, observed=known)
        hold = self._paused | self._validating if moves and update is None else None
        options = _Options(moves, hold, read_values, reduction, parts, None)
        if self._joint and callable(self.cross_entropy):
            return self._function_terms(self.cross_entropy, batch, options)
        return self._evaluate(batch, options)

    def _evaluate(self, batch: Batch, options: _Options) -> Results:
        """The terms of a checked batch."""
        return self._native_terms(batch, options) if self.impl == "fused" else self._algebra_terms(batch, options)

    def _function_terms(self, function: Callable[..., Any], batch: Batch, options: _Options) -> Results:
        """The terms where a function computes L_E, before the relation moves; TensorFlow differentiates it."""
        labels = split_labels(batch.targets, batch.observed, read_values=options.read_values)
        dtype, weight = computation_dtype(batch.logits), batch.sample_weight
        batch = batch._replace(logits=tf.cast(batch.logits, dtype))  # once: both gradients add up in it
        losses = function_losses(function, batch.logits, labels)
        (relation_loss,) = self._evaluate(batch, options._replace(parts=False, losses=losses))
        weight = None if weight is None else tf.cast(weight, dtype)[:, None]
        reduction = Reduction(options.reduction, weight, row_count(batch.targets, dtype))
        alpha = self.settings.alpha
        terms = joint_terms(TENSORFLOW, losses, labels.observed, relation_loss, reduction, alpha=alpha)
        return terms if options.parts else terms[:1]

    def _algebra_terms(self, batch: Batch, options: _Options) -> Results:
        """The terms in TensorFlow's operations."""
        labels = split_labels(batch.targets, batch.observed, read_values=options.read_values)
        joint = self._joint and options.losses is None
        if options.update:
            with after(tf, *batch, options.losses):
                state = advance(self.online.accumulators, labels, self.settings, hold=options.hold)
        else:
            state = values_of(self.online.accumulators)
        dtype = computation_dtype(batch.logits)
        like = tf.zeros((), dtype)
        weight, pos_weight = batch.sample_weight, self.pos_weight if joint else None
        problem = Problem(
            targets=tf.cast(labels.targets, dtype) if joint else None,
            observed=labels.observed,
            sample_weight=None if weight is None else tf.cast(weight, dtype)[:, None],
            pos_weight=None if pos_weight is None else tf.constant(pos_weight, dtype)[None],
            pairs=state_laplacians(TENSORFLOW, state, self.settings, num_labels=self.num_labels, like=like),
            alpha=self.settings.alpha,
            reduction=options.reduction,
            rows=row_count(batch.targets, dtype),
        )
        return differentiable_terms(batch.logits, problem, dtype=dtype, impl=self.impl, parts=options.parts)

    def _native_terms(self, batch: Batch, options: _Options) -> Results:
        """The terms in native code, which `fused.check` has allowed."""
        if options.read_values:
            check_values(batch.targets, batch.observed)
        variables, joint = self.online.accumulators, self._joint and options.losses is None
        if options.update:
            with after(tf, *batch, options.losses):
                hold = False if options.hold is None else options.hold
                code = fused.advance(batch, variables, self.settings, hold=hold)
        else:
            code = fused.code_pairs(batch.logits, variables, self.settings)
        return fused.loss_terms(
            batch.logits,
            batch.targets if joint else None,
            batch.observed if joint else None,
            batch.sample_weight,
            self.pos_weight if joint else None,
            code,
            alpha=self.settings.alpha,
            normalization=self.settings.normalization,
            reduction=options.reduction,
            dtype=computation_dtype(batch.logits),
            parts=options.parts,
        )

    def _frozen_terms(self, logits: Any, targets: Any, observed: Any, sample_weight: Any, reduction: str) -> Results:
        """The terms under another backend of Keras, with the relation as a constant."""
        terms = frozen_terms(
            logits,
            targets,
            observed,
            sample_weight,
            host_state(self.online.accumulators),
            self.settings,
            pos_weight=self.pos_weight,
            reduction=reduction,
            validate=self.validate,
            cross_entropy=self.cross_entropy,
            ignore_index=self.ignore_index,
        )
        return tuple(terms) if self._joint else (terms.relation_loss,)
