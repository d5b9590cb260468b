// Eq. 1 and Eq. 3, pair by pair.
//
// The labels of 32 samples are one word, so the counts of a pair are those of the bits of a few words. What follows is
// the arithmetic of obrl.measures and obrl.online in their order, and nothing here is contracted to a fused operation:
// the accumulators are then those of NumPy, to the bit.

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <vector>

#include "obrl_cpu.h"
#include "parallel.h"

namespace obrl {
namespace {

constexpr int64_t kColumns = 512;  // of a row, at a time
constexpr int64_t kRows = 16;      // of a task
constexpr int64_t kWords = 31;     // of bits, whose ones a byte can count: 8 of each
constexpr int64_t kTile = 64;      // side of the tiles in which pairs meet their mirror images

// The labels of a batch in bits: word w of label j, for samples 32 w to 32 w + 31, is number w * num_labels + j. Words are as
// wide as a float, so that vectors of both have as many lanes.
struct Bits {
  std::vector<uint32_t> positive;  // observed, and at least 0.5
  std::vector<uint32_t> observed;
  std::vector<int32_t> ones;  // of each label
  int64_t words;
  bool complete;  // nothing is missing
};

template <class Y>
uint32_t is_one(Y target) {
  return target >= Y(0.5);
}

template <>
uint32_t is_one(uint8_t target) {
  return target != 0;
}

template <class Y>
Bits pack(const obrl_labels& labels) {
  const int64_t num_labels = labels.num_labels;
  const auto* targets = static_cast<const Y*>(labels.targets);
  Bits bits;
  bits.words = (labels.batch + 31) / 32;
  bits.positive.assign(bits.words * num_labels, 0);
  bits.observed.assign(bits.words * num_labels, 0);
  bits.ones.assign(num_labels, 0);
  uint32_t missing = 0;
  for (int64_t row = 0; row < labels.batch; ++row) {
    uint32_t* positive = bits.positive.data() + row / 32 * num_labels;
    uint32_t* observed = bits.observed.data() + row / 32 * num_labels;
    const Y* values = targets + row * num_labels;
    const uint8_t* mask = labels.observed ? labels.observed + row * num_labels : nullptr;
    const int place = static_cast<int>(row % 32);
    for (int64_t j = 0; j < num_labels; ++j) {
      const Y value = values[j];
      const uint32_t known = (value == value) & (mask == nullptr || mask[j] != 0);
      missing |= known ^ 1;
      observed[j] |= known << place;
      positive[j] |= (known & is_one(value)) << place;
    }
  }
  bits.complete = missing == 0;
  for (int64_t word = 0; word < bits.words; ++word) {
    for (int64_t j = 0; j < num_labels; ++j) {
      bits.ones[j] += __builtin_popcount(bits.positive[word * num_labels + j]);
    }
  }
  return bits;
}

Bits packed(const obrl_labels& labels) {
  switch (labels.dtype) {
    case OBRL_FLOAT32:
      return pack<float>(labels);
    case OBRL_FLOAT64:
      return pack<double>(labels);
    default:
      return pack<uint8_t>(labels);
  }
}

// Some counts of one row of pairs, from column `start` on.
template <class S>
struct Counts {
  S n[kColumns], s[kColumns], r[kColumns], c[kColumns];
};

// How many bits of each byte are 1, in that byte: Warren, Hacker's Delight, 5-1. Few processors count the bits of a
// whole vector at once, and all have what this is made of.
inline uint32_t ones_of_bytes(uint32_t word) {
  word -= word >> 1 & 0x55555555u;
  word = (word & 0x33333333u) + (word >> 2 & 0x33333333u);
  return (word + (word >> 4)) & 0x0f0f0f0fu;
}

// How often two sets of labels occur together, for one label of the first and some of the second.
template <class S>
void together(const std::vector<uint32_t>& first, const std::vector<uint32_t>& second, int64_t words, int64_t num_labels,
              int64_t i, int64_t start, int64_t size, S* result) {
  std::fill_n(result, size, S(0));
  for (int64_t begin = 0; begin < words; begin += kWords) {
    uint32_t bytes[kColumns] = {};
    for (int64_t word = begin; word < std::min(begin + kWords, words); ++word) {
      const uint32_t own = first[word * num_labels + i];
      const uint32_t* other = second.data() + word * num_labels + start;
      for (int64_t j = 0; j < size; ++j) bytes[j] += ones_of_bytes(own & other[j]);
    }
    for (int64_t j = 0; j < size; ++j) {
      const uint32_t pairs = (bytes[j] & 0x00ff00ffu) + (bytes[j] >> 8 & 0x00ff00ffu);
      result[j] += static_cast<S>(static_cast<int32_t>((pairs & 0xffffu) + (pairs >> 16)));
    }
  }
}

// Where the counts of a batch come from: its labels in bits, or counts that were made before.
template <class S>
class Source {
 public:
  Source(const Bits* bits, const double* given, int64_t batch, int64_t num_labels)
      : bits_(bits), given_(given), batch_(batch), num_labels_(num_labels) {}

