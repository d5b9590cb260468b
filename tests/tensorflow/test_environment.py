"""What `obrl env` says of TensorFlow."""

import tensorflow as tf

from obrl_tensorflow.environment import facts


def test_a_cpu_is_described():
    report = facts()
    assert report["version"] == tf.__version__
    assert report["GPU"] == "none"
    assert report['impl="auto"'].startswith("TensorFlow's operations")
    assert report['impl="fused" on a CPU'].startswith("native code")


def test_a_gpu_without_cuda_says_that_fused_raises(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [tf.config.PhysicalDevice("gpu 0", kind)])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": "H200"})
    report = facts()
    assert report["GPU"] == "H200"
    expected = "native code" if tf.test.is_built_with_cuda() else "raises: TensorFlow is without CUDA"
    assert report['impl="fused" on a GPU'].startswith(expected)
