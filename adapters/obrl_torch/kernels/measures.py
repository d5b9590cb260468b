"""The formulas of `obrl.measures`, on tiles of pair counts."""

import triton
import triton.language as tl


@triton.jit
def square_root(a):
    """The square root of a, rounded once."""
    if a.dtype == tl.float32:
        root = tl.sqrt_rn(a)
    else:
        root = tl.sqrt(a)
    return root


@triton.jit
def fraction(n, s, r, c, MEASURE: tl.constexpr):
    """Numerator and denominator of a measure; the measure is undefined where the denominator is 0.

    Args:
        n: number of samples in which i and j are both observed; a tile of a floating point dtype, as the next three.
        s: of these, the samples in which both are 1.
        r: those in which i is 1.
        c: those in which j is 1.
        MEASURE: a key of `obrl.MEASURES`. A name without a branch here does not compile.
    """
    # The fourfold table: both (s), only i, only j, neither. Its ad - bc equals n s - r c, and does not cancel.
    only_i = r - s
    only_j = c - s
    not_i = n - r
    not_j = n - c
    neither = not_i - only_j
    concordant = s * neither
    discordant = only_i * only_j
    difference = concordant - discordant
    if MEASURE == "pearson" or MEASURE == "unit_pearson":
        denominator = square_root((r * not_i) * (c * not_j))
        numerator = difference
        if MEASURE == "unit_pearson":
            numerator = difference + denominator
            denominator = denominator + denominator
    elif MEASURE == "matching":
        numerator = s + neither
        denominator = numerator + (only_i + only_j)
    elif MEASURE == "cosine":
        numerator = s
        denominator = square_root(r * c)
    elif MEASURE == "jaccard":
        numerator = s
        denominator = only_i + c
    elif MEASURE == "conditional":
        numerator = s
        denominator = c
    elif MEASURE == "yule_q":
        numerator = difference
        denominator = concordant + discordant
    elif MEASURE == "phi_ratio":
        largest = tl.minimum(r * not_j, c * not_i)
        smallest = tl.minimum(r * c, not_i * not_j)
        numerator = difference
        denominator = tl.where(difference < 0, smallest, largest)
    else:
        tl.static_assert(False, "this measure has no formula in obrl_torch.kernels.measures")
    return numerator, denominator
