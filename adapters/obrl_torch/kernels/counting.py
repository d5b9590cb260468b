"""Pair counts of a tile of labels, from targets of any dtype: products of zeros and ones in half precision.

The sums are in float32, exact up to 2^24 rows.
"""

import triton
import triton.language as tl


@triton.jit
def _labels(
    targets, observed, k, label, batch, num_labels, row, column, observed_row, observed_column, MASKED: tl.constexpr
):
    """Which targets of some rows and labels are 1, and which are known: 0/1 in half precision, (rows, labels)."""
    rows = k[:, None].to(tl.int64)
    columns = label[None, :].to(tl.int64)
    inside = (k[:, None] < batch) & (label[None, :] < num_labels)
    y = tl.load(targets + rows * row + columns * column, mask=inside, other=0)
    if y.dtype.is_floating():
        if y.dtype.primitive_bitwidth < 32:
            y = y.to(tl.float32)
        positive = y >= 0.5
        known = inside & (y == y)  # NaN alone differs from itself
    else:
        positive = y > 0
        known = inside
    if MASKED:
        seen = tl.load(observed + rows * observed_row + columns * observed_column, mask=inside, other=0)
        known = known & (seen != 0)
    return (positive & known).to(tl.float16), known.to(tl.float16)


@triton.jit
def pair_counts(
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
    MASKED: tl.constexpr,
    COMPLETE: tl.constexpr,
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
):
    """The pair counts n, s, r and c of a tile, in float32."""
    n = tl.zeros((TILE, TILE), tl.float32)
    s = tl.zeros((TILE, TILE), tl.float32)
    r = tl.zeros((TILE, TILE), tl.float32)
    c = tl.zeros((TILE, TILE), tl.float32)
    for start in range(0, batch, ROWS):
        k = start + tl.arange(0, ROWS)
        positive_i, known_i = _labels(
            targets, observed, k, i, batch, num_labels, row, column, observed_row, observed_column, MASKED
        )
        positive_j, known_j = _labels(
            targets, observed, k, j, batch, num_labels, row, column, observed_row, observed_column, MASKED
        )
        s = tl.dot(tl.trans(positive_i), positive_j, s)
        if COMPLETE:
            r += tl.sum(positive_i.to(tl.float32), axis=0)[:, None]
            c += tl.sum(positive_j.to(tl.float32), axis=0)[None, :]
        else:
            n = tl.dot(tl.trans(known_i), known_j, n)
            r = tl.dot(tl.trans(positive_i), known_j, r)
            c = tl.dot(tl.trans(known_i), positive_j, c)
    if COMPLETE:
        n += batch
    return n, s, r, c


@triton.jit
def count_kernel(
    targets,
    observed,
    counts,
    batch,
    num_labels,
    row,
    column,
    observed_row,
    observed_column,
    MASKED: tl.constexpr,
    COMPLETE: tl.constexpr,
    ROWS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Count the pairs of a batch into `counts`: n, s and r, float32, (3, num_labels, num_labels).

    The first half of `relation_kernel`, for what must be summed over processes; the arguments are its own.
    """
    row_tile = tl.program_id(0)
    column_tile = tl.program_id(1)
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
        size = num_labels * num_labels
        inside = (i[:, None] < num_labels) & (j[None, :] < num_labels)
        inside_mirror = (j[:, None] < num_labels) & (i[None, :] < num_labels)
        at = counts + i[:, None] * num_labels + j[None, :]
        at_mirror = counts + j[:, None] * num_labels + i[None, :]
        tl.store(at, n, mask=inside)
        tl.store(at + size, s, mask=inside)
        tl.store(at + 2 * size, r, mask=inside)
        tl.store(at_mirror, tl.trans(n), mask=inside_mirror)
        tl.store(at_mirror + size, tl.trans(s), mask=inside_mirror)
        tl.store(at_mirror + 2 * size, tl.trans(c), mask=inside_mirror)
