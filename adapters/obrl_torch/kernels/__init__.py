"""The CUDA kernels, in Triton.

There are four layers, and each knows only the one below:

- The kernels take pointers and sizes and know nothing of torch: `relation`, `loss` and `scale`, for many labels
  `wide_relation` and `wide_loss`, and their shared functions in `counting`, `measures`, `tiles` and `terms`.
- `launch` chooses block sizes and grids, and launches.
- `obrl_torch.operators` registers the kernels with torch.
- `obrl_torch.one_pass.OnePass` differentiates them.

This package imports Triton; `obrl.torch` imports this package only where the kernels run.
"""
