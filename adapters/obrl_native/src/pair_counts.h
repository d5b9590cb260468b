// The labels of a batch as bits, and the pair counts of a batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "fraction.h"
#include "obrl_cpu.h"

namespace obrl {

constexpr int64_t kWordsAtOnce = 31;  // a byte holds the sum of 31 counts of 8 bits

// Word w of label j has the samples 32 w to 32 w + 31 and is number w * num_labels + j. A word is as wide as a float,
// so vectors of words and of floats have the same number of lanes.
struct Bits {
  std::vector<uint32_t> positive;  // observed, and at least 0.5
  std::vector<uint32_t> observed;
  std::vector<int32_t> num_positive;  // of each label
  int64_t words;
  bool complete;  // no target is missing
};

inline uint32_t is_positive(uint8_t target) { return target != 0; }
inline uint32_t is_positive(float target) { return target >= 0.5f; }
inline uint32_t is_positive(double target) { return target >= 0.5; }

template <class Y>
Bits pack(const obrl_labels& labels) {
  const int64_t num_labels = labels.num_labels;
  const auto* targets = static_cast<const Y*>(labels.targets);
  Bits bits;
  bits.words = (labels.batch + 31) / 32;
  bits.positive.assign(bits.words * num_labels, 0);
  bits.observed.assign(bits.words * num_labels, 0);
  bits.num_positive.assign(num_labels, 0);
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
      positive[j] |= (known & is_positive(value)) << place;
    }
  }
  bits.complete = missing == 0;
  for (int64_t word = 0; word < bits.words; ++word) {
    for (int64_t j = 0; j < num_labels; ++j) {
      bits.num_positive[j] += __builtin_popcount(bits.positive[word * num_labels + j]);
    }
  }
  return bits;
}

// The dtype must be one of obrl_dtype.
inline Bits pack_labels(const obrl_labels& labels) {
  if (labels.dtype == OBRL_FLOAT32) return pack<float>(labels);
  if (labels.dtype == OBRL_FLOAT64) return pack<double>(labels);
  return pack<uint8_t>(labels);
}

// The number of ones in each byte, in that byte: Warren, Hacker's Delight, 5-1. Few processors have an instruction that
// counts bits of a whole vector; these operations all processors have.
inline uint32_t ones_of_bytes(uint32_t word) {
  word -= word >> 1 & 0x55555555u;
  word = (word & 0x33333333u) + (word >> 2 & 0x33333333u);
  return (word + (word >> 4)) & 0x0f0f0f0fu;
}

// The number of samples with a bit of label i in `first` and a bit of label j in `second`, for `size` labels j from
// `start` on.
template <class S>
void count_both(const std::vector<uint32_t>& first, const std::vector<uint32_t>& second, int64_t words,
                int64_t num_labels, int64_t i, int64_t start, int64_t size, S* result) {
  std::fill_n(result, size, S(0));
  for (int64_t begin = 0; begin < words; begin += kWordsAtOnce) {
    uint32_t bytes[kColumns] = {};
    for (int64_t word = begin; word < std::min(begin + kWordsAtOnce, words); ++word) {
      const uint32_t word_i = first[word * num_labels + i];
      const uint32_t* words_j = second.data() + word * num_labels + start;
      for (int64_t j = 0; j < size; ++j) bytes[j] += ones_of_bytes(word_i & words_j[j]);
    }
    for (int64_t j = 0; j < size; ++j) {
      const uint32_t pairs = (bytes[j] & 0x00ff00ffu) + (bytes[j] >> 8 & 0x00ff00ffu);
      result[j] += static_cast<S>(static_cast<int32_t>((pairs & 0xffffu) + (pairs >> 16)));
    }
  }
}

// The pair counts of a batch, row by row: counted from its labels, or read from `matrices`, the result of obrl_count.
template <class S>
class BatchCounts {
 public:
  // One of `bits` and `matrices` is null.
  BatchCounts(const Bits* bits, const double* matrices, int64_t batch, int64_t num_labels)
      : bits_(bits), matrices_(matrices), batch_(batch), num_labels_(num_labels) {}

  // Whether n s - r c has no rounding error in float: n is the batch size for all pairs, and small.
  bool exact() const { return bits_ && bits_->complete && batch_ * batch_ <= int64_t{1} << 24; }

  void read_row(int64_t i, int64_t start, int64_t size, Counts<S>& counts) const {
    if (!bits_) {
      const int64_t matrix = num_labels_ * num_labels_, at = i * num_labels_ + start;
      for (int64_t j = 0; j < size; ++j) {
        counts.n[j] = static_cast<S>(matrices_[at + j]);
        counts.s[j] = static_cast<S>(matrices_[matrix + at + j]);
        counts.r[j] = static_cast<S>(matrices_[2 * matrix + at + j]);
        counts.c[j] = static_cast<S>(matrices_[2 * matrix + (start + j) * num_labels_ + i]);
      }
      return;
    }
    const auto count = [&](const std::vector<uint32_t>& first, const std::vector<uint32_t>& second, S* result) {
      count_both(first, second, bits_->words, num_labels_, i, start, size, result);
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
      counts.r[j] = static_cast<S>(bits_->num_positive[i]);
      counts.c[j] = static_cast<S>(bits_->num_positive[start + j]);
    }
  }

 private:
  const Bits* bits_;
  const double* matrices_;
  int64_t batch_, num_labels_;
};

}  // namespace obrl
