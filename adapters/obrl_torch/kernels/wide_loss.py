"""Eq. 2 and Eq. 4 for many labels: `loss_kernel` in four launches.

1. `halves_kernel` splits the factors of the products once, with zeros up to whole blocks.
2. `degrees_kernel` sums the weights of each label.
3. `products_kernel` multiplies the factors by the weights. With few tiles, several programs share the labels j of one.
4. `wide_loss_kernel` adds up their products, and computes the loss and its gradient.
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
    relation_value_and_slope,
    sigmoid,
    weights_of,
    write_terms,
)


@triton.jit
def _store_halves(x, at, size, SCALE: tl.constexpr):
    """Store the high halves of x at some addresses, and the low halves `size` numbers behind."""
    high, low = halves_of(x, SCALE)
    tl.store(at, high)
    tl.store(at + size, low)


@triton.jit
def halves_kernel(
    logits,
    halves,
    batch,
    num_labels,
    row,
    column,
    padded_batch,
    padded_labels,
    ROWS: tl.constexpr,
    LABELS: tl.constexpr,
):
    """Split the factors q, u and q^2 of the products.

    Args:
        logits: x, (batch, num_labels), with the strides `row` and `column`, in any floating point dtype.
        halves: float16, (6, padded_batch, padded_labels): high and low of q, of u = 2 q^3 - 2 q, and of q^2; written.
        batch: K.
        num_labels: M.
        padded_batch: K up to whole blocks, of this kernel too.
        padded_labels: M, likewise.
        ROWS: samples a program.
        LABELS: labels a program.
    """
    k = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    j = tl.program_id(1) * LABELS + tl.arange(0, LABELS)
    x = load(logits, k, j, batch, num_labels, row, column).to(tl.float32)
    _, q, _, _ = sigmoid(x, tl.float32)
    q2 = q * q
    at = halves + k[:, None].to(tl.int64) * padded_labels + j[None, :]
    size = padded_batch.to(tl.int64) * padded_labels
    _store_halves(q, at, size, Q_SCALE)
    _store_halves(2.0 * q * (q2 - 1.0), at + 2 * size, size, Q_SCALE)
    _store_halves(q2, at + 4 * size, size, Q2_SCALE)


@triton.jit
def degrees_kernel(code, degrees, num_labels, code_row, LABELS: tl.constexpr, STEP: tl.constexpr):
    """Sum the weights of each label.

    Args:
        code: int8, (num_labels, code_row), of `relation_kernel`.
        degrees: float32, (2, num_labels): a and b; written.
        num_labels: M.
        code_row: bytes from row to row.
        LABELS: labels a program.
        STEP: labels a step of its loop.
    """
    i = tl.program_id(0) * LABELS + tl.arange(0, LABELS)
    inside = i < num_labels
    a = tl.zeros((LABELS, STEP), tl.int32)
    b = tl.zeros((LABELS, STEP), tl.int32)
    for start in range(0, num_labels, STEP):
        j = start + tl.arange(0, STEP)
        at = code + i[:, None] * code_row + j[None, :]
        codes = tl.load(at, mask=inside[:, None] & (j[None, :] < num_labels), other=0).to(tl.int32)
        a += codes & 3
        b += codes >> 2
    tl.store(degrees + i, tl.sum(a, axis=1).to(tl.float32) * 0.5, mask=inside)
    tl.store(degrees + num_labels + i, tl.sum(b, axis=1).to(tl.float32) * 0.5, mask=inside)


@triton.jit
def products_kernel(
    halves,
    code,
    products,
    num_labels,
    code_row,
    padded_batch,
    padded_labels,
    length,
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
    STEP: tl.constexpr,
):
    """Sum A q + B u, B q and B q^2 over a part of the labels j, in the units of halves and codes.

    Args:
        halves: of `halves_kernel`.
        code: of `relation_kernel`.
        products: float32, (parts, 3, padded_batch, padded_labels), written for all labels i up to whole tiles.
        num_labels: M.
        code_row: of `code`.
        padded_batch: a multiple of ROWS.
        padded_labels: at least M up to whole tiles, and parts times `length`.
        length: number of labels j of a part, a multiple of STEP.
        ROWS: samples a program.
        TILE: labels i a program.
        STEP: labels j a step of its loop.
    """
    k = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    i = tl.program_id(1) * TILE + tl.arange(0, TILE)
    part = tl.program_id(2)
    j = part * length + tl.arange(0, STEP)
    at_code = code + tl.minimum(i, num_labels - 1)[:, None] * code_row + j[None, :]
    at = halves + k[None, :].to(tl.int64) * padded_labels + j[:, None]
    size = padded_batch.to(tl.int64) * padded_labels
    # The products are (labels, samples): the weights then stay in registers, and only halves take shared memory.
    mixed = tl.zeros((TILE, ROWS), tl.float32)
    bq = tl.zeros((TILE, ROWS), tl.float32)
    bq2 = tl.zeros((TILE, ROWS), tl.float32)
    for start in range(0, length, STEP):
        codes = tl.load(at_code + start, mask=(j + start < code_row)[None, :], other=0)
        a, b = weights_of(codes)
        q_high = tl.load(at + start)
        q_low = tl.load(at + size + start)
        u_high = tl.load(at + 2 * size + start)
        u_low = tl.load(at + 3 * size + start)
        q2_high = tl.load(at + 4 * size + start)
        q2_low = tl.load(at + 5 * size + start)
        mixed = tl.dot(a, q_high, mixed)
        bq = tl.dot(b, q_high, bq)
        bq2 = tl.dot(b, q2_high, bq2)
        mixed = tl.dot(a, q_low, mixed)
        bq = tl.dot(b, q_low, bq)
        bq2 = tl.dot(b, q2_low, bq2)
        mixed = tl.dot(b, u_high, mixed)
        mixed = tl.dot(b, u_low, mixed)
    at_product = products + (part * 3 * size + k[None, :].to(tl.int64) * padded_labels + i[:, None])
    tl.store(at_product, mixed)
    tl.store(at_product + size, bq)
    tl.store(at_product + 2 * size, bq2)


@triton.jit
def wide_loss_kernel(
    logits,
    targets,
    observed,
    sample_weight,
    pos_weight,
    products,
    degrees,
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
    padded_batch,
    padded_labels,
    parts,
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
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """L, L_E and L_B with the gradient, in float32, from products.

    `loss.loss_kernel` describes the other arguments.

    Args:
        products: of `products_kernel`; padding is not read.
        degrees: of `degrees_kernel`.
        padded_batch: of `products`; `padded_labels` likewise.
        parts: number of parts in `products`.
    """
    k = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    i = tl.program_id(1) * TILE + tl.arange(0, TILE)
    inside = (k[:, None] < batch) & (i[None, :] < num_labels)
    size = padded_batch.to(tl.int64) * padded_labels
    at = products + k[:, None].to(tl.int64) * padded_labels + i[None, :]
    mixed = tl.zeros((ROWS, TILE), tl.float32)
    bq = tl.zeros((ROWS, TILE), tl.float32)
    bq2 = tl.zeros((ROWS, TILE), tl.float32)
    for _ in range(parts):
        mixed += tl.load(at, mask=inside, other=0.0)
        bq += tl.load(at + size, mask=inside, other=0.0)
        bq2 += tl.load(at + 2 * size, mask=inside, other=0.0)
        at += 3 * size
    mixed, bq, bq2 = in_units(mixed, bq, bq2)
    a_degrees = tl.load(degrees + i, mask=i < num_labels, other=0.0)
    b_degrees = tl.load(degrees + num_labels + i, mask=i < num_labels, other=0.0)
    x = load(logits, k, i, batch, num_labels, row, column).to(tl.float32)
    y = x  # in its place where there is no L_E; not read
    if JOINT:
        y = load(targets, k, i, batch, num_labels, target_row, target_column).to(tl.float32)
    _, q, _, _ = sigmoid(x, tl.float32)
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
        tl.float32,
        ROWS,
        PARTIALS_AT_ONCE // COLUMNS,
        COLUMNS,
    )
