"""Whatever a user hands in as an array: NumPy's masks become missing labels, and sparse arrays are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def check_dense(name: str, value: object) -> None:
    """Raise TypeError for what would lose its meaning as a dense array.

    That is a sparse matrix or array of SciPy, which NumPy takes for a single object, and a NumPy masked array with a
    masked entry, whose mask NumPy drops.
    """
    kind = type(value)
    if kind.__module__.split(".")[:2] == ["scipy", "sparse"]:
        raise TypeError(f"{name} must be a dense array, got scipy.sparse.{kind.__name__}; use .toarray()")
    rows = value if isinstance(value, list | tuple) else [value]
    if masked := sum(np.ma.count_masked(row) for row in rows if isinstance(row, np.ma.MaskedArray)):
        raise TypeError(f"{name} must be a dense array, got a masked array with {masked} masked entries")


def check_no_gradient(name: str, value: object) -> None:
    """Raise TypeError for a tensor that a framework differentiates: NumPy's copy of it would have no gradient.

    TensorFlow shows that only while it traces a function.
    """
    kind = type(value)
    framework = kind.__module__.partition(".")[0].removesuffix("lib")  # torch, jax, jaxlib or tensorflow
    traced = "Tracer" in kind.__name__ or kind.__name__ == "SymbolicTensor"
    if getattr(value, "requires_grad", False) is True or (framework in ("jax", "tensorflow") and traced):
        framework = framework if framework in ("jax", "tensorflow") else "torch"
        raise TypeError(
            f"{name} must be a NumPy array, got a {kind.__name__} that needs a gradient, which NumPy's loss does not "
            f"give: import the loss from obrl.{framework}, as in from obrl.{framework} import OBRLoss"
        )


def as_array(name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    """A plain NumPy array; raises TypeError as `check_dense` does, and ValueError for rows that differ in length."""
    check_dense(name, value)
    try:
        return np.asarray(value)
    except ValueError as error:  # NumPy's words say nothing of labels
        raise ValueError(
            f"{name} must be an array with rows of one length, got rows that differ in length; a row has an entry for "
            "each label, not the numbers of the labels that are present"
        ) from error


def host_array(name: str, value: Any) -> npt.NDArray[Any]:
    """An array or tensor of any framework as a NumPy array on the host; a NumPy masked array stays one.

    Raises:
        TypeError: a sparse matrix, or masked arrays inside a sequence.
    """
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # torch: NumPy has no bfloat16, and takes no gradients
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() and value.element_size() < 4 else value
    if isinstance(value, np.ma.MaskedArray):
        return value
    array = as_array(name, value)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array  # JAX's and TensorFlow's


def relation_matrix(matrix: npt.ArrayLike) -> npt.NDArray[Any]:
    """A relation that a user hands in, as a plain array; NaN where a NumPy masked array masks it."""
    if isinstance(matrix, np.ma.MaskedArray) and matrix.dtype.kind in "biuf":
        floats: Any = matrix.astype(np.promote_types(matrix.dtype, np.float32))
        matrix = floats.filled(np.nan)
    return as_array("relation", matrix)


def unmask_labels(targets: Any, observed: Any) -> tuple[Any, Any]:
    """Turn NumPy's masked arrays into plain ones: what is masked is missing.

    Args:
        targets: a NumPy masked array, or anything else, which passes as it is.
        observed: likewise; a masked entry of it counts as False.

    Returns:
        Targets, and `observed` with False where targets are masked.

    Raises:
        TypeError: `observed` is a sparse matrix, or a sequence of masked arrays.
    """
    if isinstance(observed, np.ma.MaskedArray):
        observed = observed.filled(False) if observed.dtype == np.bool_ else np.asarray(observed)
    else:
        check_dense("observed", observed)
    if isinstance(targets, np.ma.MaskedArray):
        known = ~np.ma.getmaskarray(targets)
        targets = targets.filled(0)
        if observed is None:
            observed = known
        elif np.shape(observed) == known.shape:  # another shape is an error that a later check names
            observed = observed & known
    return targets, observed


def as_labels(targets: npt.ArrayLike, observed: npt.ArrayLike | None) -> tuple[npt.NDArray[Any], Any]:
    """Targets and `observed`, or None, as plain NumPy arrays; raises TypeError as `check_dense` does."""
    targets, observed = unmask_labels(targets, observed)
    return as_array("targets", targets), None if observed is None else as_array("observed", observed)
