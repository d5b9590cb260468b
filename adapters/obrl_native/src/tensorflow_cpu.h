// What the operations on a CPU share beside tensorflow_ops.h: from tensors to the structures of obrl_cpu.h.
#pragma once

#include "obrl_cpu.h"
#include "tensorflow_ops.h"

namespace obrl {

// The obrl_dtype of bool, uint8, float or double.
inline int32_t dtype_of(DataType type) {
  return type == tensorflow::DT_DOUBLE ? OBRL_FLOAT64 : type == tensorflow::DT_FLOAT ? OBRL_FLOAT32 : OBRL_UINT8;
}

inline int32_t threads_of(OpKernelContext* context) {
  const auto* workers = context->device()->tensorflow_cpu_worker_threads();
  return workers == nullptr ? 1 : workers->num_threads;
}

// Report to the context how a function of obrl_cpu.h ended.
inline void check_status(OpKernelContext* context, int32_t status) {
  OP_REQUIRES(context, status != OBRL_UNKNOWN_NUMBER,
              tensorflow::errors::InvalidArgument("each dtype and number must be one of obrl_cpu.h"));
  OP_REQUIRES(context, status == OBRL_OK,
              tensorflow::errors::ResourceExhausted("obrl's native code ran out of memory"));
}

inline obrl_labels batch_of(const Tensor& targets, const Tensor* observed) {
  return {address(targets), static_cast<const uint8_t*>(optional_address(observed)), targets.dim_size(0),
          targets.dim_size(1), dtype_of(targets.dtype())};
}

}  // namespace obrl
