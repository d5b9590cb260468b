"""Eq. 1 and Eq. 3: from the targets of a batch to the relation and the codes of its pairs, tile by tile.

A program takes a tile (I, J) of a (num_labels, num_labels) matrix, I <= J, and its mirror image. It counts pairs as
`counting` does and goes on as `tiles` does. No matrix of this size is written besides the accumulators and the codes,
unless counts are summed over processes.
"""

import triton
import triton.language as tl

from obrl_torch.kernels.counting import pair_counts, tile_pair
from obrl_torch.kernels.tiles import flat, move_and_code


@triton.jit
def _over_parts(partials, PARTS: tl.constexpr, TILE: tl.constexpr):
    """The sum of the counts of all parts; they are whole numbers, so their order does not matter."""
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
        relation_sum: R_sb, (num_labels, num_labels), or (3, num_labels, num_labels) with `"counts"`; updated in place.
        relation_weight: S, (num_labels, num_labels), in the same dtype; updated in place.
        code: int8, (num_labels, code_row), of each pair as `obrl.algebra.coded_laplacians` defines it, zeros behind the
            last label; written.
        active: int32, one number a pair of tiles: a + b summed over its pairs; written.
        counter: int32, one number; set to 0 for `loss_kernel`.
        arrivals: int32, one number a pair of tiles, 0 before and after; not used with one part.
        partials: float32, space for 4 TILE^2 numbers for each part of each pair of tiles; not used with one part.
        decay_less_one: lambda - 1.
        r_p: the threshold of the positive pairs; `r_n` that of the negative ones.
        batch: K.
        num_labels: M.
        length: number of samples of a part.
        code_row: a multiple of 16, less than 16 above M.
        row: stride of a sample in `targets`; `column` that of a label; `observed_row` and `observed_column` likewise.
        MASKED: whether there is `observed`.
        COMPLETE: whether no target can be missing: there is no mask, and the dtype has no NaN.
        MEASURE: a key of `obrl.MEASURES`.
        SYMMETRIC: whether the measure is.
        ESTIMATOR: `"batch"` or `"counts"`.
        ROWS: samples a step of the loop.
        GROUPS: number of groups of these samples, each counted by one warp.
        PARTS: number of parts of the batch, a power of two; a program counts one part of one pair of tiles.
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
    is_last = True
    if PARTS > 1:
        at = partials + (pair * PARTS + part) * 4 * TILE * TILE + tl.arange(0, TILE * TILE)
        tl.store(at, flat(n))
        tl.store(at + TILE * TILE, flat(s))
        tl.store(at + 2 * TILE * TILE, flat(r))
        tl.store(at + 3 * TILE * TILE, flat(c))
        # The last program of a pair of tiles sees the counts of the others, as in `terms.write_terms`.
        tl.debug_barrier()
        is_last = tl.atomic_add(arrivals + pair, 1, sem="acq_rel") == PARTS - 1
    if is_last:
        if PARTS > 1:
            tl.store(arrivals + pair, 0)
            pair_partials = partials + pair * PARTS * 4 * TILE * TILE
            n = _over_parts(pair_partials, PARTS, TILE)
            s = _over_parts(pair_partials + TILE * TILE, PARTS, TILE)
            r = _over_parts(pair_partials + 2 * TILE * TILE, PARTS, TILE)
            c = _over_parts(pair_partials + 3 * TILE * TILE, PARTS, TILE)
        move_and_code(
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
    """Update the accumulators by the counts of a batch, or only read them, and write the codes.

    This is the second half of `relation_kernel`, which describes the other arguments.

    Args:
        counts: n, s and r in the dtype in which they were summed, (3, num_labels, num_labels); read with `MOVES`.
        MOVES: whether Eq. 1 is applied; else only the codes are written.
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
    move_and_code(
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
