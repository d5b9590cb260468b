// Pair counts, Eq. 1 and Eq. 3 as operations of TensorFlow on a CPU.
#pragma once

#include <cstring>
#include <mutex>
#include <utility>

#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"
#include "tensorflow_cpu.h"

namespace obrl {

using tensorflow::ResourceHandle;
using tensorflow::Var;
using tensorflow::core::RefCountPtr;

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

// The attributes of Eq. 3.
struct Settings {
  explicit Settings(OpKernelConstruction* context) {
    const Attributes attributes(context);
    relation.positive_threshold = attributes.real("positive_threshold");
    relation.negative_threshold = attributes.real("negative_threshold");
    relation.measure = attributes.number("measure");
    relation.counts = attributes.flag("counts_are_averaged");
  }

  obrl_relation with(void* sum, void* weight, int64_t labels, DataType type) const {
    obrl_relation result = relation;
    result.sum = sum;
    result.weight = weight;
    result.num_labels = labels;
    result.dtype = dtype_of(type);
    return result;
  }

  obrl_relation relation{};  // without accumulators
};

// Eq. 1 and Eq. 3 for a batch, whether the accumulators are tensors or variables.
class Mover : public OpKernel {
 public:
  explicit Mover(OpKernelConstruction* context) : OpKernel(context), settings_(context) {
    settings_.relation.decay = Attributes(context).real("decay");
  }

 protected:
  // Whether the inputs fit accumulators of these shapes; reports to the context if they do not.
  bool fits(OpKernelContext* context, const Tensor& sum, const Tensor& weight) const {
    const int64_t labels = labels_of(context, sum, weight, settings_.relation.counts);
    const Tensor* targets = optional(context, "targets");
    return labels >= 0 && has_shape(context, "counts", optional(context, "counts"), {3, labels, labels}) &&
           has_shape(context, "still", &still(context), {}) &&
           (targets == nullptr || (is_batch(context, "targets", *targets) &&
                                   has_shape(context, "targets", targets, {targets->dim_size(0), labels}) &&
                                   has_shape(context, "observed", optional(context, "observed"), targets->shape())));
  }

  bool moves(OpKernelContext* context) const { return !still(context).scalar<bool>()(); }

  // Updates the accumulators in place, unless `still` is true, and computes the codes of their pairs.
  void move(OpKernelContext* context, const Tensor& sum, const Tensor& weight) const {
    Tensor* code = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output("code", weight.shape(), &code));
    obrl_labels labels{};
    const Tensor *targets = optional(context, "targets"), *counts = optional(context, "counts");
    if (targets != nullptr) labels = batch_of(*targets, optional(context, "observed"));
    const bool moving = moves(context);
    const obrl_relation relation = settings_.with(sum.data(), weight.data(), weight.dim_size(0), weight.dtype());
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

  Settings settings_;
};

// The accumulators are tensors, and the updated ones new tensors.
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

// The accumulators are two variables, which are updated in place: with many labels a copy takes as long as the rest.
class MoveVariables : public Mover {
 public:
  using Mover::Mover;

  void Compute(OpKernelContext* context) override {
    RefCountPtr<Var> sum, weight;
    if (!look_up(context, "relation_sum", &sum) || !look_up(context, "relation_weight", &weight)) return;
    OP_REQUIRES(context, sum.get() != weight.get(),
                tensorflow::errors::InvalidArgument("the two accumulators must be two variables, got one"));
    const std::scoped_lock both(*sum->mu(), *weight->mu());
    OP_REQUIRES(context, sum->is_initialized && weight->is_initialized,
                tensorflow::errors::FailedPrecondition("relation_sum and relation_weight must be initialized"));
    const DataType type = weight->tensor()->dtype();
    const bool is_real = type == tensorflow::DT_FLOAT || type == tensorflow::DT_DOUBLE;
    OP_REQUIRES(context, sum->tensor()->dtype() == type && is_real,
                tensorflow::errors::InvalidArgument("relation_sum and relation_weight must both be float or double"));
    if (!fits(context, *sum->tensor(), *weight->tensor())) return;
    if (moves(context)) {
      OP_REQUIRES_OK(context, copy_if_shared(context, sum.get()));
      OP_REQUIRES_OK(context, copy_if_shared(context, weight.get()));
    }
    move(context, *sum->tensor(), *weight->tensor());
  }

 private:
  static bool look_up(OpKernelContext* context, const char* name, RefCountPtr<Var>* variable) {
    ResourceHandle handle;
    context->SetStatus(HandleFromInput(context, name, &handle));
    if (context->status().ok()) context->SetStatus(LookupResource(context, handle, variable));
    return context->status().ok();
  }

  // Copies the tensor of a variable if it is shared, so that a value that was read before does not change.
  static absl::Status copy_if_shared(OpKernelContext* context, Var* variable) {
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
  explicit CodePairs(OpKernelConstruction* context) : OpKernel(context), settings_(context) {
    settings_.relation.decay = 1;
  }

  void Compute(OpKernelContext* context) override {
    const Tensor &sum = context->input(0), &weight = context->input(1);
    const int64_t labels = labels_of(context, sum, weight, settings_.relation.counts);
    if (labels < 0) return;
    Tensor* code = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, {labels, labels}, &code));
    // Without a batch the accumulators are only read.
    const obrl_relation relation = settings_.with(sum.data(), weight.data(), labels, weight.dtype());
    check_status(context, obrl_move(nullptr, nullptr, &relation, static_cast<uint8_t*>(code->data()),
                                    threads_of(context)));
  }

 private:
  Settings settings_;
};

}  // namespace obrl
