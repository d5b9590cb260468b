// What all operations of TensorFlow share: they read inputs and attributes, and report to the context what does not
// fit.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/platform/errors.h"

namespace obrl {

using tensorflow::DataType;
using tensorflow::OpInputList;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

constexpr int64_t kMostRows = int64_t{1} << 24;    // obrl.counts.MAX_EXACT_COUNT
constexpr int64_t kMostLabels = int64_t{1} << 14;  // an int32 holds three times the number of their pairs

inline const void* address(const Tensor& tensor) { return tensor.data(); }

// The tensor of an input that is a list of at most one; null where the list is empty or the operation has no such
// input.
inline const Tensor* optional(OpKernelContext* context, const char* name) {
  OpInputList list;
  if (!context->input_list(name, &list).ok() || list.size() == 0) return nullptr;
  return &list[0];
}

inline const void* optional_address(const Tensor* tensor) { return tensor == nullptr ? nullptr : address(*tensor); }

// Whether a tensor has this shape or is null; reports to the context if not.
inline bool has_shape(OpKernelContext* context, const char* name, const Tensor* tensor, const TensorShape& shape) {
  if (tensor == nullptr || tensor->shape() == shape) return true;
  context->SetStatus(tensorflow::errors::InvalidArgument(name, " must have shape ", shape.DebugString(), ", got ",
                                                         tensor->shape().DebugString()));
  return false;
}

// Whether a tensor is a batch whose pair counts are exact; reports to the context if not.
inline bool is_batch(OpKernelContext* context, const char* name, const Tensor& tensor) {
  if (tensor.dims() == 2 && tensor.dim_size(0) <= kMostRows && tensor.dim_size(1) <= kMostLabels) return true;
  context->SetStatus(tensorflow::errors::InvalidArgument(name, " must be (batch, num_labels) with at most ", kMostRows,
                                                         " rows and ", kMostLabels, " labels, got ",
                                                         tensor.shape().DebugString()));
  return false;
}

// The number of labels of two accumulators; -1, reported to the context, if their shapes are wrong.
inline int64_t labels_of(OpKernelContext* context, const Tensor& sum, const Tensor& weight, bool counts) {
  const int64_t labels = weight.dims() == 2 ? weight.dim_size(0) : -1;
  if (labels < 0 || labels > kMostLabels) {
    context->SetStatus(tensorflow::errors::InvalidArgument("relation_weight must be (num_labels, num_labels), got ",
                                                           weight.shape().DebugString()));
    return -1;
  }
  const TensorShape square({labels, labels}), three({3, labels, labels});
  const bool match = has_shape(context, "relation_weight", &weight, square) &&
                     has_shape(context, "relation_sum", &sum, counts ? three : square);
  return match ? labels : -1;
}

// The attributes of an operation.
class Attributes {
 public:
  explicit Attributes(OpKernelConstruction* context) : context_(context) {}

  int32_t number(const char* name) const {
    int32_t value = 0;
    context_->SetStatus(context_->GetAttr(name, &value));
    return value;
  }

  bool flag(const char* name) const {
    bool value = false;
    context_->SetStatus(context_->GetAttr(name, &value));
    return value;
  }

  // A double that is passed as its bits.
  double real(const char* name) const {
    int64_t bits = 0;
    context_->SetStatus(context_->GetAttr(name, &bits));
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

 private:
  OpKernelConstruction* context_;
};

// The outputs of an operation, one after the other.
class Outputs {
 public:
  explicit Outputs(OpKernelContext* context) : context_(context) {}

  // The address of the next output; null, reported to the context, if there is no memory.
  void* next(const TensorShape& shape) {
    Tensor* output = nullptr;
    context_->SetStatus(context_->allocate_output(index_++, shape, &output));
    return output == nullptr ? nullptr : output->data();
  }

 private:
  OpKernelContext* context_;
  int index_ = 0;
};

// The shapes of the updated accumulators, and of the codes behind them.
inline absl::Status infer_move(InferenceContext* context, const ShapeHandle& code) {
  std::vector<ShapeHandle> sum, weight;
  TF_RETURN_IF_ERROR(context->input("relation_sum", &sum));
  TF_RETURN_IF_ERROR(context->input("relation_weight", &weight));
  context->set_output(0, sum[0]);
  context->set_output(1, weight[0]);
  context->set_output(2, code);
  return absl::OkStatus();
}

// The shapes of the terms of a loss, a scalar or a vector each, and of their gradients.
inline absl::Status infer_loss(InferenceContext* context, bool for_each_sample) {
  int32_t terms;
  TF_RETURN_IF_ERROR(context->GetAttr("num_terms", &terms));
  ShapeHandle logits;
  TF_RETURN_IF_ERROR(context->WithRank(context->input(0), 2, &logits));
  const ShapeHandle value = for_each_sample ? context->Vector(context->Dim(logits, 0)) : context->Scalar();
  for (int32_t index = 0; index < context->num_outputs(); ++index)
    context->set_output(index, index < terms ? value : logits);
  return absl::OkStatus();
}

// The shape of pair counts.
inline absl::Status infer_counts(InferenceContext* context) {
  ShapeHandle targets;
  TF_RETURN_IF_ERROR(context->WithRank(context->input(0), 2, &targets));
  const auto labels = context->Dim(targets, 1);
  context->set_output(0, context->MakeShape({context->MakeDim(3), labels, labels}));
  return absl::OkStatus();
}

}  // namespace obrl
