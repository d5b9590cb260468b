"""What `obrl env` says of TensorFlow: its GPUs, and what each `impl` of `obrl.tensorflow` runs on each device."""

from __future__ import annotations

import json

import tensorflow as tf

from obrl_native.environment import native_code
from obrl_tensorflow import cuda, native


def facts() -> dict[str, str]:
    """The version, and for each kind of device what `impl="auto"` and `impl="fused"` run there."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    report = {
        "version": tf.__version__,
        "CUDA": str(tf.sysconfig.get_build_info().get("cuda_version", "none: built without")),
        "GPU": ", ".join(names) or "none",
        'impl="auto"': "TensorFlow's operations, which give the gradient with the value, on every device",
        'impl="fused" on a CPU': native_code(native.recipe()),
    }
    if gpus:
        runs = native_code(cuda.recipe()) if tf.test.is_built_with_cuda() else "raises: TensorFlow is without CUDA"
        report['impl="fused" on a GPU'] = runs
    return report


if __name__ == "__main__":
    print(json.dumps(facts()))
