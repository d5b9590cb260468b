"""Online Batch Relation: a frozen configuration, and a state that goes in and comes out."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import obrl
from obrl.counts import PairCounts, pair_counts
from obrl.errors import check_label_names, check_labels, check_num_labels
from obrl.namespace import NUMPY
from obrl.online import RelationState, known_relation, merge_states, state_shapes
from obrl.pairs import Pairs, active_pairs
from obrl.relation import starting_relation
from obrl.settings import Settings
from obrl.storage import save_relation
from obrl_jax import rows
from obrl_jax.inputs import (
    Labels,
    is_traced,
    may_read_values,
    metadata,
    on_host,
    optional_metadata,
    split_labels,
)
from obrl_jax.namespace import JAX

AxisName = Hashable | tuple[Hashable, ...]


@dataclass(frozen=True, init=False, repr=False)
class RelationConfiguration:
    """What every configuration here shares: settings, where the relation starts, and how a state is shown and kept.

    Frozen and hashable, so it can be closed over, or be a static argument of `jax.jit`.
    """

    num_labels: int
    settings: Settings
    label_names: tuple[str, ...] | None
    axis_name: AxisName | None
    validate: bool | None
    _start: RelationState | None  # as bytes of float64, so that equal starts are equal and hash alike

    def __init__(
        self,
        num_labels: int,
        settings: Settings,
        *,
        label_names: Sequence[str] | None,
        relation: Any,
        axis_name: AxisName | None,
        validate: bool | None,
    ) -> None:
        count = check_num_labels(num_labels)
        if isinstance(relation, RelationState | RelationConfiguration):
            raise TypeError(
                "relation must be an obrl.OnlineBatchRelation, its .npz or a matrix, got "
                f"{type(relation).__name__}; a configuration's to_numpy(state) gives the first"
            )
        start = starting_relation(on_host(relation), settings, count, check_label_names(label_names, count))
        self._set(
            num_labels=count,
            settings=settings,
            label_names=start.label_names,
            axis_name=axis_name,
            validate=validate,
            _start=None if relation is None else RelationState(*(part.tobytes() for part in start.state)),
        )

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def init(self, dtype: Any = jnp.float32) -> RelationState:
        """The state to start with.

        Args:
            dtype: float32 or, under `jax_enable_x64`, float64; later states keep it.

        Returns:
            `RelationState(relation_sum, relation_weight)`, a NamedTuple of arrays.

        Raises:
            ValueError: another dtype, or float64 without `jax_enable_x64`.
        """
        check_state_dtype(dtype)
        if self._start is None:
            return RelationState(*(jnp.zeros(shape, dtype) for shape in self._shapes()))
        parts = zip(self._start, self._shapes(), strict=True)
        return RelationState(*(jnp.asarray(np.frombuffer(part).reshape(shape), dtype) for part, shape in parts))

    def relation(self, state: RelationState) -> Array:
        """R_g, (num_labels, num_labels) in the dtype of the state, NaN where there is no evidence."""
        state = self._checked(state)
        if any(is_traced(part) for part in state):
            value, known = known_relation(JAX, state, self.settings)
            return jnp.where(known, value, jnp.nan)
        # Outside JAX's operations, for `jax_debug_nans` would stop at this NaN, which is meant.
        value, known = known_relation(NUMPY, _on_host(state), self.settings)
        return jax.device_put(np.where(known, value, np.nan).astype(value.dtype))

    def pairs(self, state: RelationState) -> Pairs:
        """The active pairs; printing them gives a table, or says that there is none. Copies the state to the host."""
        return active_pairs(_on_host(self._checked(state)), self.settings, self.label_names)

    def to_numpy(self, state: RelationState) -> obrl.OnlineBatchRelation:
        """The relation as an `obrl.OnlineBatchRelation`, copied to the host in float64."""
        return obrl.OnlineBatchRelation.from_state(_on_host(self._checked(state)), self.settings, self.label_names)

    def save(self, path: str | os.PathLike[str], state: RelationState) -> None:
        """Write the relation as an .npz (no pickle) that every framework of obrl can start from."""
        save_relation(path, _on_host(self._checked(state)), self.settings, self.label_names)

    def load(self, path: str | os.PathLike[str], dtype: Any = jnp.float32) -> RelationState:
        """The state in a file that any framework of obrl wrote; label names in it must be those given here, if any.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: no relation of obrl, or one of another number of labels, other names, or another decay,
                measure or estimator.
        """
        check_state_dtype(dtype)
        start = starting_relation(os.fspath(path), self.settings, self.num_labels, self.label_names)
        return RelationState(*(jnp.asarray(part, dtype) for part in start.state))

    def _shapes(self) -> RelationState:
        return state_shapes(self.num_labels, self.settings.estimator)

    def _checked(self, state: Any) -> RelationState:
        """The state, if it is what `init` gives; else raise TypeError or ValueError."""
        if not isinstance(state, tuple) or len(state) != 2:
            raise TypeError(
                "state must be a RelationState (relation_sum, relation_weight), as init() gives it, "
                f"got {type(state).__name__}"
            )
        for name, part, shape in zip(RelationState._fields, state, self._shapes(), strict=True):
            found = metadata(f"state.{name}", part)
            if found.shape != shape or found.dtype not in ("float32", "float64"):
                raise ValueError(
                    f"state.{name} must have shape {shape} in float32 or float64, as init() gives it, "
                    f"got {found.shape} in {found.dtype}"
                )
        return RelationState(*state)

    def _advance(self, state: RelationState, labels: Labels) -> RelationState:
        """Eq. 1 for one batch; no gradient flows through it."""
        positive, observed = labels.positive, labels.observed
        if self.axis_name is None and rows.are_taken(self.num_labels, positive, observed, *state):
            return rows.move(self.settings, state, positive, observed)

        def moved(observed: Array | None) -> RelationState:
            counts = count_batch(labels._replace(observed=observed), self.axis_name)
            return rows.update(state, counts, self.settings)

        def decided_in_the_run(observed: Array) -> RelationState:
            return jax.lax.cond(observed.all(), lambda: moved(None), lambda: moved(observed))

        if observed is None or not is_traced(observed) or self.axis_name is not None:
            return moved(observed)
        # Where nothing is missing, one product in place of three; but a GPU would have to ask the host to go on.
        state = jax.lax.platform_dependent(observed, cpu=decided_in_the_run, default=moved)
        return RelationState(*state)


def check_state_dtype(dtype: Any) -> None:
    """Raise ValueError unless a state can have this dtype."""
    if jnp.dtype(dtype) not in (jnp.float32, jnp.float64):
        raise ValueError(f"dtype of the state must be float32 or float64, got {jnp.dtype(dtype)}")
    if jax.dtypes.canonicalize_dtype(dtype) != jnp.dtype(dtype):
        raise ValueError('dtype float64 needs jax.config.update("jax_enable_x64", True), got it without')


def _on_host(state: RelationState) -> RelationState:
    return RelationState(*(np.asarray(part) for part in state))


def count_batch(labels: Labels, axis_name: AxisName | None) -> PairCounts:
    """The pair counts of a batch, over all devices of the axis: one SUM all-reduce of n, s and r."""
    positive, observed = labels.positive, labels.observed
    batch = positive.shape[0]
    mask = None if observed is None else observed.astype(positive.dtype)
    if axis_name is None:
        return pair_counts(JAX, positive, mask, batch)
    counts = pair_counts(JAX, positive, jnp.ones_like(positive) if mask is None else mask, batch)
    n, s, r = JAX.unstack(jax.lax.psum(jnp.stack([counts.n, counts.s, counts.r]), axis_name))
    return PairCounts(n, s, r, r.T)


class OnlineBatchRelation(RelationConfiguration):
    """The moving average of how labels relate within each mini-batch (Eq. 1), over an explicit state.

    Args:
        num_labels: M.
        decay: lambda of Eq. 1, in (0, 1].
        measure: a key of `obrl.MEASURES`.
        estimator: `"batch"` (Eq. 1) or `"counts"`.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation of NumPy, its .npz, or a (num_labels, num_labels) matrix.
        axis_name: the axis, or axes, of `jax.shard_map` or `jax.pmap` over which to sum the counts.
        validate: whether to check the values of targets: None does for arrays on the CPU; True does on every device,
            where it makes the host wait; False never does. Traced arrays have no values to check.

    Raises:
        TypeError, ValueError: an argument of another type, shape or range.

    Example:
        >>> import jax.numpy as jnp
        >>> online = OnlineBatchRelation(2)
        >>> state = online.update(online.init(), jnp.array([[1, 1], [0, 0], [1, 1]]))
        >>> online.relation(state)
        Array([[1., 1.],
               [1., 1.]], dtype=float32)

    Source: Wang, Su and Zhao, Eq. 1.
    """

    __module__ = "obrl.jax"

    def __init__(
        self,
        num_labels: int,
        *,
        decay: float = 0.99,
        measure: str = "unit_pearson",
        estimator: str = "batch",
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        axis_name: AxisName | None = None,
        validate: bool | None = None,
    ) -> None:
        super().__init__(
            num_labels,
            Settings(decay=decay, measure=measure, estimator=estimator),
            label_names=label_names,
            relation=relation,
            axis_name=axis_name,
            validate=validate,
        )

    def update(self, state: RelationState, targets: Array, observed: Array | None = None) -> RelationState:
        """Eq. 1 for one batch.

        Args:
            state: from `init` or an earlier update.
            targets: (batch, num_labels), bool, integer or floating point in [0, 1]; at least 0.5 counts as 1, NaN is
                missing.
            observed: (batch, num_labels), bool; False marks a missing target, whatever it holds.

        Returns:
            The new state, in the dtype of the old one.

        Raises:
            TypeError, ValueError: what was expected and what came.
        """
        check_labels(metadata("targets", targets), optional_metadata("observed", observed), num_labels=self.num_labels)
        state = self._checked(state)
        read_values = may_read_values(self.validate, targets, observed)
        return self._advance(state, split_labels(targets, observed, read_values=read_values))

    def merge(self, earlier: RelationState, later: RelationState) -> RelationState:
        """The state of one run, of which `earlier` is the first part and `later` the second, started from nothing."""
        return merge_states(self._checked(earlier), self._checked(later), self.settings.decay)

    def pairs(self, state: RelationState, *, positive_threshold: float = 0.8, negative_threshold: float = 0.2) -> Pairs:
        """The active pairs under these thresholds; printing them gives a table, or says that there is none."""
        settings = replace(self.settings, positive_threshold=positive_threshold, negative_threshold=negative_threshold)
        return active_pairs(_on_host(self._checked(state)), settings, self.label_names)

    def __repr__(self) -> str:
        return (
            f"OnlineBatchRelation({self.num_labels}, decay={self.settings.decay:g}, "
            f"measure={self.settings.measure!r}, estimator={self.settings.estimator!r})"
        )


def update_relation(
    state: RelationState,
    targets: Array,
    observed: Array | None = None,
    *,
    decay: float = 0.99,
    measure: str = "unit_pearson",
    estimator: str = "batch",
    axis_name: AxisName | None = None,
    validate: bool | None = None,
) -> RelationState:
    """Eq. 1 for one batch, as a function; the arguments are those of `OnlineBatchRelation` and its `update`.

    Example:
        >>> import jax.numpy as jnp
        >>> state = update_relation(OnlineBatchRelation(2).init(), jnp.array([[1, 0], [0, 1], [1, 0]]))
        >>> state.relation_weight
        Array([[1., 1.],
               [1., 1.]], dtype=float32)
    """
    num_labels = metadata("targets", targets).shape[-1] if getattr(targets, "ndim", 0) else 1
    online = OnlineBatchRelation(
        num_labels, decay=decay, measure=measure, estimator=estimator, axis_name=axis_name, validate=validate
    )
    return online.update(state, targets, observed)
