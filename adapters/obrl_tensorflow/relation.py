"""Online Batch Relation as a tf.Module: two variables, moved by Eq. 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import tensorflow as tf

from obrl.errors import check_ignore_index, check_label_names, check_num_labels
from obrl.holders import RelationAlone
from obrl.labels import Labels, known_targets
from obrl.online import RelationState, known_relation
from obrl.pairs import describe
from obrl.settings import Settings
from obrl.start import starting_relation
from obrl_keras.graphs import after, check_scope, next_state, replica_context, with_value_checks
from obrl_tensorflow.inputs import (
    check_labels,
    may_read_values,
    on_host,
    row_count,
    split_labels,
)
from obrl_tensorflow.namespace import TENSORFLOW, Tensor


class OnlineBatchRelation(RelationAlone, tf.Module):
    """The moving average of how labels relate within each mini-batch (Eq. 1), as a tf.Module.

    Its state is two variables, `relation_sum` and `relation_weight`, never trained, which `tf.train.Checkpoint` saves.
    Under `tf.distribute` build it within the scope of the strategy: an update then sums the pair counts of all replicas
    first, so that they share the relation of the whole batch.

    Args:
        num_labels: M.
        decay: lambda of Eq. 1, in (0, 1].
        measure: a key of `obrl.MEASURES`.
        estimator: `"batch"` (Eq. 1) or `"counts"`.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation, its .npz, or a (num_labels, num_labels) matrix.
        validate: whether to check the values of targets: None does for eager tensors on the CPU; True does on every
            device, where it makes the host wait; False never does.
        ignore_index: a number such as -1 or 255 that marks missing targets, which are then integers; see `OBRLoss`.
        dtype: of the state, `"float32"` or `"float64"`.
        name: of the module.

    Raises:
        TypeError, ValueError: an argument of another type, shape or range.

    Example:
        >>> import tensorflow as tf
        >>> relation = OnlineBatchRelation(2).update(tf.constant([[1, 1], [0, 0], [1, 1]]))
        >>> relation.relation.numpy().tolist()
        [[1.0, 1.0], [1.0, 1.0]]

    Source: Wang, Su and Zhao, Eq. 1.
    """

    __module__ = "obrl.tensorflow"

    def __init__(
        self,
        num_labels: int,
        *,
        decay: float = 0.99,
        measure: str = "unit_pearson",
        estimator: str = "batch",
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        validate: bool | None = None,
        ignore_index: int | None = None,
        dtype: Any = "float32",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.num_labels = check_num_labels(num_labels)
        self.settings = Settings(decay=decay, measure=measure, estimator=estimator)
        self.validate = validate
        self.ignore_index = check_ignore_index(ignore_index)
        names = check_label_names(label_names, self.num_labels)
        start = starting_relation(on_host(relation), self.settings, self.num_labels, names)
        self.label_names = start.label_names
        self.relation_sum, self.relation_weight = state_variables(start.state, dtype)

    def update(self, targets: Any, *, observed: Any = None) -> Self:
        """Eq. 1 for one batch.

        Args:
            targets: (batch, num_labels), bool, integer or floating point in [0, 1]; at least 0.5 counts as 1; NaN, and
                what a NumPy masked array masks, is missing.
            observed: (batch, num_labels), bool; False marks a missing target, whatever it holds.

        Returns:
            The same module.

        Raises:
            TypeError, ValueError: what was expected and what came; the state is then as it was.
        """
        y, mask = check_labels(targets, observed, num_labels=self.num_labels, ignore_index=self.ignore_index)
        y = with_value_checks(tf, y, mask, self.ignore_index, self.validate)
        read_values = may_read_values(self.validate, y, mask)
        mask = known_targets(y, mask, self.ignore_index, on_host=on_host if read_values else None)
        labels = split_labels(y, mask, read_values=read_values)
        with after(tf, y, mask):
            advance(self.accumulators, labels, self.settings, hold=None)
        return self

    @property
    def relation(self) -> Tensor:
        """R_g, (num_labels, num_labels) in the dtype of the state, NaN where there is no evidence."""
        return relation_of(self.accumulators, self.settings)

    def _host_state(self) -> RelationState:
        return host_state(self.accumulators)

    def merge(self, later: Self) -> Self:
        """Merge two parts of one run: this relation saw the first batches; `later` started empty and saw the rest.

        The result equals one relation that saw all batches. It is computed on the host in float64, and is a new module.
        """
        return self._from_numpy(self.to_numpy().merge(later.to_numpy()))

    def reset(self) -> None:
        """Forget all evidence, also what the relation started from."""
        clear(self.accumulators)

    @property
    def accumulators(self) -> RelationState:
        """The two variables of Eq. 1."""
        return RelationState(self.relation_sum, self.relation_weight)

    def __repr__(self) -> str:
        options: dict[str, Any] = {name: getattr(self, name) for name in ("validate", "ignore_index")}
        options["dtype"] = self.relation_sum.dtype.name
        return f"OnlineBatchRelation({describe(self.num_labels, self.settings, thresholds=False, **options)})"


def state_variables(start: RelationState, dtype: Any = "float32") -> RelationState:
    """Variables that hold a state; raises ValueError for a dtype other than float32 and float64."""
    state_dtype = tf.as_dtype(dtype)
    if state_dtype not in (tf.float32, tf.float64):
        raise ValueError(f"dtype of the state must be float32 or float64, got {state_dtype.name}")
    return RelationState(
        *(
            tf.Variable(
                part,
                dtype=state_dtype,
                trainable=False,
                name=name,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
            for name, part in zip(RelationState._fields, start, strict=True)
        )
    )


def advance(variables: RelationState, labels: Labels, settings: Settings, *, hold: Tensor | None) -> RelationState:
    """Eq. 1 for one batch: moves the variables, unless `hold` is a tensor of True, and gives their values."""
    context = replica_context(tf)
    if context is not None:
        check_scope(context, variables.relation_weight)
    old = values_of(variables)
    rows = row_count(labels.positive, labels.positive.dtype)
    new = next_state(TENSORFLOW, old, labels, rows, settings, tensorflow=tf, context=context)
    if hold is not None:
        new = RelationState(*(tf.where(hold, before, after) for before, after in zip(old, new, strict=True)))
    assign(variables, new)
    return new


def values_of(variables: RelationState) -> RelationState:
    """The state as tensors."""
    return RelationState(*(tf.convert_to_tensor(variable) for variable in variables))


def host_state(variables: RelationState) -> RelationState:
    """The state as NumPy arrays."""
    return RelationState(*(np.asarray(variable.numpy()) for variable in variables))


def assign(variables: RelationState, state: RelationState) -> None:
    """Write a state into variables, in their dtype."""
    for variable, value in zip(variables, state, strict=True):
        variable.assign(tf.cast(value, variable.dtype))


def clear(variables: RelationState) -> None:
    """Write zeros into variables."""
    for variable in variables:
        variable.assign(tf.zeros_like(variable))


def relation_of(variables: RelationState, settings: Settings) -> Tensor:
    """R_g, NaN where there is no evidence."""
    value, known = known_relation(TENSORFLOW, values_of(variables), settings)
    return TENSORFLOW.where(known, value, float("nan"))
