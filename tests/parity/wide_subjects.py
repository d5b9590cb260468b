"""The kernels for many labels, on few: those that `impl="fused"` runs above `launch.SMALL_LABELS` in float32."""

from __future__ import annotations

from dataclasses import replace

from obrl_torch.kernels import launch
from tests.parity.torch_subjects import FUSED, moved

launch.SMALL_LABELS = 0

# With 33 labels the relation has several tiles; tests/kernels has sizes with several tiles of the loss.
WIDE = replace(
    FUSED,
    eager={"fused": ("float32", "bfloat16", "float16")},
    on=lambda device: moved(WIDE, device),
    label_counts=(1, 2, 33),
    least_examples=40,
    scale=0.12,
)
