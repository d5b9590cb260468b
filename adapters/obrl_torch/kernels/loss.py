"""Eq. 2 and Eq. 4 with their gradients, in one pass over the batch; `terms` has the formulas.

A program takes some samples and a tile of labels i, and loops over all labels j. It multiplies q, u and q^2 by tiles of
A and B, and the products stay in registers.
"""

import triton
import triton.language as tl

from obrl_torch.kernels.terms import (
    PARTIALS_AT_ONCE,
    Q2_SCALE,
    Q_SCALE,
    halves_of,
    in_units,
    load,
    mask_outside,
    relation_value_and_slope,
    sigmoid,
    weights_of,
    write_terms,
)


@triton.jit
def _add_product(total, x, weights, SCALE: tl.constexpr, DTYPE: tl.constexpr):
    """Add x @ weights to a total, at the precision of DTYPE; in float32 in units of SCALE and of the weights."""
    if DTYPE == tl.float64:  # `tl.dot` in float64 does not compile for every device
        total += tl.sum(x[:, :, None] * weights[None, :, :], axis=1)
    else:
        high, low = halves_of(x, SCALE)
        total = tl.dot(high, weights, total)
        total = tl.dot(low, weights, total)
    return total


@triton.jit
def _add_products(
    q,
    code,
    j,
    i,
    num_labels,
    code_row,
    mixed,
    bq,
    bq2,
    a_degrees,
    b_degrees,
    DTYPE: tl.constexpr,
):
    """Add the share of labels j to A q + B u, B q, B q^2, a and b."""
    at = j[:, None] * code_row + i[None, :]
    inside = (j[:, None] < num_labels) & (i[None, :] < num_labels)
    codes = tl.load(code + at, mask=inside, other=0)
    # Each sum is at most twice the labels of a step, so both fit into one number.
    degrees = tl.sum((codes & 3).to(tl.int32) + (codes >> 2).to(tl.int32) * 65536, axis=0)
    a_degrees += (degrees & 65535).to(DTYPE) * 0.5
    b_degrees += (degrees >> 16).to(DTYPE) * 0.5
    if DTYPE == tl.float32:
        a, b = weights_of(codes)
    else:
        a, b = (codes & 3).to(DTYPE) * 0.5, (codes >> 2).to(DTYPE) * 0.5
    q2 = q * q
    mixed = _add_product(mixed, q, a, Q_SCALE, DTYPE)
    mixed = _add_product(mixed, 2.0 * q * (q2 - 1.0), b, Q_SCALE, DTYPE)
    bq = _add_product(bq, q, b, Q_SCALE, DTYPE)
    bq2 = _add_product(bq2, q2, b, Q2_SCALE, DTYPE)
    return mixed, bq, bq2, a_degrees, b_degrees


@triton.jit
def _products(
    logits,
    code,
    k,
    i,
    q,
    batch,
    num_labels,
    code_row,
    row,
    column,
    WHOLE: tl.constexpr,
    DTYPE: tl.constexpr,
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
    STEP: tl.constexpr,
):
    """A q + B u, B q and B q^2 for some samples and labels i, and the degrees a and b of these labels.

    With `WHOLE`, labels i are all labels, and q is theirs.
    """
    mixed = tl.zeros((ROWS, TILE), DTYPE)
    bq = tl.zeros((ROWS, TILE), DTYPE)
    bq2 = tl.zeros((ROWS, TILE), DTYPE)
    a_degrees = tl.zeros((TILE,), DTYPE)
    b_degrees = tl.zeros((TILE,), DTYPE)
    if WHOLE:
        mixed, bq, bq2, a_degrees, b_degrees = _add_products(
            q, code, i, i, num_labels, code_row, mixed, bq, bq2, a_degrees, b_degrees, DTYPE
        )
    else:
        for start in range(0, num_labels, STEP):
            j = start + tl.arange(0, STEP)
            x = load(logits, k, j, batch, num_labels, row, column).to(DTYPE)
            _, q_j, _, _ = sigmoid(x, DTYPE)
            q_j = mask_outside(q_j, k, j, batch, num_labels)
            mixed, bq, bq2, a_degrees, b_degrees = _add_products(
                q_j, code, j, i, num_labels, code_row, mixed, bq, bq2, a_degrees, b_degrees, DTYPE
            )
    if DTYPE == tl.float32:
        mixed, bq, bq2 = in_units(mixed, bq, bq2)
    return mixed, bq, bq2, a_degrees, b_degrees


@triton.jit
def loss_kernel(
    logits,
    targets,
    observed,
    sample_weight,
    pos_weight,
    code,
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
        targets: y, the same shape, with its own strides; bool as bytes, integer or floating point; read with `JOINT`.
        observed: the same shape as bytes, with its own strides; read with `MASKED`.
        sample_weight: w, (batch,), with its stride; read with `WEIGHTED`.
        pos_weight: (num_labels,), contiguous, in DTYPE; read with `POS_WEIGHTED`.
        code: of `relation.relation_kernel`.
        active: numbers whose sum is twice the number of active ordered pairs; read with `ACTIVE_PAIRS`.
        alpha: weight of L_B.
        total: L in DTYPE, a number, or (batch,) with `"none"`; written with `JOINT`.
        cross_entropy: L_E, likewise.
        relation_loss: L_B, likewise; always written.
        gradient: of L (of L_E with `"parts"`, of L_B without `JOINT`), (batch, num_labels), contiguous, in DTYPE;
            written.
        second_gradient: of L_B, likewise, with `"parts"`.
        partials: in DTYPE, space for two numbers for each sample and tile of labels.
        counter: int32, 0 before; 0 after.
        batch: K, at least 1.
        num_labels: M.
        code_row: bytes from row to row of `code`.
        tiles: the size of `active`.
        row: stride of a sample in `logits`; `column` that of a label; the other strides likewise.
        JOINT: whether there is L_E.
        MASKED: whether there is `observed`.
        WEIGHTED: whether there is `sample_weight`.
        POS_WEIGHTED: whether there is `pos_weight`.
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
    y = x  # in its place where there is no L_E; not read
    if JOINT:
        y = load(targets, k, i, batch, num_labels, target_row, target_column).to(DTYPE)
    _, q, _, _ = sigmoid(x, DTYPE)
    q = mask_outside(q, k, i, batch, num_labels)
    mixed, bq, bq2, a_degrees, b_degrees = _products(
        logits,
        code,
        k,
        i,
        q,
        batch,
        num_labels,
        code_row,
        row,
        column,
        WHOLE,
        DTYPE,
        ROWS,
        TILE,
        STEP,
    )
    value, dvalue_dp = relation_value_and_slope(q, mixed, bq, bq2, a_degrees, b_degrees)
    write_terms(
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
        dvalue_dp,
        JOINT,
        MASKED,
        WEIGHTED,
        POS_WEIGHTED,
        ACTIVE_PAIRS,
        REDUCTION,
        GRADIENT,
        DTYPE,
        ROWS,
        PARTIALS_AT_ONCE // COLUMNS,
        COLUMNS,
    )
