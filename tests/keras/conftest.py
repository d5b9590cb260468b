import os

from tests.support.profiles import load_profile

BACKENDS = ("tensorflow", "jax", "torch")
if os.environ.get("KERAS_BACKEND") not in BACKENDS:
    raise RuntimeError(f"tests/keras needs KERAS_BACKEND, one of {', '.join(BACKENDS)}")

collect_ignore = [] if os.environ["KERAS_BACKEND"] == "tensorflow" else ["test_distributed.py", "test_graphs.py"]

if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf

    # Several devices for MirroredStrategy; set before TensorFlow starts them.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )

load_profile()
