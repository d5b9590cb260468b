// The functions of obrl_cuda.h as custom calls of XLA, on XLA's stream and with its memory.
//
// XLA does not capture them into command buffers, because their scratch is allocated while they run. All is float32,
// and NaN marks a missing target. The pairs are obrl_cuda_pairs_bytes(num_labels) bytes. With OBRL_JAX_CUDA_ON_CPU the
// calls run on a CPU, which has no stream, for tests with another launcher.
#include <cstdint>
#include <utility>

#include "jax_ffi.h"
#include "obrl_cuda.h"

#ifdef OBRL_JAX_CUDA_ON_CPU
#include <memory>
#include <optional>

namespace obrl_ffi {

struct Stream {};

class Scratch {
 public:
  std::optional<void*> Allocate(std::size_t bytes, std::size_t) {
    allocations_.push_back(std::make_unique<char[]>(bytes));
    return allocations_.back().get();
  }

 private:
  std::vector<std::unique_ptr<char[]>> allocations_;
};

}  // namespace obrl_ffi

namespace xla::ffi {

template <>
struct CtxDecoding<obrl_ffi::Stream> {
  using Type = void*;
  static std::optional<Type> Decode(const XLA_FFI_Api*, XLA_FFI_ExecutionContext*, DiagnosticEngine&) {
    return std::optional<Type>(std::in_place, nullptr);
  }
};

template <>
struct CtxDecoding<obrl_ffi::Scratch> {
  using Type = obrl_ffi::Scratch;
  static std::optional<Type> Decode(const XLA_FFI_Api*, XLA_FFI_ExecutionContext*, DiagnosticEngine&) {
    return std::optional<Type>(std::in_place);
  }
};

}  // namespace xla::ffi
#else
namespace obrl_ffi {
using Stream = ffi::PlatformStream<void*>;
using Scratch = ffi::ScratchAllocator;
}  // namespace obrl_ffi
#endif

