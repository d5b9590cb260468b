"""The backward pass: the gradients of the loss kernel, times the gradients that arrive from the loss's users."""

import triton
import triton.language as tl


@triton.jit
def scale_kernel(
    gradient,
    second_gradient,
    of_total,
    of_entropy,
    of_relation,
    alpha: tl.float64,
    result,
    batch,
    num_labels,
    total_stride,
    entropy_stride,
    relation_stride,
    PARTS: tl.constexpr,
    HAS_TOTAL: tl.constexpr,
    HAS_ENTROPY: tl.constexpr,
    HAS_RELATION: tl.constexpr,
    ROWS: tl.constexpr,
    LABELS: tl.constexpr,
):
    """The chain rule.

    Args:
        gradient: of L, or with `PARTS` of L_E, (batch, num_labels), contiguous.
        second_gradient: of L_B, likewise; read with `PARTS`.
        of_total: gradient with respect to L, one number or one a sample; `of_entropy` and `of_relation` those with
            respect to L_E and L_B.
        alpha: weight of L_B; read with `PARTS`.
        result: (batch, num_labels), contiguous, in the dtype of the logits; written.
        batch: K.
        num_labels: M.
        total_stride: stride of `of_total`, 0 for one number; `entropy_stride` and `relation_stride` likewise.
        PARTS: whether L_E and L_B have gradients of their own.
        HAS_TOTAL: whether there is `of_total`; `HAS_ENTROPY` and `HAS_RELATION` likewise.
        ROWS: samples a program.
        LABELS: labels a program.
    """
    k = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    i = tl.program_id(1) * LABELS + tl.arange(0, LABELS)
    in_batch = k < batch
    inside = in_batch[:, None] & (i[None, :] < num_labels)
    at = k[:, None].to(tl.int64) * num_labels + i[None, :]
    first = tl.load(gradient + at, mask=inside, other=0.0)
    by_first = tl.zeros((ROWS,), first.dtype)
    by_second = tl.zeros((ROWS,), first.dtype)
    if HAS_TOTAL:
        total = tl.load(of_total + k.to(tl.int64) * total_stride, mask=in_batch, other=0.0)
        by_first += total
        if PARTS:
            by_second += tl.full((), alpha, first.dtype) * total
    if HAS_ENTROPY:
        by_first += tl.load(of_entropy + k.to(tl.int64) * entropy_stride, mask=in_batch, other=0.0)
    if HAS_RELATION:
        by_second += tl.load(of_relation + k.to(tl.int64) * relation_stride, mask=in_batch, other=0.0)
    value = first * by_first[:, None]
    if PARTS:
        second = tl.load(second_gradient + at, mask=inside, other=0.0)
        value += second * by_second[:, None]
    tl.store(result + at, value.to(result.dtype.element_ty), mask=inside)