  // Whether n is the size of the batch for all pairs, and n s - r c exact as it stands.
  bool whole() const { return bits_ && bits_->complete && batch_ * batch_ <= int64_t{1} << 24; }

  void row(int64_t i, int64_t start, int64_t size, Counts<S>& counts) const {
    if (!bits_) {
      const int64_t matrix = num_labels_ * num_labels_, at = i * num_labels_ + start;
      for (int64_t j = 0; j < size; ++j) {
        counts.n[j] = static_cast<S>(given_[at + j]);
        counts.s[j] = static_cast<S>(given_[matrix + at + j]);
        counts.r[j] = static_cast<S>(given_[2 * matrix + at + j]);
        counts.c[j] = static_cast<S>(given_[2 * matrix + (start + j) * num_labels_ + i]);
      }
      return;
    }
    const auto count = [&](const std::vector<uint32_t>& first, const std::vector<uint32_t>& second, S* result) {
      together(first, second, bits_->words, num_labels_, i, start, size, result);
    };
    count(bits_->positive, bits_->positive, counts.s);
    if (!bits_->complete) {
      count(bits_->observed, bits_->observed, counts.n);
      count(bits_->positive, bits_->observed, counts.r);
      count(bits_->observed, bits_->positive, counts.c);
      return;
    }
    for (int64_t j = 0; j < size; ++j) {
      counts.n[j] = static_cast<S>(batch_);
      counts.r[j] = static_cast<S>(bits_->ones[i]);
      counts.c[j] = static_cast<S>(bits_->ones[start + j]);
    }
  }

 private:
  const Bits* bits_;
  const double* given_;
  int64_t batch_, num_labels_;
};

// Numerator and denominator of a measure of one fourfold table, as in obrl.measures.
template <class S, int measure, bool whole>
inline void fraction(S n, S both, S i, S j, S& numerator, S& denominator) {
  const S not_i = n - i, not_j = n - j;
  const S only_i = i - both, only_j = j - both, neither = not_i - only_j;
  const S difference = whole ? n * both - i * j : both * neither - only_i * only_j;
  if constexpr (measure == OBRL_PEARSON || measure == OBRL_UNIT_PEARSON) {
    const S spread = std::sqrt((i * not_i) * (j * not_j));
    numerator = measure == OBRL_PEARSON ? difference : difference + spread;
    denominator = measure == OBRL_PEARSON ? spread : spread + spread;
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
  } else {
    numerator = difference;
    denominator = difference < 0 ? std::min(i * j, not_i * not_j) : std::min(i * not_j, j * not_i);
  }
}

// A measure of some pairs: finite but arbitrary where `defined` is 0, which is 1 elsewhere.
template <class S, int measure, bool whole>
void apply(const Counts<S>& counts, int64_t size, S* value, S* defined) {
  for (int64_t j = 0; j < size; ++j) {
    S numerator, denominator;
    fraction<S, measure, whole>(counts.n[j], counts.s[j], counts.r[j], counts.c[j], numerator, denominator);
    defined[j] = denominator > 0 ? S(1) : S(0);
    value[j] = numerator / (denominator + (S(1) - defined[j]));
  }
}

template <class S>
using Apply = void (*)(const Counts<S>&, int64_t, S*, S*);

template <class S, bool whole>
Apply<S> apply_of(int32_t measure) {
  static constexpr Apply<S> kAll[] = {
      apply<S, OBRL_PEARSON, whole>,  apply<S, OBRL_UNIT_PEARSON, whole>, apply<S, OBRL_MATCHING, whole>,
      apply<S, OBRL_COSINE, whole>,   apply<S, OBRL_JACCARD, whole>,      apply<S, OBRL_CONDITIONAL, whole>,
      apply<S, OBRL_YULE_Q, whole>,   apply<S, OBRL_PHI_RATIO, whole>,
  };
  return kAll[measure];
}

// Whether the relation of (i, j) is that of (j, i) to the bit. Averages of counts are rounded, each direction by itself.
bool mirrors_itself(const obrl_relation& relation) { return relation.symmetric && !relation.counts; }

// Eq. 1 and Eq. 3 on rows of a relation in S, float or double.
template <class S>
class Rows {
 public:
  Rows(const obrl_relation& relation, const Source<S>* source, uint8_t* pairs, int32_t times)
      : sum_(static_cast<S*>(relation.sum)),
        weight_(static_cast<S*>(relation.weight)),
        num_labels_(relation.num_labels),
        matrix_(relation.num_labels * relation.num_labels),
        decay_less_one_(static_cast<S>(relation.decay - 1.0)),
        r_p_(static_cast<S>(relation.positive_threshold)),
        r_n_(static_cast<S>(relation.negative_threshold)),
        counts_(relation.counts != 0),
        times_(static_cast<S>(times)),
        source_(source),
        pairs_(pairs),
        of_batch_(source && source->whole() ? apply_of<S, true>(relation.measure)
                                            : apply_of<S, false>(relation.measure)),
        of_average_(apply_of<S, false>(relation.measure)) {}

