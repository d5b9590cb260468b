// The functions of obrl_cpu.h as custom calls of XLA: arrays in, arrays out, and no state between calls.
//
// An optional array that is absent is a scalar: JAX 0.11 cannot compile an array without elements in `jax.shard_map`.
// Shapes and dtypes are checked here again, because a program may come from elsewhere; a wrong one is an error of XLA.
// A call uses as many threads as XLA itself has.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <tuple>
#include <vector>

#include "jax_ffi.h"
#include "obrl_cpu.h"

namespace {

using namespace obrl_ffi;

bool is_bytes(const AnyBuffer& buffer) {
  return buffer.element_type() == ffi::DataType::PRED || buffer.element_type() == ffi::DataType::U8;
}

bool is_float(const AnyBuffer& buffer) {
  return buffer.element_type() == ffi::DataType::F32 || buffer.element_type() == ffi::DataType::F64;
}

// The obrl_dtype of bytes or floats.
int32_t dtype_of(const AnyBuffer& buffer) {
  return is_bytes(buffer) ? OBRL_UINT8 : buffer.element_type() == ffi::DataType::F64 ? OBRL_FLOAT64 : OBRL_FLOAT32;
}

int32_t threads_of(const ffi::ThreadPool& pool) {
  return static_cast<int32_t>(std::clamp<int64_t>(pool.num_threads(), 1, std::numeric_limits<int32_t>::max()));
}

Error error_of(int32_t status) {
  if (status == OBRL_OK) return Error::Success();
  if (status == OBRL_UNKNOWN_NUMBER) return wrong("each dtype and number", "one of obrl_cpu.h");
  return Error(ffi::ErrorCode::kResourceExhausted, "obrl: out of memory");
}

Error check_labels(const AnyBuffer& targets, const AnyBuffer& observed) {
  if (targets.dimensions().size() != 2 || !(is_bytes(targets) || is_float(targets))) {
    return wrong("targets", "a matrix of bytes or floats");
  }
  const auto shape = targets.dimensions();
  if (!is_absent(observed) && !(is_bytes(observed) && has_shape(observed, {shape[0], shape[1]}))) {
    return wrong("observed", "bytes in the shape of the targets");
  }
  return Error::Success();
}

obrl_labels labels_of(const AnyBuffer& targets, const AnyBuffer& observed) {
  const auto shape = targets.dimensions();
  return {targets.untyped_data(), data_or_null<const uint8_t>(observed), shape[0], shape[1], dtype_of(targets)};
}

Error count(ffi::ThreadPool pool, AnyBuffer targets, AnyBuffer observed, Out counts) try {
  if (Error error = check_labels(targets, observed); error.failure()) return error;
  const obrl_labels labels = labels_of(targets, observed);
  const int64_t num_labels = labels.num_labels;
  if (counts->element_type() != ffi::DataType::S32 || !has_shape(*counts, {3, num_labels, num_labels})) {
    return wrong("counts", "int32, (3, num_labels, num_labels)");
  }
  std::vector<double> exact(3 * num_labels * num_labels);
  const int32_t status = obrl_count(&labels, exact.data(), threads_of(pool));
  if (status == OBRL_OK) {
    std::transform(exact.begin(), exact.end(), counts->typed_data<int32_t>(),
                   [](double number) { return static_cast<int32_t>(number); });
  }
  return error_of(status);
} catch (const std::bad_alloc&) {
  return error_of(OBRL_NO_MEMORY);
}

// The attributes of a relation.
struct Settings {
  double decay, positive_threshold, negative_threshold;
  int32_t measure;
  bool counts;

