"""NumPy, as the suite sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import obrl
from obrl import spec
from tests.parity.subjects import Framework, Outcome, State
from tests.support.cases import Batch, Case, laid_out
from tests.support.other_losses import with_slopes
from tests.support.tolerances import Results


def arguments(batch: Batch) -> dict[str, Any]:
    return {
        "logits": laid_out(batch.logits, batch.layout),
        "targets": laid_out(batch.targets, batch.layout),
        "observed": None if batch.observed is None else laid_out(batch.observed, batch.layout),
        "sample_weight": batch.sample_weight,
        "update": batch.update,
    }


class Relation:
    def __init__(self, case: Case, precision: str) -> None:
        self.holder: Any = obrl.OnlineBatchRelation(case.num_labels, **case.accumulation)

    def state(self) -> State:
        return State(self.holder.relation_sum, self.holder.relation_weight, self.holder.relation)

    def update(self, batch: Batch) -> None:
        batch_arguments = arguments(batch)
        self.holder.update(batch_arguments["targets"], observed=batch_arguments["observed"])


class Criterion(Relation):
    def __init__(self, kind: Any, case: Case, settings: dict[str, Any], impl: str) -> None:
        self.holder = kind(case.num_labels, **settings, impl=impl)

    def terms(self, batch: Batch) -> Outcome:
        return outcome(*self.holder.value_and_grad(**arguments(batch)), batch)

    def call(self, batch: Batch) -> Outcome:
        values, gradient = self.holder.value_and_grad(**arguments(batch))
        return outcome(values[:1] if isinstance(values, obrl.LossTerms) else (values,), gradient, batch)


def outcome(values: Any, gradient: NDArray[Any], batch: Batch) -> Outcome:
    return Outcome(tuple(values), gradient, batch.logits, str(np.asarray(values[0]).dtype), str(gradient.dtype))


def joint(case: Case, impl: str, dtype: str) -> Criterion:
    return Criterion(obrl.OBRLoss, case, case.arguments, impl)


def relation_criterion(case: Case, impl: str, dtype: str) -> Criterion:
    return Criterion(obrl.RelationLoss, case, case.relation_arguments, impl)


def stateless(case: Case, batch: Batch, relation: NDArray[np.float64], impl: str, dtype: str) -> Outcome:
    """The value of `obrl.relation_loss`, which has no gradient, and that of a loss that starts from the matrix."""
    value = obrl.relation_loss(
        laid_out(batch.logits, batch.layout),
        relation,
        **case.thresholds,
        normalization=case.normalization,
        reduction=case.reduction,
    )
    settings = case.relation_arguments | {"estimator": "batch"}  # a matrix cannot start "counts"
    frozen = obrl.RelationLoss(case.num_labels, **settings, relation=relation, freeze=True)
    return outcome((value,), frozen.value_and_grad(batch.logits, batch.targets, observed=batch.observed)[1], batch)


def plain(case: Case, batch: Batch, codes: spec.PairCodes) -> Results:
    raise NotImplementedError("NumPy computes in float64 alone")


NUMPY = Framework(
    name="numpy",
    eager={"plain": ("float64",), "auto": ("float64",)},
    compiled=(),
    state="float64",
    functions=with_slopes(),
    joint=joint,
    compiled_joint=None,
    relation_criterion=relation_criterion,
    stateless=stateless,
    relation=Relation,
    plain=plain,
    scale=2.5,
)
