"""Eq. 2 and Eq. 4 with their gradients, in one pass over the batch; the formulas are those of `terms`.

A program takes some samples and a tile of labels i, and goes through all labels j: products of q, u and q^2 with tiles
of A and B, which stay in registers.
"""

import triton
import triton.language as tl

from obrl_torch.kernels.terms import (
    Q2_SCALE,
    Q_SCALE,
    SUMMED,
    finish,
    halves_of,
    in_units,
    inside_of,
    load,
    relation_terms,
    sigmoid,
    weights_of,
)


@triton.jit
def _times(x, weights, total, SCALE: tl.constexpr, CODED: tl.constexpr, DTYPE: tl.constexpr):
    """Add x @ weights to a total, at the precision of DTYPE; in units of SCALE and of the weights, if there are any."""
    if DTYPE == tl.float64:  # not by tl.dot, which in float64 does not compile everywhere
        total += tl.sum(x[:, :, None] * weights[None, :, :], axis=1)
    elif CODED:
        high, low = halves_of(x, SCALE)
        total = tl.dot(high, weights, total)
        total = tl.dot(low, weights, total)
    else:
        total = tl.dot(x, weights, total, input_precision="ieee")
    return total


@triton.jit
def _add_products(
    q,
    pairs,
    second_pairs,
    j,
    i,
    num_labels,
    code_row,
    mixed,
    bq,
    bq2,
    a_degrees,
    b_degrees,
    CODED: tl.constexpr,
    DTYPE: tl.constexpr,
):
    """Add what labels j give to A q + B u, B q, B q^2, a and b."""
    at = j[:, None] * code_row + i[None, :]
    inside = (j[:, None] < num_labels) & (i[None, :] < num_labels)
    if CODED:
        codes = tl.load(pairs + at, mask=inside, other=0)
        # At most twice the labels of a step each, so that one sum has room for both.
        degrees = tl.sum((codes & 3).to(tl.int32) + (codes >> 2).to(tl.int32) * 65536, axis=0)
        a_degrees += (degrees & 65535).to(DTYPE) * 0.5
        b_degrees += (degrees >> 16).to(DTYPE) * 0.5
        if DTYPE == tl.float32:
            a, b = weights_of(codes)
        else:
            a, b = (codes & 3).to(DTYPE) * 0.5, (codes >> 2).to(DTYPE) * 0.5
    else:
        a = tl.load(pairs + at, mask=inside, other=0.0)
        b = tl.load(second_pairs + at, mask=inside, other=0.0)
        a_degrees += tl.sum(a, axis=0)
        b_degrees += tl.sum(b, axis=0)
    q2 = q * q
    mixed = _times(q, a, mixed, Q_SCALE, CODED, DTYPE)
    mixed = _times(2.0 * q * (q2 - 1.0), b, mixed, Q_SCALE, CODED, DTYPE)
    bq = _times(q, b, bq, Q_SCALE, CODED, DTYPE)
    bq2 = _times(q2, b, bq2, Q2_SCALE, CODED, DTYPE)
    return mixed, bq, bq2, a_degrees, b_degrees


@triton.jit
def _products(
    logits,
    pairs,
    second_pairs,
    k,
    i,
    q,
    batch,
    num_labels,
    code_row,
    row,
    column,
    WHOLE: tl.constexpr,
    CODED: tl.constexpr,
    DTYPE: tl.constexpr,
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
    STEP: tl.constexpr,
):
    """A q + B u, B q and B q^2 for some samples and labels i, and those labels' degrees a and b.

    With `WHOLE`, these labels are all there are, and q is theirs.
    """
    mixed = tl.zeros((ROWS, TILE), DTYPE)
    bq = tl.zeros((ROWS, TILE), DTYPE)
    bq2 = tl.zeros((ROWS, TILE), DTYPE)
    a_degrees = tl.zeros((TILE,), DTYPE)
    b_degrees = tl.zeros((TILE,), DTYPE)
    if WHOLE:
        mixed, bq, bq2, a_degrees, b_degrees = _add_products(
            q, pairs, second_pairs, i, i, num_labels, code_row, mixed, bq, bq2, a_degrees, b_degrees, CODED, DTYPE
        )
    else:
        for start in range(0, num_labels, STEP):
            j = start + tl.arange(0, STEP)
            x = load(logits, k, j, batch, num_labels, row, column).to(DTYPE)
            _, q_here, _, _ = sigmoid(x, DTYPE)
            q_here = inside_of(q_here, k, j, batch, num_labels)
            mixed, bq, bq2, a_degrees, b_degrees = _add_products(
                q_here,
                pairs,
                second_pairs,
                j,
                i,
                num_labels,
                code_row,
                mixed,
                bq,
                bq2,
                a_degrees,
                b_degrees,
                CODED,
                DTYPE,
            )
    if CODED and DTYPE == tl.float32:
        mixed, bq, bq2 = in_units(mixed, bq, bq2)
    return mixed, bq, bq2, a_degrees, b_degrees


