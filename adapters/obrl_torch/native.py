"""`impl="fused"` on a CPU: the relation and the loss in native code, as operators of torch.

Like the operators of a GPU these check nothing and differentiate nothing: `obrl_torch.loss` has checked, and
`obrl_torch.functions` differentiates.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from obrl_native import cpu
from obrl_torch.opaque import operator

_DTYPES = {torch.bool: cpu.UINT8, torch.uint8: cpu.UINT8, torch.float32: cpu.FLOAT32, torch.float64: cpu.FLOAT64}


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
    counts = _new_counts(targets)
    known = None if observed is None else observed.contiguous()
    countable = _countable(targets)
    cpu.library().count(_labels(countable, known), counts.data_ptr(), torch.get_num_threads())
    return counts


def _new_counts(targets: Tensor) -> Tensor:
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
    """Eq. 1 in place, for a batch of labels or else for its counts; and the codes of the pairs then.

    Returns:
        uint8, (num_labels, num_labels): a + 4 b, twice the symmetric weights of the positive and negative pairs.
    """
    code = _new_code(relation_weight)
    known = None if observed is None else observed.contiguous()
    countable = None if targets is None else _countable(targets)
    labels = None if countable is None else _labels(countable, known)
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
        _have_changed(relation_sum, relation_weight)
    return code


def _have_changed(*buffers: Tensor) -> None:
    """Tell autograd, which sees operations alone."""
    for buffer in buffers:
        if not buffer.is_inference():
            increment_version(buffer)


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
    """What `_move_relation` gives, of a relation that stays as it is."""
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
        and of L_B with `"parts"`. Without: L_B, and its gradient unless `"none"` is asked for.
    """
    made = _new_terms(logits, targets, reduction, gradient, dtype)
    slots: list[int | None] = [part.data_ptr() for part in made]
    if targets is None:
        slots = [None, None, *slots]
    elif gradient == "total":
        slots = [slots[0], None, None, slots[1]]
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
        *slots,
        *[None] * (5 - len(slots)),
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


def _new_terms(
    logits: Tensor, targets: Tensor | None, reduction: str, gradient: str, dtype: torch.dtype
) -> list[Tensor]:
    """Room for what `_loss_terms` gives."""
    value = logits.shape[:1] if reduction == "none" else ()
    parts = targets is not None and gradient != "total"
    shapes = [value] * (3 if parts else 1)
    if gradient != "none":
        shapes += [logits.shape] * (2 if parts else 1)
    return [torch.empty(shape, dtype=dtype, device=logits.device) for shape in shapes]


# What a fake version needs of the arguments, by their places.
count_pairs = operator("native_count_pairs", _count_pairs, lambda targets, _: _new_counts(targets))
move_relation = operator(
    "native_move_relation",
    _move_relation,
    lambda *arguments: _new_code(arguments[4]),
    ("relation_sum", "relation_weight"),
)
code_pairs = operator("native_code_pairs", _code_pairs, lambda *arguments: _new_code(arguments[1]))
loss_terms = operator(
    "native_loss_terms", _loss_terms, lambda logits, targets, *rest: _new_terms(logits, targets, *rest[-3:])
)
