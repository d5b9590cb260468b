// What the custom calls of XLA share: how they read optional arrays, results and attributes, and say what does not fit.
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
  const auto dimensions = buffer.dimensions();
  return std::equal(dimensions.begin(), dimensions.end(), shape.begin(), shape.end());
}

// A scalar stands for an optional array that is absent.
inline bool is_absent(const AnyBuffer& buffer) { return buffer.dimensions().size() == 0; }

template <class T = void>
T* data_or_null(const AnyBuffer& buffer) {
  return is_absent(buffer) ? nullptr : static_cast<T*>(buffer.untyped_data());
}

// The addresses of a loss's results. First its terms: L with `joint`, else L_B; with `parts` L, L_E and L_B. Then the
// gradient of the first term, or with OBRL_PARTS the gradients of L_E and L_B. What is not among them stays null.
struct LossResults {
  void* total = nullptr;
  void* cross_entropy = nullptr;
  void* relation_loss = nullptr;
  void* gradient = nullptr;
  void* relation_gradient = nullptr;

  Error read(ffi::RemainingRets results, ffi::DataType dtype, const Shape& term, const Shape& logits, bool joint,
             bool parts, int32_t gradients) {
    if (!obrl::is_gradient(gradients)) return wrong("gradients", "one of three");
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

// Adds the attributes of Eq. 3 to a handler.
template <class Binding>
auto with_settings(Binding&& binding) {
  return std::forward<Binding>(binding)
      .template Attr<double>("positive_threshold")
      .template Attr<double>("negative_threshold")
      .template Attr<int32_t>("measure")
      .template Attr<bool>("counts");
}

// Adds two accumulators, the results of Eq. 1 and Eq. 3, and their attributes to a handler.
template <class Binding>
auto moving(Binding&& binding) {
  return with_settings(std::forward<Binding>(binding)
                           .template Arg<AnyBuffer>()
                           .template Arg<AnyBuffer>()
                           .template Ret<AnyBuffer>()
                           .template Ret<AnyBuffer>()
                           .template Ret<AnyBuffer>()
                           .template Attr<double>("decay"));
}

}  // namespace obrl_ffi
