"""Pair counts of a tile of labels, from targets of any dtype.

They are matrix products of zeros and ones in half precision, summed in float32, which is exact up to 2^24 rows.
"""

import triton
import triton.language as tl

from obrl_torch.kernels.measures import square_root


@triton.jit
def labels(
    targets, observed, k, label, batch, num_labels, row, column, observed_row, observed_column, MASKED: tl.constexpr
):
    """Which targets are 1, and which are observed and not NaN, as 0 or 1 in half precision, (rows, labels)."""
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
        mask = tl.load(observed + rows * observed_row + columns * observed_column, mask=inside, other=0)
        known = known & (mask != 0)
    one = tl.full(y.shape, 1.0, tl.float16)
    return tl.where(positive & known, one, 0.0), tl.where(known, one, 0.0)


@triton.jit
def tile_pair(number):
    """The tiles I <= J of a pair, from its number in the order (0, 0), (0, 1), (1, 1), (0, 2), ..."""
    # Exact: 8 number + 1 is below 2^24, and the root of a square has no rounding error.
    root = square_root((8 * number + 1).to(tl.float32))
    column_tile = ((root - 1.0) * 0.5).to(tl.int32)
    return number - column_tile * (column_tile + 1) // 2, column_tile


@triton.jit
def _no_counts(GROUPS: tl.constexpr, TILE: tl.constexpr):
    """A total of 0 for every group of rows."""
    if GROUPS == 1:
        zeros = tl.zeros((TILE, TILE), tl.float32)
    else:
        zeros = tl.zeros((GROUPS, TILE, TILE), tl.float32)
    return zeros


@triton.jit
def _count(x, y, total, GROUPS: tl.constexpr):
    """Add x' y to a total, for each group of rows."""
    if GROUPS == 1:
        total = tl.dot(tl.trans(x), y, total)
    else:
        x = tl.reshape(x, (GROUPS, x.shape[0] // GROUPS, x.shape[1]))
        y = tl.reshape(y, (GROUPS, y.shape[0] // GROUPS, y.shape[1]))
        total = tl.dot(tl.permute(x, (0, 2, 1)), y, total)
    return total


@triton.jit
def _sum_groups(counts, GROUPS: tl.constexpr):
    """The counts of all groups together."""
    if GROUPS > 1:
        counts = tl.sum(counts, axis=0)
    return counts


@triton.jit
def pair_counts(
    targets,
    observed,
    i,
    j,
    first,
    batch,
    num_labels,
    row,
    column,
    observed_row,
    observed_column,
    MASKED: tl.constexpr,
    COMPLETE: tl.constexpr,
    ROWS: tl.constexpr,
    GROUPS: tl.constexpr,
    TILE: tl.constexpr,
):
    """The pair counts n, s, r and c of a tile, in float32, over the samples from `first` up to `batch`."""
    n = _no_counts(GROUPS, TILE)
    s = _no_counts(GROUPS, TILE)
    r = _no_counts(GROUPS, TILE)
    c = _no_counts(GROUPS, TILE)
    r_ones = tl.zeros((TILE,), tl.float32)
    c_ones = tl.zeros((TILE,), tl.float32)
    for start in range(first, batch, ROWS):
        k = start + tl.arange(0, ROWS)
        positive_i, known_i = labels(
            targets, observed, k, i, batch, num_labels, row, column, observed_row, observed_column, MASKED
        )
        positive_j, known_j = labels(
            targets, observed, k, j, batch, num_labels, row, column, observed_row, observed_column, MASKED
        )
        s = _count(positive_i, positive_j, s, GROUPS)
        if COMPLETE:
            r_ones += tl.sum(positive_i.to(tl.float32), axis=0)
            c_ones += tl.sum(positive_j.to(tl.float32), axis=0)
        else:
            n = _count(known_i, known_j, n, GROUPS)
            r = _count(positive_i, known_j, r, GROUPS)
            c = _count(known_i, positive_j, c, GROUPS)
    s_all = _sum_groups(s, GROUPS)
    if COMPLETE:
        zero = tl.zeros((TILE, TILE), tl.float32)
        n_all = zero + tl.maximum(batch - first, 0)
        r_all = zero + r_ones[:, None]
        c_all = zero + c_ones[None, :]
    else:
        n_all, r_all, c_all = _sum_groups(n, GROUPS), _sum_groups(r, GROUPS), _sum_groups(c, GROUPS)
    return n_all, s_all, r_all, c_all


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
    GROUPS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Count the pairs of a batch into `counts`: n, s and r, float32, (3, num_labels, num_labels).

    This is the first half of `relation_kernel`, for counts that are summed over processes. The arguments are those of
    `relation_kernel`.
    """
    row_tile, column_tile = tile_pair(tl.program_id(0))
    i = row_tile * TILE + tl.arange(0, TILE)
    j = column_tile * TILE + tl.arange(0, TILE)
    n, s, r, c = pair_counts(
        targets,
        observed,
        i,
        j,
        0,
        batch,
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
