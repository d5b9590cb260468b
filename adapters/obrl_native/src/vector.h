// Vectors as wide as the processor's registers, the exponential and logarithm of Eq. 4 on them, and how the numbers of
// a block of samples lie in memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace obrl {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

template <class T>
struct Vector;

template <>
struct Vector<float> {
  typedef float Type __attribute__((vector_size(kBytes)));
  typedef int32_t Bits __attribute__((vector_size(kBytes)));
  typedef double Doubles __attribute__((vector_size(kBytes * 2)));
  static constexpr int kWidth = kBytes / 4;
  static constexpr int kMantissa = 23;
  static constexpr int32_t kBias = 127;
  static constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number, in the last bits
  static constexpr float kLargest = 87.0f;      // e^-87 is the last that is not subnormal
  static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;  // Cody and Waite's split
  static constexpr int kExponential = 7, kLogarithm = 7;                     // terms of the series
};

template <>
struct Vector<double> {
  typedef double Type __attribute__((vector_size(kBytes)));
  typedef int64_t Bits __attribute__((vector_size(kBytes)));
  typedef Type Doubles;
  static constexpr int kWidth = kBytes / 8;
  static constexpr int kMantissa = 52;
  static constexpr int64_t kBias = 1023;
  static constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double kLargest = 708.0;
  static constexpr double kLn2High = 6.93145751953125e-1, kLn2Low = 1.42860682030941723212e-6;
  static constexpr int kExponential = 13, kLogarithm = 16;
};

template <class T>
using V = typename Vector<T>::Type;

template <class T>
using Doubles = typename Vector<T>::Doubles;

// A vector with the same number in every lane.
template <class T>
inline V<T> all(T value) {
  return value - V<T>{};
}

// The first `count` numbers at `from`, then zeros.
template <class T, class From>
inline V<T> load(const From* from, int64_t count) {
  typedef From Lanes __attribute__((vector_size(Vector<T>::kWidth * sizeof(From))));
  Lanes v{};
  if (count >= Vector<T>::kWidth) {
    std::memcpy(&v, from, sizeof v);
  } else {
    std::memcpy(&v, from, count * sizeof(From));
  }
  return __builtin_convertvector(v, V<T>);
}

// The first `count` numbers of a vector, then zeros instead of the others, even if they are NaN.
template <class T>
inline V<T> first_of(const V<T>& v, int64_t count) {
  using Bits = typename Vector<T>::Bits;
  Bits lane;
  for (int k = 0; k < Vector<T>::kWidth; ++k) lane[k] = k;
  return lane < Bits{} + static_cast<decltype(lane[0] + 0)>(count) ? v : V<T>{};
}

template <class T>
inline void store(T* to, const V<T>& v, int64_t count) {
  if (count >= Vector<T>::kWidth) {
    std::memcpy(to, &v, sizeof v);
  } else {
    std::memcpy(to, &v, count * sizeof(T));
  }
}

// The sum of `count` numbers at `from`; it may read up to a vector past them. The lanes are added by halves at the end:
// adding one after the other would make each addition wait for the one before.
template <class T>
inline T sum(const T* from, int64_t count) {
  constexpr int width = Vector<T>::kWidth;
  V<T> total{};
  for (int64_t j = 0; j < count; j += width) total += first_of<T>(load<T>(from + j, width), count - j);
  T lanes[width];
  std::memcpy(lanes, &total, sizeof total);
  for (int half = width / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define OBRL_SHUFFLES 1
#endif
#endif

// Transpose a square of numbers: as many vectors as a vector has lanes.
#ifdef OBRL_SHUFFLES
template <class T, std::size_t step, std::size_t... lane>
inline void exchange(V<T>& a, V<T>& b, std::index_sequence<lane...>) {
  constexpr std::size_t width = Vector<T>::kWidth;
  const V<T> first = __builtin_shufflevector(a, b, (lane & step ? width + lane - step : lane)...);
  b = __builtin_shufflevector(a, b, (lane & step ? width + lane : lane + step)...);
  a = first;
}

template <class T, std::size_t step = 1>
inline void transpose(V<T>* square) {
  constexpr std::size_t width = Vector<T>::kWidth;
  for (std::size_t row = 0; row < width; ++row) {
    if (!(row & step)) exchange<T, step>(square[row], square[row + step], std::make_index_sequence<width>{});
  }
  if constexpr (2 * step < width) transpose<T, 2 * step>(square);
}
#else
template <class T>
inline void transpose(V<T>* square) {
  for (int row = 0; row < Vector<T>::kWidth; ++row) {
    for (int column = 0; column < row; ++column) {
      const T number = square[row][column];
      square[row][column] = square[column][row];
      square[column][row] = number;
    }
  }
}
#endif

template <class T>
constexpr T inverse_factorial(int k) {
  double product = 1;
  for (int i = 2; i <= k; ++i) product *= i;
  return T(1 / product);
}

// e^-a for a >= 0, never subnormal; NaN of NaN. With n = round(a / ln 2) and |r| <= ln 2 / 2, e^-a = 2^-n e^r.
template <class T>
inline V<T> exp_negative(V<T> a) {
  using C = Vector<T>;
  a = a > C::kLargest ? all<T>(C::kLargest) : a;
  V<T> n = a * T(1.4426950408889634074) + C::kRound;
  const auto whole = (typename C::Bits)n << C::kMantissa;
  n = n - C::kRound;
  const V<T> r = (n * C::kLn2High - a) + n * C::kLn2Low;
  V<T> e = all<T>(inverse_factorial<T>(C::kExponential));
#pragma GCC unroll 16
  for (int k = C::kExponential - 1; k >= 0; --k) e = e * r + inverse_factorial<T>(k);  // Taylor's series
  const auto power = (typename C::Bits{} + (C::kBias << C::kMantissa)) - whole;
  return e * (V<T>)power;
}

// log(1 + u) for 0 <= u <= 1, given z = u / (2 + u): 2 artanh z, with z <= 1 / 3.
template <class T>
inline V<T> log1p_unit(const V<T>& z) {
  const V<T> z2 = z * z;
  V<T> sum = all<T>(T(1) / T(2 * Vector<T>::kLogarithm + 1));
#pragma GCC unroll 16
  for (int k = Vector<T>::kLogarithm - 1; k >= 0; --k) sum = sum * z2 + T(1) / T(2 * k + 1);
  return (z + z) * sum;
}

// What Eq. 4 and its slope need of a logit x, with one division: p = 1 / (1 + e^-x), 1 - p and log(1 + e^-|x|).
template <class T>
class Logistic {
 public:
  explicit Logistic(const V<T>& x) {
    const V<T> u = exp_negative<T>(x < 0 ? -x : x);
    const V<T> inverse = T(1) / ((u + T(1)) * (u + T(2)));
    const V<T> large = inverse * (u + T(2)), small = u * large;
    p = x < 0 ? small : large;
    not_p = x < 0 ? large : small;
    z_ = u * (u + T(1)) * inverse;
  }

  V<T> logarithm() const { return log1p_unit<T>(z_); }

  V<T> p, not_p;

 private:
  V<T> z_;  // u / (2 + u) with u = e^-|x|
};

// Memory that is aligned for vectors.
template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t numbers)
      : memory_(static_cast<T*>(::operator new(numbers * sizeof(T), std::align_val_t(kBytes)))) {}

  T* get() const { return memory_.get(); }

  V<T>* vectors() const { return reinterpret_cast<V<T>*>(memory_.get()); }

 private:
  struct Free {
    void operator()(T* memory) const { ::operator delete(memory, std::align_val_t(kBytes)); }
  };
  std::unique_ptr<T, Free> memory_;
};

