"""Eq. 2 and Eq. 4 with their gradients, in one pass over the batch.

With q = p - 1/2, A and B the pair weights, a = A 1 and b = B 1, and powers elementwise, as `obrl.algebra` derives it:

    L_A q = a q - A q,  and so for B
    g = L_A q - 2 L_B q,    h = L_B q^3 + 3 (q^2 L_B q - q L_B q^2)
    value = sum_i b_i + 2 q_i (g_i + h_i),    d value / dx = p (1 - p) (4 g + 8 h)

A program takes some samples and a tile of labels i, and goes through all labels j: four products of q, q^2 and q^3 with
tiles of A and B, which stay in registers. In float32 every factor is split into two halves, x = high + low / 2048, and
the weights 0, 1/2 and 1 are exact in half precision: two products on tensor cores make one with 22 bits, summed in
float32. What a sample's labels add up to is written per tile; the last program to end sums that in a fixed order, so
the result does not depend on the order in which they ran.
"""

import triton
import triton.language as tl

from obrl_torch.kernels.measures import divide


@triton.jit
def _log1p(e, DTYPE: tl.constexpr):
    """log(1 + e) for 0 <= e <= 1: 2 atanh(e / (2 + e)) as a series in float32; hardware logarithms differ."""
    if DTYPE == tl.float32:
        s = tl.div_rn(e, 2.0 + e)
        s2 = s * s
        series = 2.0 / 15.0
        series = series * s2 + 2.0 / 13.0
        series = series * s2 + 2.0 / 11.0
        series = series * s2 + 2.0 / 9.0
        series = series * s2 + 2.0 / 7.0
        series = series * s2 + 2.0 / 5.0
        series = series * s2 + 2.0 / 3.0
        result = s * (series * s2 + 2.0)
    else:
        result = tl.log(1.0 + e)
    return result


@triton.jit
def _sigmoid(x, DTYPE: tl.constexpr):
    """The probability p = sigmoid(x), q = p - 1/2, p (1 - p) and exp(-|x|), none of which cancels for large x."""
    e = tl.exp(-tl.abs(x))
    r = divide(tl.full(e.shape, 1.0, DTYPE), 1.0 + e)
    half = 0.5 * ((1.0 - e) * r)
    return tl.where(x < 0, e * r, r), tl.where(x < 0, -half, half), (e * r) * r, e


@triton.jit
def _load(matrix, k, label, batch, num_labels, row, column):
    """A block of a (batch, num_labels) matrix, 0 outside of it."""
    inside = (k[:, None] < batch) & (label[None, :] < num_labels)
    return tl.load(matrix + k[:, None].to(tl.int64) * row + label[None, :].to(tl.int64) * column, mask=inside, other=0)


@triton.jit
def _times(x, weights, total, CODED: tl.constexpr, DTYPE: tl.constexpr):
    """Add x @ weights to a total, at the precision of DTYPE."""
    if CODED and DTYPE == tl.float32:
        high = x.to(tl.float16)
        low = ((x - high.to(tl.float32)) * 2048.0).to(tl.float16)
        total = tl.dot(high, weights, total)
        total = tl.dot(low, weights * (1.0 / 2048.0), total)  # a power of two: exact
    else:
        total = tl.dot(x, weights.to(DTYPE), total, input_precision="ieee", out_dtype=DTYPE)
    return total


@triton.jit
def _pair_weights(pairs, second_pairs, j, i, num_labels, CODED: tl.constexpr):
    """Tiles of A and B, (j, i)."""
    at = j[:, None] * num_labels + i[None, :]
    inside = (j[:, None] < num_labels) & (i[None, :] < num_labels)
    if CODED:
        codes = tl.load(pairs + at, mask=inside, other=0).to(tl.int32)
        a = (codes & 3).to(tl.float16) * 0.5
        b = (codes >> 2).to(tl.float16) * 0.5
    else:
        a = tl.load(pairs + at, mask=inside, other=0.0)
        b = tl.load(second_pairs + at, mask=inside, other=0.0)
    return a, b