  // Eq. 1 on a row, where there is a batch.
  void move(int64_t i) const {
    for (int64_t start = 0; source_ && start < num_labels_; start += kColumns) {
      const int64_t size = std::min(kColumns, num_labels_ - start), at = i * num_labels_ + start;
      Counts<S> counts;
      source_->row(i, start, size, counts);
      S value[kColumns], defined[kColumns];
      if (counts_) {
        for (int64_t j = 0; j < size; ++j) defined[j] = counts.n[j] > 0 ? S(1) : S(0);
        average(sum_ + at, counts.n, defined, size);
        average(sum_ + matrix_ + at, counts.s, defined, size);
        average(sum_ + 2 * matrix_ + at, counts.r, defined, size);
      } else {
        of_batch_(counts, size, value, defined);
        average(sum_ + at, value, defined, size);
      }
      for (int64_t j = 0; j < size; ++j) {
        weight_[at + j] = kept(defined[j]) * weight_[at + j] + defined[j];  // S <- lambda S + 1
      }
    }
  }

  // Eq. 3 on a row: f_p + 4 f_n, so many times. With `counts` all rows must have moved before.
  void select(int64_t i) const {
    for (int64_t start = 0; start < num_labels_; start += kColumns) {
      const int64_t size = std::min(kColumns, num_labels_ - start), at = i * num_labels_ + start;
      if (!counts_) {
        compare(sum_ + at, weight_ + at, size, pairs_ + at);
        continue;
      }
      Counts<S> counts;
      for (int64_t j = 0; j < size; ++j) {
        counts.n[j] = sum_[at + j];
        counts.s[j] = sum_[matrix_ + at + j];
        counts.r[j] = sum_[2 * matrix_ + at + j];
        counts.c[j] = sum_[2 * matrix_ + (start + j) * num_labels_ + i];
      }
      S value[kColumns], defined[kColumns];
      of_average_(counts, size, value, defined);
      compare(value, defined, size, pairs_ + at);
    }
    pairs_[i * num_labels_ + i] = 0;
  }

 private:
  S kept(S defined) const { return defined * decay_less_one_ + S(1); }

  // R_sb <- lambda R_sb + R_b where defined.
  void average(S* sum, const S* batch, const S* defined, int64_t size) const {
    for (int64_t j = 0; j < size; ++j) sum[j] = kept(defined[j]) * sum[j] + defined[j] * batch[j];
  }

  // R_g >= r_p without dividing: R_sb >= r_p S where S > 0. Of averaged counts S is 1 where there is a value.
  void compare(const S* sum, const S* weight, int64_t size, uint8_t* pairs) const {
    // Copies, for the bytes that are written might be theirs, and nothing would be computed in vectors.
    const S r_p = r_p_, r_n = r_n_, one = times_;
    int32_t code[kColumns];
    for (int64_t j = 0; j < size; ++j) {
      const S found = (sum[j] >= r_p * weight[j] ? one : S(0)) + (sum[j] <= r_n * weight[j] ? 4 * one : S(0));
      code[j] = static_cast<int32_t>(weight[j] > 0 ? found : S(0));
    }
    for (int64_t j = 0; j < size; ++j) pairs[j] = static_cast<uint8_t>(code[j]);
  }

