// The functions of obrl_cpu.h as operations of TensorFlow.
//
// An optional tensor is a list of none or one. Settings are attributes; a double, which no attribute holds, comes as its
// bits. The Python that calls them (obrl_tensorflow/native.py) has checked what is known when a graph is made; what is
// known only when it runs is checked here, before anything is computed.
#include <mutex>

#include "obrl_cpu.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"
#include "tensorflow_ops.h"

namespace {

using namespace obrl;
using tensorflow::ResourceHandle;
using tensorflow::Var;
using tensorflow::core::RefCountPtr;

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

// Eq. 1 and Eq. 3 for a batch, wherever the accumulators are.
class Mover : public OpKernel {
 public:
  explicit Mover(OpKernelConstruction* context) : OpKernel(context), reading_(context) {
    reading_.relation.decay = Attributes(context).real("decay");
  }

 protected:
  // Whether the inputs fit accumulators of these shapes; says so to the context where they do not.
  bool fits(OpKernelContext* context, const Tensor& sum, const Tensor& weight) const {
    const int64_t labels = labels_of(context, sum, weight, reading_.relation.counts);
    const Tensor* targets = optional(context, "targets");
    return labels >= 0 && has_shape(context, "counts", optional(context, "counts"), {3, labels, labels}) &&
           has_shape(context, "still", &still(context), {}) &&
           (targets == nullptr || (is_batch(context, "targets", *targets) &&
                                   has_shape(context, "targets", targets, {targets->dim_size(0), labels}) &&
                                   has_shape(context, "observed", optional(context, "observed"), targets->shape())));
  }

  bool moves(OpKernelContext* context) const { return !still(context).scalar<bool>()(); }

  // Moves accumulators that may be written into, unless they stay as they are, and gives the codes of their pairs.
  void move(OpKernelContext* context, const Tensor& sum, const Tensor& weight) const {
    Tensor* code = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output("code", weight.shape(), &code));
    obrl_labels labels{};
    const Tensor *targets = optional(context, "targets"), *counts = optional(context, "counts");
    if (targets != nullptr) labels = batch_of(*targets, optional(context, "observed"));
    const bool moving = moves(context);
    const obrl_relation relation = reading_.of(sum.data(), weight.data(), weight.dim_size(0), weight.dtype());
    check_status(context, obrl_move(moving && targets != nullptr ? &labels : nullptr,
                                    static_cast<const double*>(moving ? optional_address(counts) : nullptr), &relation,
                                    static_cast<uint8_t*>(code->data()), threads_of(context)));
  }

 private:
  static const Tensor& still(OpKernelContext* context) {
    const Tensor* flag = nullptr;
    context->SetStatus(context->input("still", &flag));
    return *flag;
  }

  Reading reading_;
};

// The accumulators are tensors; the moved ones are new.
class MoveRelation : public Mover {
 public:
  using Mover::Mover;

  void Compute(OpKernelContext* context) override {
    const Tensor *sum, *weight;
    OP_REQUIRES_OK(context, context->input("relation_sum", &sum));
    OP_REQUIRES_OK(context, context->input("relation_weight", &weight));
    if (!fits(context, *sum, *weight)) return;
    Tensor *new_sum = nullptr, *new_weight = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output("new_sum", sum->shape(), &new_sum));
    OP_REQUIRES_OK(context, context->allocate_output("new_weight", weight->shape(), &new_weight));
    std::memcpy(new_sum->data(), sum->data(), sum->TotalBytes());
    std::memcpy(new_weight->data(), weight->data(), weight->TotalBytes());
    move(context, *new_sum, *new_weight);
  }
};

// The accumulators are two variables, which move where they lie: of many labels a copy takes as long as the rest.
class MoveVariables : public Mover {
 public:
  using Mover::Mover;

  void Compute(OpKernelContext* context) override {
    RefCountPtr<Var> sum, weight;
    if (!find(context, "relation_sum", &sum) || !find(context, "relation_weight", &weight)) return;
    OP_REQUIRES(context, sum.get() != weight.get(),
                tensorflow::errors::InvalidArgument("the two accumulators must be two variables, got one"));
    const std::scoped_lock both(*sum->mu(), *weight->mu());
    OP_REQUIRES(context, sum->is_initialized && weight->is_initialized,
                tensorflow::errors::FailedPrecondition("relation_sum and relation_weight must be initialized"));
    const DataType type = weight->tensor()->dtype();
    OP_REQUIRES(context, sum->tensor()->dtype() == type && (type == tensorflow::DT_FLOAT || type == tensorflow::DT_DOUBLE),
                tensorflow::errors::InvalidArgument("relation_sum and relation_weight must both be float or double"));
    if (!fits(context, *sum->tensor(), *weight->tensor())) return;
    if (moves(context)) {
      OP_REQUIRES_OK(context, own(context, sum.get()));
      OP_REQUIRES_OK(context, own(context, weight.get()));
    }
    move(context, *sum->tensor(), *weight->tensor());
  }

 private:
  static bool find(OpKernelContext* context, const char* name, RefCountPtr<Var>* variable) {
    ResourceHandle handle;
    context->SetStatus(HandleFromInput(context, name, &handle));
    if (context->status().ok()) context->SetStatus(LookupResource(context, handle, variable));
    return context->status().ok();
  }

  // Copies what a variable holds where somebody else holds it too: what has been read stays as it was read.
  static absl::Status own(OpKernelContext* context, Var* variable) {
    Tensor* tensor = variable->tensor();
    if (tensor->RefCountIsOne()) return absl::OkStatus();
    Tensor copy;
    TF_RETURN_IF_ERROR(context->allocate_temp(tensor->dtype(), tensor->shape(), &copy));
    std::memcpy(copy.data(), tensor->data(), tensor->TotalBytes());
    *tensor = std::move(copy);
    return absl::OkStatus();
  }
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

absl::Status coded_where_they_lie(InferenceContext* context) {
  const auto* weight = context->input_handle_shapes_and_types(context->num_inputs() - 2);
  const bool known = weight != nullptr && !weight->empty();
  context->set_output(0, known ? weight->front().shape : context->UnknownShapeOfRank(2));
  return absl::OkStatus();
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

REGISTER_OP("ObrlMoveVariables")
    .Input("targets: Targets")
    .Input("observed: num_observed * bool")
    .Input("relation_sum: resource")
    .Input("relation_weight: resource")
    .Input("still: bool")
    .Output("code: uint8")
    .Attr("num_observed: int >= 0")
    .Attr("Targets: {bool, uint8, float, double}")
    .Attr("decay: int")
    .Attr("positive_threshold: int")
    .Attr("negative_threshold: int")
    .Attr("measure: int")
    .Attr("symmetric: bool")
    .Attr("counts_are_averaged: bool")
    .SetIsStateful()
    .SetShapeFn(coded_where_they_lie);

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
REGISTER_KERNEL_BUILDER(Name("ObrlMoveVariables").Device(tensorflow::DEVICE_CPU), MoveVariables);
REGISTER_KERNEL_BUILDER(Name("ObrlCodePairs").Device(tensorflow::DEVICE_CPU), CodePairs);
REGISTER_KERNEL_BUILDER(Name("ObrlLossTerms").Device(tensorflow::DEVICE_CPU), LossTerms);
