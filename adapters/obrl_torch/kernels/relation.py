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

from obrl_torch.kernels.counting import pair_counts, tile_pair
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
def _flat(tile):
    """A tile as one row after the other, so that it is laid out as loads and stores want it, and not as products do."""
    return tl.reshape(tile, (tile.shape[0] * tile.shape[1],))


@triton.jit
def _mirrored(flat, TILE: tl.constexpr):
    """The mirror image of a flat tile."""
    return _flat(tl.trans(tl.reshape(flat, (TILE, TILE))))


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
            relation_sum, relation_weight, _flat(n), _flat(s), _flat(r), at, inside, size, decay, MOVES
        )
        n_mirror, s_mirror, r_mirror = n_sum, s_sum, r_sum
        if row_tile != column_tile:
            n_mirror, s_mirror, r_mirror = _averaged(
                relation_sum,
                relation_weight,
                _flat(tl.trans(n)),
                _flat(tl.trans(s)),
                _flat(tl.trans(c)),
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
        related = _relate(relation_sum, relation_weight, _flat(quotient), at, inside, candidate, decay, r_p, r_n, MOVES)
        related_mirror = related
        if row_tile != column_tile:
            if not SYMMETRIC:
                quotient = _measured(n, s, c, r, relation_weight, MEASURE)
            related_mirror = _relate(
                relation_sum,
                relation_weight,
                _flat(tl.trans(quotient)),
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


@triton.jit
def _over_parts(partials, PARTS: tl.constexpr, TILE: tl.constexpr):
    """The sum of the parts' counts, which are whole numbers, so that their order does not matter."""
    part = tl.arange(0, PARTS)[:, None]
    counts = tl.load(partials + part * 4 * TILE * TILE + tl.arange(0, TILE * TILE)[None, :], cache_modifier=".cg")
    return tl.reshape(tl.sum(counts, axis=0), (TILE, TILE))


@triton.jit
def relation_kernel(
    targets,
    observed,
    relation_sum,
    relation_weight,
    code,
    active,
    counter,
    arrivals,
    partials,
    decay_less_one: tl.float64,
    r_p: tl.float64,
    r_n: tl.float64,
    batch,
    num_labels,
    length,
    code_row,
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
    GROUPS: tl.constexpr,
    PARTS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Count the pairs of a batch, move the accumulators, and write the codes: one launch.

    Args:
        targets: (batch, num_labels), with the strides `row` and `column`; bool as bytes, integer or floating point.
        observed: the same shape as bytes, with its own strides; read where `MASKED`.
        relation_sum: R_sb, (num_labels, num_labels), or (3, num_labels, num_labels) with `"counts"`; written in place.
        relation_weight: S, (num_labels, num_labels), in the same dtype; written in place.
        code: int8, (num_labels, code_row), zeros behind the last label; written.
        active: int32, one number a program: how many halves of ordered pairs are active; written.
        counter: int32, one number; set to 0 for `loss_kernel`.
        arrivals: int32, a number for each pair of tiles, 0 before and after; not used with one part.
        partials: room for 4 TILE^2 numbers in float32 for each part of each pair of tiles; likewise.
        decay_less_one: lambda - 1.
        r_p: the threshold of the positive pairs; `r_n` that of the negative ones.
        batch: K.
        num_labels: M.
        length: how many samples a part has.
        code_row: a multiple of 16, less than 16 above M.
        row: stride of a sample in `targets`; `column` that of a label; `observed_row` and `observed_column` likewise.
        MASKED: whether `observed` is given.
        COMPLETE: whether every target is known to be known: no mask, and a dtype without NaN.
        MEASURE: a key of `obrl.MEASURES`.
        SYMMETRIC: whether the measure is.
        ESTIMATOR: `"batch"` or `"counts"`.
        ROWS: samples a step of the loop.
        GROUPS: into how many parts those are dealt out, which are counted at once.
        PARTS: a power of two, into which the batch is dealt out; a program counts one part of one pair of tiles.
        TILE: labels a tile.
    """
    pair, part = tl.program_id(0), tl.program_id(1)
    if pair + part == 0:
        tl.store(counter, 0)
    row_tile, column_tile = tile_pair(pair)
    first = part * length
    n, s, r, c = pair_counts(
        targets,
        observed,
        row_tile * TILE + tl.arange(0, TILE),
        column_tile * TILE + tl.arange(0, TILE),
        first,
        tl.minimum(first + length, batch),
        num_labels,
        row,
        column,
        observed_row,
        observed_column,
        MASKED,
        COMPLETE,
        ROWS,
        GROUPS,
        TILE,
    )
    last = True
    if PARTS > 1:
        at = partials + (pair * PARTS + part) * 4 * TILE * TILE + tl.arange(0, TILE * TILE)
        tl.store(at, _flat(n))
        tl.store(at + TILE * TILE, _flat(s))
        tl.store(at + 2 * TILE * TILE, _flat(r))
        tl.store(at + 3 * TILE * TILE, _flat(c))
        # As in `loss_kernel`, the last program of a pair of tiles finds what the others counted.
        tl.debug_barrier()
        last = tl.atomic_add(arrivals + pair, 1, sem="acq_rel") == PARTS - 1
    if last:
        if PARTS > 1:
            tl.store(arrivals + pair, 0)
            counted = partials + pair * PARTS * 4 * TILE * TILE
            n = _over_parts(counted, PARTS, TILE)
            s = _over_parts(counted + TILE * TILE, PARTS, TILE)
            r = _over_parts(counted + 2 * TILE * TILE, PARTS, TILE)
            c = _over_parts(counted + 3 * TILE * TILE, PARTS, TILE)
        finish(
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
            True,
            MEASURE,
            SYMMETRIC,
            ESTIMATOR,
            TILE,
        )


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
    code_row,
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
    if tl.program_id(0) == 0:
        tl.store(counter, 0)
    row_tile, column_tile = tile_pair(tl.program_id(0))
    n = tl.zeros((TILE, TILE), tl.float32)
    s, r, c = n, n, n
    if MOVES:
        i = row_tile * TILE + tl.arange(0, TILE)
        j = column_tile * TILE + tl.arange(0, TILE)
        size = num_labels * num_labels
        inside = (i[:, None] < num_labels) & (j[None, :] < num_labels)
        at = counts + i[:, None] * num_labels + j[None, :]
        n = tl.load(at, mask=inside, other=0.0)
        s = tl.load(at + size, mask=inside, other=0.0)
        r = tl.load(at + 2 * size, mask=inside, other=0.0)
        c = tl.load(counts + 2 * size + j[None, :] * num_labels + i[:, None], mask=inside, other=0.0)
    finish(
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
        MOVES,
        MEASURE,
        SYMMETRIC,
        ESTIMATOR,
        TILE,
    )
