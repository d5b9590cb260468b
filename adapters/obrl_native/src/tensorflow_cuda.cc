// The functions of obrl_cuda.h as operations of TensorFlow, on TensorFlow's stream and with its memory.
//
// They differ from those of tensorflow_ops.cc in three ways: they compute in float32, NaN marks a missing target, and
// the loss is that of each sample, so TensorFlow itself reduces it. With OBRL_TENSORFLOW_CUDA_ON_CPU they are
// operations of a CPU, for tests with a driver that records its calls.
#include "obrl_cuda.h"
#include "tensorflow_ops.h"
#ifndef OBRL_TENSORFLOW_CUDA_ON_CPU
#include "xla/stream_executor/stream.h"
#endif

namespace {

using namespace obrl;

#ifdef OBRL_TENSORFLOW_CUDA_ON_CPU
const char* const kDevice = tensorflow::DEVICE_CPU;
void* stream_of(OpKernelContext*) { return nullptr; }
#else
const char* const kDevice = tensorflow::DEVICE_GPU;
void* stream_of(OpKernelContext* context) {
  return context->op_device_context()->stream()->platform_specific_handle().stream;
}
#endif

const float* floats(const Tensor* tensor) { return static_cast<const float*>(optional_address(tensor)); }

// The bytes of the pairs; -1, reported to the context, without a launcher or with too many labels.
int64_t pairs_bytes(OpKernelContext* context, int64_t labels) {
  const int64_t bytes = obrl_cuda_pairs_bytes(labels);
  if (bytes < 0)
    context->SetStatus(tensorflow::errors::FailedPrecondition(
        "either obrl_tensorflow.cuda.operations() was not called in this process, or num_labels is not 1 to ",
        kMostLabels, ": ", labels));
  return bytes;
}

// A call with `bytes` of scratch. Errors are reported to the context.
class Call {
 public:
  Call(OpKernelContext* context, int64_t bytes) : context_(context) {
    if (bytes < 0) {
      context->SetStatus(tensorflow::errors::InvalidArgument("the sizes are more than the kernels of obrl take"));
      return;
    }
    if (bytes > 0) context->SetStatus(context->allocate_temp(tensorflow::DT_UINT8, TensorShape({bytes}), &scratch_));
    call_.stream = stream_of(context);
    call_.scratch = bytes > 0 ? scratch_.data() : nullptr;
    call_.scratch_bytes = bytes;
  }

  obrl_cuda_call* get() { return &call_; }

  void check(int32_t status) const {
    if (status == OBRL_CUDA_OK) return;
    context_->SetStatus(status == OBRL_CUDA_REFUSED ? tensorflow::errors::InvalidArgument(call_.error)
                                                    : tensorflow::errors::Internal(call_.error));
  }

 private:
  OpKernelContext* context_;
  Tensor scratch_;
  obrl_cuda_call call_{};
};

class CudaCountPairs : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& targets = context->input(0);
    if (!is_batch(context, "targets", targets)) return;
    const int64_t labels = targets.dim_size(1);
    Tensor* counts = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, {3, labels, labels}, &counts));
    Call call(context, 0);
    if (!context->status().ok()) return;
    call.check(obrl_cuda_count(floats(&targets), targets.dim_size(0), labels, static_cast<float*>(counts->data()),
                               call.get()));
  }
};

class CudaMoveRelation : public OpKernel {
 public:
  explicit CudaMoveRelation(OpKernelConstruction* context) : OpKernel(context) {
    const Attributes attributes(context);
    settings_.decay = attributes.real("decay");
    settings_.positive_threshold = attributes.real("positive_threshold");
    settings_.negative_threshold = attributes.real("negative_threshold");
    settings_.measure = attributes.number("measure");
    settings_.average_counts = attributes.flag("counts_are_averaged");
  }

  void Compute(OpKernelContext* context) override {
    const Tensor* targets = optional(context, "targets");
    const Tensor* counts = optional(context, "counts");
    const Tensor *sum, *weight;
    OP_REQUIRES_OK(context, context->input("relation_sum", &sum));
    OP_REQUIRES_OK(context, context->input("relation_weight", &weight));
    const int64_t labels = labels_of(context, *sum, *weight, settings_.average_counts);
    if (labels < 0 || !has_shape(context, "counts", counts, {3, labels, labels})) return;
    if (targets != nullptr && (!is_batch(context, "targets", *targets) ||
                               !has_shape(context, "targets", targets, {targets->dim_size(0), labels})))
      return;
    const int64_t bytes = pairs_bytes(context, labels);
    if (bytes < 0) return;
    Tensor *new_sum = nullptr, *new_weight = nullptr, *pairs = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output("new_sum", sum->shape(), &new_sum));
    OP_REQUIRES_OK(context, context->allocate_output("new_weight", weight->shape(), &new_weight));
    OP_REQUIRES_OK(context, context->allocate_output("code", {bytes}, &pairs));
    obrl_cuda_relation relation = settings_;
    relation.targets = floats(targets);
    relation.counts = floats(counts);
    relation.sum = floats(sum);
    relation.weight = floats(weight);
    relation.new_sum = static_cast<float*>(new_sum->data());
    relation.new_weight = static_cast<float*>(new_weight->data());
    relation.pairs = static_cast<uint8_t*>(pairs->data());
    relation.batch = targets == nullptr ? 0 : targets->dim_size(0);
    relation.num_labels = labels;
    Call call(context, obrl_cuda_move_scratch(relation.batch, labels));
    if (!context->status().ok()) return;
    call.check(obrl_cuda_move(&relation, call.get()));
  }

 private:
  obrl_cuda_relation settings_{};
};

