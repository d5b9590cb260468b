"""The operations of `obrl_native/src/tensorflow_cuda.cc`: those of `obrl_tensorflow.native` for a CUDA device.

They compute in float32.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import tensorflow as tf

from obrl.online import RelationState
from obrl.settings import Settings
from obrl_native import cuda
from obrl_native.build import BuildError, Recipe, build
from obrl_tensorflow.namespace import Tensor
from obrl_tensorflow.native import (
    RelationUpdate,
    attribute_bits,
    library_recipe,
    load_operations,
    optional,
    pair_attributes,
    source_unit,
)


@cache
def operations() -> Any:
    """The operations, as a module of functions; the first call builds them and starts the driver.

    Raises:
        BuildError: an ImportError; they cannot be built, stored or loaded here, or there is no driver of CUDA.
    """
    if not tf.test.is_built_with_cuda():
        raise BuildError('impl="fused" runs on GPUs with CUDA, which this TensorFlow was built without')
    library = build(recipe())
    module = load_operations(library)
    cuda.start(ctypes.CDLL(str(library)))
    return module


def recipe() -> Recipe:
    """The library of the operations on a GPU."""
    return library_recipe("obrl_tensorflow_cuda", (source_unit("tensorflow_cuda.cc"), *cuda.UNITS), *cuda.LINKS)


def mark_missing(values: Tensor, observed: Tensor | None) -> Tensor:
    """Targets in float32, NaN where they are missing."""
    values = tf.cast(values, tf.float32)
    return values if observed is None else tf.where(observed, values, tf.constant(float("nan")))


def _countable(targets: Tensor, observed: Tensor | None) -> Tensor:
    """As `mark_missing`, for counting: float64 targets are compared with 0.5 first, before a cast could round them."""
    if targets.dtype == tf.float64:
        positive = tf.cast(targets >= 0.5, tf.float32)
        targets = tf.where(tf.math.is_nan(targets), tf.constant(float("nan")), positive)
    return mark_missing(targets, observed)


def count_pairs(targets: Tensor, observed: Tensor | None) -> Tensor:
    """The pair counts n, s and r of a batch, float32, (3, num_labels, num_labels)."""
    return operations().obrl_cuda_count_pairs(targets=_countable(targets, observed))


def move_relation(
    targets: Tensor | None,
    observed: Tensor | None,
    counts: Tensor | None,
    state: RelationState,
    hold: Tensor | bool,
    settings: Settings,
) -> RelationUpdate:
    """As `native.move_relation`; the codes are padded bytes, of which `unpadded_code` makes a matrix.

    `hold` is a tensor on the device, and reading it would make the host wait. So the device selects the old or the new
    state, and codes that one again.
    """
    update = _update([] if targets is None else [_countable(targets, observed)], optional(counts), state, settings)
    if hold is False:
        return update
    new_state = RelationState(*(tf.where(hold, old, new) for old, new in zip(state, update.state, strict=True)))
    return RelationUpdate(new_state, code_pairs(new_state, settings))


def _update(targets: list[Tensor], counts: list[Tensor], state: RelationState, settings: Settings) -> RelationUpdate:
    """Eq. 1 for targets or for counts, or the same state for neither; and the codes of the pairs."""
    new_sum, new_weight, code = operations().obrl_cuda_move_relation(
        targets=targets,
        counts=counts,
        relation_sum=state.relation_sum,
        relation_weight=state.relation_weight,
        decay=attribute_bits(settings.decay),
        **pair_attributes(settings),
    )
    return RelationUpdate(RelationState(new_sum, new_weight), code)


def code_pairs(state: RelationState, settings: Settings) -> Tensor:
    """The codes of the pairs of a relation that does not move."""
    return _update([], [], state, settings).code


def unpadded_code(code: Tensor, num_labels: int) -> Tensor:
    """The codes as a (num_labels, num_labels) matrix; the kernels pad each row to a multiple of 16 bytes."""
    padded = -(-num_labels // 16) * 16
    return tf.reshape(tf.reshape(code, (-1,))[: num_labels * padded], (num_labels, padded))[:, :num_labels]
