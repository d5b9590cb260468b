"""`impl="fused"`: the relation and the loss in native code on a CPU, in Triton's kernels on a GPU.

On a GPU, up to 128 labels, one launch moves the relation and codes its pairs, one gives the loss and its gradient, and
one scales the gradient in backward. Second derivatives come from differentiating the plain loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from obrl.algebra import coded_laplacians
from obrl.online import RelationState
from obrl.settings import Settings
from obrl_torch import native
from obrl_torch.distributed import is_shared
from obrl_torch.fused import is_native
from obrl_torch.inputs import split_targets
from obrl_torch.namespace import TORCH
from obrl_torch.plain import PlainLoss, Tensors, chain, plain_loss


class Codes(NamedTuple):
    """The active pairs of a relation, as kernels and native code write them.

    Attributes:
        code: a + 4 b in 8 bits, where a and b are twice the symmetric weights of the positive and the negative pairs,
            (num_labels, num_labels); on a GPU its rows are padded with zeros.
        active: int32, on a GPU alone: partial sums of twice the number of active ordered pairs.
        counter: int32, on a GPU alone: one number that is 0 except while a kernel runs.
    """

    code: Tensor
    active: Tensor | None = None
    counter: Tensor | None = None


class FusedLoss(NamedTuple):
    """A loss to evaluate at some logits; the tensors are the user's, in any of their dtypes.

    Attributes:
        targets: (batch, num_labels), NaN where missing; None for L_B alone.
        observed: (batch, num_labels) bool, or None.
        sample_weight: (batch,), or None.
        pos_weight: (num_labels,), or None.
        codes: the pairs.
        alpha: weight of L_B.
        normalization: `"all_pairs"` or `"active_pairs"`.
        reduction: `"mean"`, `"sum"` or `"none"`.
    """

    targets: Tensor | None
    observed: Tensor | None
    sample_weight: Tensor | None
    pos_weight: Tensor | None
    codes: Codes
    alpha: float
    normalization: str
    reduction: str

    def evaluate(self, logits: Tensor, dtype: torch.dtype, gradient: str) -> tuple[Tensors, Tensors]:
        """As `PlainLoss.evaluate`, with two differences that `OnePass` allows for.

        On a CPU, `"total"` gives L alone; on a GPU, a gradient that was not asked for is an empty tensor.
        """
        tensors = (logits, self.targets, self.observed, self.sample_weight, self.pos_weight)
        options = (self.alpha, self.normalization, self.reduction, gradient, dtype)
        if self.codes.active is None:
            results = native.loss_terms(*tensors, self.codes.code, *options)
            count = 1 if self.targets is None or gradient == "total" else 3
            return tuple(results[:count]), tuple(results[count:])
        from obrl_torch import operators

        *terms, first, second = operators.loss_terms(*tensors, *self.codes, *options)
        return tuple(terms if self.targets is not None else terms[2:]), (first, second)

    def chain(self, gradients: Sequence[Tensor], upstream: Sequence[Tensor | None], dtype: torch.dtype) -> Tensor:
        """The gradient with respect to the logits in `dtype`, from what arrives for each term."""
        if self.codes.active is None:
            return chain(gradients, upstream, alpha=self.alpha, reduction=self.reduction, dtype=dtype)
        from obrl_torch import operators

        parts = len(upstream) == 3
        of_total, of_entropy, of_relation = upstream if parts else (upstream[0], None, None)
        second = gradients[1] if parts else None
        result: Tensor = operators.scale_gradients(
            gradients[0], second, of_total, of_entropy, of_relation, self.alpha, dtype
        )
        return result

    def plain(self, rows: int, dtype: torch.dtype) -> PlainLoss:
        """The same loss in operations that autograd differentiates."""
        num_labels = self.codes.code.shape[0]
        like = self.codes.code.new_empty((), dtype=dtype)
        code = self.codes.code[:, :num_labels]
        pairs = coded_laplacians(TORCH, code, normalization=self.normalization, like=like)
        labels = None if self.targets is None else split_targets(self.targets, self.observed, read_values=False)
        return plain_loss(
            None if labels is None else labels.targets,
            None if labels is None else labels.observed,
            self.sample_weight,
            self.pos_weight,
            pairs,
            alpha=self.alpha,
            reduction=self.reduction,
            rows=rows,
            dtype=dtype,
        )


def update_and_code(
    state: RelationState,
    arrivals: Tensor,
    targets: Tensor,
    observed: Tensor | None,
    settings: Settings,
    *,
    sync: bool,
    process_group: dist.ProcessGroup | None,
) -> Codes:
    """Eq. 1 for a batch over all processes of the group, in place; and the active pairs of the relation after it.

    The caller turns autograd off, as for `code_state`.

    Args:
        state: the accumulators.
        arrivals: what `new_arrivals` made, kept with the state: two launches at a time may not share it.
        targets: (batch, num_labels), checked.
        observed: (batch, num_labels) bool, or None.
        settings: of the relation.
        sync: whether to sum the counts of several processes.
        process_group: None is the default group.
    """
    options = (settings.decay, *_coding_options(settings))
    shared = is_shared(sync=sync, process_group=process_group)
    if is_native(targets.device):
        counts = None
        if shared:
            counts = native.count_pairs(targets, observed)
            dist.all_reduce(counts, op=dist.ReduceOp.SUM, group=process_group)
        batch = (None, None, counts) if shared else (targets, observed, None)
        return Codes(native.move_relation(*batch, *state, *options))
    from obrl_torch import operators

    if not shared:
        return Codes(*operators.move_relation(targets, observed, *state, arrivals, *options))
    counts = operators.count_pairs(targets, observed)
    dist.all_reduce(counts, op=dist.ReduceOp.SUM, group=process_group)
    return Codes(*operators.move_by_counts(counts, *state, *options))


def code_state(state: RelationState, settings: Settings) -> Codes:
    """The active pairs of a relation that stays as it is."""
    return _code(state, *_coding_options(settings))


@torch.no_grad()
def code_relation(relation: Tensor, positive_threshold: float, negative_threshold: float) -> Codes:
    """The active pairs of a given matrix, NaN where there is no evidence; each direction counts half."""
    values = relation.to(torch.promote_types(relation.dtype, torch.float32))
    known = ~torch.isnan(values)
    state = RelationState(torch.where(known, values, 0.0).contiguous(), known.to(values.dtype).contiguous())
    # A state of weight 1 has the matrix as its relation, and "conditional" is a measure that is not symmetric.
    return _code(state, positive_threshold, negative_threshold, "conditional", "batch")


def _coding_options(settings: Settings) -> tuple[float, float, str, str]:
    return settings.positive_threshold, settings.negative_threshold, settings.measure, settings.estimator


def _code(state: RelationState, *options: Any) -> Codes:
    if is_native(state.relation_weight.device):
        return Codes(native.code_pairs(*state, *options))
    from obrl_torch import operators

    return Codes(*operators.code_pairs(*state, *options))
