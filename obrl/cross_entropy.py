"""`cross_entropy=`: a function of the user's in place of Eq. 4, in every framework.

L = L_E + alpha L_B. Where a function gives the elementwise losses of L_E, L_B is computed as for `RelationLoss`, by
whatever `impl` says, and the framework differentiates the function. NumPy, which differentiates nothing, wants the
gradients from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from obrl.errors import Metadata
from obrl.labels import Labels
from obrl.namespace import Array, Namespace

CrossEntropy: TypeAlias = Literal["bce"] | Callable[..., Any]
"""What `cross_entropy=` takes: `"bce"` for Eq. 4, or a function of logits and targets."""


def checked_cross_entropy(cross_entropy: Any, pos_weight: Any) -> CrossEntropy:
    """What `cross_entropy=` is, if it is `"bce"` or a function; a function takes the place of `pos_weight` too.

    Raises:
        TypeError: neither a word nor a function, or a class.
        ValueError: another word, or `pos_weight` beside a function.
    """
    if isinstance(cross_entropy, type):
        raise TypeError(
            "cross_entropy must be a function of (logits, targets), or an object that is one, got the class "
            f"{cross_entropy.__name__}: give an object of it that returns the loss of each label, as "
            f'{cross_entropy.__name__}(reduction="none") does where it has such an argument'
        )
    if not callable(cross_entropy):
        error: type[Exception] = ValueError if isinstance(cross_entropy, str) else TypeError
        if cross_entropy != "bce":
            raise error(
                'cross_entropy must be "bce" (Eq. 4) or a function of (logits, targets) that returns the loss of each '
                f"label, (batch, num_labels), got {cross_entropy!r}"
            )
    elif pos_weight is not None:
        raise ValueError(
            "pos_weight weighs the positives of Eq. 4, got it beside a function for cross_entropy: "
            "give it to your function"
        )
    function: CrossEntropy = cross_entropy
    return function


def function_arguments(ns: Namespace, logits: Array, labels: Labels, *, like: Array) -> tuple[Array, Array]:
    """What a function for L_E gets: logits and targets.

    Where a target is missing it is 0, and no gradient flows back to the logit: a derivative that is infinite or NaN
    there would turn the 0 that arrives from the masked loss into NaN.

    Args:
        ns: the framework's functions.
        logits: x, (batch, num_labels), in the dtype to compute in.
        labels: the targets.
        like: an array of that dtype.
    """
    if labels.observed is not None:
        logits = ns.where(labels.observed, logits, ns.stop_gradient(logits))
    return logits, ns.cast(labels.targets, like=like)


def returned_metadata(metadata: Callable[[str, Any], Metadata], losses: Any) -> Metadata:
    """The metadata of what a function for L_E has returned.

    Args:
        metadata: gives those of an array of the framework by its name, or raises TypeError.
        losses: what the function returned.

    Raises:
        TypeError: no dense array of the framework.
    """
    try:
        return metadata("losses", losses)
    except TypeError:
        remedy = ": it ends without `return`" if losses is None else ""
        raise TypeError(
            "cross_entropy must return the loss of each label, as a dense array of the framework of the logits, got "
            f"{type(losses).__name__}{remedy}"
        ) from None


def check_losses(losses: Metadata, logits: Metadata, *, what: str = "losses") -> None:
    """Raise unless a function for L_E has returned one number for each logit, in the dtype of the logits it got.

    Raises:
        ValueError: another shape, as after a reduction.
        TypeError: another dtype.
    """
    if tuple(losses.shape) != tuple(logits.shape):
        raise ValueError(
            f"cross_entropy must return {what} of shape (batch, num_labels) = {tuple(logits.shape)}, one a label and "
            f"without a reduction, got {tuple(losses.shape)}"
        )
    if str(losses.dtype) != str(logits.dtype):
        raise TypeError(
            f"cross_entropy must return {what} in the dtype of the logits that it gets, {logits.dtype}, "
            f"got {losses.dtype}"
        )
    if losses.device != logits.device:
        raise ValueError(
            f"cross_entropy must return {what} on the device of the logits, {logits.device}, got {losses.device}"
        )
