"""Eq. 1 and Eq. 3: from the targets of a batch to the relation and the codes of its pairs, tile by tile.

A program takes the tile (I, J) of a (num_labels, num_labels) matrix, I <= J, and its mirror image (J, I): the counts of
the one are the transposed counts of the other. It counts pairs in half precision products with float32 sums, exact up
to 2^24 rows, measures them, moves both tiles of the accumulators in place, and writes one byte a pair: the pair's
weights, as the loss wants them, symmetrised. Nothing of size (num_labels, num_labels) exists but the accumulators and
that byte.

The code of a pair is a + 4 b, where a and b, from 0 to 2, are twice its weights A and B, the means over both directions
of f_p and f_n.
"""

import triton
import triton.language as tl

from obrl_torch.kernels.counting import pair_counts
from obrl_torch.kernels.measures import divide, fraction


@triton.jit
def _measured(n, s, r, c, like, MEASURE: tl.constexpr):
    """A measure of counts in the dtype of `like`: its value, arbitrary where it is undefined, and 1 where it is not."""
    dtype = like.dtype.element_ty
    numerator, denominator = fraction(n.to(dtype), s.to(dtype), r.to(dtype), c.to(dtype), MEASURE)
    defined = (denominator > 0).to(dtype)
    return divide(numerator, denominator + (1.0 - defined)), defined


@triton.jit
def _moved(total, batch, defined, at, inside, decay_less_one, MOVES: tl.constexpr):
    """Eq. 1 on a tile of an accumulator: lambda total + batch where defined is 1, and no change where it is 0."""
    value = tl.load(total + at, mask=inside, other=0.0)
    if MOVES:
        value = (defined * decay_less_one + 1.0) * value + defined * batch
        tl.store(total + at, value, mask=inside)
    return value


@triton.jit
def _thresholds(value, scale, candidate, r_p, r_n):
    """Eq. 3 on value / scale: f_p and f_n as 0/1, 0 where `scale` is."""
    known = candidate & (scale > 0)
    return (known & (value >= r_p * scale)).to(tl.int32), (known & (value <= r_n * scale)).to(tl.int32)


@triton.jit
def _relate(
    relation_sum,
    relation_weight,
    quotient,
    defined,
    at,
    inside,
    candidate,
    decay_less_one,
    r_p,
    r_n,
    MOVES: tl.constexpr,
):
    """The estimator "batch" on a tile: Eq. 1, then Eq. 3 without dividing."""
    value = _moved(relation_sum, quotient, defined, at, inside, decay_less_one, MOVES)
    weight = _moved(relation_weight, 1.0, defined, at, inside, decay_less_one, MOVES)
    return _thresholds(value, weight, candidate, r_p, r_n)


@triton.jit
def _averaged(relation_sum, relation_weight, n, s, r, at, inside, size, decay_less_one, MOVES: tl.constexpr):
    """The estimator "counts" on a tile: Eq. 1 on the counts; their new sums."""
    dtype = relation_weight.dtype.element_ty
    defined = (n > 0).to(dtype)
    _moved(relation_weight, 1.0, defined, at, inside, decay_less_one, MOVES)
    return (
        _moved(relation_sum, n.to(dtype), defined, at, inside, decay_less_one, MOVES),
        _moved(relation_sum + size, s.to(dtype), defined, at, inside, decay_less_one, MOVES),
        _moved(relation_sum + 2 * size, r.to(dtype), defined, at, inside, decay_less_one, MOVES),
    )