  obrl_relation relation(const AnyBuffer& sum, const AnyBuffer& weight) const {
    return {sum.untyped_data(),     weight.untyped_data(), decay,   positive_threshold, negative_threshold,
            weight.dimensions()[0], dtype_of(weight),      measure, counts};
  }
};

Error check_relation(const AnyBuffer& sum, const AnyBuffer& weight, const AnyBuffer& code, const Settings& settings) {
  if (weight.dimensions().size() != 2 || !is_float(weight)) return wrong("relation_weight", "a matrix of floats");
  const int64_t num_labels = weight.dimensions()[0];
  const Shape matrix = {num_labels, num_labels};
  if (!has_shape(weight, matrix)) return wrong("relation_weight", "(num_labels, num_labels)");
  if (sum.element_type() != weight.element_type()) return wrong("relation_sum", "in the dtype of relation_weight");
  if (!has_shape(sum, settings.counts ? Shape{3, num_labels, num_labels} : matrix)) {
    return wrong("relation_sum", "(num_labels, num_labels), of counts (3, num_labels, num_labels)");
  }
  if (code.element_type() != ffi::DataType::U8 || !has_shape(code, matrix)) {
    return wrong("code", "bytes, (num_labels, num_labels)");
  }
  if (!obrl::is_measure(settings.measure)) return wrong("measure", "a number of obrl_measure");
  return Error::Success();
}

// Copy an accumulator to its result, where it is updated in place. Both are one array where XLA donates the argument.
Error copy(const AnyBuffer& from, const AnyBuffer& to) {
  const auto shape = from.dimensions();
  if (from.element_type() != to.element_type() || !has_shape(to, Shape(shape.begin(), shape.end()))) {
    return wrong("a new accumulator", "as the old one");
  }
  if (to.untyped_data() != from.untyped_data()) std::memcpy(to.untyped_data(), from.untyped_data(), from.size_bytes());
  return Error::Success();
}

// Eq. 1 and Eq. 3 for labels or for counts.
Error move(int32_t threads, const obrl_labels* labels, const double* counts, AnyBuffer sum, AnyBuffer weight,
           AnyBuffer new_sum, AnyBuffer new_weight, AnyBuffer code, const Settings& settings) {
  if (Error error = copy(sum, new_sum); error.failure()) return error;
  if (Error error = copy(weight, new_weight); error.failure()) return error;
  const obrl_relation relation = settings.relation(new_sum, new_weight);
  return error_of(obrl_move(labels, counts, &relation, code.typed_data<uint8_t>(), threads));
}

Error move_by_labels(ffi::ThreadPool pool, AnyBuffer targets, AnyBuffer observed, AnyBuffer sum, AnyBuffer weight,
                     Out new_sum, Out new_weight, Out code, double decay, double positive_threshold,
                     double negative_threshold, int32_t measure, bool counts) try {
  const Settings settings{decay, positive_threshold, negative_threshold, measure, counts};
  if (Error error = check_labels(targets, observed); error.failure()) return error;
  if (Error error = check_relation(sum, weight, *code, settings); error.failure()) return error;
  const obrl_labels labels = labels_of(targets, observed);
  if (labels.num_labels != weight.dimensions()[0]) return wrong("targets", "as wide as the relation");
  return move(threads_of(pool), &labels, nullptr, sum, weight, *new_sum, *new_weight, *code, settings);
} catch (const std::bad_alloc&) {
  return error_of(OBRL_NO_MEMORY);
}

Error move_by_counts(ffi::ThreadPool pool, AnyBuffer batch, AnyBuffer sum, AnyBuffer weight, Out new_sum,
                     Out new_weight, Out code, double decay, double positive_threshold, double negative_threshold,
                     int32_t measure, bool counts) try {
  const Settings settings{decay, positive_threshold, negative_threshold, measure, counts};
  if (Error error = check_relation(sum, weight, *code, settings); error.failure()) return error;
  const int64_t num_labels = weight.dimensions()[0];
  if (batch.element_type() != ffi::DataType::S32 || !has_shape(batch, {3, num_labels, num_labels})) {
    return wrong("counts", "int32, (3, num_labels, num_labels)");
  }
  const auto* numbers = batch.typed_data<int32_t>();
  const std::vector<double> doubles(numbers, numbers + batch.element_count());
  return move(threads_of(pool), nullptr, doubles.data(), sum, weight, *new_sum, *new_weight, *code, settings);
} catch (const std::bad_alloc&) {
  return error_of(OBRL_NO_MEMORY);
}

// Eq. 3 alone. Without a batch obrl_move only reads the accumulators.
Error code(ffi::ThreadPool pool, AnyBuffer sum, AnyBuffer weight, Out code, double positive_threshold,
           double negative_threshold, int32_t measure, bool counts) {
  const Settings settings{1.0, positive_threshold, negative_threshold, measure, counts};
  if (Error error = check_relation(sum, weight, *code, settings); error.failure()) return error;
  const obrl_relation relation = settings.relation(sum, weight);
  return error_of(obrl_move(nullptr, nullptr, &relation, code->typed_data<uint8_t>(), threads_of(pool)));
}

Error loss(ffi::ThreadPool pool, AnyBuffer logits, AnyBuffer targets, AnyBuffer observed, AnyBuffer sample_weight,
           AnyBuffer pos_weight, AnyBuffer code, ffi::RemainingRets results, double alpha, int32_t reduction,
           int32_t gradients, bool joint, bool parts, bool active_pairs) {
  if (logits.dimensions().size() != 2 || !is_float(logits)) return wrong("logits", "a matrix of floats");
  const int64_t batch = logits.dimensions()[0], num_labels = logits.dimensions()[1];
  const auto dtype = logits.element_type();
  if (joint) {
    if (Error error = check_labels(targets, observed); error.failure()) return error;
    if (!has_shape(targets, {batch, num_labels}) || !(is_bytes(targets) || targets.element_type() == dtype)) {
      return wrong("targets", "bytes or in the dtype of the logits, in their shape");
    }
  }
  for (const auto& [name, weights, size] :
       {std::tuple("sample_weight", sample_weight, batch), std::tuple("pos_weight", pos_weight, num_labels)}) {
    if (!is_absent(weights) && !(weights.element_type() == dtype && has_shape(weights, {size}))) {
      return wrong(name, "one number a sample, or a label, in the dtype of the logits");
    }
  }
  if (code.element_type() != ffi::DataType::U8 || !has_shape(code, {num_labels, num_labels})) {
    return wrong("code", "bytes, (num_labels, num_labels)");
  }
  if (!obrl::is_reduction(reduction)) return wrong("reduction", "one of three");
  LossResults addresses;
  const Shape term = reduction == OBRL_NONE ? Shape{batch} : Shape{};
  const Shape matrix = {batch, num_labels};
  if (Error error = addresses.read(results, dtype, term, matrix, joint, parts, gradients); error.failure()) {
    return error;
  }
  const obrl_loss_arguments arguments{
      logits.untyped_data(),
      targets.untyped_data(),
      data_or_null<const uint8_t>(observed),
      data_or_null(sample_weight),
      data_or_null(pos_weight),
      code.typed_data<uint8_t>(),
      addresses.total,
      addresses.cross_entropy,
      addresses.relation_loss,
      addresses.gradient,
      addresses.relation_gradient,
      alpha,
      batch,
      num_labels,
      dtype_of(logits),
      joint ? dtype_of(targets) : dtype_of(logits),
      reduction,
      gradients,
      joint,
      active_pairs,
  };
  return error_of(obrl_loss(&arguments, threads_of(pool)));
}

auto with_threads() { return ffi::Ffi::Bind().Ctx<ffi::ThreadPool>(); }

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(obrl_jax_count, count,
                              with_threads().Arg<AnyBuffer>().Arg<AnyBuffer>().Ret<AnyBuffer>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(obrl_jax_move, move_by_labels, moving(with_threads().Arg<AnyBuffer>().Arg<AnyBuffer>()));

XLA_FFI_DEFINE_HANDLER_SYMBOL(obrl_jax_move_by_counts, move_by_counts, moving(with_threads().Arg<AnyBuffer>()));

XLA_FFI_DEFINE_HANDLER_SYMBOL(obrl_jax_code, code,
                              with_settings(with_threads().Arg<AnyBuffer>().Arg<AnyBuffer>().Ret<AnyBuffer>()));

XLA_FFI_DEFINE_HANDLER_SYMBOL(obrl_jax_loss, loss,
                              with_threads()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .Arg<AnyBuffer>()
                                  .RemainingRets()
                                  .Attr<double>("alpha")
                                  .Attr<int32_t>("reduction")
                                  .Attr<int32_t>("gradients")
                                  .Attr<bool>("joint")
                                  .Attr<bool>("parts")
                                  .Attr<bool>("active_pairs"));
