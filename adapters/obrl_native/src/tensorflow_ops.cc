// The functions of obrl_cpu.h as operations of TensorFlow.
//
// An optional tensor is a list of none or one. Settings are attributes; a double, which no attribute holds, comes as its
// bits. The Python that calls them (obrl_tensorflow/native.py) has checked what is known when a graph is made; what is
// known only when it runs is checked here, before anything is computed.
#include "obrl_cpu.h"
#include "tensorflow_ops.h"

namespace {

using namespace obrl;

int32_t dtype_of(DataType type) {
  return type == tensorflow::DT_DOUBLE ? OBRL_FLOAT64 : type == tensorflow::DT_FLOAT ? OBRL_FLOAT32 : OBRL_UINT8;
}

int32_t threads_of(OpKernelContext* context) {
  const auto* workers = context->device()->tensorflow_cpu_worker_threads();
  return workers == nullptr ? 1 : workers->num_threads;
}

void check_status(OpKernelContext* context, int32_t status) {
  OP_REQUIRES(context, status == OBRL_OK,
              tensorflow::errors::ResourceExhausted("obrl's native code ran out of memory"));
}

obrl_labels batch_of(const Tensor& targets, const Tensor* observed) {
  return {address(targets), static_cast<const uint8_t*>(optional_address(observed)), targets.dim_size(0),
          targets.dim_size(1), dtype_of(targets.dtype())};
}

class CountPairs : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    const Tensor& targets = context->input(0);
    const Tensor* observed = optional(context, "observed");
    if (!is_batch(context, "targets", targets) || !has_shape(context, "observed", observed, targets.shape())) return;
    const int64_t labels = targets.dim_size(1);
    Tensor* counts = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, {3, labels, labels}, &counts));
    const obrl_labels batch = batch_of(targets, observed);
    check_status(context, obrl_count(&batch, static_cast<double*>(counts->data()), threads_of(context)));
  }
};

// What a relation is read by.
struct Reading {
  explicit Reading(OpKernelConstruction* context) {
    const Attributes attributes(context);
    relation.positive_threshold = attributes.real("positive_threshold");
    relation.negative_threshold = attributes.real("negative_threshold");
    relation.measure = attributes.number("measure");
    relation.symmetric = attributes.flag("symmetric");
    relation.counts = attributes.flag("counts_are_averaged");
  }

  obrl_relation of(void* sum, void* weight, int64_t labels, DataType type) const {
    obrl_relation found = relation;
    found.sum = sum;
    found.weight = weight;
    found.num_labels = labels;
    found.dtype = dtype_of(type);
    return found;
  }

  obrl_relation relation{};
};

class MoveRelation : public OpKernel {
 public:
  explicit MoveRelation(OpKernelConstruction* context) : OpKernel(context), reading_(context) {
    reading_.relation.decay = Attributes(context).real("decay");
  }

  void Compute(OpKernelContext* context) override {
    const Tensor* targets = optional(context, "targets");
    const Tensor* observed = optional(context, "observed");
    const Tensor* counts = optional(context, "counts");
    const Tensor *sum, *weight, *still;
    OP_REQUIRES_OK(context, context->input("relation_sum", &sum));
    OP_REQUIRES_OK(context, context->input("relation_weight", &weight));
    OP_REQUIRES_OK(context, context->input("still", &still));
    const int64_t labels = labels_of(context, *sum, *weight, reading_.relation.counts);
    if (labels < 0 || !has_shape(context, "counts", counts, {3, labels, labels}) ||
        !has_shape(context, "still", still, {}))
      return;
    obrl_labels batch{};
    if (targets != nullptr) {
      if (!is_batch(context, "targets", *targets) ||
          !has_shape(context, "targets", targets, {targets->dim_size(0), labels}) ||
          !has_shape(context, "observed", observed, targets->shape()))
        return;
      batch = batch_of(*targets, observed);
    }
    Tensor *new_sum = nullptr, *new_weight = nullptr, *code = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output("new_sum", sum->shape(), &new_sum));
    OP_REQUIRES_OK(context, context->allocate_output("new_weight", weight->shape(), &new_weight));
    OP_REQUIRES_OK(context, context->allocate_output("code", {labels, labels}, &code));
    std::memcpy(new_sum->data(), sum->data(), sum->TotalBytes());
    std::memcpy(new_weight->data(), weight->data(), weight->TotalBytes());
    const bool moves = !still->scalar<bool>()();
    const obrl_relation relation = reading_.of(new_sum->data(), new_weight->data(), labels, weight->dtype());
    check_status(context, obrl_move(moves && targets != nullptr ? &batch : nullptr,
                                    static_cast<const double*>(moves ? optional_address(counts) : nullptr), &relation,
                                    static_cast<uint8_t*>(code->data()), threads_of(context)));
  }

 private:
  Reading reading_;
};

