// Vectors as wide as the processor's registers, and the exponential and logarithm of Eq. 4 on them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

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
  typedef uint8_t Bytes __attribute__((vector_size(kBytes / 4)));
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
  typedef uint8_t Bytes __attribute__((vector_size(kBytes / 8)));
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

// A vector with the same number in every lane.
template <class T>
inline V<T> all(T value) {
  return value - V<T>{};
}

// The first `count` numbers at `from`, then zeros.
template <class T>
inline V<T> load(const T* from, int64_t count) {
  V<T> v{};
  if (count >= Vector<T>::kWidth) {
    std::memcpy(&v, from, sizeof v);
  } else {
    std::memcpy(&v, from, count * sizeof(T));
  }
  return v;
}

// The same from bytes.
template <class T>
inline V<T> load(const uint8_t* from, int64_t count) {
  typename Vector<T>::Bytes bytes{};
  if (count >= Vector<T>::kWidth) {
    std::memcpy(&bytes, from, sizeof bytes);
  } else {
    std::memcpy(&bytes, from, count);
  }
  return __builtin_convertvector(bytes, V<T>);
}

// Its first `count` numbers, then zeros instead of the others, even if they are NaN.
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

}  // namespace obrl