constexpr int kVectors = 4;  // vectors of samples in a block

template <class T>
constexpr int kBlock = kVectors * Vector<T>::kWidth;  // samples in a block

// The two layouts of a block's numbers, one for each sample and label.
//
// Row by row: one sample after the other, as in the caller's arrays. Label by label: kVectors vectors for each label,
// with the samples of the block side by side.
//
// Labels change their layout in groups, as many as a vector has lanes. If the last group has fewer, the other numbers
// that are gathered with it are those of the next row; nothing reads them.
template <class T>
class Layouts {
 public:
  // `labels` are those to visit, in ascending order: all groups with at least one of them.
  Layouts(const std::vector<int64_t>& labels, int64_t num_labels) : num_labels_(num_labels) {
    for (const int64_t i : labels) {
      if (groups_.empty() || groups_.back() != i / kWidth * kWidth) groups_.push_back(i / kWidth * kWidth);
    }
  }

  // The size of a thread's memory in either layout: whole groups, for the last vector of a row may reach past its end.
  int64_t size() const { return (num_labels_ + kWidth - 1) / kWidth * kWidth * kBlock<T>; }

  // Set numbers to 0, label by label.
  void clear(V<T>* by_label) const {
    for (const int64_t start : groups_) std::fill_n(by_label + start * kVectors, kWidth * kVectors, V<T>{});
  }

  // Numbers label by label, from a thread's memory. Rows that the block lacks become 0.
  void gather(int64_t rows, T* by_row, V<T>* by_label) const {
    std::fill(by_row + rows * num_labels_, by_row + size(), T(0));
    for (const int64_t start : groups_) {
      for (int part = 0; part < kVectors; ++part) {
        const T* from = by_row + part * kWidth * num_labels_ + start;
        V<T> square[kWidth];
        for (int k = 0; k < kWidth; ++k) square[k] = load<T>(from + k * num_labels_, kWidth);
        transpose<T>(square);
        for (int k = 0; k < kWidth; ++k) by_label[(start + k) * kVectors + part] = square[k];
      }
    }
  }

  // Add numbers, label by label, to the caller's rows.
  void scatter(int64_t rows, const V<T>* by_label, T* by_row) const {
    for (const int64_t start : groups_) {
      for (int64_t row = 0; row < rows; row += kWidth) {
        V<T> square[kWidth];
        for (int k = 0; k < kWidth; ++k) square[k] = by_label[(start + k) * kVectors + row / kWidth];
        transpose<T>(square);
        for (int64_t k = 0; k < std::min<int64_t>(kWidth, rows - row); ++k) {
          T* to = by_row + (row + k) * num_labels_ + start;
          if (start + kWidth <= num_labels_) {
            store<T>(to, load<T>(to, kWidth) + square[k], kWidth);
          } else {
            for (int64_t j = 0; j < num_labels_ - start; ++j) to[j] += square[k][j];
          }
        }
      }
    }
  }

 private:
  static constexpr int kWidth = Vector<T>::kWidth;
  const int64_t num_labels_;
  std::vector<int64_t> groups_;  // the first label of each
};

}  // namespace obrl
