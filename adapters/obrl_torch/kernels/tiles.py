"""Eq. 1 and Eq. 3 on a tile of a (num_labels, num_labels) matrix and its mirror image, from the counts of its pairs.

The counts of the one are the transposed counts of the other. Both tiles of the accumulators move in place, and a byte a
pair is written, all that is left of Eq. 3: its code a + 4 b, where a and b, from 0 to 2, are twice the pair's weights A
and B, the means over both directions of f_p and f_n.
"""

import triton
import triton.language as tl

from obrl_torch.kernels.measures import divide, fraction


@triton.jit
def _measured(n, s, r, c, like, MEASURE: tl.constexpr):
    """A measure of counts in the dtype of `like`, NaN where it is undefined."""
    dtype = like.dtype.element_ty
    numerator, denominator = fraction(n.to(dtype), s.to(dtype), r.to(dtype), c.to(dtype), MEASURE)
    defined = denominator > 0
    return tl.where(defined, divide(numerator, tl.where(defined, denominator, 1.0)), float("nan"))


@triton.jit
def _moved(value, batch, defined, decay):
    """Eq. 1: lambda value + batch where that is defined, and no change where it is not."""
    return tl.where(defined, decay * value + batch, value)


@triton.jit
def _thresholds(value, scale, candidate, r_p, r_n):
    """Eq. 3 on value / scale: f_p + 4 f_n in int8, 0 where `scale` is."""
    known = candidate & (scale > 0)
    positive = known & (value >= r_p * scale)
    negative = known & (value <= r_n * scale)
    return positive.to(tl.int8) + 4 * negative.to(tl.int8)


@triton.jit
def _relate(relation_sum, relation_weight, quotient, at, inside, candidate, decay, r_p, r_n, MOVES: tl.constexpr):
    """The estimator "batch" on a tile: Eq. 1, then Eq. 3 without dividing."""
    value = tl.load(relation_sum + at, mask=inside, other=0.0)
    weight = tl.load(relation_weight + at, mask=inside, other=0.0)
    if MOVES:
        defined = quotient == quotient  # NaN alone differs from itself
        value = _moved(value, quotient, defined, decay)
        weight = _moved(weight, 1.0, defined, decay)
        tl.store(relation_sum + at, value, mask=inside)
        tl.store(relation_weight + at, weight, mask=inside)
    return _thresholds(value, weight, candidate, r_p, r_n)


@triton.jit
def _averaged(relation_sum, relation_weight, n, s, r, at, inside, size, decay, MOVES: tl.constexpr):
    """The estimator "counts" on a tile: Eq. 1 on the counts; their new sums."""
    n_sum = tl.load(relation_sum + at, mask=inside, other=0.0)
    s_sum = tl.load(relation_sum + size + at, mask=inside, other=0.0)
    r_sum = tl.load(relation_sum + 2 * size + at, mask=inside, other=0.0)
    if MOVES:
        dtype = relation_weight.dtype.element_ty
        defined = n > 0
        weight = tl.load(relation_weight + at, mask=inside, other=0.0)
        tl.store(relation_weight + at, _moved(weight, 1.0, defined, decay), mask=inside)
        n_sum = _moved(n_sum, n.to(dtype), defined, decay)
        s_sum = _moved(s_sum, s.to(dtype), defined, decay)
        r_sum = _moved(r_sum, r.to(dtype), defined, decay)
        tl.store(relation_sum + at, n_sum, mask=inside)
        tl.store(relation_sum + size + at, s_sum, mask=inside)
        tl.store(relation_sum + 2 * size + at, r_sum, mask=inside)
    return n_sum, s_sum, r_sum


@triton.jit
def _thresholds_of_counts(n, s, r, c, like, candidate, r_p, r_n, MEASURE: tl.constexpr):
    """Eq. 3 on averaged counts."""
    quotient = _measured(n, s, r, c, like, MEASURE)
    return _thresholds(quotient, (quotient == quotient).to(quotient.dtype), candidate, r_p, r_n)


@triton.jit
def flat(tile):
    """A tile as one row after the other, so that it is laid out as loads and stores want it, and not as products do."""
    return tl.reshape(tile, (tile.shape[0] * tile.shape[1],))


