// Eq. 2 and Eq. 4 with their gradients as an operation of TensorFlow on a CPU.
#pragma once

#include "tensorflow_cpu.h"

namespace obrl {

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

}  // namespace obrl
