"""The CUDA kernels, in Triton.

Four layers, each of which knows only the one below: kernels (`counting`, `measures`, `relation`, `loss`, `scale`:
pointers and sizes, no torch), `launch` (block sizes and grids), `obrl_torch.operators` (registration with torch) and
`obrl_torch.functions` (differentiation). Importing this package imports Triton; `obrl.torch` does so only where
`impl="fused"` asks for it.
"""
