"""Notice logits that are probabilities already, which is a common mistake and no error that arithmetic shows."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy.typing as npt

from obrl.errors import ORDER

LEAST_ENTRIES = 64
"""The fewest logits that are judged: of so many, some lie outside of [0, 1] unless something has put them there."""

REMEDY = "pass the values before the sigmoid, since the loss applies it"

_FRAMEWORKS = ("torch", "keras", "tensorflow", "jax")


def warn_of_probabilities(logits: npt.NDArray[Any]) -> None:
    """Warn where every logit of a batch lies in [0, 1], as probabilities do and logits hardly ever.

    It is a warning, because such logits are possible. To be sure enough, it needs at least 64 of them that are not all
    equal: those of an untrained model may all be zero. A model that ends in a ReLU is warned of, too, if none of its
    logits is above 1: it can say no label absent. The first row decides nearly always, and then no other value is
    looked at.

    Args:
        logits: (batch, num_labels), on the host.

    Warns:
        UserWarning: they look like probabilities, or, where all are 0 or 1, like targets. Its text is the same for
            every batch, and it names the line that calls the loss, so Python shows it once for that line.

    Example:
        >>> import warnings
        >>> import numpy as np
        >>> from obrl.logits import warn_of_probabilities
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     warn_of_probabilities(np.linspace(-2, 2, 64).reshape(16, 4))
        ...     warn_of_probabilities(np.linspace(0.1, 0.9, 64).reshape(16, 4))
        >>> len(caught)
        1
    """
    if logits.size < LEAST_ENTRIES or not all(0 <= value <= 1 for value in logits[0].tolist()):
        return
    low, high = logits.min(), logits.max()
    if not (low >= 0 and high <= 1 and low < high):  # also where one is NaN
        return
    if ((logits == 0) | (logits == 1)).all():
        warn_caller(f"all logits of a batch are 0 or 1, as targets are: {ORDER}")
        return
    warn_caller(f"all logits of a batch lie in [0, 1], as probabilities do: {REMEDY}")


def warn_of_sigmoid(operation: str) -> None:
    """Warn that the logits come from a sigmoid or softmax, as the framework's graph says without reading a value.

    PyTorch, JAX and TensorFlow look behind casts, slices and changes of shape as well, and no further; a functional
    model of Keras shows the last layer alone.
    """
    warn_caller(f"the logits come from {operation}, so they are probabilities: {REMEDY}")


def warn_caller(text: str) -> None:
    """Warn at the line outside of obrl and of the framework that calls the loss."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, UserWarning, stacklevel=level)


def _is_inside(module: str) -> bool:
    package = module.partition(".")[0]
    return package in _FRAMEWORKS or package == "obrl" or package.startswith("obrl_")