@triton.jit
def _scale(active, tiles, num_labels, ACTIVE_PAIRS: tl.constexpr, DTYPE: tl.constexpr):
    """1 / (2 M^2), or 1 / (2 active pairs)."""
    if ACTIVE_PAIRS:
        halves = tl.zeros((1024,), DTYPE)
        for start in range(0, tiles, 1024):
            at = start + tl.arange(0, 1024)
            halves += tl.load(active + at, mask=at < tiles, other=0).to(DTYPE)
        pairs = tl.sum(halves, axis=0) * 0.5
        pairs = tl.where(pairs > 0, pairs, 1.0)
    else:
        pairs = tl.cast(num_labels, DTYPE) * tl.cast(num_labels, DTYPE)
    return divide(tl.full((), 0.5, DTYPE), tl.cast(pairs, DTYPE))


@triton.jit
def _products(
    logits,
    pairs,
    second_pairs,
    k,
    i,
    batch,
    num_labels,
    row,
    column,
    CODED: tl.constexpr,
    DTYPE: tl.constexpr,
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
    STEP: tl.constexpr,
):
    """A q, B q, B q^2 and B q^3 for some samples and labels i, and those labels' degrees a and b."""
    aq = tl.zeros((ROWS, TILE), DTYPE)
    bq = tl.zeros((ROWS, TILE), DTYPE)
    bq2 = tl.zeros((ROWS, TILE), DTYPE)
    bq3 = tl.zeros((ROWS, TILE), DTYPE)
    a_degrees = tl.zeros((TILE,), DTYPE)
    b_degrees = tl.zeros((TILE,), DTYPE)
    for start in range(0, num_labels, STEP):
        j = start + tl.arange(0, STEP)
        x = _load(logits, k, j, batch, num_labels, row, column).to(DTYPE)
        _, q, _, _ = _sigmoid(x, DTYPE)
        q2 = q * q
        a, b = _pair_weights(pairs, second_pairs, j, i, num_labels, CODED)
        a_degrees += tl.sum(a.to(DTYPE), axis=0)
        b_degrees += tl.sum(b.to(DTYPE), axis=0)
        aq = _times(q, a, aq, CODED, DTYPE)
        bq = _times(q, b, bq, CODED, DTYPE)
        bq2 = _times(q2, b, bq2, CODED, DTYPE)
        bq3 = _times(q2 * q, b, bq3, CODED, DTYPE)
    return aq, bq, bq2, bq3, a_degrees, b_degrees


@triton.jit
def _relation_terms(q, aq, bq, bq2, bq3, a_degrees, b_degrees):
    """Eq. 2 before its factor: each sample's share of the value, and d value / dp."""
    q2 = q * q
    degrees = b_degrees[None, :]
    l_b = degrees * q - bq
    g = (a_degrees[None, :] * q - aq) - 2.0 * l_b
    h = (degrees * (q2 * q) - bq3) + 3.0 * (q2 * l_b - q * (degrees * q2 - bq2))
    return tl.sum(degrees + 2.0 * q * (g + h), axis=1), 4.0 * g + 8.0 * h


