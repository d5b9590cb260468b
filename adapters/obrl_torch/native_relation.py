"""The pair counts of a batch and Eq. 1 in the native code of a CPU, as operators; see `obrl_torch.native`."""

from __future__ import annotations

from ctypes import POINTER, Structure, c_double, c_int32, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from obrl_native import cpu
from obrl_torch.native import DTYPES, address, contiguous, operator


class Labels(Structure):
    """`obrl_labels` of `obrl_native/src/obrl_cpu.h`."""

    _fields_ = (
        *((name, c_void_p) for name in ("targets", "observed")),
        *((name, c_int64) for name in ("batch", "num_labels")),
        ("dtype", c_int32),
    )


class Relation(Structure):
    """`obrl_relation` of `obrl_native/src/obrl_cpu.h`."""

    _fields_ = (
        *((name, c_void_p) for name in ("sum", "weight")),
        *((name, c_double) for name in ("decay", "positive_threshold", "negative_threshold")),
        ("num_labels", c_int64),
        *((name, c_int32) for name in ("dtype", "measure", "counts")),
    )


def _countable(targets: Tensor) -> Tensor:
    """Cast targets to a dtype that the native code reads; `target >= 0.5` keeps its value."""
    if targets.dtype in DTYPES:
        return targets.contiguous()
    return (targets.float() if targets.is_floating_point() else targets > 0).contiguous()


def _labels(targets: Tensor, observed: Tensor | None) -> Labels:
    """A batch of contiguous tensors, which the caller keeps alive."""
    rows, num_labels = targets.shape
    return Labels(targets.data_ptr(), address(observed), rows, num_labels, DTYPES[targets.dtype])


def _count_pairs(targets: Tensor, observed: Tensor | None) -> Tensor:
    """The pair counts n, s and r of a batch, float64, (3, num_labels, num_labels)."""
    counts = _new_counts(targets, observed)
    targets, observed = _countable(targets), contiguous(observed)
    cpu.function(cpu.library(), "obrl_count", POINTER(Labels), c_void_p, c_int32)(
        _labels(targets, observed), counts.data_ptr(), torch.get_num_threads()
    )
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
    countable, observed = None if targets is None else _countable(targets), contiguous(observed)
    labels = None if countable is None else _labels(countable, observed)
    relation = Relation(
        relation_sum.data_ptr(),
        relation_weight.data_ptr(),
        decay,
        positive_threshold,
        negative_threshold,
        relation_weight.shape[0],
        DTYPES[relation_weight.dtype],
        cpu.MEASURES[measure],
        estimator == "counts",
    )
    types = (POINTER(Labels), c_void_p, POINTER(Relation), c_void_p, c_int32)
    cpu.function(cpu.library(), "obrl_move", *types)(
        labels, address(counts), relation, code.data_ptr(), torch.get_num_threads()
    )
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


def _fake_move(*arguments: Any) -> Tensor:
    return _new_code(arguments[4])


def _fake_code(*arguments: Any) -> Tensor:
    return _new_code(arguments[1])


count_pairs = operator("native_count_pairs", _count_pairs, _new_counts)
move_relation = operator("native_move_relation", _move_relation, _fake_move, ("relation_sum", "relation_weight"))
code_pairs = operator("native_code_pairs", _code_pairs, _fake_code)
