// The functions of obrl_cpu.h as operations of TensorFlow: their signatures and shapes.
//
// An optional tensor is a list of none or one. Settings are attributes. No attribute holds a double, so a double is
// passed as its bits. Python (obrl_tensorflow/inputs.py and fused.py) has checked what is known when a graph is built;
// the kernels check the rest when it runs, before they compute anything.
#include "tensorflow_check.h"
#include "tensorflow_loss.h"
#include "tensorflow_relation.h"

namespace {

using namespace obrl;

absl::Status infer_move_and_code(InferenceContext* context) {
  std::vector<ShapeHandle> weight;
  TF_RETURN_IF_ERROR(context->input("relation_weight", &weight));
  return infer_move(context, weight[0]);
}

absl::Status infer_code_of_variables(InferenceContext* context) {
  const auto* weight = context->input_handle_shapes_and_types(context->num_inputs() - 2);
  const bool known = weight != nullptr && !weight->empty();
  context->set_output(0, known ? weight->front().shape : context->UnknownShapeOfRank(2));
  return absl::OkStatus();
}

absl::Status infer_code(InferenceContext* context) {
  context->set_output(0, context->input(1));
  return absl::OkStatus();
}

absl::Status infer_scalar(InferenceContext* context) {
  context->set_output(0, context->Scalar());
  return absl::OkStatus();
}

absl::Status infer_reduced_loss(InferenceContext* context) {
  int32_t reduction;
  TF_RETURN_IF_ERROR(context->GetAttr("reduction", &reduction));
  return infer_loss(context, reduction == OBRL_NONE);
}

}  // namespace

// Stateful, so that it runs although nothing reads its output. It has an output because tf.vectorized_map needs one.
REGISTER_OP("ObrlCheckTargets")
    .Input("targets: Targets")
    .Input("observed: num_observed * bool")
    .Output("in_range: bool")
    .Attr("Targets: realnumbertype")
    .Attr("num_observed: int >= 0")
    .Attr("before: string")
    .Attr("between: string")
    .Attr("remedy: string")
    .SetIsStateful()
    .SetShapeFn(infer_scalar);

REGISTER_OP("ObrlCountPairs")
    .Input("targets: Targets")
    .Input("observed: num_observed * bool")
    .Output("counts: double")
    .Attr("Targets: {bool, uint8, float, double}")
    .Attr("num_observed: int >= 0")
    .SetShapeFn(infer_counts);

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
    .Attr("counts_are_averaged: bool")
    .SetShapeFn(infer_move_and_code);

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
    .Attr("counts_are_averaged: bool")
    .SetIsStateful()
    .SetShapeFn(infer_code_of_variables);

REGISTER_OP("ObrlCodePairs")
    .Input("relation_sum: State")
    .Input("relation_weight: State")
    .Output("code: uint8")
    .Attr("State: {float, double}")
    .Attr("positive_threshold: int")
    .Attr("negative_threshold: int")
    .Attr("measure: int")
    .Attr("counts_are_averaged: bool")
    .SetShapeFn(infer_code);

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
    .SetShapeFn(infer_reduced_loss);

#define OBRL_REGISTER_CHECK(Value)                                                                                  \
  REGISTER_KERNEL_BUILDER(Name("ObrlCheckTargets").Device(tensorflow::DEVICE_CPU).TypeConstraint<Value>("Targets"), \
                          CheckTargets<Value>);
TF_CALL_REAL_NUMBER_TYPES(OBRL_REGISTER_CHECK)
#undef OBRL_REGISTER_CHECK
REGISTER_KERNEL_BUILDER(Name("ObrlCountPairs").Device(tensorflow::DEVICE_CPU), CountPairs);
REGISTER_KERNEL_BUILDER(Name("ObrlMoveRelation").Device(tensorflow::DEVICE_CPU), MoveRelation);
REGISTER_KERNEL_BUILDER(Name("ObrlMoveVariables").Device(tensorflow::DEVICE_CPU), MoveVariables);
REGISTER_KERNEL_BUILDER(Name("ObrlCodePairs").Device(tensorflow::DEVICE_CPU), CodePairs);
REGISTER_KERNEL_BUILDER(Name("ObrlLossTerms").Device(tensorflow::DEVICE_CPU), LossTerms);
