// A block of samples: how the numbers of its labels are stored, how they change from one layout to the other, and Eq. 2.
//
// Logits, targets and gradients lie row by row, one sample after the other. The pairs of Eq. 2 are computed label by
// label, with the samples of a block side by side in vectors, one active pair after the other.
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
#include <memory>
#include <new>
#include <vector>

#include "vector.h"

namespace obrl {

constexpr int kVectors = 4;  // vectors of samples in a block

template <class T>
constexpr int kBlock = kVectors * Vector<T>::kWidth;  // samples in a block

// Memory that is aligned for vectors.
template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t numbers)
      : memory_(static_cast<T*>(::operator new(numbers * sizeof(T), std::align_val_t(kBytes)))) {}

  T* get() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(T* memory) const { ::operator delete(memory, std::align_val_t(kBytes)); }
  };
  std::unique_ptr<T, Free> memory_;
};

// What a thread computes of a block. Row by row: Eq. 4, and p - 1/2. Label by label: q, and in `slope` the sum of f,
// then the gradient of L_B with respect to the logits.
template <class T>
struct Scratch {
  explicit Scratch(int64_t num_labels)
      : entropy(num_labels * kBlock<T> + Vector<T>::kWidth),  // the last vector of a row reaches past its end
        centred(num_labels * kBlock<T>),
        q(num_labels * kBlock<T>),
        slope(num_labels * kBlock<T>) {}
  Buffer<T> entropy, centred, q, slope;
};

// The labels to visit: `squares_` holds the first label of each group of `width` labels with at least one of them;
// `singles_` holds labels after the last whole group.
template <class T>
class LabelSet {
 public:
  LabelSet(const std::vector<int64_t>& labels, int64_t num_labels) : num_labels_(num_labels) {
    constexpr int64_t width = Vector<T>::kWidth;
    const int64_t end_of_squares = num_labels / width * width;
    for (const int64_t i : labels) {
      if (i >= end_of_squares) {
        singles_.push_back(i);
      } else if (squares_.empty() || squares_.back() != i / width * width) {
        squares_.push_back(i / width * width);
      }
    }
  }

  // q, label by label, from p - 1/2, row by row; and slopes of 0. Rows that the block lacks become 0.
  void gather(int64_t rows, const Scratch<T>& scratch) const {
    constexpr int width = Vector<T>::kWidth;
    T* centred = scratch.centred.get();
    std::fill(centred + rows * num_labels_, centred + kBlock<T> * num_labels_, T(0));
    for (const int64_t start : squares_) {
      std::fill_n(scratch.slope.get() + start * kBlock<T>, width * kBlock<T>, T(0));
      for (int row = 0; row < kBlock<T>; row += width) {
        V<T> square[width];
        for (int k = 0; k < width; ++k) square[k] = load<T>(centred + (row + k) * num_labels_ + start, width);
        transpose<T>(square);
        for (int k = 0; k < width; ++k) store<T>(scratch.q.get() + (start + k) * kBlock<T> + row, square[k], width);
      }
    }
    for (const int64_t i : singles_) {
      std::fill_n(scratch.slope.get() + i * kBlock<T>, kBlock<T>, T(0));
      for (int row = 0; row < kBlock<T>; ++row) scratch.q.get()[i * kBlock<T> + row] = centred[row * num_labels_ + i];
    }
  }

  // Add slopes, label by label, to a gradient, row by row.
  void scatter(int64_t rows, const T* slope, T* gradient) const {
    constexpr int width = Vector<T>::kWidth;
    for (const int64_t start : squares_) {
      for (int64_t row = 0; row < rows; row += width) {
        V<T> square[width];
        for (int k = 0; k < width; ++k) square[k] = load<T>(slope + (start + k) * kBlock<T> + row, width);
        transpose<T>(square);
        for (int64_t k = 0; k < std::min<int64_t>(width, rows - row); ++k) {
          T* to = gradient + (row + k) * num_labels_ + start;
          store<T>(to, load<T>(to, width) + square[k], width);
        }
      }
    }
    for (const int64_t i : singles_) {
      for (int64_t row = 0; row < rows; ++row) gradient[row * num_labels_ + i] += slope[i * kBlock<T> + row];
    }
  }

 private:
  int64_t num_labels_;
  std::vector<int64_t> squares_, singles_;
};

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
