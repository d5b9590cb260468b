"""What the two losses share: a loss of Keras with a relation."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, Self

import keras
import tensorflow as tf

import obrl
from obrl.algebra import PairWeights
from obrl.errors import REDUCTIONS, check_choice, check_impl, check_num_labels, checked_pos_weight, resolve_update
from obrl.namespace import NUMPY
from obrl.online import RelationState, state_laplacians
from obrl.pairs import Pairs, active_pairs, describe_criterion, describe_settings
from obrl.relation import starting_relation
from obrl.settings import Settings
from obrl.storage import save_relation
from obrl_keras.functions import frozen_terms
from obrl_keras.graphs import after
from obrl_tensorflow import fused, rows
from obrl_tensorflow.functions import Problem, Results, differentiable_terms
from obrl_tensorflow.inputs import (
    Batch,
    check_batch,
    check_values,
    computation_dtype,
    may_read_values,
    on_host,
    split_labels,
)
from obrl_tensorflow.namespace import TENSORFLOW, Tensor
from obrl_tensorflow.relation import OnlineBatchRelation, advance, assign, clear, host_state, values_of


class _Call(NamedTuple):
    """What a call asks for beside its batch.

    Attributes:
        moves: whether Eq. 1 moves the relation.
        still: a bool tensor that holds it nevertheless, known when a graph runs; None where nothing does.
        read_values: whether the values of targets are checked.
        reduction: of the terms.
        parts: whether L_E and L_B are wanted beside L.
    """

    moves: bool
    still: Tensor | None
    read_values: bool
    reduction: str
    parts: bool


class Criterion(keras.losses.Loss):
    """A loss with a relation."""

    _joint = True  # whether it has L_E

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
        validate: bool | None,
        name: str | None,
    ) -> None:
        check_choice("reduction", reduction, REDUCTIONS)
        check_impl(impl)
        backend = keras.backend.backend()
        if backend != "tensorflow" and not freeze:
            raise RuntimeError(
                f"{type(self).__name__} learns with Keras's TensorFlow backend alone, got the {backend} backend, which "
                "never moves the state of a loss: use obrl.keras.OBRLossLayer, or freeze=True with a relation"
            )
        if backend != "tensorflow" and impl == "fused":
            raise ValueError(
                f'impl="fused" of {type(self).__name__} runs in TensorFlow, got the {backend} backend of Keras; "auto" '
                "takes any"
            )
        super().__init__(name=name, reduction=reduction)
        self.num_labels = check_num_labels(num_labels)
        self.settings = settings
        self.online = OnlineBatchRelation(
            self.num_labels,
            decay=settings.decay,
            measure=settings.measure,
            estimator=settings.estimator,
            label_names=label_names,
            relation=relation,
            validate=validate,
        )
        self.freeze = bool(freeze)
        self.impl = impl
        self.validate = validate
        weights = None if pos_weight is None else checked_pos_weight(on_host(pos_weight), num_labels=self.num_labels)
        self.pos_weight = weights
        self._paused, self._validating = (
            tf.Variable(False, trainable=False, name=name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
            for name in ("paused", "validating")
        )

    def pause(self, paused: bool = True) -> None:
        """Hold the relation where it is, also in graphs made before; `pause(False)` lets it move again.

        A call with `update=True` moves it nevertheless.
        """
        self._paused.assign(paused)

    def set_validating(self, validating: bool) -> None:
        """Hold the relation for the time of a validation, beside any `pause`; `OBRLossCallback` calls it."""
        self._validating.assign(validating)

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The names of the labels, if any were given."""
        return self.online.label_names

    @property
    def relation_sum(self) -> tf.Variable:
        """R_sb of Eq. 1."""
        return self.online.relation_sum

    @property
    def relation_weight(self) -> tf.Variable:
        """S of Eq. 1, a number a pair: (num_labels, num_labels)."""
        return self.online.relation_weight

    @property
    def relation(self) -> Tensor:
        """R_g, (num_labels, num_labels) float32, NaN where there is no evidence."""
        return self.online.relation

    def pairs(self) -> Pairs:
        """The pairs that the loss acts on now; printing them gives a table, or says that there is none."""
        return active_pairs(host_state(self.online.accumulators), self.settings, self.label_names)

    def to_numpy(self) -> obrl.OnlineBatchRelation:
        """The relation as an `obrl.OnlineBatchRelation`, copied to the host in float64."""
        state = host_state(self.online.accumulators)
        return obrl.OnlineBatchRelation.from_state(state, self.settings, self.label_names)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the relation as an .npz (no pickle) that every framework of obrl can start from."""
        save_relation(path, host_state(self.online.accumulators), self.settings, self.label_names)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Put the relation of a file in place of the present one.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: no relation of obrl, or one of another number of labels, other names, or another decay,
                measure or estimator. The state is then as it was.
        """
        start = starting_relation(os.fspath(path), self.settings, self.num_labels, self.label_names)
        self.online.label_names = start.label_names
        assign(self.online.accumulators, start.state)

    def reset(self) -> None:
        """Forget all evidence, also what the relation started from."""
        clear(self.online.accumulators)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample, (batch,), whatever the reduction; the relation moves as in a call."""
        return self._terms(y_pred, y_true, None, None, None, parts=False, reduction="none")[0]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A loss with these settings and an empty relation; warns where that one could never learn."""
        if config.get("freeze"):
            warnings.warn(
                f"a frozen {cls.__name__} was made from its settings, which hold no relation: its relation loss is "
                "without any pair until load(path) gives it one",
                stacklevel=2,
            )
        return cls(**config)

    def get_config(self) -> dict[str, Any]:
        """The settings. The relation is not among them: `save` and `load` keep it."""
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            **asdict(self.settings),
            "label_names": None if self.label_names is None else list(self.label_names),
            "freeze": self.freeze,
            "impl": self.impl,
            "validate": self.validate,
        }

    def _value(self, y_true: Any, y_pred: Any, sample_weight: Any, observed: Any, update: bool | None) -> Any:
        """The reduced loss, divided by the number of replicas, as Keras does with every mean."""
        value = self._terms(y_pred, y_true, observed, sample_weight, update, parts=False)[0]
        replicas = tf.distribute.get_strategy().num_replicas_in_sync if self.reduction == "mean" else 1
        return value if replicas == 1 else value / replicas

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
            return self._terms_elsewhere(logits, targets, observed, sample_weight, reduction)
        batch = check_batch(logits, targets, observed, sample_weight, num_labels=self.num_labels)
        moves = resolve_update(update, default=True, freeze=self.freeze)
        read_values = may_read_values(self.validate, batch.targets, batch.observed)
        still = self._paused | self._validating if moves and update is None else None
        settings = _Call(moves, still, read_values, reduction, parts)
        return self._fused(batch, settings) if fused.is_taken(self.impl) else self._algebra(batch, settings)

    def _algebra(self, batch: Batch, call: _Call) -> Results:
        """The terms in TensorFlow's own operations."""
        labels = split_labels(batch.targets, batch.observed, read_values=call.read_values)
        if call.moves:
            with after(tf, *batch):
                state = advance(self.online.accumulators, labels, self.settings, still=call.still)
        else:
            state = values_of(self.online.accumulators)
        dtype = computation_dtype(batch.logits)
        weight, pos_weight = batch.sample_weight, self.pos_weight if self._joint else None
        problem = Problem(
            targets=tf.cast(labels.targets, dtype) if self._joint else None,
            observed=labels.observed,
            sample_weight=None if weight is None else tf.cast(weight, dtype)[:, None],
            pos_weight=None if pos_weight is None else tf.constant(pos_weight, dtype)[None],
            pairs=self._pairs(state, dtype),
            alpha=self.settings.alpha,
            reduction=call.reduction,
            rows=labels.rows if isinstance(labels.rows, int) else tf.cast(labels.rows, dtype),
        )
        return differentiable_terms(batch.logits, problem, dtype=dtype, impl=self.impl, parts=call.parts)

    def _pairs(self, state: RelationState, dtype: tf.DType) -> PairWeights:
        """Eq. 3 on a state, in the form that its size asks for."""
        if self.impl != "plain" and rows.are_taken(self.num_labels):
            return rows.RowPairs(state, self.settings)
        like = tf.zeros((), dtype)
        return state_laplacians(TENSORFLOW, state, self.settings, num_labels=self.num_labels, like=like)

    def _fused(self, batch: Batch, call: _Call) -> Results:
        """The terms in native code."""
        fused.check(batch.logits, self.num_labels)
        if call.read_values:
            check_values(batch.targets, batch.observed)
        variables = self.online.accumulators
        if call.moves:
            with after(tf, *batch):
                code = fused.advance(
                    batch.logits,
                    variables,
                    batch.targets,
                    batch.observed,
                    self.settings,
                    still=False if call.still is None else call.still,
                )
        else:
            code = fused.code_pairs(batch.logits, variables, self.settings)
        problem = fused.FusedProblem(
            targets=batch.targets if self._joint else None,
            observed=batch.observed if self._joint else None,
            sample_weight=batch.sample_weight,
            pos_weight=self.pos_weight if self._joint else None,
            code=code,
            alpha=self.settings.alpha,
            normalization=self.settings.normalization,
            reduction=call.reduction,
        )
        return problem.terms(batch.logits, dtype=computation_dtype(batch.logits), parts=call.parts)

    def _terms_elsewhere(self, logits: Any, targets: Any, observed: Any, sample_weight: Any, reduction: str) -> Results:
        """The terms under another backend of Keras, with the relation as a constant."""
        state = host_state(self.online.accumulators)
        terms = frozen_terms(
            logits,
            targets,
            observed,
            sample_weight,
            pairs=lambda like: state_laplacians(NUMPY, state, self.settings, num_labels=self.num_labels, like=like),
            pos_weight=self.pos_weight,
            alpha=self.settings.alpha,
            reduction=reduction,
            num_labels=self.num_labels,
            validate=self.validate,
        )
        return tuple(terms) if self._joint else (terms.relation_loss,)

    def _describe(self, *extra: str) -> str:
        shown: dict[str, Any] = {"reduction": self.reduction, "freeze": self.freeze}
        if tf.executing_eagerly():
            words = describe_criterion(host_state(self.online.accumulators), self.settings, *extra, **shown)
        else:  # while a graph is made, nothing can be read
            words = describe_settings(self.num_labels, self.settings, *extra, **shown)
        return f"{type(self).__name__}({words})"