@triton.jit
def _finish(
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
    i,
    j,
    num_labels,
    MOVES: tl.constexpr,
    MEASURE: tl.constexpr,
    SYMMETRIC: tl.constexpr,
    ESTIMATOR: tl.constexpr,
):
    """Move a tile and its mirror image, and write the codes of their pairs and how many there are."""
    row_tile = tl.program_id(0)
    column_tile = tl.program_id(1)
    dtype = relation_weight.dtype.element_ty
    decay_less_one = tl.full((), decay_less_one, dtype)
    r_p = tl.full((), r_p, dtype)
    r_n = tl.full((), r_n, dtype)
    size = num_labels * num_labels
    at = i[:, None] * num_labels + j[None, :]
    at_mirror = j[:, None] * num_labels + i[None, :]
    inside = (i[:, None] < num_labels) & (j[None, :] < num_labels)
    inside_mirror = (j[:, None] < num_labels) & (i[None, :] < num_labels)
    candidate = inside & (i[:, None] != j[None, :])
    candidate_mirror = inside_mirror & (j[:, None] != i[None, :])
    if ESTIMATOR == "counts":
        n_sum, s_sum, r_sum = _averaged(relation_sum, relation_weight, n, s, r, at, inside, size, decay_less_one, MOVES)
        n_mirror, s_mirror, r_mirror = n_sum, s_sum, r_sum
        if row_tile != column_tile:
            n_mirror, s_mirror, r_mirror = _averaged(
                relation_sum,
                relation_weight,
                tl.trans(n),
                tl.trans(s),
                tl.trans(c),
                at_mirror,
                inside_mirror,
                size,
                decay_less_one,
                MOVES,
            )
        # The sum of c is that of r over the mirror image, transposed.
        quotient, defined = _measured(n_sum, s_sum, r_sum, tl.trans(r_mirror), relation_weight, MEASURE)
        positive, negative = _thresholds(quotient, defined, candidate, r_p, r_n)
        quotient, defined = _measured(n_mirror, s_mirror, r_mirror, tl.trans(r_sum), relation_weight, MEASURE)
        positive_mirror, negative_mirror = _thresholds(quotient, defined, candidate_mirror, r_p, r_n)
    else:
        quotient, defined = _measured(n, s, r, c, relation_weight, MEASURE)
        if SYMMETRIC:
            quotient_mirror, defined_mirror = tl.trans(quotient), tl.trans(defined)
        else:
            quotient_mirror, defined_mirror = _measured(
                tl.trans(n), tl.trans(s), tl.trans(c), tl.trans(r), relation_weight, MEASURE
            )
        positive, negative = _relate(
            relation_sum,
            relation_weight,
            quotient,
            defined,
            at,
            inside,
            candidate,
            decay_less_one,
            r_p,
            r_n,
            MOVES,
        )
        positive_mirror, negative_mirror = positive, negative
        if row_tile != column_tile:
            positive_mirror, negative_mirror = _relate(
                relation_sum,
                relation_weight,
                quotient_mirror,
                defined_mirror,
                at_mirror,
                inside_mirror,
                candidate_mirror,
                decay_less_one,
                r_p,
                r_n,
                MOVES,
            )
    if SYMMETRIC:
        # Averages of counts are rounded, so (i, j) and (j, i) may differ in their last digit.
        a = 2 * (positive & tl.trans(positive_mirror))
        b = 2 * (negative & tl.trans(negative_mirror))
    else:
        a = positive + tl.trans(positive_mirror)
        b = negative + tl.trans(negative_mirror)
    codes = (a + 4 * b).to(tl.int8)
    tl.store(code + at, codes, mask=inside)
    halves = tl.sum(tl.sum(a + b, axis=1), axis=0)
    place = active + row_tile * tl.num_programs(1) + column_tile
    if row_tile != column_tile:
        tl.store(code + at_mirror, tl.trans(codes), mask=inside_mirror)
        tl.store(place, 2 * halves)
    else:
        tl.store(place, halves)


