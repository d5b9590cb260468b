"""The specification run over a case, with which every implementation is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from obrl import spec
from tests.support.cases import Batch, Case


@dataclass(frozen=True)
class Expected:
    """The results of the specification after one batch."""

    state: spec.SpecState
    relation: NDArray[np.float64]
    codes: spec.PairCodes
    terms: spec.SpecTerms
    relation_value: Any
    relation_gradient: NDArray[np.float64]


def trajectory(case: Case) -> list[spec.SpecState]:
    """The state after every batch."""
    state = spec.initial_state(case.num_labels, estimator=case.estimator)
    states = []
    for batch in case.batches:
        if batch.moves:
            state = spec.update(state, batch.targets, batch.observed, **case.accumulation)
        states.append(state)
    return states


def relations(case: Case) -> list[NDArray[np.float64]]:
    """The relation after every batch."""
    return [spec.relation(state, measure=case.measure) for state in trajectory(case)]


def evaluate(case: Case, batch: Batch, state: spec.SpecState, logits: NDArray[np.float64]) -> Expected:
    """The losses of one batch under a state that has already seen it."""
    relation = spec.relation(state, measure=case.measure)
    codes = spec.pair_codes(relation, **case.thresholds)
    common: dict[str, Any] = {"normalization": case.normalization}
    terms = spec.terms(
        logits,
        batch.targets,
        batch.observed,
        codes=codes,
        alpha=case.alpha,
        reduction=case.reduction,
        pos_weight=case.pos_weight,
        sample_weight=batch.sample_weight,
        **common,
    )
    weight = np.ones(batch.size) if batch.sample_weight is None else batch.sample_weight
    scale = weight / max(batch.size, 1) if case.reduction == "mean" else weight
    return Expected(
        state=state,
        relation=relation,
        codes=codes,
        terms=terms,
        relation_value=spec.reduce_samples(weight * spec.relation_loss(logits, codes, **common), case.reduction),
        relation_gradient=scale[:, None] * spec.relation_loss_gradient(logits, codes, **common),
    )


def run(case: Case) -> list[Expected]:
    """The specification over all batches of a case."""
    return [
        evaluate(case, batch, state, batch.logits) for batch, state in zip(case.batches, trajectory(case), strict=True)
    ]