namespace {

using namespace obrl_ffi;

bool is_float(const AnyBuffer& buffer, const Shape& shape) {
  return buffer.element_type() == ffi::DataType::F32 && has_shape(buffer, shape);
}

const float* floats(const AnyBuffer& buffer) { return static_cast<const float*>(buffer.untyped_data()); }
float* writable_floats(const AnyBuffer& buffer) { return static_cast<float*>(buffer.untyped_data()); }

Error error_of(int32_t status, const obrl_cuda_call& call) {
  if (status == OBRL_CUDA_OK) return Error::Success();
  return status == OBRL_CUDA_REFUSED ? Error::InvalidArgument(call.error) : Error::Internal(call.error);
}

// Allocate the scratch of a call. XLA frees it when the handler ends, in the order of the stream.
Error allocate(Scratch& scratch, int64_t bytes, obrl_cuda_call& call) {
  if (bytes < 0) return wrong("sizes", "in the range of the kernels");
  if (bytes == 0) return Error::Success();
  const auto address = scratch.Allocate(bytes, 256);
  if (!address) return Error(ffi::ErrorCode::kResourceExhausted, "obrl: out of memory on the device");
  call.scratch = *address;
  call.scratch_bytes = bytes;
  return Error::Success();
}

Error count(void* stream, AnyBuffer targets, Out counts) {
  if (targets.dimensions().size() != 2) return wrong("targets", "a matrix");
  const int64_t batch = targets.dimensions()[0], num_labels = targets.dimensions()[1];
  if (!is_float(targets, {batch, num_labels})) return wrong("targets", "float32");
  if (!is_float(*counts, {3, num_labels, num_labels})) return wrong("counts", "float32, (3, num_labels, num_labels)");
  obrl_cuda_call call{stream, nullptr, 0, {}};
  return error_of(obrl_cuda_count(floats(targets), batch, num_labels, writable_floats(*counts), &call), call);
}

// Eq. 1 and Eq. 3 for labels, for counts, or for neither.
Error move(void* stream, Scratch scratch, const AnyBuffer* targets, const AnyBuffer* batch_counts,
           AnyBuffer sum, AnyBuffer weight, const AnyBuffer* new_sum, const AnyBuffer* new_weight, AnyBuffer pairs,
           double decay, double positive_threshold, double negative_threshold, int32_t measure, bool counts) {
  if (weight.dimensions().size() != 2) return wrong("relation_weight", "a matrix");
  const int64_t num_labels = weight.dimensions()[0];
  const Shape matrix = {num_labels, num_labels}, stack = {3, num_labels, num_labels};
  if (!is_float(weight, matrix)) return wrong("relation_weight", "float32, (num_labels, num_labels)");
  const Shape& accumulated = counts ? stack : matrix;
  if (!is_float(sum, accumulated)) return wrong("relation_sum", "float32, (num_labels, num_labels), of counts three");
  if (new_sum && !(is_float(*new_sum, accumulated) && is_float(*new_weight, matrix))) {
    return wrong("a new accumulator", "as the old one");
  }
  if (targets && (targets->dimensions().size() != 2 || !is_float(*targets, {targets->dimensions()[0], num_labels}))) {
    return wrong("targets", "float32, as wide as the relation");
  }
  if (batch_counts && !is_float(*batch_counts, stack)) return wrong("counts", "float32, (3, num_labels, num_labels)");
  if (pairs.element_type() != ffi::DataType::U8 || !has_shape(pairs, {obrl_cuda_pairs_bytes(num_labels)})) {
    return wrong("pairs", "bytes, as many as obrl_cuda_pairs_bytes says");
  }
  const int64_t batch = targets ? targets->dimensions()[0] : 0;
  obrl_cuda_call call{stream, nullptr, 0, {}};
  if (Error error = allocate(scratch, obrl_cuda_move_scratch(batch, num_labels), call); error.failure()) return error;
  const obrl_cuda_relation relation{
      targets ? floats(*targets) : nullptr,
      batch_counts ? floats(*batch_counts) : nullptr,
      floats(sum),
      floats(weight),
      new_sum ? writable_floats(*new_sum) : nullptr,
      new_weight ? writable_floats(*new_weight) : nullptr,
      pairs.typed_data<uint8_t>(),
      decay,
      positive_threshold,
      negative_threshold,
      batch,
      num_labels,
      measure,
      counts,
  };
  return error_of(obrl_cuda_move(&relation, &call), call);
}

Error move_by_labels(void* stream, Scratch scratch, AnyBuffer targets, AnyBuffer sum, AnyBuffer weight,
                     Out new_sum, Out new_weight, Out pairs, double decay, double positive_threshold,
                     double negative_threshold, int32_t measure, bool counts) {
  return move(stream, std::move(scratch), &targets, nullptr, sum, weight, &*new_sum, &*new_weight, *pairs, decay,
              positive_threshold, negative_threshold, measure, counts);
}

Error move_by_counts(void* stream, Scratch scratch, AnyBuffer batch, AnyBuffer sum, AnyBuffer weight,
                     Out new_sum, Out new_weight, Out pairs, double decay, double positive_threshold,
                     double negative_threshold, int32_t measure, bool counts) {
  return move(stream, std::move(scratch), nullptr, &batch, sum, weight, &*new_sum, &*new_weight, *pairs, decay,
              positive_threshold, negative_threshold, measure, counts);
}

Error code(void* stream, Scratch scratch, AnyBuffer sum, AnyBuffer weight, Out pairs,
           double positive_threshold, double negative_threshold, int32_t measure, bool counts) {
  return move(stream, std::move(scratch), nullptr, nullptr, sum, weight, nullptr, nullptr, *pairs, 1.0,
              positive_threshold, negative_threshold, measure, counts);
}

// The terms of each sample, and the gradients of their sums.
Error loss(void* stream, Scratch scratch, AnyBuffer logits, AnyBuffer targets, AnyBuffer sample_weight,
           AnyBuffer pos_weight, AnyBuffer pairs, ffi::RemainingRets results, double alpha, int32_t gradients,
           bool joint, bool parts, bool active_pairs) {
  if (logits.dimensions().size() != 2) return wrong("logits", "a matrix");
  const int64_t batch = logits.dimensions()[0], num_labels = logits.dimensions()[1];
  if (!is_float(logits, {batch, num_labels})) return wrong("logits", "float32");
  if (joint && !is_float(targets, {batch, num_labels})) return wrong("targets", "float32, in the shape of the logits");
  if (!is_float(sample_weight, {batch})) return wrong("sample_weight", "float32, (batch,)");
  if (!is_float(pos_weight, {num_labels})) return wrong("pos_weight", "float32, (num_labels,)");
  if (pairs.element_type() != ffi::DataType::U8 || !has_shape(pairs, {obrl_cuda_pairs_bytes(num_labels)})) {
    return wrong("pairs", "bytes, as many as obrl_cuda_pairs_bytes says");
  }
  LossResults addresses;
  const Shape term = {batch}, matrix = {batch, num_labels};
  const auto dtype = ffi::DataType::F32;
  if (Error error = addresses.read(results, dtype, term, matrix, joint, parts, gradients); error.failure()) {
    return error;
  }
  obrl_cuda_call call{stream, nullptr, 0, {}};
  const int64_t bytes = obrl_cuda_loss_scratch(batch, num_labels, joint, gradients);
  if (Error error = allocate(scratch, bytes, call); error.failure()) return error;
  const obrl_cuda_loss_arguments arguments{
      floats(logits),
      joint ? floats(targets) : nullptr,
      floats(sample_weight),
      floats(pos_weight),
      pairs.typed_data<uint8_t>(),
      static_cast<float*>(addresses.total),
      static_cast<float*>(addresses.cross_entropy),
      static_cast<float*>(addresses.relation_loss),
      static_cast<float*>(addresses.gradient),
      static_cast<float*>(addresses.relation_gradient),
      alpha,
      batch,
      num_labels,
      gradients,
      active_pairs,
  };
  return error_of(obrl_cuda_loss(&arguments, &call), call);
}

auto with_scratch() { return ffi::Ffi::Bind().Ctx<Stream>().Ctx<Scratch>(); }

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(obrl_jax_cuda_count, count,
                              ffi::Ffi::Bind().Ctx<Stream>().Arg<AnyBuffer>().Ret<AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(obrl_jax_cuda_move, move_by_labels, moving(with_scratch().Arg<AnyBuffer>()));

XLA_FFI_DEFINE_HANDLER_SYMBOL(obrl_jax_cuda_move_by_counts, move_by_counts,
                              moving(with_scratch().Arg<AnyBuffer>()));

XLA_FFI_DEFINE_HANDLER_SYMBOL(obrl_jax_cuda_code, code,
                              with_settings(with_scratch().Arg<AnyBuffer>().Arg<AnyBuffer>().Ret<AnyBuffer>()));

XLA_FFI_DEFINE_HANDLER_SYMBOL(obrl_jax_cuda_loss, loss,
                              with_scratch()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .RemainingRets()
                                  .Attr<double>("alpha")
                                  .Attr<int32_t>("gradients")
                                  .Attr<bool>("joint")
                                  .Attr<bool>("parts")
                                  .Attr<bool>("active_pairs"));
