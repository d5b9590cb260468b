// The formulas of obrl.measures on pair counts.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "measures.h"

namespace obrl {

constexpr int64_t kColumns = 512;  // pairs of one row that are computed at a time

// The pair counts of one label i and some labels j.
template <class S>
struct Counts {
  S n[kColumns], s[kColumns], r[kColumns], c[kColumns];
};

// Numerator and denominator of a measure from one fourfold table. With `exact`, n s - r c has no rounding error as it
// is written; otherwise it is ad - bc, which does not cancel.
template <class S, int measure, bool exact>
inline void fraction(S n, S both, S i, S j, S& numerator, S& denominator) {
  const S not_i = n - i, not_j = n - j;
  const S only_i = i - both, only_j = j - both, neither = not_i - only_j;
  const S difference = exact ? n * both - i * j : both * neither - only_i * only_j;
  if constexpr (measure == OBRL_PEARSON) {
    numerator = difference;
    denominator = std::sqrt((i * not_i) * (j * not_j));
  } else if constexpr (measure == OBRL_UNIT_PEARSON) {
    const S spread = std::sqrt((i * not_i) * (j * not_j));
    numerator = difference + spread;
    denominator = spread + spread;
  } else if constexpr (measure == OBRL_MATCHING) {
    numerator = both + neither;
    denominator = numerator + (only_i + only_j);
  } else if constexpr (measure == OBRL_COSINE) {
    numerator = both;
    denominator = std::sqrt(i * j);
  } else if constexpr (measure == OBRL_JACCARD) {
    numerator = both;
    denominator = only_i + j;
  } else if constexpr (measure == OBRL_CONDITIONAL) {
    numerator = both;
    denominator = j;
  } else if constexpr (measure == OBRL_YULE_Q) {
    const S concordant = both * neither, discordant = only_i * only_j;
    numerator = concordant - discordant;
    denominator = concordant + discordant;
  } else if constexpr (measure == OBRL_PHI_RATIO) {
    numerator = difference;
    denominator = difference < 0 ? std::min(i * j, not_i * not_j) : std::min(i * not_j, j * not_i);
  } else {
    static_assert(measure != measure, "this measure has no formula");
  }
}

// A measure of some pairs. `defined` is 1 or 0; where it is 0, the value is finite but arbitrary.
template <class S, int measure, bool exact>
void apply(const Counts<S>& counts, int64_t size, S* value, S* defined) {
  for (int64_t j = 0; j < size; ++j) {
    S numerator, denominator;
    fraction<S, measure, exact>(counts.n[j], counts.s[j], counts.r[j], counts.c[j], numerator, denominator);
    defined[j] = denominator > 0 ? S(1) : S(0);
    value[j] = numerator / (denominator + (S(1) - defined[j]));
  }
}

template <class S>
using Apply = void (*)(const Counts<S>& counts, int64_t size, S* value, S* defined);

// `apply` for the number of a measure, which `is_measure` must have accepted.
template <class S, bool exact>
Apply<S> apply_of(int32_t measure) {
#define OBRL_APPLY(number, name, symmetric) apply<S, OBRL_##number, exact>,
  constexpr Apply<S> functions[] = {OBRL_MEASURES(OBRL_APPLY)};
#undef OBRL_APPLY
  return functions[measure];
}

}  // namespace obrl
