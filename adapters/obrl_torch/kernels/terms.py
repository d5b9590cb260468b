"""The terms of Eq. 2 and Eq. 4 and their gradients, from products of matrices.

With q = p - 1/2, A and B the pair weights, a = A 1 and b = B 1, and powers elementwise, `obrl.algebra` derives (L_A and
L_B are the Laplacians of A and B here, not losses)

    L_A q = a q - A q,  and so for B
    g = L_A q - 2 L_B q,    h = L_B q^3 + 3 (q^2 L_B q - q L_B q^2)
    value = sum_i b_i + 2 q_i (g_i + h_i),    d value / dx = 4 p (1 - p) (g + 2 h)

With u = 2 q^3 - 2 q, the products A q, B q and B q^3 enter the gradient as one product, A q + B u. L_B is symmetric, so
sum_i q_i (L_B q^3)_i equals sum_i q_i^3 (L_B q)_i. So three products are enough for both value and gradient:

    lq = L_B q = b q - B q,    lq2 = L_B q^2 = b q^2 - B q^2
    s = g + 2 h = (a q + b u) - (A q + B u) + 6 (q^2 lq - q lq2),    d value / dp = 4 s
    value = sum_i b_i + q_i (2 s_i - 8 q_i^2 lq_i + 6 q_i lq2_i)

In float32 every factor is split into two numbers in half precision, x = (high + low) / scale. A part of a code, 0, 1 or
2, is not converted to half precision: its bits, read as a number in half precision, are so many times the least
subnormal number, which is exact. So two products on tensor cores, summed in float32, give one product with 22 bits.

Each program writes its samples' sums over its tile of labels. The last program to end adds these up in a fixed order,
so the result does not depend on the order in which the programs ran.
"""

import triton
import triton.language as tl

Q_SCALE = tl.constexpr(2.0**16)
"""Scale of the halves of q and u, whose magnitude is below 1."""
Q2_SCALE = tl.constexpr(2.0**17)
"""Scale of the halves of q^2, which is at most 1/4."""
CODE_UNIT = tl.constexpr(2.0**-24)
"""What the bits of the integer 1 mean in half precision: the least subnormal number."""
PARTIALS_AT_ONCE = tl.constexpr(2048)
"""Number of partial values that the last program loads at once."""


@triton.jit
def divide(a, b):
    """The quotient a / b, rounded once."""
    if a.dtype == tl.float32:
        quotient = tl.div_rn(a, b)
    else:
        quotient = a / b
    return quotient


@triton.jit
def _log1p(e, DTYPE: tl.constexpr):
    """log(1 + e) for 0 <= e <= 1; in float32 the series of 2 atanh(e / (2 + e)), for hardware logarithms differ."""
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
def sigmoid(x, DTYPE: tl.constexpr):
    """The probability p of x, q = p - 1/2, p (1 - p) and exp(-|x|); for large x none of them loses digits."""
    e = tl.exp(-tl.abs(x))
    r = divide(tl.full(e.shape, 1.0, DTYPE), 1.0 + e)
    half = 0.5 * ((1.0 - e) * r)
    return tl.where(x < 0, e * r, r), tl.where(x < 0, -half, half), (e * r) * r, e


@triton.jit
def load(matrix, k, label, batch, num_labels, row, column):
    """A block of a (batch, num_labels) matrix, with 0 outside of the matrix."""
    inside = (k[:, None] < batch) & (label[None, :] < num_labels)
    return tl.load(matrix + k[:, None].to(tl.int64) * row + label[None, :].to(tl.int64) * column, mask=inside, other=0)


@triton.jit
def mask_outside(q, k, label, batch, num_labels):
    """The same q: it is 0 outside of the batch already.

    The mask stops Triton from recomputing q in every warp when q is an operand of `tl.dot`.
    """
    return tl.where((k[:, None] < batch) & (label[None, :] < num_labels), q, 0.0)


@triton.jit
def halves_of(x, SCALE: tl.constexpr):
    """Two numbers in half precision for a factor: x = (high + low) / SCALE."""
    x *= SCALE
    high = x.to(tl.float16)
    return high, (x - high.to(tl.float32)).to(tl.float16)


@triton.jit
def weights_of(codes):
    """A and B of pairs, each times 2 CODE_UNIT: the parts a and b of their codes, read as half precision."""
    codes = codes.to(tl.int16)
    return (codes & 3).to(tl.float16, bitcast=True), (codes >> 2).to(tl.float16, bitcast=True)


@triton.jit
def _scale(active, tiles, num_labels, ACTIVE_PAIRS: tl.constexpr, DTYPE: tl.constexpr):
    """The factor of Eq. 2: 1 / (2 M^2), or 1 / (2 active pairs)."""
    if ACTIVE_PAIRS:
        twice = tl.zeros((1024,), DTYPE)
        for start in range(0, tiles, 1024):
            at = start + tl.arange(0, 1024)
            twice += tl.load(active + at, mask=at < tiles, other=0).to(DTYPE)
        pairs = tl.sum(twice, axis=0) * 0.5
        pairs = tl.where(pairs > 0, pairs, 1.0)
    else:
        pairs = tl.cast(num_labels, DTYPE) * tl.cast(num_labels, DTYPE)
    return divide(tl.full((), 0.5, DTYPE), tl.cast(pairs, DTYPE))


@triton.jit
def in_units(mixed, bq, bq2):
    """Undo the scales of `halves_of` and `weights_of`: they are powers of two, so this is exact."""
    unit: tl.constexpr = 0.5 / (CODE_UNIT * Q_SCALE)
    unit2: tl.constexpr = 0.5 / (CODE_UNIT * Q2_SCALE)
    return mixed * unit, bq * unit, bq2 * unit2


