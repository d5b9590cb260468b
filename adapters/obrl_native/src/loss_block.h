// A block of samples: how the numbers of its labels are stored, and how they change from one layout to the other.
//
// Logits, targets and gradients lie row by row, one sample after the other. The pairs of Eq. 2 are computed label by
// label, with the samples of a block side by side in vectors.
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

// What a thread computes of a block. Row by row: Eq. 4, and p - 1/2. Label by label: q, and the gradient of L_B with
// respect to q.
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

}  // namespace obrl
