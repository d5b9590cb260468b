// The check of the values of targets as an operation of TensorFlow on a CPU.
#pragma once

#include <algorithm>
#include <limits>
#include <string>

#include "tensorflow/core/framework/register_types.h"
#include "tensorflow_ops.h"

namespace obrl {

// Whether a known value lies outside of [0, 1]. NaN does not: it compares as false. The compiler makes vectors of the
// values because their order does not matter and there is no branch.
template <class Value, class Known>
bool any_outside(const Value* values, int64_t size, Known known) {
  const Value zero(0), one(1);
  int outside = 0;
  for (int64_t index = 0; index < size; ++index)
    outside |= (known(index) != 0) & ((values[index] < zero) | (values[index] > one));
  return outside != 0;
}

// Stops the graph where a known target lies outside of [0, 1]; reads the values once, in the calling thread. The output
// is always true.
template <class Value>
class CheckTargets : public OpKernel {
 public:
  explicit CheckTargets(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("before", &before_));
    OP_REQUIRES_OK(context, context->GetAttr("between", &between_));
    OP_REQUIRES_OK(context, context->GetAttr("remedy", &remedy_));
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& targets = context->input(0);
    const Tensor* observed = optional(context, "observed");
    if (!has_shape(context, "observed", observed, targets.shape())) return;
    const auto* values = static_cast<const Value*>(address(targets));
    const auto* mask = static_cast<const uint8_t*>(optional_address(observed));
    if (mask == nullptr)
      check(context, values, targets.NumElements(), [](int64_t) { return uint8_t{1}; });
    else
      check(context, values, targets.NumElements(), [mask](int64_t index) { return mask[index]; });
    if (!context->status().ok()) return;
    Tensor* output = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, {}, &output));
    output->scalar<bool>()() = true;
  }

 private:
  template <class Known>
  void check(OpKernelContext* context, const Value* values, int64_t size, Known known) const {
    if (!any_outside(values, size, known)) return;
    Value low = std::numeric_limits<Value>::max(), high = std::numeric_limits<Value>::lowest();
    for (int64_t index = 0; index < size; ++index)
      if (known(index) != 0 && values[index] == values[index]) {
        low = std::min(low, values[index]);
        high = std::max(high, values[index]);
      }
    context->SetStatus(tensorflow::errors::InvalidArgument(before_, " ", text(low), " ", between_, " ", text(high),
                                                           ". ", remedy_));
  }

  // A number as TensorFlow's own assertions show it.
  static std::string text(Value value) { return Tensor(value).SummarizeValue(1); }

  std::string before_, between_, remedy_;  // before the smallest number, before the largest, and behind both
};

}  // namespace obrl
