"""`impl="fused"` on a CPU: the relation and the loss in native code, as operators of torch.

In eager mode the code is called as it is; an operator stands for it where something else must see every operation: a
graph that is compiled, or a dispatch mode.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from obrl import measures
from obrl_native import cpu
from obrl_torch import host

_DTYPES = {torch.bool: cpu.UINT8, torch.uint8: cpu.UINT8, torch.float32: cpu.FLOAT32, torch.float64: cpu.FLOAT64}

Terms = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""L, L_E, L_B and two gradients."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _in_eager_mode(function: Callable[_P, _R], operator: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function where nothing need see it, and else the operator that it is registered as."""

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return (operator if host.is_hidden() else function)(*args, **kwargs)

    return call


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _countable(targets: Tensor) -> Tensor:
    """Targets in a dtype that is counted, with one half where it was."""
    if targets.dtype in _DTYPES:
        return targets.contiguous()
    return (targets.float() if targets.is_floating_point() else targets > 0).contiguous()


def _labels(targets: Tensor, observed: Tensor | None) -> cpu.Labels:
    """A batch of contiguous tensors."""
    rows, num_labels = targets.shape
    return cpu.Labels(targets.data_ptr(), _address(observed), rows, num_labels, _DTYPES[targets.dtype])


def _count_pairs(targets: Tensor, observed: Tensor | None) -> Tensor:
    """The pair counts n, s and r of a batch, float64, (3, num_labels, num_labels)."""
    num_labels = targets.shape[1]
    counts = torch.empty((3, num_labels, num_labels), dtype=torch.float64)
    known = None if observed is None else observed.contiguous()
    countable = _countable(targets)
    cpu.library().count(_labels(countable, known), counts.data_ptr(), torch.get_num_threads())
    return counts


def _move_relation(
    targets: Tensor | None,
    observed: Tensor | None,
    counts: Tensor | None,
    relation_sum: Tensor,
    relation_weight: Tensor,
    decay: float,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
) -> Tensor:
    """Eq. 1 in place, for a batch of labels or else for its counts; and the codes of the pairs then.

    Returns:
        uint8, (num_labels, num_labels): a + 4 b, twice the symmetric weights of the positive and negative pairs.
    """
    num_labels = relation_weight.shape[0]
    code = torch.empty((num_labels, num_labels), dtype=torch.uint8)
    countable = None if targets is None else _countable(targets)
    known = None if observed is None else observed.contiguous()
    relation = cpu.Relation(
        relation_sum.data_ptr(),
        relation_weight.data_ptr(),
        decay,
        positive_threshold,
        negative_threshold,
        num_labels,
        _DTYPES[relation_weight.dtype],
        cpu.MEASURES[measure],
        measures.MEASURES[measure].symmetric,
        estimator == "counts",
    )
    labels = None if countable is None else _labels(countable, known)
    cpu.library().move(labels, _address(counts), relation, code.data_ptr(), torch.get_num_threads())
    increment_version((relation_sum, relation_weight))
    return code


def _loss_terms(
    logits: Tensor,
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Tensor | None,
    code: Tensor,
    alpha: float,
    normalization: str,
    reduction: str,
    gradient: str,
    dtype: torch.dtype,
) -> Terms:
    """L, L_E and L_B, of which the first two mean nothing without targets; and up to two gradients, else empty."""
    made = _new_terms(logits, targets, reduction, gradient, dtype)
    x = logits.to(dtype).contiguous()
    if targets is not None:
        targets = (targets if targets.dtype in (torch.bool, torch.uint8) else targets.to(dtype)).contiguous()
    observed = None if observed is None else observed.contiguous()
    sample_weight = None if sample_weight is None else sample_weight.to(dtype).contiguous()
    pos_weight = None if pos_weight is None else pos_weight.to(dtype).contiguous()
    arguments = cpu.LossArguments(
        x.data_ptr(),
        _address(targets),
        _address(observed),
        _address(sample_weight),
        _address(pos_weight),
        code.data_ptr(),
        *(part.data_ptr() for part in made),
        alpha,
        *x.shape,
        _DTYPES[dtype],
        _DTYPES[dtype if targets is None else targets.dtype],
        cpu.REDUCTIONS[reduction],
        cpu.GRADIENTS[gradient],
        targets is not None,
        normalization == "active_pairs",
    )
    cpu.library().loss(arguments, torch.get_num_threads())
    return made


def _new_terms(logits: Tensor, targets: Tensor | None, reduction: str, gradient: str, dtype: torch.dtype) -> Terms:
    """Room for the terms, and for the gradients that are asked for."""
    value = logits.shape[:1] if reduction == "none" else ()
    none = (0,)
    first = none if gradient == "none" else logits.shape
    second = logits.shape if gradient == "parts" and targets is not None else none
    return (
        torch.empty(value, dtype=dtype, device=logits.device),
        torch.empty(value, dtype=dtype, device=logits.device),
        torch.empty(value, dtype=dtype, device=logits.device),
        torch.empty(first, dtype=dtype, device=logits.device),
        torch.empty(second, dtype=dtype, device=logits.device),
    )


# `custom_op` would put two kernels for autograd in front of each, in Python, which cost more than the call.
_LIBRARY = torch.library.Library("obrl", "FRAGMENT")


def _operator(function: Callable[..., Any], mutated: Sequence[str] = ()) -> str:
    """Register a function as an operator; returns its name."""
    name = f"native{function.__name__}"
    schema = torch.library.infer_schema(function, mutates_args=mutated)
    _LIBRARY.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
    _LIBRARY.impl(name, function, "CPU")
    return f"obrl::{name}"


@torch.library.register_fake(_operator(_count_pairs), lib=_LIBRARY)
def _(targets: Tensor, observed: Tensor | None) -> Tensor:
    return targets.new_empty((3, targets.shape[1], targets.shape[1]), dtype=torch.float64)


@torch.library.register_fake(_operator(_move_relation, ("relation_sum", "relation_weight")), lib=_LIBRARY)
def _(
    targets: Tensor | None,
    observed: Tensor | None,
    counts: Tensor | None,
    relation_sum: Tensor,
    relation_weight: Tensor,
    decay: float,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
) -> Tensor:
    return torch.empty_like(relation_weight, dtype=torch.uint8)


@torch.library.register_fake(_operator(_loss_terms), lib=_LIBRARY)
def _(
    logits: Tensor,
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Tensor | None,
    code: Tensor,
    alpha: float,
    normalization: str,
    reduction: str,
    gradient: str,
    dtype: torch.dtype,
) -> Terms:
    return _new_terms(logits, targets, reduction, gradient, dtype)


count_pairs = _in_eager_mode(_count_pairs, torch.ops.obrl.native_count_pairs.default)
move_relation = _in_eager_mode(_move_relation, torch.ops.obrl.native_move_relation.default)
loss_terms = _in_eager_mode(_loss_terms, torch.ops.obrl.native_loss_terms.default)