@triton.jit
def relation_value_and_slope(q, mixed, bq, bq2, a_degrees, b_degrees):
    """Eq. 2 without its factor: the value of each sample over these labels, and d value / dp."""
    q2 = q * q
    degrees = b_degrees[None, :]
    lq = degrees * q - bq
    q_lq2 = q * (degrees * q2 - bq2)
    s = q * a_degrees[None, :] + degrees * (2.0 * q * (q2 - 1.0)) - mixed + 6.0 * (q2 * lq - q_lq2)
    value = degrees + q * (2.0 * s - 8.0 * (q2 * lq) + 6.0 * q_lq2)
    return tl.sum(value, axis=1), 4.0 * s


@triton.jit
def _sum_up(
    total,
    cross_entropy,
    relation_loss,
    partials,
    batch,
    alpha,
    share,
    JOINT: tl.constexpr,
    REDUCTION: tl.constexpr,
    DTYPE: tl.constexpr,
    BLOCK: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Sum the partial values over tiles of labels and, if there is a reduction, over samples, in a fixed order."""
    columns = tl.num_programs(1)
    all_entropy = tl.zeros((BLOCK,), DTYPE)
    all_relation = tl.zeros((BLOCK,), DTYPE)
    for start in range(0, batch, BLOCK):
        k = start + tl.arange(0, BLOCK)
        inside = k < batch
        entropies = tl.zeros((COLUMNS, BLOCK), DTYPE)
        relations = tl.zeros((COLUMNS, BLOCK), DTYPE)
        for first in range(0, columns, COLUMNS):
            tile = first + tl.arange(0, COLUMNS)[:, None]
            at = partials + tile.to(tl.int64) * batch + k[None, :]
            here = inside[None, :] & (tile < columns)
            relations += tl.load(at, mask=here, other=0.0, cache_modifier=".cg")
            if JOINT:
                at += tl.cast(columns, tl.int64) * batch
                entropies += tl.load(at, mask=here, other=0.0, cache_modifier=".cg")
        entropy = tl.sum(entropies, axis=0)
        relation = tl.sum(relations, axis=0)
        if REDUCTION == "none":
            tl.store(relation_loss + k, relation, mask=inside)
            if JOINT:
                tl.store(total + k, entropy + alpha * relation, mask=inside)
                tl.store(cross_entropy + k, entropy, mask=inside)
        else:
            all_entropy += entropy
            all_relation += relation
    if REDUCTION != "none":
        relation = tl.sum(all_relation, axis=0) * share
        tl.store(relation_loss, relation)
        if JOINT:
            entropy = tl.sum(all_entropy, axis=0) * share
            tl.store(total, entropy + alpha * relation)
            tl.store(cross_entropy, entropy)


@triton.jit
def write_terms(
    observed,
    sample_weight,
    pos_weight,
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
    observed_row,
    observed_column,
    weight_stride,
    k,
    i,
    x,
    y,
    value,
    dvalue_dp,
    JOINT: tl.constexpr,
    MASKED: tl.constexpr,
    WEIGHTED: tl.constexpr,
    POS_WEIGHTED: tl.constexpr,
    ACTIVE_PAIRS: tl.constexpr,
    REDUCTION: tl.constexpr,
    GRADIENT: tl.constexpr,
    DTYPE: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Compute L_E, then write L, L_E, L_B and the gradients: everything after the products.

    Args:
        observed: of `loss.loss_kernel`, as are all that are not named here.
        k: the samples of this program.
        i: its labels.
        x: their logits, (samples, labels).
        y: their targets, likewise; read with `JOINT`.
        value: Eq. 2 of these samples over these labels, without its factor, (samples,).
        dvalue_dp: its derivative with respect to p, (samples, labels).
        BLOCK: number of samples that the last program sums at once; COLUMNS: that of tiles of labels.
    """
    in_batch = k < batch
    inside = in_batch[:, None] & (i[None, :] < num_labels)
    alpha = tl.full((), alpha, DTYPE)
    p, _, dp_dx, e = sigmoid(x, DTYPE)  # computed again: no register holds them during the products
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
    relation_gradient = (dvalue_dp * dp_dx) * (scale * by_row)

    into = k[:, None].to(tl.int64) * num_labels + i[None, :]
    if JOINT:
        known = inside & (y == y)  # NaN alone differs from itself
        if MASKED:
            mask = load(observed, k, i, batch, num_labels, observed_row, observed_column)
            known = known & (mask != 0)
        y = tl.where(known, y, 0.0)
        rest = 1.0 - y
        positive = y
        if POS_WEIGHTED:
            positive = y * tl.load(pos_weight + i, mask=i < num_labels, other=0.0)[None, :]
        log_p = tl.minimum(x, 0.0) - _log1p(e, DTYPE)
        entropy = rest * x - (positive + rest) * log_p
        dentropy_dx = (positive + rest) * p - positive
        entropy = tl.where(known, entropy, 0.0)
        entropy_gradient = tl.where(known, dentropy_dx, 0.0) * by_row
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

    # The last program to come here sees the partial values of all: the barrier orders the threads of a program, the
    # atomic operation orders the programs.
    tl.debug_barrier()
    earlier = tl.atomic_add(counter, 1, sem="acq_rel")
    if earlier == tl.num_programs(0) * tl.num_programs(1) - 1:
        _sum_up(
            total, cross_entropy, relation_loss, partials, batch, alpha, share, JOINT, REDUCTION, DTYPE, BLOCK, COLUMNS
        )
        tl.store(counter, 0)
