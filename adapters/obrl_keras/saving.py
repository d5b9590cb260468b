"""How the configuration of a layer or loss holds a function for `cross_entropy`."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import keras

from obrl.cross_entropy import CrossEntropy
from obrl.logits import warn_caller

_OTHERS = ("builtins", "functools", "jax", "keras", "optax", "tensorflow", "torch")
"""Packages whose functions nobody can decorate; a method is of `builtins`, a partial of `functools`."""


def saved_function(cross_entropy: CrossEntropy) -> Any:
    """What a configuration holds of `cross_entropy`: `"bce"`, or the name by which Keras finds the function.

    Raises:
        ValueError: a function, or the class of an object, that is not registered, so that a saved model would not find
            it again.
    """
    problem = _why_not_saved(cross_entropy)
    if problem:
        raise ValueError(f"cross_entropy must be registered to be part of a saved configuration, got {problem}")
    return cross_entropy if isinstance(cross_entropy, str) else keras.saving.serialize_keras_object(cross_entropy)


def warn_of_unsaved(cross_entropy: CrossEntropy) -> None:
    """Warn, before the training, of a function with which a model cannot be saved.

    Warns:
        UserWarning: what `saved_function` would raise.
    """
    if problem := _why_not_saved(cross_entropy):
        warn_caller(f"a model with this cross_entropy trains, but only its weights can be saved: got {problem}")


def _why_not_saved(cross_entropy: CrossEntropy) -> str:
    """What is not registered, and the remedy; "" where a configuration can name the function."""
    if isinstance(cross_entropy, str):
        return ""
    registered: Any = cross_entropy if isinstance(cross_entropy, FunctionType) else type(cross_entropy)
    if keras.saving.get_registered_object(keras.saving.get_registered_name(registered)) is registered:
        return ""
    decorator = "@keras.saving.register_keras_serializable(package='NAME OF YOUR PROGRAM')"
    package = str(registered.__module__).partition(".")[0]
    if package in _OTHERS or registered.__name__ == "<lambda>":
        return f"{registered.__name__} that is not: write a function that calls it, and decorate that with {decorator}"
    return f"{registered.__name__} that is not: decorate it with {decorator}"


def with_function(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration in which `cross_entropy` is the function that `saved_function` named; others as they are."""
    saved = config.get("cross_entropy")
    if not isinstance(saved, dict):
        return config
    return {**config, "cross_entropy": keras.saving.deserialize_keras_object(saved)}
