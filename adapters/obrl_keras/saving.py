"""How the configuration of a layer or loss holds a function for `cross_entropy`."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import keras

from obrl.cross_entropy import CrossEntropy


def saved_function(cross_entropy: CrossEntropy) -> Any:
    """What a configuration holds of `cross_entropy`: `"bce"`, or the name by which Keras finds the function.

    Raises:
        ValueError: a function, or the class of an object, that is not registered, so that a saved model would not find
            it again.
    """
    if isinstance(cross_entropy, str):
        return cross_entropy
    registered: Any = cross_entropy if isinstance(cross_entropy, FunctionType) else type(cross_entropy)
    if keras.saving.get_registered_object(keras.saving.get_registered_name(registered)) is not registered:
        raise ValueError(
            "cross_entropy must be registered to be part of a saved configuration, got "
            f"{registered.__name__} that is not: decorate it with "
            "@keras.saving.register_keras_serializable(package='NAME OF YOUR PROGRAM')"
        )
    return keras.saving.serialize_keras_object(cross_entropy)


def with_function(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration in which `cross_entropy` is the function that `saved_function` named; others as they are."""
    saved = config.get("cross_entropy")
    if not isinstance(saved, dict):
        return config
    return {**config, "cross_entropy": keras.saving.deserialize_keras_object(saved)}