@triton.jit
def _mirrored(values, TILE: tl.constexpr):
    """The mirror image of a tile, flat as it is."""
    return flat(tl.trans(tl.reshape(values, (TILE, TILE))))


@triton.jit
def finish(
    relation_sum,
    relation_weight,
    code,
    active,
    decay_less_one,
    r_p,
    r_n,
    n,
    s,
    r,
    c,
    row_tile,
    column_tile,
    num_labels,
    code_row,
    MOVES: tl.constexpr,
    MEASURE: tl.constexpr,
    SYMMETRIC: tl.constexpr,
    ESTIMATOR: tl.constexpr,
    TILE: tl.constexpr,
):
    """Move a tile and its mirror image, and write the codes of their pairs and how many there are."""
    dtype = relation_weight.dtype.element_ty
    decay = tl.full((), decay_less_one, dtype) + 1.0
    r_p = tl.full((), r_p, dtype)
    r_n = tl.full((), r_n, dtype)
    size = num_labels * num_labels
    place = tl.arange(0, TILE * TILE)
    i = row_tile * TILE + place // TILE
    j = column_tile * TILE + place % TILE
    i_mirror = row_tile * TILE + place % TILE
    j_mirror = column_tile * TILE + place // TILE
    at = i * num_labels + j
    at_mirror = j_mirror * num_labels + i_mirror
    inside = (i < num_labels) & (j < num_labels)
    inside_mirror = (j_mirror < num_labels) & (i_mirror < num_labels)
    candidate = inside & (i != j)
    candidate_mirror = inside_mirror & (j_mirror != i_mirror)
    if ESTIMATOR == "counts":
        n_sum, s_sum, r_sum = _averaged(
            relation_sum, relation_weight, flat(n), flat(s), flat(r), at, inside, size, decay, MOVES
        )
        n_mirror, s_mirror, r_mirror = n_sum, s_sum, r_sum
        if row_tile != column_tile:
            n_mirror, s_mirror, r_mirror = _averaged(
                relation_sum,
                relation_weight,
                flat(tl.trans(n)),
                flat(tl.trans(s)),
                flat(tl.trans(c)),
                at_mirror,
                inside_mirror,
                size,
                decay,
                MOVES,
            )
        # The sum of c is that of r over the mirror image, transposed.
        related = _thresholds_of_counts(
            n_sum, s_sum, r_sum, _mirrored(r_mirror, TILE), relation_weight, candidate, r_p, r_n, MEASURE
        )
        related_mirror = _thresholds_of_counts(
            n_mirror, s_mirror, r_mirror, _mirrored(r_sum, TILE), relation_weight, candidate_mirror, r_p, r_n, MEASURE
        )
    else:
        quotient = _measured(n, s, r, c, relation_weight, MEASURE)
        related = _relate(relation_sum, relation_weight, flat(quotient), at, inside, candidate, decay, r_p, r_n, MOVES)
        related_mirror = related
        if row_tile != column_tile:
            if not SYMMETRIC:
                quotient = _measured(n, s, c, r, relation_weight, MEASURE)
            related_mirror = _relate(
                relation_sum,
                relation_weight,
                flat(tl.trans(quotient)),
                at_mirror,
                inside_mirror,
                candidate_mirror,
                decay,
                r_p,
                r_n,
                MOVES,
            )
    if SYMMETRIC:
        # Averages of counts are rounded, so (i, j) and (j, i) may differ in their last digit.
        codes = 2 * (related & _mirrored(related_mirror, TILE))
    else:
        codes = related + _mirrored(related_mirror, TILE)
    # Four bytes at a time, so that a thread has four neighbours of the accumulators too, and not sixteen.
    at_code = code + tl.max_contiguous(i * code_row + j, 4)
    tl.store(at_code, codes, mask=(i < num_labels) & (j < code_row))
    halves = tl.sum((codes & 3).to(tl.int32) + (codes >> 2).to(tl.int32), axis=0)
    if row_tile != column_tile:
        here = (j_mirror < num_labels) & (i_mirror < code_row)
        at_code = code + tl.max_contiguous(j_mirror * code_row + i_mirror, 4)
        tl.store(at_code, _mirrored(codes, TILE), mask=here)
        halves *= 2
    tl.store(active + tl.program_id(0), halves)