class CudaLossTerms : public OpKernel {
 public:
  explicit CudaLossTerms(OpKernelConstruction* context) : OpKernel(context) {
    const Attributes attributes(context);
    settings_.alpha = attributes.real("alpha");
    settings_.gradients = attributes.flag("parts") ? OBRL_PARTS : OBRL_TOTAL;
    settings_.active_pairs = attributes.flag("active_pairs");
  }

  void Compute(OpKernelContext* context) override {
    const Tensor *logits, *sample_weight, *pos_weight, *pairs;
    OP_REQUIRES_OK(context, context->input("logits", &logits));
    OP_REQUIRES_OK(context, context->input("sample_weight", &sample_weight));
    OP_REQUIRES_OK(context, context->input("pos_weight", &pos_weight));
    OP_REQUIRES_OK(context, context->input("code", &pairs));
    const Tensor* targets = optional(context, "targets");
    if (!is_batch(context, "logits", *logits)) return;
    const int64_t batch = logits->dim_size(0), labels = logits->dim_size(1);
    const int64_t bytes = pairs_bytes(context, labels);
    if (bytes < 0 || !has_shape(context, "targets", targets, logits->shape()) ||
        !has_shape(context, "sample_weight", sample_weight, {batch}) ||
        !has_shape(context, "pos_weight", pos_weight, {labels}) ||
        !has_shape(context, "code", pairs, {bytes}))
      return;
    const bool joint = targets != nullptr, parts = joint && settings_.gradients == OBRL_PARTS;
    Outputs outputs(context);
    const auto next = [&](const TensorShape& shape) { return static_cast<float*>(outputs.next(shape)); };
    obrl_cuda_loss_arguments arguments = settings_;
    arguments.logits = floats(logits);
    arguments.targets = floats(targets);
    arguments.sample_weight = floats(sample_weight);
    arguments.pos_weight = floats(pos_weight);
    arguments.pairs = static_cast<const uint8_t*>(address(*pairs));
    arguments.batch = batch;
    arguments.num_labels = labels;
    if (joint) arguments.total = next({batch});
    if (parts) arguments.cross_entropy = next({batch});
    if (parts || !joint) arguments.relation_loss = next({batch});
    arguments.gradient = next(logits->shape());
    if (parts) arguments.relation_gradient = next(logits->shape());
    if (!context->status().ok()) return;
    Call call(context, obrl_cuda_loss_scratch(batch, labels, joint, arguments.gradients));
    if (!context->status().ok()) return;
    call.check(obrl_cuda_loss(&arguments, call.get()));
  }

 private:
  obrl_cuda_loss_arguments settings_{};
};

absl::Status infer_move_and_code(InferenceContext* context) {
  return infer_move(context, context->Vector(InferenceContext::kUnknownDim));
}

absl::Status infer_loss_by_sample(InferenceContext* context) { return infer_loss(context, true); }

}  // namespace

REGISTER_OP("ObrlCudaCountPairs").Input("targets: float").Output("counts: float").SetShapeFn(infer_counts);

REGISTER_OP("ObrlCudaMoveRelation")
    .Input("targets: num_targets * float")
    .Input("counts: num_counts * float")
    .Input("relation_sum: float")
    .Input("relation_weight: float")
    .Output("new_sum: float")
    .Output("new_weight: float")
    .Output("code: uint8")
    .Attr("num_targets: int >= 0")
    .Attr("num_counts: int >= 0")
    .Attr("decay: int")
    .Attr("positive_threshold: int")
    .Attr("negative_threshold: int")
    .Attr("measure: int")
    .Attr("counts_are_averaged: bool")
    .SetShapeFn(infer_move_and_code);

REGISTER_OP("ObrlCudaLossTerms")
    .Input("logits: float")
    .Input("targets: num_targets * float")
    .Input("sample_weight: float")
    .Input("pos_weight: float")
    .Input("code: uint8")
    .Output("terms: num_terms * float")
    .Output("gradients: num_gradients * float")
    .Attr("num_targets: int >= 0")
    .Attr("num_terms: int >= 1")
    .Attr("num_gradients: int >= 1")
    .Attr("alpha: int")
    .Attr("parts: bool")
    .Attr("active_pairs: bool")
    .SetShapeFn(infer_loss_by_sample);

REGISTER_KERNEL_BUILDER(Name("ObrlCudaCountPairs").Device(kDevice), CudaCountPairs);
REGISTER_KERNEL_BUILDER(Name("ObrlCudaMoveRelation").Device(kDevice), CudaMoveRelation);
REGISTER_KERNEL_BUILDER(Name("ObrlCudaLossTerms").Device(kDevice), CudaLossTerms);
