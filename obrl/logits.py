"""Notice logits that are probabilities already, which is a common mistake and no error that arithmetic shows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy.typing as npt

LEAST_ENTRIES = 64
"""The fewest logits that are judged: of so many, some lie outside of [0, 1] unless something has put them there."""

REMEDY = "pass the values before the sigmoid, since the loss applies it"


def warn_of_probabilities(logits: Any, to_host: Callable[[Any], npt.NDArray[Any]]) -> None:
    """Warn where every logit of a batch lies in [0, 1], as probabilities do and logits hardly ever.

    It is a warning, because such logits are possible. To be sure enough, it needs at least 64 of them that are not all
    equal: those of an untrained model may all be zero. A model that ends in a ReLU is warned of, too, if none of its
    logits is above 1: it can say no label absent. The first 64 decide nearly always, so the cost does not grow with the
    batch.

    Args:
        logits: (batch, num_labels), of any framework, whose values may be read on the host.
        to_host: gives rows of them as a NumPy array.

    Warns:
        UserWarning: they look like probabilities. Python shows it once.

    Example:
        >>> import warnings
        >>> import numpy as np
        >>> from obrl.logits import warn_of_probabilities
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warn_of_probabilities(np.linspace(-2, 2, 64).reshape(16, 4), np.asarray)
        ...     warn_of_probabilities(np.linspace(0.1, 0.9, 64).reshape(16, 4), np.asarray)
        >>> len(caught)
        1
    """
    rows, num_labels = logits.shape
    if rows * num_labels < LEAST_ENTRIES:
        return
    for part in (logits[: -(-LEAST_ENTRIES // num_labels)], logits):
        values = to_host(part)
        low, high = values.min(), values.max()
        if not (low >= 0 and high <= 1 and low < high):  # also where one is NaN
            return
    warnings.warn(
        f"all {rows * num_labels} logits lie in [0, 1], from {low:.3g} to {high:.3g}, as probabilities do: {REMEDY}",
        UserWarning,
        stacklevel=2,
    )


def warn_of_sigmoid(operation: str) -> None:
    """Warn that the logits come from a sigmoid or softmax, as the framework's graph says without reading a value."""
    warnings.warn(f"the logits come from {operation}, so they are probabilities: {REMEDY}", UserWarning, stacklevel=2)
