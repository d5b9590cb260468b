"""Eq. 1 and Eq. 3 on a tile of a (num_labels, num_labels) matrix and on its mirror image, from pair counts.

The counts of the mirror image are the transposed counts of the tile. Both tiles of the accumulators are updated in
place. The result of Eq. 3 is one byte a pair, its code, which `obrl.algebra.coded_laplacians` defines.
"""

import triton
import triton.language as tl

from obrl_torch.kernels.measures import fraction
from obrl_torch.kernels.terms import divide


@triton.jit
def _relation_of_counts(n, s, r, c, like, MEASURE: tl.constexpr):
    """A measure of counts in the dtype of `like`, NaN where it is undefined."""
    dtype = like.dtype.element_ty
    numerator, denominator = fraction(n.to(dtype), s.to(dtype), r.to(dtype), c.to(dtype), MEASURE)
    defined = denominator > 0
    return tl.where(defined, divide(numerator, tl.where(defined, denominator, 1.0)), float("nan"))


@triton.jit
def _decay_and_add(value, batch, defined, decay):
    """Eq. 1: lambda value + batch where the batch relation is defined, else the value itself."""
    return tl.where(defined, decay * value + batch, value)


@triton.jit
def _select_pairs(value, scale, candidate, r_p, r_n):
    """Eq. 3 on value / scale: f_p + 4 f_n in int8, and 0 where `scale` is 0."""
    has_evidence = candidate & (scale > 0)
    positive = has_evidence & (value >= r_p * scale)
    negative = has_evidence & (value <= r_n * scale)
    return positive.to(tl.int8) + 4 * negative.to(tl.int8)


@triton.jit
def _move_relations(
    relation_sum, relation_weight, quotient, at, inside, candidate, decay, r_p, r_n, MOVES: tl.constexpr
):
    """Eq. 1, then Eq. 3 without a division, on a tile with the estimator "batch"; returns f_p + 4 f_n."""
    value = tl.load(relation_sum + at, mask=inside, other=0.0)
    weight = tl.load(relation_weight + at, mask=inside, other=0.0)
    if MOVES:
        defined = quotient == quotient  # NaN alone differs from itself
        value = _decay_and_add(value, quotient, defined, decay)
        weight = _decay_and_add(weight, 1.0, defined, decay)
        tl.store(relation_sum + at, value, mask=inside)
        tl.store(relation_weight + at, weight, mask=inside)
    return _select_pairs(value, weight, candidate, r_p, r_n)


@triton.jit
def _move_counts(relation_sum, relation_weight, n, s, r, at, inside, size, decay, MOVES: tl.constexpr):
    """Eq. 1 on a tile of pair counts, with the estimator "counts"; returns the new sums of n, s and r."""
    n_sum = tl.load(relation_sum + at, mask=inside, other=0.0)
    s_sum = tl.load(relation_sum + size + at, mask=inside, other=0.0)
    r_sum = tl.load(relation_sum + 2 * size + at, mask=inside, other=0.0)
    if MOVES:
        dtype = relation_weight.dtype.element_ty
        defined = n > 0
        weight = tl.load(relation_weight + at, mask=inside, other=0.0)
        tl.store(relation_weight + at, _decay_and_add(weight, 1.0, defined, decay), mask=inside)
        n_sum = _decay_and_add(n_sum, n.to(dtype), defined, decay)
        s_sum = _decay_and_add(s_sum, s.to(dtype), defined, decay)
        r_sum = _decay_and_add(r_sum, r.to(dtype), defined, decay)
        tl.store(relation_sum + at, n_sum, mask=inside)
        tl.store(relation_sum + size + at, s_sum, mask=inside)
        tl.store(relation_sum + 2 * size + at, r_sum, mask=inside)
    return n_sum, s_sum, r_sum


@triton.jit
def _select_pairs_by_counts(n, s, r, c, like, candidate, r_p, r_n, MEASURE: tl.constexpr):
    """Eq. 3 on averaged counts; returns f_p + 4 f_n."""
    quotient = _relation_of_counts(n, s, r, c, like, MEASURE)
    return _select_pairs(quotient, (quotient == quotient).to(quotient.dtype), candidate, r_p, r_n)


@triton.jit
def flat(tile):
    """A tile, one row after the other: Triton then uses the layout of loads and stores, not that of products."""
    return tl.reshape(tile, (tile.shape[0] * tile.shape[1],))


@triton.jit
def _mirror(values, TILE: tl.constexpr):
    """The transpose of a flat tile, flat too."""
    return flat(tl.trans(tl.reshape(values, (TILE, TILE))))


@triton.jit
def move_and_code(
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
    """Eq. 1 on a tile and its mirror image, then the codes of their pairs and the number of active ones.

    Args:
        relation_sum: of `relation.relation_kernel`, as are all that are not named here.
        n: pair counts of the tile, (TILE, TILE); `s`, `r` and `c` likewise.
        row_tile: number of the tile along i; `column_tile` along j.
        MOVES: whether Eq. 1 is applied; else the accumulators are only read.
    """
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
        n_sum, s_sum, r_sum = _move_counts(
            relation_sum, relation_weight, flat(n), flat(s), flat(r), at, inside, size, decay, MOVES
        )
        n_mirror, s_mirror, r_mirror = n_sum, s_sum, r_sum
        if row_tile != column_tile:
            n_mirror, s_mirror, r_mirror = _move_counts(
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
        # c of a pair (i, j) is r of (j, i), so its sum is the transposed sum of r of the mirror image.
        selection = _select_pairs_by_counts(
            n_sum, s_sum, r_sum, _mirror(r_mirror, TILE), relation_weight, candidate, r_p, r_n, MEASURE
        )
        mirror_selection = _select_pairs_by_counts(
            n_mirror, s_mirror, r_mirror, _mirror(r_sum, TILE), relation_weight, candidate_mirror, r_p, r_n, MEASURE
        )
    else:
        quotient = _relation_of_counts(n, s, r, c, relation_weight, MEASURE)
        selection = _move_relations(
            relation_sum, relation_weight, flat(quotient), at, inside, candidate, decay, r_p, r_n, MOVES
        )
        mirror_selection = selection
        if row_tile != column_tile:
            if not SYMMETRIC:
                quotient = _relation_of_counts(n, s, c, r, relation_weight, MEASURE)
            mirror_selection = _move_relations(
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
        # Averaged counts are rounded, so (i, j) and (j, i) may differ in the last digit: both must be active.
        codes = 2 * (selection & _mirror(mirror_selection, TILE))
    else:
        codes = selection + _mirror(mirror_selection, TILE)
    # A thread stores four bytes. With sixteen it would also hold sixteen neighbours of each accumulator.
    at_code = code + tl.max_contiguous(i * code_row + j, 4)
    tl.store(at_code, codes, mask=(i < num_labels) & (j < code_row))
    twice_active = tl.sum((codes & 3).to(tl.int32) + (codes >> 2).to(tl.int32), axis=0)
    if row_tile != column_tile:
        in_code = (j_mirror < num_labels) & (i_mirror < code_row)
        at_code = code + tl.max_contiguous(j_mirror * code_row + i_mirror, 4)
        tl.store(at_code, _mirror(codes, TILE), mask=in_code)
        twice_active *= 2
    tl.store(active + tl.program_id(0), twice_active)
