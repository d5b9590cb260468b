"""What `obrl env` says of JAX: its devices, and what each `impl` of `obrl.jax` runs on each kind of them."""

from __future__ import annotations

import json

import jax

from obrl_jax import cuda, native
from obrl_native.environment import native_code


def facts() -> dict[str, str]:
    """The version, and for each kind of device what `impl="auto"` and `impl="fused"` run there."""
    devices = jax.devices()
    platforms = {device.platform for device in devices} | {"cpu"}
    report = {
        "version": jax.__version__,
        "devices": ", ".join(f"{device.platform} ({device.device_kind})" for device in devices),
        'impl="auto"': "JAX's operations, which give the gradient with the value, on every device",
        'impl="fused" on a CPU': native_code(native.recipe()),
    }
    for platform in sorted(platforms - {"cpu"}):
        runs = native_code(cuda.recipe()) if platform == "gpu" else "raises: runs on a CPU or a CUDA device"
        report[f'impl="fused" on a {platform}'] = runs
    return report


if __name__ == "__main__":
    print(json.dumps(facts()))
