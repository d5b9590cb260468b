"""Eq. 1 and Eq. 3 for many labels: pair counts as one product of bytes.

`pack_kernel` writes once, in bytes, which targets are 1 and which are observed: the samples of a label side by side,
with zeros up to whole blocks. Tensor cores multiply bytes twice as fast as half precision, and their int32 sums are
exact. The loop of `wide_relation_kernel` needs no mask, so it loads into shared memory while products run.
"""

import triton
import triton.language as tl

from obrl_torch.kernels.counting import labels, tile_pair
from obrl_torch.kernels.tiles import move_and_code


@triton.jit
def pack_kernel(
    targets,
    observed,
    packed,
    batch,
    num_labels,
    row,
    column,
    observed_row,
    observed_column,
    padded_batch,
    padded_labels,
    MASKED: tl.constexpr,
    ROWS: tl.constexpr,
    LABELS: tl.constexpr,
):
    """Pack the targets of a batch; `relation.relation_kernel` describes the other arguments.

    Args:
        packed: int8, (2, padded_labels, padded_batch): first 1 where a target is 1, then 1 where it is observed and not
            NaN; written.
        padded_batch: K up to whole blocks of `wide_relation_kernel`.
        padded_labels: M, likewise.
        ROWS: samples a program.
        LABELS: labels a program.
    """
    k = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    j = tl.program_id(1) * LABELS + tl.arange(0, LABELS)
    positive, known = labels(
        targets, observed, k, j, batch, num_labels, row, column, observed_row, observed_column, MASKED
    )
    inside = (j[:, None] < padded_labels) & (k[None, :] < padded_batch)
    at = packed + j[:, None].to(tl.int64) * padded_batch + k[None, :]
    tl.store(at, tl.trans(positive.to(tl.int8)), mask=inside)
    tl.store(at + padded_labels.to(tl.int64) * padded_batch, tl.trans(known.to(tl.int8)), mask=inside)


@triton.jit
def wide_relation_kernel(
    packed,
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
    padded_batch,
    padded_labels,
    MEASURE: tl.constexpr,
    SYMMETRIC: tl.constexpr,
    ESTIMATOR: tl.constexpr,
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Count the pairs of packed targets, update the accumulators, and write the codes.

    `relation.relation_kernel` describes the other arguments.

    Args:
        packed: of `pack_kernel`.
        padded_batch: a multiple of ROWS.
        padded_labels: a multiple of TILE.
    """
    if tl.program_id(0) == 0:
        tl.store(counter, 0)
    row_tile, column_tile = tile_pair(tl.program_id(0))
    i = row_tile * TILE + tl.arange(0, TILE)
    j = column_tile * TILE + tl.arange(0, TILE)
    k = tl.arange(0, ROWS)
    size = padded_labels.to(tl.int64) * padded_batch
    at_i = packed + i[:, None].to(tl.int64) * padded_batch + k[None, :]
    at_j = packed + j[None, :].to(tl.int64) * padded_batch + k[:, None]
    n = tl.zeros((TILE, TILE), tl.int32)
    s = tl.zeros((TILE, TILE), tl.int32)
    r = tl.zeros((TILE, TILE), tl.int32)
    c = tl.zeros((TILE, TILE), tl.int32)
    for start in range(0, padded_batch, ROWS):
        positive_i = tl.load(at_i + start)
        known_i = tl.load(at_i + size + start)
        positive_j = tl.load(at_j + start)
        known_j = tl.load(at_j + size + start)
        n = tl.dot(known_i, known_j, n, out_dtype=tl.int32)
        s = tl.dot(positive_i, positive_j, s, out_dtype=tl.int32)
        r = tl.dot(positive_i, known_j, r, out_dtype=tl.int32)
        c = tl.dot(known_i, positive_j, c, out_dtype=tl.int32)
    move_and_code(
        relation_sum,
        relation_weight,
        code,
        active,
        decay_less_one,
        r_p,
        r_n,
        n.to(tl.float32),
        s.to(tl.float32),
        r.to(tl.float32),
        c.to(tl.float32),
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
