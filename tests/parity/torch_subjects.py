"""PyTorch, as the suite sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from obrl import spec
from obrl.torch import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss
from tests.parity.subjects import Found, Framework, State
from tests.support.cases import Batch, Case
from tests.support.tolerances import Results
from tests.torch.tensors import DTYPES, arguments, plain_results, values


class Relation:
    def __init__(self, case: Case, precision: str) -> None:
        relation = OnlineBatchRelation(case.num_labels, **case.accumulation)
        self.holder: Any = relation.double() if precision == "float64" else relation

    def state(self) -> State:
        return State(*(values(getattr(self.holder, name)) for name in State.__dataclass_fields__))

    def update(self, batch: Batch) -> None:
        given = arguments(batch, torch.float32)
        self.holder.update(given["targets"], given.get("observed"))


class Criterion(Relation):
    def __init__(self, holder: Any, dtype: str, terms: Any = None) -> None:
        self.holder = holder
        self.dtype = DTYPES[dtype]
        self._terms = terms or getattr(holder, "terms", None)

    def terms(self, batch: Batch) -> Found:
        given = arguments(batch, self.dtype)
        return found(tuple(self._terms(**given)), given["logits"])

    def call(self, batch: Batch) -> Found:
        given = arguments(batch, self.dtype)
        return found((self.holder(**given),), given["logits"])


def found(terms: tuple[Tensor, ...], logits: Tensor) -> Found:
    (gradient,) = torch.autograd.grad(terms[0].sum(), logits)
    names = [str(tensor.dtype).removeprefix("torch.") for tensor in (terms[0], gradient)]
    return Found(tuple(values(term) for term in terms), values(gradient), values(logits), *names)


def joint(case: Case, impl: str, dtype: str) -> Criterion:
    return Criterion(OBRLoss(case.num_labels, **case.arguments, impl=impl), dtype)


_COMPILED: dict[str, tuple[Any, Any]] = {}


def compiled_joint(case: Case, dtype: str) -> Criterion:
    key = f"{dtype} {case.num_labels} {case.arguments}"
    if key not in _COMPILED:
        holder = OBRLoss(case.num_labels, **case.arguments)
        _COMPILED[key] = holder, torch.compile(holder.terms, fullgraph=True, dynamic=False)
    holder, terms = _COMPILED[key]
    holder.reset()
    return Criterion(holder, dtype, terms)


def relation_criterion(case: Case, impl: str, dtype: str) -> Criterion:
    return Criterion(RelationLoss(case.num_labels, **case.relation_arguments, impl=impl), dtype)


def stateless(case: Case, batch: Batch, relation: NDArray[np.float64], impl: str, dtype: str) -> Found:
    logits = arguments(batch, DTYPES[dtype])["logits"]
    value = relation_loss(
        logits,
        torch.from_numpy(relation),
        **case.thresholds,
        normalization=case.normalization,
        reduction=case.reduction,
        impl=impl,
    )
    return found((value,), logits)


def plain(case: Case, batch: Batch, codes: spec.PairCodes) -> Results:
    return plain_results(case, batch, codes, torch.float32)


TORCH = Framework(
    name="torch",
    eager={"auto": tuple(DTYPES), "plain": tuple(DTYPES)},
    compiled=tuple(DTYPES),
    state="float32",
    joint=joint,
    compiled_joint=compiled_joint,
    relation_criterion=relation_criterion,
    stateless=stateless,
    relation=Relation,
    plain=plain,
    scale=0.9,
    ignored_warnings=(
        "ignore:.*should not be instantiated:DeprecationWarning",
        "ignore:.torch.jit:DeprecationWarning",
    ),
)

# The kernels, which `load` lets Triton interpret, slowly; they have no relation of their own, and compile nothing here.
# With 33 labels a matrix takes several tiles.
FUSED = replace(
    TORCH,
    eager={"fused": tuple(DTYPES)},
    compiled=(),
    compiled_joint=None,
    relation=None,
    label_counts=(1, 2, 5, 33),
    least_examples=200,
    scale=0.4,
)
