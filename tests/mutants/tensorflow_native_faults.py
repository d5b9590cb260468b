"""Faults in the native operations of TensorFlow."""

from tests.mutants.mutant import TENSORFLOW_CUDA, TENSORFLOW_DISTRIBUTED, TENSORFLOW_FUSED, TENSORFLOW_FUSED_USE, Mutant

_OPERATIONS = "adapters/obrl_native/src/tensorflow_ops.cc"
_CUDA_OPERATIONS = "adapters/obrl_native/src/tensorflow_cuda.cc"
_FUSED = "adapters/obrl_tensorflow/fused.py"
_CUDA = "adapters/obrl_tensorflow/cuda.py"

TENSORFLOW_NATIVE_FAULTS = (
    Mutant(
        "TensorFlow, native: the mask is not handed on",
        _OPERATIONS,
        "static_cast<const uint8_t*>(optional_address(observed)), targets.dim_size(0)",
        "nullptr, targets.dim_size(0)",
        (TENSORFLOW_FUSED,),
    ),
    Mutant(
        "TensorFlow, native: a pause is not seen",
        _OPERATIONS,
        "return !still(context).scalar<bool>()();",
        "return true;",
        (TENSORFLOW_FUSED_USE,),
    ),
    Mutant(
        "TensorFlow, native: what has been read is moved too",
        _OPERATIONS,
        "if (tensor->RefCountIsOne()) return absl::OkStatus();",
        "return absl::OkStatus();",
        (TENSORFLOW_FUSED_USE,),
    ),
    Mutant(
        "TensorFlow, native: variables are always copied",
        _OPERATIONS,
        "if (tensor->RefCountIsOne()) return absl::OkStatus();",
        "",
        (TENSORFLOW_FUSED_USE,),
    ),
    Mutant(
        "TensorFlow, native: the variables of a strategy are taken for one",
        _FUSED,
        "return is_local and not isinstance(variable, tf.distribute.DistributedValues)",
        "return is_local",
        (TENSORFLOW_DISTRIBUTED,),
    ),
    Mutant(
        "TensorFlow, native: variables of other processes are taken for one's own",
        _FUSED,
        'is_local = device.job == "localhost" and',
        "is_local =",
        (TENSORFLOW_FUSED_USE,),
    ),
    Mutant(
        "TensorFlow, native: doubles lose their bits",
        "adapters/obrl_native/src/tensorflow_ops.h",
        "std::memcpy(&value, &bits, sizeof value);",
        "std::memcpy(&value, &bits, sizeof value); value = static_cast<float>(value);",
        (TENSORFLOW_FUSED_USE,),
    ),
    Mutant(
        "TensorFlow, native: weights of another size are taken",
        _OPERATIONS,
        '!has_shape(context, "sample_weight", sample_weight, {batch}) ||',
        "",
        (TENSORFLOW_FUSED_USE,),
    ),
    Mutant(
        "TensorFlow, native: the gradient of a mean for every sample",
        _FUSED,
        'return _with_respect_to_logits(operation, upstream, "none")',
        'return _with_respect_to_logits(operation, upstream, "mean")',
        (TENSORFLOW_CUDA,),
    ),
    Mutant(
        "TensorFlow, native: in what XLA compiles, too",
        _FUSED,
        'return impl == "fused" and not in_xla()',
        'return impl == "fused"',
        (TENSORFLOW_FUSED_USE,),
    ),
    Mutant(
        "TensorFlow, native: counts averaged over the replicas",
        _FUSED,
        'context.all_reduce("SUM", kernels',
        'context.all_reduce("MEAN", kernels',
        (TENSORFLOW_DISTRIBUTED,),
    ),
    Mutant(
        "TensorFlow, native: second derivatives of another normalisation",
        _FUSED,
        'operation.get_attr("active_pairs") else',
        "False else",
        (TENSORFLOW_CUDA,),
    ),
    Mutant(
        "TensorFlow, CUDA: what is missing is known",
        _CUDA,
        'tf.where(observed, values, tf.constant(float("nan")))',
        "values",
        (TENSORFLOW_CUDA,),
    ),
    Mutant(
        "TensorFlow, CUDA: one half is decided in float32",
        _CUDA,
        "if targets.dtype == tf.float64:",
        "if False:",
        (TENSORFLOW_CUDA,),
    ),
    Mutant(
        "TensorFlow, CUDA: scratch for fewer samples",
        _CUDA_OPERATIONS,
        "obrl_cuda_loss_scratch(batch, labels, joint",
        "obrl_cuda_loss_scratch(batch / 2, labels, joint",
        (TENSORFLOW_CUDA,),
    ),
    Mutant(
        "TensorFlow, CUDA: the relation is moved where it lies",
        _CUDA_OPERATIONS,
        "relation.new_sum = static_cast<float*>(new_sum->data());",
        "relation.new_sum = const_cast<float*>(floats(sum));",
        (TENSORFLOW_CUDA,),
    ),
)
