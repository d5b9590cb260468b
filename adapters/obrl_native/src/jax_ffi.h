// What the custom calls of XLA share: a number stands for an array that is absent, and what does not fit is an error.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "obrl_cpu.h"
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

// The addresses of a loss's results: of L with `joint`, else of L_B; with `parts` of L, L_E and L_B; then of the gradient
// of the first, or with OBRL_PARTS of those of L_E and L_B. Null is what is not among them.
struct LossResults {
  void* total = nullptr;
  void* cross_entropy = nullptr;
  void* relation_loss = nullptr;
  void* gradient = nullptr;
  void* relation_gradient = nullptr;

  Error find(ffi::RemainingRets results, ffi::DataType dtype, const Shape& term, const Shape& logits, bool joint,
             bool parts, int32_t gradients) {
    if (gradients < OBRL_NO_GRADIENT || gradients > OBRL_PARTS) return wrong("gradients", "one of three");
    if (gradients == OBRL_PARTS && !(joint && parts)) return wrong("gradients", "those of parts that are there");
    std::vector<void**> places = {joint ? &total : &relation_loss};
    if (joint && parts) places.insert(places.end(), {&cross_entropy, &relation_loss});
    const std::size_t terms = places.size();
    if (gradients != OBRL_NO_GRADIENT) places.push_back(&gradient);
    if (gradients == OBRL_PARTS) places.push_back(&relation_gradient);
    if (results.size() != places.size()) return wrong("results", "terms and gradients");
    for (std::size_t index = 0; index < places.size(); ++index) {
      auto result = results.get<AnyBuffer>(index);
      if (result.has_error()) return result.error();
      const AnyBuffer& buffer = **result;
      if (buffer.element_type() != dtype || !has_shape(buffer, index < terms ? term : logits)) {
        return wrong("results", "of the loss's shapes, in the dtype of the logits");
      }
      *places[index] = buffer.untyped_data();
    }
    return Error::Success();
  }
};

// A handler that takes, after what it has taken so far, the attributes that a relation is read by.
template <class Binding>
auto with_settings(Binding&& binding) {
  return std::forward<Binding>(binding)
      .template Attr<double>("positive_threshold")
      .template Attr<double>("negative_threshold")
      .template Attr<int32_t>("measure")
      .template Attr<bool>("counts");
}

}  // namespace obrl_ffi