@triton.jit
def relation_kernel(
    targets,
    observed,
    relation_sum,
    relation_weight,
    code,
    active,
    counter,
    decay_less_one: tl.float64,
    r_p: tl.float64,
    r_n: tl.float64,
    batch,
    num_labels,
    row,
    column,
    observed_row,
    observed_column,
    MASKED: tl.constexpr,
    COMPLETE: tl.constexpr,
    MEASURE: tl.constexpr,
    SYMMETRIC: tl.constexpr,
    ESTIMATOR: tl.constexpr,
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Count the pairs of a batch, move the accumulators, and write the codes: one launch.

    Args:
        targets: (batch, num_labels), with the strides `row` and `column`; bool as bytes, integer or floating point.
        observed: the same shape as bytes, with its own strides; read where `MASKED`.
        relation_sum: R_sb, (num_labels, num_labels), or (3, num_labels, num_labels) with `"counts"`; written in place.
        relation_weight: S, (num_labels, num_labels), in the same dtype; written in place.
        code: int8, (num_labels, num_labels); written.
        active: int32, one number a program: how many halves of ordered pairs are active; written.
        counter: int32, one number; set to 0 for `loss_kernel`.
        decay_less_one: lambda - 1.
        r_p: the threshold of the positive pairs; `r_n` that of the negative ones.
        batch: K.
        num_labels: M.
        row: stride of a sample in `targets`; `column` that of a label; `observed_row` and `observed_column` likewise.
        MASKED: whether `observed` is given.
        COMPLETE: whether every target is known to be known: no mask, and a dtype without NaN.
        MEASURE: a key of `obrl.MEASURES`.
        SYMMETRIC: whether the measure is.
        ESTIMATOR: `"batch"` or `"counts"`.
        ROWS: samples a step of the loop.
        TILE: labels a tile.
    """
    row_tile = tl.program_id(0)
    column_tile = tl.program_id(1)
    if row_tile + column_tile == 0:
        tl.store(counter, 0)
    if row_tile <= column_tile:
        i = row_tile * TILE + tl.arange(0, TILE)
        j = column_tile * TILE + tl.arange(0, TILE)
        n, s, r, c = pair_counts(
            targets,
            observed,
            i,
            j,
            batch,
            num_labels,
            row,
            column,
            observed_row,
            observed_column,
            MASKED,
            COMPLETE,
            ROWS,
            TILE,
        )
        _finish(
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
            i,
            j,
            num_labels,
            True,
            MEASURE,
            SYMMETRIC,
            ESTIMATOR,
        )
    else:
        tl.store(active + row_tile * tl.num_programs(1) + column_tile, 0)


@triton.jit
def code_kernel(
    counts,
    relation_sum,
    relation_weight,
    code,
    active,
    counter,
    decay_less_one: tl.float64,
    r_p: tl.float64,
    r_n: tl.float64,
    num_labels,
    MOVES: tl.constexpr,
    MEASURE: tl.constexpr,
    SYMMETRIC: tl.constexpr,
    ESTIMATOR: tl.constexpr,
    TILE: tl.constexpr,
):
    """Move the accumulators by given counts, or leave them alone, and write the codes.

    The second half of `relation_kernel`, whose arguments these are.

    Args:
        counts: n, s and r in the dtype they were summed in, (3, num_labels, num_labels); read where `MOVES`.
        MOVES: whether Eq. 1 is taken; else only the codes are written.
    """
    row_tile = tl.program_id(0)
    column_tile = tl.program_id(1)
    if row_tile + column_tile == 0:
        tl.store(counter, 0)
    if row_tile <= column_tile:
        i = row_tile * TILE + tl.arange(0, TILE)
        j = column_tile * TILE + tl.arange(0, TILE)
        n = tl.zeros((TILE, TILE), tl.float32)
        s, r, c = n, n, n
        if MOVES:
            size = num_labels * num_labels
            inside = (i[:, None] < num_labels) & (j[None, :] < num_labels)
            at = counts + i[:, None] * num_labels + j[None, :]
            n = tl.load(at, mask=inside, other=0.0)
            s = tl.load(at + size, mask=inside, other=0.0)
            r = tl.load(at + 2 * size, mask=inside, other=0.0)
            c = tl.load(counts + 2 * size + j[None, :] * num_labels + i[:, None], mask=inside, other=0.0)
        _finish(
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
            i,
            j,
            num_labels,
            MOVES,
            MEASURE,
            SYMMETRIC,
            ESTIMATOR,
        )
    else:
        tl.store(active + row_tile * tl.num_programs(1) + column_tile, 0)
