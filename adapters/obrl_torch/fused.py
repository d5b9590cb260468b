"""`impl="fused"`: the loss in kernels, how it is differentiated, and where `impl="auto"` chooses them.

On a CPU the kernels are native code (`obrl_torch.native`). On a GPU, up to 128 labels, one launch moves the relation
and codes its pairs, one gives the loss and its gradient, and one scales that in backward. Second derivatives come from
differentiating the algebra.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from obrl.algebra import pair_laplacians
from obrl.counts import MAX_EXACT_COUNT
from obrl.online import RelationState
from obrl.settings import Settings
from obrl_native.cpu import MAX_LABELS
from obrl_torch.distributed import is_shared
from obrl_torch.functions import OnePass, Problem, chain_rule, make_problem
from obrl_torch.inputs import known_targets
from obrl_torch.namespace import TORCH

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton's kernels are interpreted on a CPU, in place of the native code, as their tests ask for."""

MOST_ARRIVALS = 36
"""What `arrivals` of `operators.move_relation` holds; `launch.most_arrivals()`, which asks for Triton, says so too."""


def no_arrivals(device: torch.device | None) -> Tensor:
    """The `arrivals` of a criterion at first, and whenever it comes to other memory."""
    return torch.zeros(MOST_ARRIVALS, dtype=torch.int32, device=device)


class Codes(NamedTuple):
    """The pairs of a relation, as the kernels write them.

    Attributes:
        code: bytes: a + 4 b, twice the symmetric weights of the positive and negative pairs, (num_labels, num_labels),
            on a GPU in rows that are a little longer, with zeros.
        on_gpu: None on a CPU.
    """

    code: Tensor
    on_gpu: OnGPU | None


class OnGPU(NamedTuple):
    """What the kernels of a GPU write beside the codes.

    Attributes:
        active: int32; its sum is twice the number of active ordered pairs.
        counter: int32, one number, 0 but while a kernel runs.
    """

    active: Tensor
    counter: Tensor


def _codes(code: Tensor, active: Tensor, counter: Tensor) -> Codes:
    return Codes(code, OnGPU(active, counter))


class FusedProblem(NamedTuple):
    """A loss to evaluate at some logits; the arrays as they came.

    Attributes:
        targets: (batch, num_labels); None for L_B alone.
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

    def evaluate(
        self, logits: Tensor, dtype: torch.dtype, gradient: str
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """As `Problem.evaluate`; from a GPU, gradients that are not there are empty."""
        given = (logits, self.targets, self.observed, self.sample_weight, self.pos_weight, self.codes.code)
        chosen = (self.alpha, self.normalization, self.reduction, gradient, dtype)
        if self.codes.on_gpu is None:
            from obrl_torch import native

            found = native.loss_terms(*given, *chosen)
            count = 1 if self.targets is None or gradient == "total" else 3
            return tuple(found[:count]), tuple(found[count:])
        from obrl_torch import operators

        *terms, first, second = operators.loss_terms(*given, *self.codes.on_gpu, *chosen)
        return tuple(terms if self.targets is not None else terms[2:]), (first, second)

    def scaled(self, gradients: Sequence[Tensor], upstream: Sequence[Tensor | None], dtype: torch.dtype) -> Tensor:
        """As `Problem.scaled`."""
        if self.codes.on_gpu is None:
            return chain_rule(gradients, upstream, alpha=self.alpha, reduction=self.reduction).to(dtype)
        from obrl_torch import operators

        parts = len(upstream) == 3
        of_total, of_entropy, of_relation = upstream if parts else (upstream[0], None, None)
        second = gradients[1] if parts else None
        scaled: Tensor = operators.scale_gradients(
            gradients[0], second, of_total, of_entropy, of_relation, self.alpha, dtype
        )
        return scaled

    def plain(self, dtype: torch.dtype) -> Problem:
        """The same loss, for the algebra."""
        num_labels = self.codes.code.shape[0]
        code = self.codes.code[:, :num_labels]
        pairs = pair_laplacians(
            TORCH,
            0.5 * (code & 3).to(dtype),
            0.5 * (code >> 2).to(dtype),
            num_labels=num_labels,
            symmetric=True,
            normalization=self.normalization,
            like=code.new_empty((), dtype=dtype),
        )
        return make_problem(
            self.targets,
            None if self.targets is None else known_targets(self.targets, self.observed),
            self.sample_weight,
            self.pos_weight,
            pairs,
            alpha=self.alpha,
            reduction=self.reduction,
            dtype=dtype,
        )


MEASURED = 9
"""The major compute capability on which the kernels were measured, and so where `impl="auto"` takes them: Hopper."""


LEAST_TRITON = (3, 6)
"""The first version of Triton that the kernels were compiled with."""


@cache
def measured_on(device: torch.device) -> bool:
    """Whether a device is of a kind that the kernels were measured on, with a Triton that they were compiled with."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device)[0] != MEASURED:
        return False
    try:
        major, minor = version("triton").split(".")[:2]
    except PackageNotFoundError:
        return False
    return (int(major), int(minor)) >= LEAST_TRITON


