"""What a seeded fault is, and the tests that notice one."""

from __future__ import annotations

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
JAX = "tests/parity --framework jax"
JAX_TRANSFORMS = "tests/jax/test_transforms.py"
JAX_DISTRIBUTED = "tests/jax/test_distributed.py"
JAX_STATE = "tests/jax/test_state.py"
JAX_BAD_INPUTS = "tests/jax/test_bad_inputs.py"


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        name: what is wrong.
        file: relative to the repository's root.
        snippet: source that occurs in it exactly once.
        replacement: what is put in its place.
        tests: what must fail, likeliest first; each a file, or a folder with the options that pytest takes there.
    """

    name: str
    file: str
    snippet: str
    replacement: str
    tests: tuple[str, ...]
