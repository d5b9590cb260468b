"""The operations of `obrl_native/src/tensorflow_cuda.cc`: as those of `obrl_tensorflow.native`, on a CUDA device.

They compute in float32, and each sample's terms; a reduction, with its gradient, is TensorFlow's.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import tensorflow as tf

from obrl.online import RelationState
from obrl.settings import Settings
from obrl_native import cuda
from obrl_native.build import BuildError, build
from obrl_tensorflow.namespace import Tensor
from obrl_tensorflow.native import Moved, bits, listed, loaded, reading, recipe, unit


@cache
def operations() -> Any:
    """The operations, as a module of functions, built where they have not been, with the driver loaded.

    Raises:
        BuildError: an ImportError; they cannot be built, kept or loaded here, or there is no driver of CUDA.
    """
    if not tf.test.is_built_with_cuda():
        raise BuildError('impl="fused" runs on GPUs with CUDA, which this TensorFlow was built without')
    library = build(recipe("obrl_tensorflow_cuda", (unit("tensorflow_cuda.cc"), *cuda.UNITS), *cuda.LINKS))
    found = loaded(library)
    cuda.start(ctypes.CDLL(str(library)))
    return found


def _with_nan(values: Tensor, observed: Tensor | None) -> Tensor:
    """Targets in float32, NaN where they are missing."""
    values = tf.cast(values, tf.float32)
    return values if observed is None else tf.where(observed, values, tf.constant(float("nan")))


def _countable(targets: Tensor, observed: Tensor | None) -> Tensor:
    """Targets to count, as `_with_nan`; whether one is at least a half is decided in the dtype that it has."""
    if targets.dtype == tf.float64:
        positive = tf.cast(targets >= 0.5, tf.float32)
        targets = tf.where(tf.math.is_nan(targets), tf.constant(float("nan")), positive)
    return _with_nan(targets, observed)


def count_pairs(targets: Tensor, observed: Tensor | None) -> Tensor:
    """The pair counts n, s and r of a batch, float32, (3, num_labels, num_labels)."""
    return operations().obrl_cuda_count_pairs(targets=_countable(targets, observed))


def move_relation(
    targets: Tensor | None,
    observed: Tensor | None,
    counts: Tensor | None,
    state: RelationState,
    still: Tensor | bool,
    settings: Settings,
) -> Moved:
    """As `native.move_relation`; the codes are bytes, those of `obrl_cuda_pairs_bytes`.

    `still` stays on the device, for the host would have to wait for it: the state is chosen there, and coded then.
    """
    moved = _moved([] if targets is None else [_countable(targets, observed)], listed(counts), state, settings)
    if still is False:
        return moved
    chosen = RelationState(*(tf.where(still, old, new) for old, new in zip(state, moved.state, strict=True)))
    return Moved(chosen, code_pairs(chosen, settings))


def _moved(targets: list[Tensor], counts: list[Tensor], state: RelationState, settings: Settings) -> Moved:
    """Eq. 1 for targets or counts, or for neither, which moves nothing; and the codes of the pairs then."""
    new_sum, new_weight, code = operations().obrl_cuda_move_relation(
        targets=targets,
        counts=counts,
        relation_sum=state.relation_sum,
        relation_weight=state.relation_weight,
        decay=bits(settings.decay),
        **reading(settings),
    )
    return Moved(RelationState(new_sum, new_weight), code)


def code_pairs(state: RelationState, settings: Settings) -> Tensor:
    """The codes of the pairs of a relation that stays as it is."""
    return _moved([], [], state, settings).code


def loss_terms(
    x: Tensor,
    targets: Tensor | None,
    observed: Tensor | None,
    sample_weight: Tensor | None,
    pos_weight: Tensor | None,
    code: Tensor,
    *,
    alpha: float,
    normalization: str,
    reduction: str,
    parts: bool,
) -> tuple[Tensor, ...]:
    """As `native.loss_terms`, for logits in float32."""
    rows = tf.shape(x)[0]
    terms, _ = operations().obrl_cuda_loss_terms(
        logits=x,
        targets=[] if targets is None else [_with_nan(targets, observed)],
        sample_weight=tf.ones((rows,)) if sample_weight is None else sample_weight,
        pos_weight=tf.ones((x.shape[1],)) if pos_weight is None else pos_weight,
        code=code,
        num_terms=3 if parts else 1,
        num_gradients=2 if parts else 1,
        alpha=bits(alpha),
        parts=parts,
        active_pairs=normalization == "active_pairs",
    )
    if reduction == "none":
        return tuple(terms)
    share = 1.0 if reduction == "sum" else 1.0 / tf.cast(tf.maximum(rows, 1), tf.float32)
    return tuple(tf.reduce_sum(term) * share for term in terms)