@triton.jit
def loss_kernel(
    logits,
    targets,
    observed,
    sample_weight,
    pos_weight,
    pairs,
    second_pairs,
    active,
    alpha: tl.float64,
    total,
    cross_entropy,
    relation_loss,
    gradient,
    second_gradient,
    partials,
    counter,
    batch,
    num_labels,
    code_row,
    tiles,
    row,
    column,
    target_row,
    target_column,
    observed_row,
    observed_column,
    weight_stride,
    JOINT: tl.constexpr,
    MASKED: tl.constexpr,
    WEIGHTED: tl.constexpr,
    POS_WEIGHTED: tl.constexpr,
    CODED: tl.constexpr,
    ACTIVE_PAIRS: tl.constexpr,
    REDUCTION: tl.constexpr,
    GRADIENT: tl.constexpr,
    DTYPE: tl.constexpr,
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
    STEP: tl.constexpr,
    WHOLE: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """L, L_E and L_B, reduced, and the gradient: one launch.

    Args:
        logits: x, (batch, num_labels), with the strides `row` and `column`, in any floating point dtype.
        targets: y, the same shape, with its own strides; bool as bytes, integer or floating point; read where `JOINT`.
        observed: the same shape as bytes, with its own strides; read where `MASKED`.
        sample_weight: w, (batch,), with its stride; read where `WEIGHTED`.
        pos_weight: (num_labels,), contiguous, in DTYPE; read where `POS_WEIGHTED`.
        pairs: the codes of `relation_kernel`; without `CODED` the weights A in DTYPE, (num_labels, num_labels).
        second_pairs: B in DTYPE, read without `CODED`. A and B are symmetric, with zeros on their diagonals.
        active: numbers whose sum is twice the number of active ordered pairs; read where `ACTIVE_PAIRS`.
        alpha: weight of L_B.
        total: L in DTYPE, a number, or (batch,) with `"none"`; written where `JOINT`.
        cross_entropy: L_E, likewise.
        relation_loss: L_B, likewise; always written.
        gradient: of L (of L_E with `"parts"`, of L_B without `JOINT`), (batch, num_labels), contiguous, in DTYPE;
            written.
        second_gradient: of L_B, likewise, with `"parts"`.
        partials: room for twice the number of tiles of labels times batch numbers in DTYPE.
        counter: int32, 0 before; 0 after.
        batch: K, at least 1.
        num_labels: M.
        code_row: how far apart the rows of `pairs` and `second_pairs` are.
        tiles: the size of `active`.
        row: stride of a sample in `logits`; `column` that of a label; the other strides likewise.
        JOINT: whether there is L_E.
        MASKED: whether `observed` is given.
        WEIGHTED: whether `sample_weight` is.
        POS_WEIGHTED: whether `pos_weight` is.
        CODED: whether the pairs come as codes, as `obrl.torch` hands them over; weights are for other launchers.
        ACTIVE_PAIRS: the normalization `"active_pairs"`, else `"all_pairs"`.
        REDUCTION: `"mean"`, `"sum"` or `"none"`.
        GRADIENT: `"none"`, `"total"` or `"parts"`.
        DTYPE: tl.float32 or tl.float64, to compute in.
        ROWS: samples a program.
        TILE: labels i a program.
        STEP: labels j a step of its loop.
        WHOLE: whether one tile holds all labels; then STEP is not used.
        COLUMNS: tiles of labels that the last program sums at once.
    """
    k = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    i = tl.program_id(1) * TILE + tl.arange(0, TILE)
    x = load(logits, k, i, batch, num_labels, row, column).to(DTYPE)
    y = x
    if JOINT:
        y = load(targets, k, i, batch, num_labels, target_row, target_column).to(DTYPE)
    _, q, _, _ = sigmoid(x, DTYPE)
    q = inside_of(q, k, i, batch, num_labels)
    mixed, bq, bq2, a_degrees, b_degrees = _products(
        logits,
        pairs,
        second_pairs,
        k,
        i,
        q,
        batch,
        num_labels,
        code_row,
        row,
        column,
        WHOLE,
        CODED,
        DTYPE,
        ROWS,
        TILE,
        STEP,
    )
    value, relation_slope = relation_terms(q, mixed, bq, bq2, a_degrees, b_degrees)
    finish(
        observed,
        sample_weight,
        pos_weight,
        active,
        alpha,
        total,
        cross_entropy,
        relation_loss,
        gradient,
        second_gradient,
        partials,
        counter,
        batch,
        num_labels,
        tiles,
        observed_row,
        observed_column,
        weight_stride,
        k,
        i,
        x,
        y,
        value,
        relation_slope,
        JOINT,
        MASKED,
        WEIGHTED,
        POS_WEIGHTED,
        ACTIVE_PAIRS,
        REDUCTION,
        GRADIENT,
        DTYPE,
        ROWS,
        SUMMED // COLUMNS,
        COLUMNS,
    )
