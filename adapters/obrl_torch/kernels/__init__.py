"""The CUDA kernels, in Triton.

Four layers, each of which knows only the one below: kernels (`relation`, `loss`, `scale`, for many labels
`wide_relation` and `wide_loss`, and what they share in `counting`, `measures`, `tiles` and `terms`:
pointers and sizes, no torch), `launch` (block sizes and grids), `obrl_torch.operators` (registration with torch) and
`obrl_torch.functions` (differentiation). Importing this package imports Triton; `obrl.torch` does so only where
`impl="fused"` asks for it.
"""