@triton.jit
def _sum_up(
    total,
    cross_entropy,
    relation_loss,
    partials,
    batch,
    columns,
    alpha,
    share,
    JOINT: tl.constexpr,
    BY_SAMPLE: tl.constexpr,
    DTYPE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Sum the partial values over tiles of labels and, unless `BY_SAMPLE`, over samples, in one order whatever ran."""
    all_entropy = tl.zeros((BLOCK,), DTYPE)
    all_relation = tl.zeros((BLOCK,), DTYPE)
    for start in range(0, batch, BLOCK):
        k = start + tl.arange(0, BLOCK)
        inside = k < batch
        entropy = tl.zeros((BLOCK,), DTYPE)
        relation = tl.zeros((BLOCK,), DTYPE)
        for tile in range(0, columns):
            at = partials + tl.cast(tile, tl.int64) * batch + k
            relation += tl.load(at, mask=inside, other=0.0, cache_modifier=".cg")
            if JOINT:
                at += tl.cast(columns, tl.int64) * batch
                entropy += tl.load(at, mask=inside, other=0.0, cache_modifier=".cg")
        if BY_SAMPLE:
            tl.store(relation_loss + k, relation, mask=inside)
            if JOINT:
                tl.store(total + k, entropy + alpha * relation, mask=inside)
                tl.store(cross_entropy + k, entropy, mask=inside)
        else:
            all_entropy += entropy
            all_relation += relation
    if not BY_SAMPLE:
        relation = tl.sum(all_relation, axis=0) * share
        tl.store(relation_loss, relation)
        if JOINT:
            entropy = tl.sum(all_entropy, axis=0) * share
            tl.store(total, entropy + alpha * relation)
            tl.store(cross_entropy, entropy)


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
    """
    k = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    i = tl.program_id(1) * TILE + tl.arange(0, TILE)
    in_batch = k < batch
    inside = in_batch[:, None] & (i[None, :] < num_labels)
    alpha = tl.full((), alpha, DTYPE)
    aq, bq, bq2, bq3, a_degrees, b_degrees = _products(
        logits, pairs, second_pairs, k, i, batch, num_labels, row, column, CODED, DTYPE, ROWS, TILE, STEP
    )
    # Only now, so that none of it holds registers during the products.
    x = _load(logits, k, i, batch, num_labels, row, column).to(DTYPE)
    p, q, slope, e = _sigmoid(x, DTYPE)
    value, relation_slope = _relation_terms(q, aq, bq, bq2, bq3, a_degrees, b_degrees)
    share = tl.full((), 1.0, DTYPE)
    if REDUCTION == "mean":
        share = divide(share, tl.cast(batch, DTYPE))
    factor = tl.full((ROWS,), 1.0, DTYPE)
    if WEIGHTED:
        factor = tl.load(sample_weight + k.to(tl.int64) * weight_stride, mask=in_batch, other=0.0).to(DTYPE)
    scale = _scale(active, tiles, num_labels, ACTIVE_PAIRS, DTYPE)
    at = tl.program_id(1).to(tl.int64) * batch + k
    tl.store(partials + at, value * scale * factor, mask=in_batch)
    by_row = (factor * share)[:, None]
    relation_gradient = (relation_slope * slope) * (scale * by_row)

    into = k[:, None].to(tl.int64) * num_labels + i[None, :]
    if JOINT:
        y = _load(targets, k, i, batch, num_labels, target_row, target_column).to(DTYPE)
        known = inside & (y == y)  # NaN alone differs from itself
        if MASKED:
            seen = _load(observed, k, i, batch, num_labels, observed_row, observed_column)
            known = known & (seen != 0)
        y = tl.where(known, y, 0.0)
        rest = 1.0 - y
        positive = y
        if POS_WEIGHTED:
            positive = y * tl.load(pos_weight + i, mask=i < num_labels, other=0.0)[None, :]
        log_p = tl.minimum(x, 0.0) - _log1p(e, DTYPE)
        entropy = rest * x - (positive + rest) * log_p
        entropy_slope = (positive + rest) * p - positive
        entropy = tl.where(known, entropy, 0.0)
        entropy_gradient = tl.where(known, entropy_slope, 0.0) * by_row
        tl.store(
            partials + tl.num_programs(1).to(tl.int64) * batch + at, tl.sum(entropy, axis=1) * factor, mask=in_batch
        )
        if GRADIENT == "total":
            tl.store(gradient + into, entropy_gradient + alpha * relation_gradient, mask=inside)
        if GRADIENT == "parts":
            tl.store(gradient + into, entropy_gradient, mask=inside)
            tl.store(second_gradient + into, relation_gradient, mask=inside)
    elif GRADIENT != "none":
        tl.store(gradient + into, relation_gradient, mask=inside)

    # The last program to come here finds all partial values written: the barrier orders the threads of a program, the
    # atomic the programs.
    tl.debug_barrier()
    ended = tl.atomic_add(counter, 1, sem="acq_rel")
    if ended == tl.num_programs(0) * tl.num_programs(1) - 1:
        columns = tl.num_programs(1)
        _sum_up(
            total,
            cross_entropy,
            relation_loss,
            partials,
            batch,
            columns,
            alpha,
            share,
            JOINT,
            REDUCTION == "none",
            DTYPE,
            256,
        )
        tl.store(counter, 0)
