"""The CUDA kernels, in Triton.

There are three layers:

- The kernels take pointers and sizes and know nothing of torch: `relation` and `loss`, for many labels `wide_relation`
  and `wide_loss`, and their shared functions in `counting`, `measures`, `tiles` and `terms`.
- `launch` chooses block sizes and grids, and launches.
- `obrl_torch.operators` registers what launches them with torch, and holds the loss that they compute, `KernelLoss`.

Above them, `obrl_torch.one_pass.OnePass` differentiates a loss object and knows no kernel.

This package imports Triton; `obrl.torch` imports this package only where the kernels run.
"""
