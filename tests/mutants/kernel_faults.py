"""Faults in the CUDA kernels and in what launches them."""

from tests.mutants.mutant import KERNEL_LOSSES, KERNELS, TORCH_FUSED, Mutant

KERNEL_FAULTS = (
    Mutant(
        "kernels: NaN counted as known",
        "adapters/obrl_torch/kernels/counting.py",
        "known = inside & (y == y)",
        "known = inside",
        (KERNELS,),
    ),
    Mutant(
        "kernels: a target of one half counted as 0",
        "adapters/obrl_torch/kernels/counting.py",
        "positive = y >= 0.5",
        "positive = y > 0.5",
        (KERNELS, TORCH_FUSED),
    ),
    Mutant(
        "kernels: the mirror image of a tile does not move",
        "adapters/obrl_torch/kernels/relation.py",
        "        if row_tile != column_tile:\n            positive_mirror",
        "        if row_tile < 0:\n            positive_mirror",
        (KERNELS,),
    ),
    Mutant(
        "kernels: the active pairs of mirrored tiles counted once",
        "adapters/obrl_torch/kernels/relation.py",
        "tl.store(place, 2 * halves)",
        "tl.store(place, halves)",
        (KERNELS,),
    ),
    Mutant(
        "kernels: pairs that the batch leaves undefined decay",
        "adapters/obrl_torch/kernels/relation.py",
        "value = (defined * decay_less_one + 1.0) * value",
        "value = (decay_less_one + 1.0) * value",
        (TORCH_FUSED,),
    ),
    Mutant(
        "kernels: one half of a factor forgotten",
        "adapters/obrl_torch/kernels/loss.py",
        "total = tl.dot(low, weights * (1.0 / 2048.0), total)",
        "total = total",
        (TORCH_FUSED,),
    ),
    Mutant(
        "kernels: the first tile of labels alone is summed up",
        "adapters/obrl_torch/kernels/loss.py",
        "for tile in range(0, columns):",
        "for tile in range(0, 1):",
        (KERNELS,),
    ),
    Mutant(
        "kernels: the counter is left where it is",
        "adapters/obrl_torch/kernels/loss.py",
        "        tl.store(counter, 0)\n",
        "        tl.store(counter, 1)\n",
        (KERNELS,),
    ),
    Mutant(
        "kernels: alpha forgotten on the way back",
        "adapters/obrl_torch/kernels/scale.py",
        "by_second += tl.full((), alpha, first.dtype) * total",
        "by_second += total",
        (TORCH_FUSED,),
    ),
    Mutant(
        "kernels: the gradient of the first sample for all",
        "adapters/obrl_torch/operators.py",
        "return 0 if upstream is None or upstream.ndim == 0 else upstream.stride(0)",
        "return 0",
        (KERNEL_LOSSES,),
    ),
    Mutant(
        "kernels: no second derivative",
        "adapters/obrl_torch/functions.py",
        "if torch.is_grad_enabled() and not torch.compiler.is_compiling():",
        "if False:",
        (KERNEL_LOSSES,),
    ),
)