class CodePairs : public OpKernel {
 public:
  explicit CodePairs(OpKernelConstruction* context) : OpKernel(context), reading_(context) {
    reading_.relation.decay = 1;
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &sum = context->input(0), &weight = context->input(1);
    const int64_t labels = labels_of(context, sum, weight, reading_.relation.counts);
    if (labels < 0) return;
    Tensor* code = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, {labels, labels}, &code));
    // Without a batch the accumulators are only read.
    const obrl_relation relation = reading_.of(sum.data(), weight.data(), labels, weight.dtype());
    check_status(context, obrl_move(nullptr, nullptr, &relation, static_cast<uint8_t*>(code->data()),
                                    threads_of(context)));
  }

 private:
  Reading reading_;
};

class LossTerms : public OpKernel {
 public:
  explicit LossTerms(OpKernelConstruction* context) : OpKernel(context) {
    const Attributes attributes(context);
    settings_.alpha = attributes.real("alpha");
    settings_.reduction = attributes.number("reduction");
    settings_.gradients = attributes.flag("parts") ? OBRL_PARTS : OBRL_TOTAL;
    settings_.active_pairs = attributes.flag("active_pairs");
  }

  void Compute(OpKernelContext* context) override {
    const Tensor *logits, *code;
    OP_REQUIRES_OK(context, context->input("logits", &logits));
    OP_REQUIRES_OK(context, context->input("code", &code));
    const Tensor* targets = optional(context, "targets");
    const Tensor* observed = optional(context, "observed");
    const Tensor* sample_weight = optional(context, "sample_weight");
    const Tensor* pos_weight = optional(context, "pos_weight");
    if (!is_batch(context, "logits", *logits)) return;
    const int64_t batch = logits->dim_size(0), labels = logits->dim_size(1);
    if (!has_shape(context, "targets", targets, logits->shape()) ||
        !has_shape(context, "observed", observed, logits->shape()) ||
        !has_shape(context, "sample_weight", sample_weight, {batch}) ||
        !has_shape(context, "pos_weight", pos_weight, {labels}) ||
        !has_shape(context, "code", code, {labels, labels}))
      return;
    obrl_loss_arguments arguments = settings_;
    arguments.logits = address(*logits);
    arguments.targets = optional_address(targets);
    arguments.observed = static_cast<const uint8_t*>(optional_address(observed));
    arguments.sample_weight = optional_address(sample_weight);
    arguments.pos_weight = optional_address(pos_weight);
    arguments.code = static_cast<const uint8_t*>(address(*code));
    arguments.batch = batch;
    arguments.num_labels = labels;
    arguments.dtype = dtype_of(logits->dtype());
    arguments.target_dtype = targets == nullptr ? arguments.dtype : dtype_of(targets->dtype());
    arguments.joint = targets != nullptr;
    const bool parts = arguments.gradients == OBRL_PARTS;
    const TensorShape value = arguments.reduction == OBRL_NONE ? TensorShape({batch}) : TensorShape({});
    Outputs outputs(context);
    if (targets != nullptr) arguments.total = outputs.next(value);
    if (parts) arguments.cross_entropy = outputs.next(value);
    if (parts || targets == nullptr) arguments.relation_loss = outputs.next(value);
    arguments.gradient = outputs.next(logits->shape());
    if (parts) arguments.relation_gradient = outputs.next(logits->shape());
    if (!context->status().ok()) return;
    check_status(context, obrl_loss(&arguments, threads_of(context)));
  }

