"""Online Batch Relation: Eq. 1 as pure functions over a state of two arrays."""

from __future__ import annotations

from typing import NamedTuple

from obrl.algebra import PairLaplacians, pair_laplacians
from obrl.counts import PairCounts
from obrl.measures import MEASURES, apply_measure
from obrl.namespace import Array, Namespace
from obrl.settings import Settings


class RelationState(NamedTuple):
    """The two accumulators of Eq. 1.

    Attributes:
        relation_sum: R_sb; for the estimator `"batch"` the decayed sum of batch relations, (num_labels, num_labels);
            for `"counts"` that of the pair counts n, s and r, (3, num_labels, num_labels).
        relation_weight: S, (num_labels, num_labels): each pair's own decayed number of batches.

    Example:
        >>> from obrl import OnlineBatchRelation
        >>> relation = OnlineBatchRelation(2, decay=0.5).update([[1, 1], [0, 0]]).update([[1, 0], [0, 1]])
        >>> state = RelationState(relation.relation_sum, relation.relation_weight)
        >>> float(state.relation_sum[0, 1]), float(state.relation_weight[0, 1])  # 0.5 * 1 + 0, and 0.5 * 1 + 1
        (0.5, 1.5)
    """

    relation_sum: Array
    relation_weight: Array


def state_shapes(num_labels: int, estimator: str) -> RelationState:
    """The shapes of the two accumulators."""
    matrix = (num_labels, num_labels)
    return RelationState((3, *matrix) if estimator == "counts" else matrix, matrix)


def batch_evidence(ns: Namespace, counts: PairCounts, settings: Settings, *, like: Array) -> RelationState:
    """What one batch adds to the accumulators of Eq. 1: R_b and 1, or 0 and 0 for a pair that it leaves undefined.

    Args:
        ns: the framework's functions.
        counts: of the batch, in the dtype of the state.
        settings: measure and estimator count.
        like: the accumulator S.
    """
    if settings.estimator == "counts":
        batch = ns.unstack(ns.stack([counts.n, counts.s, counts.r], like=like))
        defined = ns.cast(batch[0] > 0, like=like)
        return RelationState(ns.stack([defined * count for count in batch], like=like), defined)
    batch, defined = apply_measure(ns, settings.measure, counts)
    batch *= defined
    return RelationState(batch, defined)


def remaining_share(evidence: RelationState, decay: float) -> Array:
    """What a batch leaves of the accumulators, (num_labels, num_labels): lambda where a pair is defined, else 1.

    In arithmetic, since on a CPU a `where` costs as much as twenty products.
    """
    remaining = evidence.relation_weight * (decay - 1.0)
    remaining += 1.0
    return remaining


def update_state(ns: Namespace, state: RelationState, counts: PairCounts, settings: Settings) -> RelationState:
    """Eq. 1 for one batch, pair by pair; a pair that the batch leaves undefined stays as it was.

    Args:
        ns: the framework's functions.
        state: the accumulators.
        counts: of the batch, in the dtype of the state.
        settings: decay (lambda), measure and estimator count.

    Returns:
        The new accumulators.
    """
    return add_evidence(ns, state, batch_evidence(ns, counts, settings, like=state.relation_weight), settings)


def add_evidence(ns: Namespace, state: RelationState, evidence: RelationState, settings: Settings) -> RelationState:
    """Eq. 1 with what `batch_evidence` says of a batch."""
    total, weight = state
    batch, defined = evidence
    remaining = remaining_share(evidence, settings.decay)
    if settings.estimator == "counts":  # one matrix at a time: JAX may forbid to multiply a stack by a matrix
        total = ns.stack([remaining * part for part in ns.unstack(total)], like=weight)
    else:
        total = remaining * total
    return RelationState(total + batch, remaining * weight + defined)  # Eq. 1: R_sb <- lambda R_sb + R_b


