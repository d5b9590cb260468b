// What the custom calls of XLA share: a number stands for an array that is absent, and what does not fit is an error.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace obrl_ffi {

namespace ffi = ::xla::ffi;
using ffi::AnyBuffer;
using ffi::Error;
using Out = ffi::Result<AnyBuffer>;
using Shape = std::vector<int64_t>;

inline Error wrong(const char* name, const char* expected) {
  return Error::InvalidArgument(std::string("obrl: ") + name + " must be " + expected);
}

inline bool has_shape(const AnyBuffer& buffer, const Shape& shape) {
  const auto found = buffer.dimensions();
  return std::equal(found.begin(), found.end(), shape.begin(), shape.end());
}

inline bool is_absent(const AnyBuffer& buffer) { return buffer.dimensions().size() == 0; }

template <class T = void>
T* data_or_null(const AnyBuffer& buffer) {
  return is_absent(buffer) ? nullptr : static_cast<T*>(buffer.untyped_data());
}

}  // namespace obrl_ffi