def may_be_chosen(device: torch.device) -> bool:
    """Whether `impl="auto"` may take the kernels: never in a compiled step, where they were not measured."""
    return not torch.compiler.is_compiling() and measured_on(device)


def is_chosen(logits: Tensor, *state: Tensor, **others: Tensor | None) -> bool:
    """Whether `impl="auto"` takes the kernels of a device where it may; the arguments are those of `check_fused`.

    Never in float64, in which they were not measured. Nor where they have no rule, under a transform of `torch.func` or
    forward-mode differentiation, and where `check_fused` would refuse.
    """
    if any(part.dtype == torch.float64 for part in (logits, *state)):
        return False
    try:
        check_fused(logits, *state, **others)
    except (ImportError, ValueError):
        return False
    return True


def check_fused(logits: Tensor, *state: Tensor, **others: Tensor | None) -> None:
    """Raise unless the kernels can run here.

    Args:
        logits: (batch, num_labels).
        state: the accumulators.
        others: what else a loss is made of, by name.

    Raises:
        ImportError: there is no Triton for a GPU, or for a CPU no compiler.
        ValueError: another device than a CPU or CUDA, a transform of `torch.func` or forward-mode differentiation, too
            many rows or labels, accumulators that are not contiguous or of two dtypes, or anything but the logits that
            requires a gradient, which no kernel gives.
    """
    if _is_transformed():
        raise ValueError(
            'impl="fused" works neither under the transforms of torch.func nor in forward-mode differentiation; '
            'impl="plain" does'
        )
    if logits.device.type not in ("cpu", "cuda"):
        raise ValueError(f'impl="fused" needs tensors on a CPU or a CUDA device, got {logits.device}')
    if is_native(logits.device):
        _check_native()
    else:
        _check_triton()
    rows, num_labels = logits.shape
    if rows > MAX_EXACT_COUNT or num_labels > MAX_LABELS:
        raise ValueError(
            f'impl="fused" takes at most {MAX_EXACT_COUNT} rows and {MAX_LABELS} labels, got {rows} and {num_labels}'
        )
    for name, other in others.items():
        if other is not None and other.requires_grad and torch.is_grad_enabled():
            raise ValueError(
                f'impl="fused" gives the gradient with respect to logits alone, got {name} with requires_grad; '
                'impl="plain" gives both'
            )
    if not all(part.is_contiguous() for part in state):
        raise ValueError(f'impl="fused" needs contiguous accumulators, got strides {[part.stride() for part in state]}')
    dtypes = {part.dtype for part in state}
    if len(dtypes) > 1 or not dtypes <= {torch.float32, torch.float64}:
        raise ValueError(
            f'impl="fused" needs both accumulators in float32, or both in float64, got {[part.dtype for part in state]}'
        )


def _is_transformed() -> bool:
    """Whether a transform of `torch.func` or forward-mode differentiation is under way; kernels have no rule for it."""
    return bool(torch._C._functorch.peek_interpreter_stack()) or torch.autograd.forward_ad._current_level >= 0


