"""Faults in the bounds of native code, kernels and their launcher."""

from tests.mutants.mutant import Mutant

NATIVE_MUTANTS = (
    Mutant(
        "native: whole vectors are written where fewer numbers are left",
        "C++:store",
        "std::memcpy(to, &$v, count * sizeof($T))",
        "std::memcpy(to, &$v, sizeof $v)",
        "tests/native/test_sanitizers.py",
    ),
    Mutant(
        "native: n s - r c is taken for exact",
        "C++:exact",
        "int64_t{1} << 24",
        "int64_t{1} << 62",
        "tests/native/test_cpu.py",
    ),
    Mutant(
        "native: more words at once than a byte can count",
        "C++:kWordsAtOnce",
        "31",
        "32",
        "tests/native/test_cpu.py",
    ),
    Mutant(
        "XLA: a sum of any shape",
        "C++:check_relation",
        "!has_shape(sum,",
        "false && !has_shape(sum,",
        "tests/jax/test_native.py",
    ),
    Mutant(
        "TensorFlow: sample weights of any size",
        "C++:LossTerms::Compute",
        '!has_shape(context, "sample_weight", sample_weight, {batch}) ||',
        "",
        "tests/tensorflow/test_fused.py",
    ),
    Mutant(
        "launcher: too little scratch",
        "C++:checked_scratch",
        "call.scratch_bytes < bytes",
        "call.scratch_bytes < 0",
        "tests/native/test_cuda.py",
    ),
    Mutant(
        "kernels: the first tile of labels alone is summed up",
        "obrl_torch.kernels:_sum_up",
        "tile < columns",
        "tile < 1",
        "tests/kernels/test_operators.py",
    ),
)
