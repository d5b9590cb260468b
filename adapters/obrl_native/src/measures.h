// The measures that the native code knows: this is the only list of them.
#pragma once

#include <cstdint>

// `each(NUMBER, name, symmetric)`, in the order of obrl.MEASURES: numbers count from 0. `symmetric` is whether (i, j)
// and (j, i) always agree. fraction.h has their formulas.
#define OBRL_MEASURES(each)              \
  each(PEARSON, pearson, true)           \
  each(UNIT_PEARSON, unit_pearson, true) \
  each(MATCHING, matching, true)         \
  each(COSINE, cosine, true)             \
  each(JACCARD, jaccard, true)           \
  each(CONDITIONAL, conditional, false)  \
  each(YULE_Q, yule_q, true)             \
  each(PHI_RATIO, phi_ratio, true)

extern "C" {

enum obrl_measure : int32_t {
#define OBRL_ENUMERATOR(number, name, symmetric) OBRL_##number,
  OBRL_MEASURES(OBRL_ENUMERATOR)
#undef OBRL_ENUMERATOR
};

}  // extern "C"

namespace obrl {

struct Measure {
  const char* name;
  bool symmetric;
};

#define OBRL_ENTRY(number, name, symmetric) {#name, symmetric},
constexpr Measure kMeasures[] = {OBRL_MEASURES(OBRL_ENTRY)};
#undef OBRL_ENTRY

constexpr int32_t kNumMeasures = sizeof kMeasures / sizeof kMeasures[0];

constexpr bool is_measure(int32_t number) { return 0 <= number && number < kNumMeasures; }

}  // namespace obrl
