import os

import tensorflow as tf

from tests.support.profiles import load_profile

os.environ["KERAS_BACKEND"] = "tensorflow"  # before a test imports Keras

# Several devices for MirroredStrategy; set before TensorFlow starts them.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

load_profile()
