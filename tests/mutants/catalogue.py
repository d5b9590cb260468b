"""The seeded faults: where, what stands there, what is put in its place, and which tests must notice."""

from tests.mutants.core_faults import CORE_FAULTS
from tests.mutants.cuda_faults import CUDA_FAULTS
from tests.mutants.jax_faults import JAX_FAULTS
from tests.mutants.jax_native_faults import JAX_NATIVE_FAULTS
from tests.mutants.kernel_faults import KERNEL_FAULTS
from tests.mutants.mutant import Mutant
from tests.mutants.native_faults import NATIVE_FAULTS
from tests.mutants.rows_faults import ROWS_FAULTS
from tests.mutants.tensorflow_faults import TENSORFLOW_FAULTS
from tests.mutants.tensorflow_native_faults import TENSORFLOW_NATIVE_FAULTS
from tests.mutants.torch_faults import TORCH_FAULTS

__all__ = ["MUTANTS", "Mutant"]

MUTANTS = (
    *CORE_FAULTS,
    *TORCH_FAULTS,
    *KERNEL_FAULTS,
    *NATIVE_FAULTS,
    *CUDA_FAULTS,
    *JAX_FAULTS,
    *JAX_NATIVE_FAULTS,
    *TENSORFLOW_FAULTS,
    *TENSORFLOW_NATIVE_FAULTS,
    *ROWS_FAULTS,
)