 private:
  obrl_loss_arguments settings_{};
};

absl::Status moved_and_coded(InferenceContext* context) {
  std::vector<ShapeHandle> weight;
  TF_RETURN_IF_ERROR(context->input("relation_weight", &weight));
  return moved(context, weight[0]);
}

absl::Status coded(InferenceContext* context) {
  context->set_output(0, context->input(1));
  return absl::OkStatus();
}

absl::Status evaluated_and_reduced(InferenceContext* context) {
  int32_t reduction;
  TF_RETURN_IF_ERROR(context->GetAttr("reduction", &reduction));
  return evaluated(context, reduction == OBRL_NONE);
}

}  // namespace

REGISTER_OP("ObrlCountPairs")
    .Input("targets: Targets")
    .Input("observed: num_observed * bool")
    .Output("counts: double")
    .Attr("Targets: {bool, uint8, float, double}")
    .Attr("num_observed: int >= 0")
    .SetShapeFn(counted);

REGISTER_OP("ObrlMoveRelation")
    .Input("targets: num_targets * Targets")
    .Input("observed: num_observed * bool")
    .Input("counts: num_counts * double")
    .Input("relation_sum: State")
    .Input("relation_weight: State")
    .Input("still: bool")
    .Output("new_sum: State")
    .Output("new_weight: State")
    .Output("code: uint8")
    .Attr("num_targets: int >= 0")
    .Attr("num_observed: int >= 0")
    .Attr("num_counts: int >= 0")
    .Attr("Targets: {bool, uint8, float, double} = DT_FLOAT")
    .Attr("State: {float, double}")
    .Attr("decay: int")
    .Attr("positive_threshold: int")
    .Attr("negative_threshold: int")
    .Attr("measure: int")
    .Attr("symmetric: bool")
    .Attr("counts_are_averaged: bool")
    .SetShapeFn(moved_and_coded);

REGISTER_OP("ObrlCodePairs")
    .Input("relation_sum: State")
    .Input("relation_weight: State")
    .Output("code: uint8")
    .Attr("State: {float, double}")
    .Attr("positive_threshold: int")
    .Attr("negative_threshold: int")
    .Attr("measure: int")
    .Attr("symmetric: bool")
    .Attr("counts_are_averaged: bool")
    .SetShapeFn(coded);

REGISTER_OP("ObrlLossTerms")
    .Input("logits: T")
    .Input("targets: num_targets * Targets")
    .Input("observed: num_observed * bool")
    .Input("sample_weight: num_sample_weights * T")
    .Input("pos_weight: num_pos_weights * T")
    .Input("code: uint8")
    .Output("terms: num_terms * T")
    .Output("gradients: num_gradients * T")
    .Attr("T: {float, double}")
    .Attr("Targets: {bool, uint8, float, double} = DT_FLOAT")
    .Attr("num_targets: int >= 0")
    .Attr("num_observed: int >= 0")
    .Attr("num_sample_weights: int >= 0")
    .Attr("num_pos_weights: int >= 0")
    .Attr("num_terms: int >= 1")
    .Attr("num_gradients: int >= 1")
    .Attr("alpha: int")
    .Attr("reduction: int")
    .Attr("parts: bool")
    .Attr("active_pairs: bool")
    .SetShapeFn(evaluated_and_reduced);

REGISTER_KERNEL_BUILDER(Name("ObrlCountPairs").Device(tensorflow::DEVICE_CPU), CountPairs);
REGISTER_KERNEL_BUILDER(Name("ObrlMoveRelation").Device(tensorflow::DEVICE_CPU), MoveRelation);
REGISTER_KERNEL_BUILDER(Name("ObrlCodePairs").Device(tensorflow::DEVICE_CPU), CodePairs);
REGISTER_KERNEL_BUILDER(Name("ObrlLossTerms").Device(tensorflow::DEVICE_CPU), LossTerms);