def known_relation(ns: Namespace, state: RelationState, settings: Settings) -> tuple[Array, Array]:
    """R_g where there is evidence.

    Returns:
        The relation, (num_labels, num_labels), finite but arbitrary where there is no evidence, and a bool array that
        says where there is.
    """
    if settings.estimator == "counts":
        n, s, r = ns.unstack(state.relation_sum)
        value, defined = apply_measure(ns, settings.measure, PairCounts(n, s, r, ns.transpose(r)))
        return value, defined > 0
    known = state.relation_weight > 0
    weight = state.relation_weight + (1.0 - ns.cast(known, like=state.relation_weight))
    return state.relation_sum / weight, known  # Eq. 1: R_g = R_sb / S


def select_pairs(ns: Namespace, state: RelationState, settings: Settings) -> tuple[Array, Array]:
    """Eq. 3: which pairs are pulled together and which are pushed apart.

    Returns:
        `positive_pairs` f_p and `negative_pairs` f_n, bool, (num_labels, num_labels), False on the diagonal and where
        there is no evidence; not yet symmetrised.
    """
    r_p, r_n = settings.positive_threshold, settings.negative_threshold
    if settings.estimator == "counts":
        value, known = known_relation(ns, state, settings)
        positive, negative = threshold_pairs(ns, value, known, r_p, r_n)
        if is_symmetric(settings):
            # Averages of counts are rounded, so (i, j) and (j, i) may differ in their last digit.
            positive, negative = positive & ns.transpose(positive), negative & ns.transpose(negative)
        return positive, negative
    weight = state.relation_weight
    # R_g >= r_p without a division: R_sb >= r_p S where S > 0.
    return threshold_pairs(ns, state.relation_sum, weight > 0, r_p * weight, r_n * weight)


def threshold_pairs(
    ns: Namespace,
    relation: Array,
    known: Array,
    positive_threshold: Array | float,
    negative_threshold: Array | float,
) -> tuple[Array, Array]:
    """Eq. 3 on a relation, where `known` and off the diagonal."""
    candidate = known & ~ns.eye(like=relation)
    return (relation >= positive_threshold) & candidate, (relation <= negative_threshold) & candidate


def state_laplacians(
    ns: Namespace, state: RelationState, settings: Settings, *, num_labels: int, like: Array
) -> PairLaplacians:
    """Eq. 3 on a state, in the form that the algebra takes, in the dtype of `like`."""
    positive, negative = select_pairs(ns, state, settings)
    return pair_laplacians(
        ns,
        positive,
        negative,
        num_labels=num_labels,
        symmetric=is_symmetric(settings),
        normalization=settings.normalization,
        like=like,
    )


def relation_laplacians(
    ns: Namespace,
    relation: Array,
    known: Array,
    positive_threshold: float,
    negative_threshold: float,
    *,
    normalization: str,
    like: Array,
) -> PairLaplacians:
    """Eq. 3 on a relation that a user hands in, where `known`; each direction of a pair counts half."""
    positive, negative = threshold_pairs(ns, relation, known, positive_threshold, negative_threshold)
    return pair_laplacians(
        ns,
        positive,
        negative,
        num_labels=relation.shape[0],
        symmetric=False,
        normalization=normalization,
        like=like,
    )


def merge_states(earlier: RelationState, later: RelationState, decay: float) -> RelationState:
    """Merge two parts of one run: `earlier` saw the first batches; `later` started empty and saw the rest.

    The result equals the state that saw all batches. After n updates from nothing the weight is
    1 + lambda + ... + lambda^(n-1), so lambda^n = 1 - (1 - lambda) weight, pair by pair, and no counter is needed.
    """
    remaining = 1.0 - (1.0 - decay) * later.relation_weight
    return RelationState(
        remaining * earlier.relation_sum + later.relation_sum,
        remaining * earlier.relation_weight + later.relation_weight,
    )


def scaled_counts(state: RelationState, weight: float) -> RelationState:
    """The mean counts of a state of the estimator `"counts"` with this weight, where there is evidence."""
    known = state.relation_weight > 0
    return RelationState(state.relation_sum * (weight / (state.relation_weight + ~known)), weight * known)


def is_symmetric(settings: Settings) -> bool:
    """Whether the relation of (i, j) is always that of (j, i)."""
    return MEASURES[settings.measure].symmetric
