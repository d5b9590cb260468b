"""A case run through the pure functions alone, on the arrays of any framework."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from obrl import algebra
from obrl.counts import pair_counts
from obrl.namespace import Namespace
from obrl.online import (
    RelationState,
    is_symmetric,
    known_relation,
    merge_states,
    select_pairs,
    state_shapes,
    update_state,
)
from obrl.problem import Problem, evaluate
from obrl.settings import Settings
from tests.support import tolerances
from tests.support.cases import Batch, Case
from tests.support.compare import assert_loss_terms, assert_relation_loss, assert_state
from tests.support.oracle import Expected, run

Wrap = Callable[[Any], Any]


def split(batch: Batch) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None, NDArray[np.float64]]:
    """Which targets are 1, which are known (None where all are), and the targets without NaN."""
    targets = batch.targets.astype(np.float64)
    known = ~np.isnan(targets)
    if batch.observed is not None:
        known = known & batch.observed
    positive = (known & (targets >= 0.5)).astype(np.float64)
    return positive, None if known.all() else known, np.where(known, targets, 0.0)


def check(case: Case, ns: Namespace, wrap: Wrap, unwrap: Wrap) -> None:
    """Run every batch of a case and compare with the specification in float64.

    Args:
        case: what to run.
        ns: the framework's functions.
        wrap: a NumPy array as an array of the framework.
        unwrap: the way back.
    """
    settings = Settings(**case.accumulation, **case.thresholds, alpha=case.alpha, normalization=case.normalization)
    shapes = state_shapes(case.num_labels, case.estimator)
    states = [RelationState(*(wrap(np.zeros(shape)) for shape in shapes))]
    later = states[0]
    for position, (batch, expected) in enumerate(zip(case.batches, run(case), strict=True)):
        if batch.moves:
            positive, known, _ = split(batch)
            observed = None if known is None else wrap(known.astype(np.float64))
            counts = pair_counts(ns, wrap(positive), observed, float(batch.size))
            states.append(update_state(ns, states[-1], counts, settings))
            later = update_state(ns, later, counts, settings) if position else later
        value, defined = known_relation(ns, states[-1], settings)
        assert_state(case, expected, _holder(states[-1], value, defined, unwrap))
        _check_losses(case, batch, expected, _Run(ns, settings, states[-1], wrap, unwrap))
    if case.batches[0].moves:
        merged = merge_states(states[1], later, case.decay)
        size = tolerances.band(4 * len(case.batches), np.maximum(np.abs(unwrap(merged.relation_sum)), 1))
        tolerances.assert_close("merged", unwrap(merged.relation_sum), unwrap(states[-1].relation_sum), size)


class _Run(SimpleNamespace):
    def __init__(self, ns: Namespace, settings: Settings, state: RelationState, wrap: Wrap, unwrap: Wrap) -> None:
        super().__init__(ns=ns, settings=settings, state=state, wrap=wrap, unwrap=unwrap)


def _holder(state: RelationState, value: Any, defined: Any, unwrap: Wrap) -> Any:
    shape = unwrap(state.relation_weight).shape
    return SimpleNamespace(
        relation_sum=unwrap(state.relation_sum),
        relation_weight=unwrap(state.relation_weight),
        relation=np.broadcast_to(np.where(unwrap(defined), unwrap(value), np.nan), shape),
    )


def _check_losses(case: Case, batch: Batch, expected: Expected, run: Any) -> None:
    positive, negative = select_pairs(run.ns, run.state, run.settings)
    tolerances.assert_exact("f_p", run.unwrap(positive), expected.codes.positive)
    tolerances.assert_exact("f_n", run.unwrap(negative), expected.codes.negative)
    logits = run.wrap(batch.logits)
    pairs = algebra.pair_laplacians(
        run.ns,
        positive,
        negative,
        num_labels=case.num_labels,
        symmetric=is_symmetric(run.settings),
        normalization=case.normalization,
        like=run.state.relation_weight,
    )
    _, known, targets = split(batch)
    weight = None if batch.sample_weight is None else run.wrap(batch.sample_weight[:, None])
    problem = Problem(
        targets=run.wrap(targets),
        observed=None if known is None else run.wrap(known),
        sample_weight=weight,
        pos_weight=None if case.pos_weight is None else run.wrap(case.pos_weight[None]),
        pairs=pairs,
        alpha=case.alpha,
        reduction=case.reduction,
        rows=batch.size,
    )
    terms, (slope,) = evaluate(run.ns, logits, problem, gradients_of="total")
    reduced_terms = algebra.LossTerms(*(run.unwrap(term) for term in terms))
    assert_loss_terms(case, batch, expected, reduced_terms, run.unwrap(slope))
    (value,), (slope,) = evaluate(run.ns, logits, problem._replace(targets=None), gradients_of="total")
    assert_relation_loss(case, batch, expected, run.unwrap(value), run.unwrap(slope))
    assert np.isfinite(run.unwrap(slope)).all()
