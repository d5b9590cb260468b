"""Cases as tensors, and plain PyTorch code for the same loss."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from obrl import spec
from tests.support import tolerances
from tests.support.cases import Batch, Case
from tests.support.oracle import Expected, evaluate

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def laid_out(tensor: Tensor, layout: str) -> Tensor:
    """The same values, in another order of memory; see `tests.support.cases.laid_out`."""
    if layout == "rows":
        return tensor.contiguous()
    if layout == "columns":
        return tensor.t().contiguous().t()
    return tensor.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)[::2, ::2]


def arguments(batch: Batch, dtype: torch.dtype, *, update: bool = True, device: str = "cpu") -> dict[str, Any]:
    """What a call takes, with logits that want a gradient.

    Args:
        batch: the data.
        dtype: of the logits and the weights, and of floating targets where NumPy lacks it (bfloat16).
        update: whether to pass the batch's own `update`.
        device: of every tensor.
    """
    targets = torch.from_numpy(batch.targets.copy()).to(device)
    if dtype == torch.bfloat16 and targets.dtype == torch.float16:
        targets = targets.to(dtype)
    logits = laid_out(torch.from_numpy(batch.logits.copy()).to(device, dtype), batch.layout)
    keywords: dict[str, Any] = {"logits": logits.detach().requires_grad_(), "targets": laid_out(targets, batch.layout)}
    if batch.observed is not None:
        keywords["observed"] = laid_out(torch.from_numpy(batch.observed.copy()).to(device), batch.layout)
    if batch.sample_weight is not None:
        keywords["sample_weight"] = torch.from_numpy(batch.sample_weight.copy()).to(device, dtype)
    if update:
        keywords["update"] = batch.update
    return keywords


def values(tensor: Tensor) -> NDArray[Any]:
    """A tensor as NumPy, in float64 unless it is bool."""
    tensor = tensor.detach().cpu()
    return tensor.numpy() if tensor.dtype == torch.bool else tensor.double().numpy()


def holder(criterion: Any) -> Any:
    """The state of a module as NumPy."""
    names = ("relation_sum", "relation_weight", "relation")
    return SimpleNamespace(**{name: values(getattr(criterion, name)) for name in names})


def as_given(batch: Batch, logits: Tensor) -> Batch:
    """The batch with the logits that were given, after rounding to their dtype."""
    return replace(batch, logits=values(logits))


def plain_results(
    case: Case, batch: Batch, codes: spec.PairCodes, dtype: torch.dtype, device: str = "cpu"
) -> tolerances.Results:
    """The loss in ordinary PyTorch: binary cross-entropy and a (K, M, M) tensor of differences, by autograd."""
    logits = torch.from_numpy(batch.logits.copy()).to(device, dtype).requires_grad_()
    targets = torch.from_numpy(batch.targets.astype(np.float64)).to(device)
    known = ~targets.isnan()
    if batch.observed is not None:
        known &= torch.from_numpy(batch.observed.copy()).to(device)
    entropy = binary_cross_entropy_with_logits(
        logits,
        targets.where(known, 0).to(dtype),
        weight=known.to(dtype),
        pos_weight=None if case.pos_weight is None else torch.from_numpy(case.pos_weight).to(device, dtype),
        reduction="none",
    ).sum(dim=1)
    p = logits.sigmoid()
    square = (p[:, :, None] - p[:, None, :]) ** 2
    positive, negative = (torch.from_numpy(part).to(device, dtype) for part in codes[:2])
    pairs = case.num_labels**2 if case.normalization == "all_pairs" else max(codes.active, 1)
    relation = (positive * square + negative * (1 - square) ** 2).sum(dim=(1, 2)) / (2 * pairs)
    if batch.sample_weight is not None:
        weight = torch.from_numpy(batch.sample_weight.copy()).to(device, dtype)
        entropy, relation = entropy * weight, relation * weight
    terms = [_reduced(term, case.reduction) for term in (entropy + case.alpha * relation, entropy, relation)]
    total_slope, _, relation_slope = (
        values(torch.autograd.grad(term.sum(), logits, retain_graph=True)[0]) for term in terms
    )
    return tolerances.Results(*(values(term) for term in terms), total_slope, relation_slope)


def _reduced(term: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return term
    return term.sum() if reduction == "sum" else term.sum() / max(len(term), 1)


def expected_and_bounds(
    case: Case, batch: Batch, state: spec.SpecState, dtype: torch.dtype
) -> tuple[Expected, tolerances.Bounds]:
    """The specification for the logits that were given, and how far off a result may be.

    Args:
        case: what was run.
        batch: with the logits after rounding.
        state: of the specification, after the batch.
        dtype: of the logits.
    """
    expected = evaluate(case, batch, state, batch.logits)
    if dtype == torch.float64:
        return expected, tolerances.bounds(case, batch, expected)
    plain = plain_results(case, batch, expected.codes, torch.float32)
    returned = str(dtype).removeprefix("torch.")
    return expected, tolerances.lower_bounds(case, batch, expected, plain, computed="float32", returned=returned)
