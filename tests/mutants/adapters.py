"""Faults in the adapters' state rules: when the relation moves, sums over processes, dtypes, and bad input."""

from tests.mutants.mutant import Mutant

ADAPTER_MUTANTS = (
    Mutant(
        "torch: validation moves the relation",
        "obrl_torch:Criterion._terms",
        "self.training and torch.is_grad_enabled()",
        "self.training",
        "tests/torch/test_updates.py",
    ),
    Mutant(
        "torch: a bad batch moves the relation",
        "obrl_torch:Criterion._plain_loss",
        "may_read_values(self.validate, batch.targets)",
        "False",
        "tests/torch/test_bad_inputs.py",
    ),
    Mutant(
        "torch: counts of one process alone",
        "obrl_torch:count_batch",
        "dist.all_reduce(packed, op=dist.ReduceOp.SUM, group=process_group)",
        "dist.barrier(group=process_group)",
        "tests/torch/test_distributed.py",
    ),
    Mutant(
        "torch: half() narrows the state",
        "obrl_torch:FullPrecisionModule._apply",
        "new.dtype not in FULL_PRECISION",
        "new.dtype is None",
        "tests/torch/test_state.py",
    ),
    Mutant(
        "JAX: update=False moves the relation",
        "obrl_jax:Criterion._algebra_loss",
        "if moves:",
        "if True:",
        "tests/jax/test_transforms.py",
    ),
    Mutant(
        "JAX: counts averaged over the devices",
        "obrl_jax:_count_batch",
        "jax.lax.psum",
        "jax.lax.pmean",
        "tests/jax/test_distributed.py",
    ),
    Mutant(
        "JAX: a state of any shape",
        "obrl_jax:RelationConfiguration._checked",
        "part_metadata.shape != shape or",
        "",
        "tests/jax/test_bad_inputs.py",
    ),
    Mutant(
        "TensorFlow: a pause holds nothing",
        "obrl_tensorflow.relation:advance",
        "tf.where($hold, $before, $after)",
        "$after",
        "tests/tensorflow/test_state.py",
    ),
    Mutant(
        "TensorFlow: a mean that forgets the replicas",
        "obrl_tensorflow:Criterion.__call__",
        "value / replicas",
        "value",
        "tests/tensorflow/test_distributed.py",
    ),
    Mutant(
        "TensorFlow and Keras: a bad batch moves the relation",
        "obrl_keras:after",
        "[$tensor for $tensor in tensors if $tensor is not None]",
        "[]",
        "tests/tensorflow/test_graphs.py",
    ),
    Mutant(
        "TensorFlow and Keras: counts averaged over the replicas",
        "obrl_keras:_count_batch",
        'context.all_reduce("SUM"',
        'context.all_reduce("MEAN"',
        "tests/tensorflow/test_distributed.py",
    ),
    Mutant(
        "Keras: validation moves the relation",
        "obrl_keras:call",
        "if training and",
        "if",
        "KERAS_BACKEND=torch tests/keras/test_training.py",
    ),
    Mutant(
        "Keras: the state in the policy's dtype",
        "obrl_keras:_add_state",
        'dtype="float32"',
        "dtype=self.compute_dtype",
        "KERAS_BACKEND=torch tests/keras/test_training.py",
    ),
)
