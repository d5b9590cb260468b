"""The native code of a CPU on tensors: counts, Eq. 1 and the loss.

Each function is called directly in eager mode; under `torch.compile`, tracing, dispatch modes and for subclasses of
Tensor it is called as a registered operator, `torch.ops.obrl.native_...`. The functions check nothing and
differentiate nothing: `obrl_torch.criterion` does both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version
from torch.nn import Parameter

from obrl_native import cpu
from obrl_torch.compat import is_recorded

_DTYPES = {torch.bool: cpu.UINT8, torch.uint8: cpu.UINT8, torch.float32: cpu.FLOAT32, torch.float64: cpu.FLOAT64}
# Not `torch.library.custom_op`: it wraps each operator in two Python kernels for autograd, slower than the operator.
_LIBRARY = torch.library.Library("obrl", "FRAGMENT")


def _operator(
    function: Callable[..., Any], fake: Callable[..., Any], mutated: Sequence[str] = ()
) -> Callable[..., Any]:
    """Register a function as the operator `obrl::native_NAME`, and call it directly where nothing needs to see it.

    Args:
        function: `_NAME`; its annotations give the operator's schema.
        fake: takes the same arguments and gives empty tensors of the shapes and dtypes of the result.
        mutated: the names of the arguments that it writes into.
    """
    name = f"native{function.__name__}"
    schema = torch.library.infer_schema(function, mutates_args=mutated)
    _LIBRARY.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
    _LIBRARY.impl(name, function, "CPU")
    torch.library.register_fake(f"obrl::{name}", fake, lib=_LIBRARY)
    registered = getattr(torch.ops.obrl, name).default

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return (function if _are_eager(arguments) else registered)(*arguments)

    return call


def _are_eager(arguments: Sequence[Any]) -> bool:
    """Whether nothing but the function needs to see these arguments."""
    if is_recorded():
        return False
    return all(type(argument) in (Tensor, Parameter) for argument in arguments if isinstance(argument, Tensor))


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _countable(targets: Tensor) -> Tensor:
    """Cast targets to a dtype that the native code reads; `target >= 0.5` keeps its value."""
    if targets.dtype in _DTYPES:
        return targets.contiguous()
    return (targets.float() if targets.is_floating_point() else targets > 0).contiguous()


def _labels(targets: Tensor, observed: Tensor | None) -> cpu.Labels:
    """A batch of contiguous tensors, which the caller keeps alive."""
    rows, num_labels = targets.shape
    return cpu.Labels(targets.data_ptr(), _address(observed), rows, num_labels, _DTYPES[targets.dtype])


def _count_pairs(targets: Tensor, observed: Tensor | None) -> Tensor:
    """The pair counts n, s and r of a batch, float64, (3, num_labels, num_labels)."""
    counts = _new_counts(targets, observed)
    targets, observed = _countable(targets), _contiguous(observed)
    cpu.library().count(_labels(targets, observed), counts.data_ptr(), torch.get_num_threads())
    return counts


def _new_counts(targets: Tensor, observed: Tensor | None) -> Tensor:
    num_labels = targets.shape[1]
    return torch.empty((3, num_labels, num_labels), dtype=torch.float64, device=targets.device)


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
    """Eq. 1 in place, for a batch of targets or else for its counts (neither: no update), then Eq. 3.

    Returns:
        The coded pairs, uint8, (num_labels, num_labels): a + 4 b, where a and b are twice the symmetric weights of the
        positive and the negative pairs.
    """
    code = _new_code(relation_weight)
    countable, observed = None if targets is None else _countable(targets), _contiguous(observed)
    labels = None if countable is None else _labels(countable, observed)
    relation = cpu.Relation(
        relation_sum.data_ptr(),
        relation_weight.data_ptr(),
        decay,
        positive_threshold,
        negative_threshold,
        relation_weight.shape[0],
        _DTYPES[relation_weight.dtype],
        cpu.MEASURES[measure],
        estimator == "counts",
    )
    cpu.library().move(labels, _address(counts), relation, code.data_ptr(), torch.get_num_threads())
    if labels is not None or counts is not None:
        for buffer in (relation_sum, relation_weight):  # written behind autograd's back
            if not buffer.is_inference():
                increment_version(buffer)
    return code


def _new_code(relation_weight: Tensor) -> Tensor:
    return torch.empty_like(relation_weight, dtype=torch.uint8)


def _code_pairs(
    relation_sum: Tensor,
    relation_weight: Tensor,
    positive_threshold: float,
    negative_threshold: float,
    measure: str,
    estimator: str,
) -> Tensor:
    """The coded pairs, as `_move_relation` gives them, of a relation that stays as it is."""
    thresholds = (positive_threshold, negative_threshold)
    return _move_relation(None, None, None, relation_sum, relation_weight, 1.0, *thresholds, measure, estimator)


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
) -> list[Tensor]:
    """The loss and its gradient.

    Returns:
        With targets: L and its gradient with `"total"`; L, L_E and L_B with `"none"`; these and the gradients of L_E
        and of L_B with `"parts"`. Without: L_B, and its gradient unless `gradient` is `"none"`.
    """
    results = _new_terms(logits, targets, reduction, gradient, dtype)
    # Addresses of L, L_E, L_B and two gradients; None is not written.
    addresses: list[int | None] = [result.data_ptr() for result in results]
    if targets is None:
        addresses = [None, None, *addresses]
    elif gradient == "total":
        addresses = [addresses[0], None, None, addresses[1]]
    addresses += [None] * (5 - len(addresses))
    x = logits.to(dtype).contiguous()
    if targets is not None:
        targets = (targets if targets.dtype in (torch.bool, torch.uint8) else targets.to(dtype)).contiguous()
    observed = _contiguous(observed)
    sample_weight = None if sample_weight is None else sample_weight.to(dtype).contiguous()
    pos_weight = None if pos_weight is None else pos_weight.to(dtype).contiguous()
    arguments = cpu.LossArguments(
        x.data_ptr(),
        _address(targets),
        _address(observed),
        _address(sample_weight),
        _address(pos_weight),
        code.data_ptr(),
        *addresses,
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
    return results


def _new_terms(
    logits: Tensor, targets: Tensor | None, reduction: str, gradient: str, dtype: torch.dtype
) -> list[Tensor]:
    """Empty tensors for the results of `_loss_terms`."""
    value = logits.shape[:1] if reduction == "none" else ()
    parts = targets is not None and gradient != "total"
    shapes = [value] * (3 if parts else 1)
    if gradient != "none":
        shapes += [logits.shape] * (2 if parts else 1)
    return [torch.empty(shape, dtype=dtype, device=logits.device) for shape in shapes]


def _fake_move(*arguments: Any) -> Tensor:
    return _new_code(arguments[4])


def _fake_code(*arguments: Any) -> Tensor:
    return _new_code(arguments[1])


def _fake_terms(logits: Tensor, targets: Tensor | None, *others: Any) -> list[Tensor]:
    return _new_terms(logits, targets, *others[-3:])


count_pairs = _operator(_count_pairs, _new_counts)
move_relation = _operator(_move_relation, _fake_move, ("relation_sum", "relation_weight"))
code_pairs = _operator(_code_pairs, _fake_code)
loss_terms = _operator(_loss_terms, _fake_terms)
