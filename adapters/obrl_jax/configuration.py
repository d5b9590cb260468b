"""What the frozen configurations share: settings, where the relation starts, and views of a state."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array

import obrl
from obrl.conditional import FloatArray
from obrl.errors import check_ignore_index, check_label_names, check_num_labels
from obrl.holders import public_name
from obrl.namespace import NUMPY
from obrl.online import RelationState, known_relation, state_shapes
from obrl.pairs import Pairs, active_pairs
from obrl.settings import Settings
from obrl.start import starting_relation
from obrl_jax.compat import is_traced
from obrl_jax.inputs import concrete, has_float64, metadata
from obrl_jax.namespace import JAX

AxisName = Hashable | tuple[Hashable, ...]


@dataclass(frozen=True, init=False, repr=False)
class RelationConfiguration:
    """Settings, where the relation starts, and views of a state.

    Frozen and hashable, so it can be closed over, or be a static argument of `jax.jit`.
    """

    num_labels: int
    settings: Settings
    label_names: tuple[str, ...] | None
    axis_name: AxisName | None
    validate: bool | None
    ignore_index: int | None
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
        ignore_index: int | None,
        freeze: bool = False,
    ) -> None:
        count = check_num_labels(num_labels)
        if isinstance(relation, RelationState | RelationConfiguration):
            raise TypeError(
                "relation must be an obrl.OnlineBatchRelation, its .npz or a matrix, got "
                f"{type(relation).__name__}; a configuration's to_numpy(state) gives the first"
            )
        names = check_label_names(label_names, count)
        start = starting_relation(concrete("relation", relation), settings, count, names, freeze=freeze)
        self._set(
            num_labels=count,
            settings=settings,
            label_names=start.label_names,
            axis_name=axis_name,
            validate=validate,
            ignore_index=check_ignore_index(ignore_index),
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
        # In NumPy, since `jax_debug_nans` would stop at this intended NaN.
        value, known = known_relation(NUMPY, state_on_host(state), self.settings)
        return jax.device_put(np.where(known, value, np.nan).astype(value.dtype))

    def pairs(self, state: RelationState) -> Pairs:
        """The active pairs; printing them gives a table, or says that there is none. Copies the state to the host."""
        return active_pairs(state_on_host(self._checked(state)), self.settings, self.label_names)

    def report(self, path: str | os.PathLike[str], state: RelationState) -> None:
        """Write one HTML file on what the loss has learnt: findings in words, the matrix, the pairs that it acts on.

        Copies the state to the host. The page loads nothing, and shows no row of any table.

        Raises:
            OSError: the file cannot be written; one that exists stays as it was.
        """
        saved = "criterion.save_relation({file}, state)"
        self.to_numpy(state)._write_report(path, self.settings, saved=saved, loss=public_name(type(self)))

    def to_numpy(self, state: RelationState) -> obrl.OnlineBatchRelation:
        """The relation as an `obrl.OnlineBatchRelation`, copied to the host in float64."""
        options: dict[str, Any] = {"label_names": self.label_names, "ignore_index": self.ignore_index}
        return obrl.OnlineBatchRelation.from_state(state_on_host(self._checked(state)), self.settings, **options)

    def condition(self, probabilities: Any, targets: Any, state: RelationState, *, observed: Any = None) -> FloatArray:
        """Probabilities of the unknown labels, as `obrl.OnlineBatchRelation.condition`; computed on the host."""
        return self.to_numpy(state).condition(probabilities, targets, observed=observed)

    def suspicion(
        self,
        probabilities: Any,
        targets: Any,
        state: RelationState,
        *,
        observed: Any = None,
        rates: npt.ArrayLike | None = None,
    ) -> FloatArray:
        """How suspicious each label is, as `obrl.OnlineBatchRelation.suspicion`; computed in NumPy on the host."""
        return self.to_numpy(state).suspicion(probabilities, targets, observed=observed, rates=rates)

    def query_scores(
        self, probabilities: Any, targets: Any, state: RelationState, *, observed: Any = None
    ) -> FloatArray:
        """Which label to ask for next, as `obrl.OnlineBatchRelation.query_scores`; computed in NumPy on the host."""
        return self.to_numpy(state).query_scores(probabilities, targets, observed=observed)

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
            part_metadata = metadata(f"state.{name}", part)
            if part_metadata.shape != shape or part_metadata.dtype not in ("float32", "float64"):
                raise ValueError(
                    f"state.{name} must have shape {shape} in float32 or float64, as init() gives it, "
                    f"got {part_metadata.shape} in {part_metadata.dtype}"
                )
        relation_sum, relation_weight = map(jnp.asarray, state)
        if relation_sum.dtype != relation_weight.dtype:
            raise ValueError(
                "state must have both accumulators in float32, or both in float64, "
                f"got {relation_sum.dtype} and {relation_weight.dtype}"
            )
        return RelationState(relation_sum, relation_weight)


def check_state_dtype(dtype: Any) -> None:
    """Raise ValueError unless a state can have this dtype."""
    if jnp.dtype(dtype) not in (jnp.float32, jnp.float64):
        raise ValueError(f"dtype of the state must be float32 or float64, got {jnp.dtype(dtype)}")
    if jnp.dtype(dtype) == jnp.float64 and not has_float64():
        raise ValueError('dtype float64 needs jax.config.update("jax_enable_x64", True), got it without')


def state_on_host(state: RelationState) -> RelationState:
    """The accumulators as NumPy arrays, in their dtype."""
    return RelationState(*(np.asarray(part) for part in state))
