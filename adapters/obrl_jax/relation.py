"""Online Batch Relation (Eq. 1): a frozen configuration, and a state that goes in and comes out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax import Array

import obrl
from obrl.arrays import unmask_labels
from obrl.counts import MAX_EXACT_COUNT, PairCounts, pair_counts
from obrl.errors import check_labels
from obrl.labels import Labels
from obrl.online import RelationState, merge_states, update_state
from obrl.pairs import Pairs, active_pairs, describe
from obrl.settings import Settings, with_thresholds
from obrl.storage import save_relation
from obrl_jax.compat import is_traced
from obrl_jax.configuration import AxisName, RelationConfiguration, state_on_host
from obrl_jax.inputs import (
    has_float64,
    known_targets,
    metadata,
    optional_metadata,
    split_labels,
)
from obrl_jax.namespace import JAX


def advance(state: RelationState, labels: Labels, settings: Settings, axis_name: AxisName | None) -> RelationState:
    """Eq. 1 for one batch, over all devices of the axis; no gradient flows to the targets.

    Args:
        state: the accumulators; the new state is in their dtype.
        labels: of the batch.
        settings: decay, measure and estimator count.
        axis_name: the axis, or axes, of `jax.shard_map` or `jax.pmap`; None where there is none.

    Raises:
        ValueError: more rows than are counted exactly.
    """
    positive = jnp.asarray(labels.positive).astype(_counting_dtype(len(labels.positive)))

    def next_state(observed: Array | None) -> RelationState:
        counts = _count_batch(positive, observed, axis_name)
        dtype = state.relation_weight.dtype
        cast = PairCounts(*(part if isinstance(part, int) else part.astype(dtype) for part in counts))
        return update_state(JAX, state, jax.lax.stop_gradient(cast), settings)

    if labels.observed is None:
        return next_state(None)
    observed = jnp.asarray(labels.observed)
    if axis_name is not None or not is_traced(observed):
        return next_state(observed)

    def check_at_run_time(observed: Array) -> RelationState:
        return jax.lax.cond(observed.all(), lambda: next_state(None), lambda: next_state(observed))

    # Without a missing target, one matrix product replaces three. A program for a CPU checks at run time whether a
    # target is missing; on a GPU the check would make the host wait.
    return RelationState(*jax.lax.platform_dependent(observed, cpu=check_at_run_time, default=next_state))


def _counting_dtype(rows: int) -> Any:
    if rows <= MAX_EXACT_COUNT:
        return jnp.float32
    if not has_float64():
        raise ValueError(
            f"a batch of more than {MAX_EXACT_COUNT} rows can only be counted exactly under jax_enable_x64, got {rows}"
        )
    return jnp.float64


def _count_batch(positive: Array, observed: Array | None, axis_name: AxisName | None) -> PairCounts:
    """The pair counts of a batch, over all devices of the axis: one SUM all-reduce of n, s and r."""
    batch = len(positive)
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
            where it makes the host wait, and in compiled programs, where it calls the host; False never does.
        ignore_index: a number such as -1 or 255 that marks missing targets, which are then integers; see `OBRLoss`.

    Raises:
        TypeError, ValueError: an argument of another type, shape or range.

    Example:
        >>> import jax.numpy as jnp
        >>> online = OnlineBatchRelation(2)
        >>> state = online.update(jnp.array([[1, 1], [0, 0], [1, 1]]), online.init())
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
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(
            num_labels,
            Settings(decay=decay, measure=measure, estimator=estimator),
            label_names=label_names,
            relation=relation,
            axis_name=axis_name,
            validate=validate,
            ignore_index=ignore_index,
        )

    def update(self, targets: Array, state: RelationState, *, observed: Array | None = None) -> RelationState:
        """Eq. 1 for one batch.

        Args:
            targets: (batch, num_labels), bool, integer or floating point in [0, 1]; at least 0.5 counts as 1, NaN is
                missing.
            state: from `init` or an earlier update.
            observed: (batch, num_labels), bool; False marks a missing target, whatever it holds.

        Returns:
            The new state, in the dtype of the old one.

        Raises:
            TypeError, ValueError: what was expected and what came.
        """
        targets, observed = unmask_labels(targets, observed)
        options: dict[str, Any] = {"num_labels": self.num_labels, "ignore_index": self.ignore_index}
        check_labels(metadata("targets", targets), optional_metadata("observed", observed), **options)
        state = self._checked(state)
        observed, complete = known_targets(self.validate, targets, observed, self.ignore_index)
        labels = split_labels(targets, observed, complete=complete)
        return advance(state, labels, self.settings, self.axis_name)

    def merge(self, earlier: RelationState, later: RelationState) -> RelationState:
        """Merge two parts of one run: `earlier` saw the first batches; `later` started empty and saw the rest.

        The result equals the state that saw all batches.
        """
        with jax.numpy_rank_promotion("allow"):  # a matrix of weights times a stack of counts
            return merge_states(self._checked(earlier), self._checked(later), self.settings.decay)

    def pairs(self, state: RelationState, *, positive_threshold: float = 0.8, negative_threshold: float = 0.2) -> Pairs:
        """The active pairs under these thresholds; printing them gives a table, or says that there is none."""
        settings = replace(self.settings, positive_threshold=positive_threshold, negative_threshold=negative_threshold)
        return active_pairs(state_on_host(self._checked(state)), settings, self.label_names)

    def report(
        self,
        path: str | os.PathLike[str],
        state: RelationState,
        *,
        positive_threshold: float | None = None,
        negative_threshold: float | None = None,
    ) -> None:
        """Write one HTML file on the relation, and on the pairs that a loss with these thresholds would act on.

        Copies the state to the host. The page loads nothing, and shows no row of any table. A threshold that is None
        lies at 0.8, the negative one at 0.2, of the measure's range.

        Raises:
            TypeError, ValueError: thresholds that are no numbers, or in the wrong order.
            OSError: the file cannot be written; one that exists stays as it was.
        """
        settings = with_thresholds(self.settings, positive_threshold, negative_threshold)
        saved = "relation.save({file}, state)"
        self.to_numpy(state)._write_report(path, settings, saved=saved, loss="obrl.jax.OBRLoss")

    def save(self, path: str | os.PathLike[str], state: RelationState) -> None:
        """Write the relation as an .npz (no pickle) that every framework of obrl can start from."""
        save_relation(path, state_on_host(self._checked(state)), with_thresholds(self.settings), self.label_names)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The relation in a file that any framework of obrl wrote: its settings and names; `init()` gives its state.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is no relation, is damaged, or has a newer format.
        """
        stored = obrl.OnlineBatchRelation.load(path)
        settings = stored.settings
        return cls(
            stored.num_labels,
            decay=settings.decay,
            measure=settings.measure,
            estimator=settings.estimator,
            label_names=stored.label_names,
            relation=stored,
        )

    def __repr__(self) -> str:
        options = {name: getattr(self, name) for name in ("axis_name", "validate", "ignore_index")}
        return f"OnlineBatchRelation({describe(self.num_labels, self.settings, thresholds=False, **options)})"


def update_relation(
    targets: Array,
    state: RelationState,
    *,
    observed: Array | None = None,
    decay: float = 0.99,
    measure: str = "unit_pearson",
    estimator: str = "batch",
    axis_name: AxisName | None = None,
    validate: bool | None = None,
    ignore_index: int | None = None,
) -> RelationState:
    """Eq. 1 for one batch, as a function; the arguments are those of `OnlineBatchRelation` and its `update`.

    Example:
        >>> import jax.numpy as jnp
        >>> state = update_relation(jnp.array([[1, 0], [0, 1], [1, 0]]), OnlineBatchRelation(2).init())
        >>> state.relation_weight
        Array([[1., 1.],
               [1., 1.]], dtype=float32)
    """
    num_labels = metadata("targets", unmask_labels(targets, observed)[0]).shape[-1:] or (1,)
    online = OnlineBatchRelation(
        num_labels[0],
        decay=decay,
        measure=measure,
        estimator=estimator,
        axis_name=axis_name,
        validate=validate,
        ignore_index=ignore_index,
    )
    return online.update(targets, state, observed=observed)
