"""PyTorch, as the suite sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from obrl import spec
from obrl.torch import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss
from obrl_torch.namespace import TORCH as NAMESPACE
from tests.parity.subjects import Framework, NoDeviceError, Outcome, State
from tests.parity.templates import TEMPLATES
from tests.support.cases import Batch, Case
from tests.support.other_losses import functions
from tests.support.tolerances import Results
from tests.torch.tensors import DTYPES, arguments, plain_results, values


class Relation:
    def __init__(self, holder: Any, device: str) -> None:
        self.holder = holder
        self.device = device

    def state(self) -> State:
        return State(*(values(getattr(self.holder, name)) for name in State.__dataclass_fields__))

    def update(self, batch: Batch) -> None:
        call = arguments(batch, torch.float32, device=self.device)
        self.holder.update(call["targets"], observed=call.get("observed"))


class Criterion(Relation):
    def __init__(self, holder: Any, dtype: str, device: str, terms: Any = None) -> None:
        super().__init__(holder, device)
        self.dtype = DTYPES[dtype]
        self.terms_of = terms or getattr(holder, "terms", None)

    def terms(self, batch: Batch) -> Outcome:
        call = arguments(batch, self.dtype, device=self.device)
        return outcome(tuple(self.terms_of(**call)), call["logits"])

    def call(self, batch: Batch) -> Outcome:
        call = arguments(batch, self.dtype, device=self.device)
        return outcome((self.holder(**call),), call["logits"])


def outcome(terms: tuple[Tensor, ...], logits: Tensor) -> Outcome:
    (gradient,) = torch.autograd.grad(terms[0].sum(), logits)
    names = [str(tensor.dtype).removeprefix("torch.") for tensor in (terms[0], gradient)]
    return Outcome(tuple(values(term) for term in terms), values(gradient), values(logits), *names)


_COMPILED: dict[str, tuple[Any, Any]] = {}


@dataclass(frozen=True)
class On:
    """What `Framework` asks for, with modules and tensors on one device."""

    device: str
    compiled_impl: str = "auto"

    def joint(self, case: Case, impl: str, dtype: str) -> Criterion:
        holder = OBRLoss(case.num_labels, **case.arguments, impl=impl).to(self.device)
        return Criterion(holder, dtype, self.device)

    def compiled_joint(self, case: Case, dtype: str) -> Criterion:
        key = f"{self.device} {dtype} {case.num_labels} {case.arguments}"
        if key not in _COMPILED:
            holder = OBRLoss(case.num_labels, **case.arguments, impl=self.compiled_impl).to(self.device)
            compiled = torch.compile(holder.terms, fullgraph=True, dynamic=False)

            def call(**tensors: Any) -> Any:
                # Every template compiles the same method.
                with torch._dynamo.config.patch(recompile_limit=len(TEMPLATES)):
                    return compiled(**tensors)

            _COMPILED[key] = holder, call
        holder, terms = _COMPILED[key]
        holder.reset()
        return Criterion(holder, dtype, self.device, terms)

    def relation_criterion(self, case: Case, impl: str, dtype: str) -> Criterion:
        holder = RelationLoss(case.num_labels, **case.relation_arguments, impl=impl).to(self.device)
        return Criterion(holder, dtype, self.device)

    def relation(self, case: Case, precision: str) -> Relation:
        relation = OnlineBatchRelation(case.num_labels, **case.accumulation).to(self.device)
        return Relation(relation.double() if precision == "float64" else relation, self.device)

    def stateless(self, case: Case, batch: Batch, relation: NDArray[np.float64], impl: str, dtype: str) -> Outcome:
        logits = arguments(batch, DTYPES[dtype], device=self.device)["logits"]
        value = relation_loss(
            logits,
            torch.from_numpy(relation).to(self.device),
            **case.thresholds,
            normalization=case.normalization,
            reduction=case.reduction,
            impl=impl,
        )
        return outcome((value,), logits)

    def plain(self, case: Case, batch: Batch, codes: spec.PairCodes) -> Results:
        return plain_results(case, batch, codes, torch.float32, self.device)


def moved(framework: Framework, device: str) -> Framework:
    """The same framework with its subjects on another device."""
    if device == "cuda" and not torch.cuda.is_available():
        raise NoDeviceError("--device cuda needs a CUDA device, and torch sees none")
    subjects = On(device)
    replaced = {name: getattr(subjects, name) for name in SUBJECTS if getattr(framework, name) is not None}
    return replace(framework, **replaced)


SUBJECTS = ("plain", "joint", "compiled_joint", "relation_criterion", "stateless", "relation")
_CPU = On("cpu")
plain = _CPU.plain
"""What Keras's PyTorch backend is compared with, too."""

TORCH = Framework(
    name="torch",
    eager={"auto": tuple(DTYPES), "plain": tuple(DTYPES)},
    compiled=tuple(DTYPES),
    state="float32",
    functions=functions(NAMESPACE, torch.log),
    **{name: getattr(_CPU, name) for name in SUBJECTS},
    on=lambda device: moved(TORCH, device),
    scale=0.9,
    ignored_warnings=("ignore:.*should not be instantiated:DeprecationWarning", "ignore:.torch.jit:DeprecationWarning"),
)

# The native code of a CPU, which computes losses only.
NATIVE = replace(
    TORCH,
    eager={"fused": tuple(DTYPES)},
    compiled_joint=On("cpu", compiled_impl="fused").compiled_joint,
    relation=None,
    on=None,
    scale=2.0,
)

# Triton's kernels, which compute losses only; on a CPU `load` has Triton interpret them, which is slow. 17 labels take
# several tiles of a matrix.
FUSED = replace(
    TORCH,
    eager={"fused": tuple(DTYPES)},
    compiled=(),
    compiled_joint=None,
    relation=None,
    on=lambda device: moved(FUSED, device),
    label_counts=(1, 2, 5, 17),
    max_batches=2,
    least_examples=200,
    scale=0.4,
)
