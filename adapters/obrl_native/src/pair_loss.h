// Eq. 2 for a block of samples, one active pair after the other.
//
// Only differences of probabilities occur in Eq. 2, so they are centred: q = p - 1/2. Let a and b be the parts of a
// pair's code, twice its symmetric weights, and d = q_i - q_j. An unordered pair adds to one sample
//
//     a d^2 + b (1 - d^2)^2,
//
// and its derivative with respect to q_i is 2 f with f = (a - 2 b (1 - d^2)) d, that with respect to q_j is -2 f. An
// active pair costs some nine operations a sample, about as many as the four matrix products of obrl.algebra spend on a
// pair, and a pair that is not active costs nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "loss_block.h"
#include "vector.h"

namespace obrl {

constexpr int64_t kLabelTile = 32;  // labels j whose q and slopes stay in the first-level cache

// The active pairs of a relation.
class ActivePairs {
 public:
  // `code` is that of obrl_move, which must outlive this.
  ActivePairs(const uint8_t* code, int64_t num_labels) : code_(code), num_labels_(num_labels) {
    for (int64_t i = 0; i < num_labels; ++i) {
      const uint8_t* row = code + i * num_labels;
      int32_t pairs_of_label = 0, halves_of_label = 0;
      for (int64_t j = 0; j < num_labels; ++j) {
        halves_of_label += (row[j] & 3) + (row[j] >> 2);
        pairs_of_label += row[j] != 0;
      }
      halves_ += halves_of_label;
      pairs_ += pairs_of_label;
      if (pairs_of_label) labels_.push_back(i);
    }
    pairs_ /= 2;
  }

  // The labels with an active pair, in ascending order.
  const std::vector<int64_t>& labels() const { return labels_; }

  // The number of unordered active pairs.
  int64_t size() const { return pairs_; }

  // The number of ordered active pairs; a pair whose directions differ counts half.
  double ordered() const { return 0.5 * double(halves_); }

  // Add Eq. 2, without its factor, to `values`, one for each sample, and f to `slope`, label by label.
  template <class T>
  void add_terms(const T* q, T* slope, double* values) const {
    for (int64_t first = 0; first < num_labels_; first += kLabelTile) {
      const int64_t last = std::min(first + kLabelTile, num_labels_);
      for (const int64_t i : labels_) {
        if (i + 1 >= last) break;
        const int64_t from = std::max(i + 1, first);
        if (any(code_ + i * num_labels_ + from, last - from)) add_pairs_of(i, from, last, q, slope, values);
      }
    }
  }

 private:
  static bool any(const uint8_t* code, int64_t count) {
    uint8_t bits = 0;
    for (int64_t j = 0; j < count; ++j) bits |= code[j];
    return bits != 0;
  }

  // The pairs of label i with labels j in [from, last).
  template <class T>
  void add_pairs_of(int64_t i, int64_t from, int64_t last, const T* q, T* slope, double* values) const {
    constexpr int width = Vector<T>::kWidth;
    const uint8_t* code = code_ + i * num_labels_;
    const auto* all_q = reinterpret_cast<const V<T>*>(q);
    auto* all_slopes = reinterpret_cast<V<T>*>(slope);
    V<T> q_i[kVectors], slope_i[kVectors], value[kVectors];
    for (int k = 0; k < kVectors; ++k) {
      q_i[k] = all_q[i * kVectors + k];
      slope_i[k] = all_slopes[i * kVectors + k];
      value[k] = V<T>{};
    }
    for (int64_t j = from; j < last; ++j) {
      if (!code[j]) continue;
      const T a = T(code[j] & 3), b = T(code[j] >> 2);
      for (int k = 0; k < kVectors; ++k) {
        const V<T> d = q_i[k] - all_q[j * kVectors + k];
        const V<T> d2 = d * d;
        const V<T> e = T(1) - d2;
        const V<T> be = b * e;
        value[k] += a * d2;
        value[k] += be * e;
        const V<T> t = a - T(2) * be;
        slope_i[k] += t * d;
        all_slopes[j * kVectors + k] -= t * d;
      }
    }
    for (int k = 0; k < kVectors; ++k) {
      all_slopes[i * kVectors + k] = slope_i[k];
      for (int lane = 0; lane < width; ++lane) values[k * width + lane] += value[k][lane];
    }
  }

  const uint8_t* code_;
  int64_t num_labels_, pairs_ = 0, halves_ = 0;
  std::vector<int64_t> labels_;
};

}  // namespace obrl