  S *sum_, *weight_;
  int64_t num_labels_, matrix_;
  S decay_less_one_, r_p_, r_n_;
  bool counts_;
  S times_;
  const Source<S>* source_;
  uint8_t* pairs_;
  Apply<S> of_batch_, of_average_;
};

// f_p + 4 f_n of (i, j) and of (j, i) as one code of both. Averages of counts are rounded, so that the two may differ
// in their last digit: with `agree`, a pair is active where both are.
void symmetrize(const uint8_t* pairs, uint8_t* code, int64_t num_labels, bool agree, int64_t tile) {
  const int64_t tiles = (num_labels + kTile - 1) / kTile;
  const int64_t i0 = tile / tiles * kTile, j0 = tile % tiles * kTile;
  const int64_t i1 = std::min(i0 + kTile, num_labels), j1 = std::min(j0 + kTile, num_labels);
  for (int64_t i = i0; i < i1; ++i) {
    for (int64_t j = j0; j < j1; ++j) {
      const uint8_t one = pairs[i * num_labels + j], other = pairs[j * num_labels + i];
      code[i * num_labels + j] = agree ? static_cast<uint8_t>((one & other) * 2) : static_cast<uint8_t>(one + other);
    }
  }
}

// `pairs` is room for one direction of each pair, or null where the code is twice that.
template <class S>
void move(const Bits* bits, const double* counts, int64_t batch, const obrl_relation& relation, uint8_t* pairs,
          uint8_t* code, int32_t threads) {
  const int64_t num_labels = relation.num_labels, tasks = (num_labels + kRows - 1) / kRows;
  const Source<S> source(bits, counts, batch, num_labels);
  const bool moves = bits || counts;
  const Rows<S> rows(relation, moves ? &source : nullptr, pairs ? pairs : code, pairs ? 1 : 2);
  const double operations = double(num_labels) * double(num_labels) * (8.0 + (bits ? double(bits->words) : 0.0));
  threads = worth(operations, threads);
  const auto each = [&](auto&& run) {
    parallel(tasks, threads, [&](int64_t task, int32_t) {
      for (int64_t i = task * kRows; i < std::min((task + 1) * kRows, num_labels); ++i) run(i);
    });
  };
  if (relation.counts) {
    each([&](int64_t i) { rows.move(i); });
    each([&](int64_t i) { rows.select(i); });
  } else {
    each([&](int64_t i) {
      rows.move(i);
      rows.select(i);
    });
  }
  if (!pairs) return;
  const int64_t tiles = (num_labels + kTile - 1) / kTile;
  const bool agree = relation.counts && relation.symmetric;
  parallel(tiles * tiles, threads,
           [&](int64_t tile, int32_t) { symmetrize(pairs, code, num_labels, agree, tile); });
}

}  // namespace
}  // namespace obrl

int32_t obrl_count(const obrl_labels* labels, double* counts, int32_t threads) try {
  using namespace obrl;
  const Bits bits = packed(*labels);
  const int64_t num_labels = labels->num_labels, matrix = num_labels * num_labels;
  const Source<double> source(&bits, nullptr, labels->batch, num_labels);
  threads = worth(double(matrix) * double(bits.words) * 4.0, threads);
  parallel(num_labels, threads, [&](int64_t i, int32_t) {
    Counts<double> row;
    for (int64_t start = 0; start < num_labels; start += kColumns) {
      const int64_t size = std::min(kColumns, num_labels - start), at = i * num_labels + start;
      source.row(i, start, size, row);
      for (int64_t j = 0; j < size; ++j) {
        counts[at + j] = row.n[j];
        counts[matrix + at + j] = row.s[j];
        counts[2 * matrix + at + j] = row.r[j];
      }
    }
  });
  return OBRL_OK;
} catch (const std::bad_alloc&) {
  return OBRL_NO_MEMORY;
}

int32_t obrl_move(const obrl_labels* labels, const double* counts, const obrl_relation* relation, uint8_t* code,
                  int32_t threads) try {
  using namespace obrl;
  const int64_t batch = labels ? labels->batch : 0;
  const Bits bits = labels ? packed(*labels) : Bits{};
  const int64_t size = mirrors_itself(*relation) ? 0 : relation->num_labels * relation->num_labels;
  const std::unique_ptr<uint8_t[]> pairs(size ? new uint8_t[size] : nullptr);
  const Bits* given = labels ? &bits : nullptr;
  if (relation->dtype == OBRL_FLOAT64) {
    move<double>(given, counts, batch, *relation, pairs.get(), code, threads);
  } else {
    move<float>(given, counts, batch, *relation, pairs.get(), code, threads);
  }
  return OBRL_OK;
} catch (const std::bad_alloc&) {
  return OBRL_NO_MEMORY;
}
