"""`impl="fused"`: which native code a program takes, that of a CPU or that of a CUDA device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax

from obrl_jax.inputs import is_traced


@jax.tree_util.register_static
@dataclass(frozen=True)
class Target:
    """What a loss is computed with.

    Attributes:
        platform: `"cpu"` or `"gpu"`, as JAX names them.
        num_labels: M.
    """

    platform: str
    num_labels: int

    @property
    def calls(self) -> Any:
        """The module of its custom calls: `native`, or `cuda` with the same functions."""
        from obrl_jax import cuda, native

        return native if self.platform == "cpu" else cuda


def target_of(num_labels: int, dtype: Any, **arrays: Any) -> Target:
    """The target for arrays.

    Where all are traced it is JAX's default device; were the program then compiled for another, XLA would say that it
    has no such call, by its name.

    Args:
        num_labels: M.
        dtype: to compute in.
        arrays: by name.

    Raises:
        ValueError: arrays on another device, or what the native code of theirs does not take.
    """
    what, platform = "the default device", _default_platform()
    for name, array in arrays.items():
        if isinstance(array, jax.Array) and not is_traced(array):
            what, platform = name, next(iter(array.devices())).platform
    if platform not in ("cpu", "gpu"):
        raise ValueError(f'impl="fused" of obrl.jax runs on a CPU or a CUDA device, got {what} on a {platform}')
    target = Target(platform, num_labels)
    target.calls.check(dtype, num_labels)
    return target


def _default_platform() -> str:
    chosen = getattr(jax.config, "jax_default_device")  # noqa: B009 - not among the attributes that JAX declares
    platform = str(getattr(chosen, "platform", chosen) or jax.default_backend())
    return "gpu" if platform == "cuda" else platform
