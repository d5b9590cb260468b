"""What a seeded fault is, and the tests that notice one."""

from __future__ import annotations

import re
from dataclasses import dataclass

CORE = "tests/parity --framework numpy"
ONLINE = "tests/core/test_online.py"
LOSSES = "tests/core/test_losses.py"
MEASURES = "tests/core/test_measures.py"
STORAGE = "tests/core/test_storage.py"
SETTINGS = "tests/core/test_settings.py"
BAD_INPUTS = "tests/core/test_bad_inputs.py"
TORCH = "tests/parity --framework torch"
TORCH_AUTOGRAD = "tests/torch/test_autograd.py"
TORCH_STATE = "tests/torch/test_state.py"
TORCH_UPDATES = "tests/torch/test_updates.py"
TORCH_MEMORY = "tests/torch/test_memory.py"
TORCH_HOST = "tests/torch/test_host.py"
TORCH_BAD_INPUTS = "tests/torch/test_bad_inputs.py"
TORCH_DISTRIBUTED = "tests/torch/test_distributed.py"
TORCH_SELECTION = "tests/torch/test_selection.py"
TORCH_ROWS = "tests/torch/test_rows.py"
TORCH_FUSED = "tests/parity --framework torch_fused"
TORCH_OPERATORS = "tests/torch/test_native.py"
NATIVE = "tests/native/test_cpu.py"
NATIVE_BUILD = "tests/native/test_build.py"
SANITIZERS = "tests/native/test_sanitizers.py"
LAUNCHER = "tests/native/test_cuda.py"
LAUNCHES = "tests/cubins/test_launches.py"
CUBINS = "tests/cubins/test_cubins.py"
KERNELS = "tests/kernels/test_operators.py"
KERNEL_LOSSES = "tests/kernels/test_losses.py"
JAX = "tests/parity --framework jax"
JAX_TRANSFORMS = "tests/jax/test_transforms.py"
JAX_DISTRIBUTED = "tests/jax/test_distributed.py"
JAX_STATE = "tests/jax/test_state.py"
JAX_BAD_INPUTS = "tests/jax/test_bad_inputs.py"
JAX_FUSED = "tests/jax/test_fused.py"
JAX_CUDA = "tests/jax/test_cuda.py"
JAX_NATIVE = "tests/jax/test_native.py"
JAX_BUILT = "tests/jax/test_built.py"
TENSORFLOW = "tests/parity --framework tensorflow"
TENSORFLOW_GRAPHS = "tests/tensorflow/test_graphs.py"
TENSORFLOW_STATE = "tests/tensorflow/test_state.py"
TENSORFLOW_TRAINING = "tests/tensorflow/test_training.py"
TENSORFLOW_DISTRIBUTED = "tests/tensorflow/test_distributed.py"
TENSORFLOW_BAD_INPUTS = "tests/tensorflow/test_bad_inputs.py"
TENSORFLOW_ROWS = "tests/tensorflow/test_rows.py"
TENSORFLOW_FUSED = "tests/parity --framework tensorflow_fused"
TENSORFLOW_FUSED_USE = "tests/tensorflow/test_fused.py"
TENSORFLOW_CUDA = "tests/tensorflow/test_cuda.py"
KERAS = "tests/parity --framework keras_torch"
KERAS_DISTRIBUTED = "KERAS_BACKEND=tensorflow tests/keras/test_distributed.py"
KERAS_JAX_NAMESPACE = "KERAS_BACKEND=jax tests/keras/test_namespace.py"
KERAS_JAX_TRAINING = "KERAS_BACKEND=jax tests/keras/test_training.py"
KERAS_TRAINING = "KERAS_BACKEND=torch tests/keras/test_training.py"


def split_test(test: str) -> tuple[dict[str, str], list[str]]:
    """The variables of the environment that a test names, and pytest's arguments."""
    words = test.split()
    variables = [word for word in words if re.match("[A-Z_]+=", word)]
    return dict(word.split("=", 1) for word in variables), [word for word in words if word not in variables]


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        name: what is wrong.
        file: relative to the repository's root.
        snippet: source that occurs in it exactly once.
        replacement: what is put in its place.
        tests: what must fail, likeliest first; each a file or folder, after the variables of the environment that it
            needs and before the options that pytest takes there.
    """

    name: str
    file: str
    snippet: str
    replacement: str
    tests: tuple[str, ...]
