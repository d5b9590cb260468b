"""Many labels: their pairs in small integers, and the products of Eq. 2 by blocks of rows.

The two Laplacians that the algebra multiplies a batch with take eight bytes a pair. Here a pair takes one or none, and
only some rows of its weights exist at a time, in memory that a processor's own cache holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from obrl.algebra import Products, pair_scale
from obrl.namespace import Array, Namespace


def row_blocks(num_labels: int, elements: int) -> tuple[int, int, int]:
    """How to take the rows of a (num_labels, num_labels) matrix in blocks of about so many elements.

    Returns:
        How many rows a block has, how many such blocks there are, and how many rows are left for one more.

    Example:
        >>> row_blocks(7, 20)
        (2, 3, 1)
    """
    rows = max(1, elements // num_labels)
    return rows, num_labels // rows, num_labels % rows


def code_pairs(ns: Namespace, positive: Array, negative: Array, *, symmetric: bool) -> Array:
    """f_p and f_n, bool, (num_labels, num_labels), in one matrix: a + 4 b, with the symmetric weights a and b.

    Where f_p and f_n are not symmetric, the weights are twice A and B. The dtype is that of `ns.small_integers`.
    """
    code = ns.small_integers(positive) + ns.small_integers(negative) * 4
    return code if symmetric else code + ns.transpose(code)


class RowWeights(NamedTuple):
    """Some rows of the pair weights, in floats, (rows, num_labels) each.

    Attributes:
        mixed: 2 (a - 2 b), with a and b as in `code_pairs`: A and B, or twice them.
        negative: 4 b.
    """

    mixed: Array
    negative: Array


def code_weights(ns: Namespace, code: Array, *, like: Array) -> RowWeights:
    """The weights in some rows of `code_pairs`, int8, (rows, num_labels), in the dtype of `like`."""
    a = code & 3
    four_b = code - a  # integers, and their sums and products with two, cost a CPU a quarter of float32's
    return RowWeights(mixed=ns.cast((a + a) - four_b, like=like), negative=ns.cast(four_b, like=like))


class RowProducts(NamedTuple):
    """The products with some rows of the pair weights, which by symmetry are those columns of `Products`.

    Where f_p and f_n are not symmetric, they are with twice A and B, and so twice those columns.

    Attributes:
        mixed: q (L_A - 2 L_B), (batch, rows).
        powers: q, q^2 and q^3 below each other, times L_B, (3 batch, rows).
        mixed_degrees: the diagonal of L_A - 2 L_B, (1, rows).
        negative_degrees: the diagonal of L_B, (1, rows).
    """

    mixed: Array
    powers: Array
    mixed_degrees: Array
    negative_degrees: Array


def multiply_rows(
    ns: Namespace, weights: RowWeights, q: Array, powers: Array, rows: Callable[[Array], Array]
) -> RowProducts:
    """Multiply a batch with some rows of the pair weights, of which no more are made than these.

    Args:
        ns: the framework's functions.
        weights: of those rows.
        q: centred probabilities, (batch, num_labels).
        powers: q, q^2 and q^3 below each other, (3 batch, num_labels).
        rows: gives the columns of their labels in q and in the powers.
    """
    mixed_degrees = 0.5 * ns.transpose(ns.sum(weights.mixed, axis=1, keepdims=True))
    negative_degrees = 0.25 * ns.transpose(ns.sum(weights.negative, axis=1, keepdims=True))
    return RowProducts(
        mixed=mixed_degrees * rows(q) - 0.5 * ns.matmul(q, ns.transpose(weights.mixed)),  # diag(W 1) - W
        powers=negative_degrees * rows(powers) - 0.25 * ns.matmul(powers, ns.transpose(weights.negative)),
        mixed_degrees=mixed_degrees,
        negative_degrees=negative_degrees,
    )


def all_products(
    ns: Namespace, rows: RowProducts, thirds: Sequence[Array], *, num_labels: int, symmetric: bool, normalization: str
) -> Products:
    """The products of a batch from those of all rows.

    Args:
        ns: the framework's functions.
        rows: of all rows, side by side.
        thirds: its `powers` taken apart: three arrays, (batch, num_labels).
        num_labels: M.
        symmetric: whether f_p and f_n were; else the weights are twice A and B.
        normalization: as in `pair_laplacians`.
    """
    negative_total = ns.sum(rows.negative_degrees)
    scale = pair_scale(ns, rows.mixed_degrees, negative_total, num_labels=num_labels, normalization=normalization)
    if normalization == "all_pairs" and not symmetric:
        scale = 0.5 * scale
    linear, square, cube = thirds
    return Products(rows.mixed, linear, square, cube, negative_total, scale)