# While a graph is traced its transforms are under way, too: it is asked then, and torch guards what it says.
_is_transformed._dynamo_marked_constant = True  # type: ignore[attr-defined]


def is_native(device: torch.device) -> bool:
    """Whether the kernels of a device are native code; under `TRITON_INTERPRET=1` Triton's run on a CPU, slowly."""
    return device.type == "cpu" and not INTERPRETED


def _check_native() -> None:
    if torch.compiler.is_compiling():
        return  # the operators look for themselves, when the graph runs
    from obrl_native import cpu

    cpu.library()


def _check_triton() -> None:
    try:
        import obrl_torch.kernels.launch  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "triton":
            raise
        raise ImportError('impl="fused" needs Triton: pip install triton') from error


def move_and_code(
    state: RelationState,
    arrivals: Tensor,
    targets: Tensor,
    observed: Tensor | None,
    settings: Settings,
    *,
    sync: bool,
    process_group: dist.ProcessGroup | None,
) -> Codes:
    """Eq. 1 for a batch, in place, over all processes of the group; and the pairs of the relation then.

    Without autograd, which the caller sees to, as for `code`.

    `arrivals` are `MOST_ARRIVALS` zeros in int32, beside the state and for its launches alone.
    """
    chosen = (
        settings.decay,
        settings.positive_threshold,
        settings.negative_threshold,
        settings.measure,
        settings.estimator,
    )
    shared = is_shared(sync=sync, process_group=process_group)
    if is_native(targets.device):
        from obrl_torch import native

        if not shared:
            return Codes(native.move_relation(targets, observed, None, *state, *chosen), None)
        counts = native.count_pairs(targets, observed)
        dist.all_reduce(counts, op=dist.ReduceOp.SUM, group=process_group)
        return Codes(native.move_relation(None, None, counts, *state, *chosen), None)
    from obrl_torch import operators

    if not shared:
        return _codes(*operators.move_relation(targets, observed, *state, arrivals, *chosen))
    counts = operators.count_pairs(targets, observed)
    dist.all_reduce(counts, op=dist.ReduceOp.SUM, group=process_group)
    return _codes(*operators.move_by_counts(counts, *state, *chosen))


@torch.no_grad()
def code_relation(relation: Tensor, positive_threshold: float, negative_threshold: float) -> Codes:
    """The pairs of a given relation, NaN where there is no evidence; each direction counts half."""
    values = relation.to(torch.promote_types(relation.dtype, torch.float32))
    known = values == values  # NaN alone differs from itself
    state = RelationState(torch.where(known, values, 0.0).contiguous(), known.to(values.dtype).contiguous())
    return _code(state, positive_threshold, negative_threshold, "conditional", "batch")


def code(state: RelationState, settings: Settings) -> Codes:
    """The pairs of a relation that stays as it is."""
    chosen = (settings.positive_threshold, settings.negative_threshold, settings.measure, settings.estimator)
    return _code(state, *chosen)


def _code(state: RelationState, *chosen: Any) -> Codes:
    if is_native(state.relation_weight.device):
        from obrl_torch import native

        return Codes(native.code_pairs(*state, *chosen), None)
    from obrl_torch import operators

    return _codes(*operators.code_pairs(*state, *chosen))


def fused_terms(logits: Tensor, problem: FusedProblem, *, dtype: torch.dtype, parts: bool) -> tuple[Tensor, ...]:
    """The terms, ready for backward.

    Args:
        logits: x, (batch, num_labels), in any floating point dtype; its gradient comes in that dtype.
        problem: the loss.
        dtype: to compute in.
        parts: whether L_E and L_B are wanted too, ready to be differentiated on their own.
    """
    gradient = "parts" if parts and problem.targets is not None else "total"
    if not (torch.is_grad_enabled() and logits.requires_grad):
        return problem.evaluate(logits, dtype, "none")[0]
    result: tuple[Tensor, ...] = OnePass.apply(logits, problem, dtype, gradient)
    return result
