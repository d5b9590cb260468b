"""The operations of `obrl_native/src/tensorflow_ops.cc`: built on first use, loaded, and called.

They run on a CPU, in eager mode and in graphs, not in what XLA compiles. They check shapes alone; values and dtypes
have been checked.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from obrl.online import RelationState
from obrl.settings import Settings
from obrl_native import cpu
from obrl_native.build import BuildError, Recipe, Unit, build
from obrl_tensorflow.namespace import Tensor


@cache
def operations() -> Any:
    """The operations, as a module of functions; built where they have not been.

    Raises:
        BuildError: an ImportError; they cannot be built, kept or loaded here.
    """
    return loaded(build(recipe("obrl_tensorflow", (*cpu.UNITS, unit("tensorflow_ops.cc")))))


def recipe(name: str, units: Sequence[Unit], *links: str) -> Recipe:
    """A library for this version of TensorFlow."""
    return Recipe(
        name,
        units,
        links=(*tf.sysconfig.get_link_flags(), *links),
        versions=(tf.version.VERSION, tf.version.GIT_VERSION, tf.version.COMPILER_VERSION),
    )


def unit(name: str, *flags: str) -> Unit:
    """A source that includes TensorFlow's headers."""
    return Unit(name, (*tf.sysconfig.get_compile_flags(), *flags))


def loaded(path: Path) -> Any:
    """The operations of a library, as a module of functions.

    Raises:
        BuildError: an ImportError; TensorFlow cannot load it.
    """
    try:
        return tf.load_op_library(str(path))
    except tf.errors.OpError as error:
        raise BuildError(
            f"the native code of obrl does not fit this TensorFlow: {error.message}; another compiler may be named in "
            "the environment's CXX"
        ) from error


def bits(value: float) -> int:
    """A double as an attribute may hold it."""
    attribute: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return attribute


def double(attribute: int) -> float:
    """The double that `bits` made an attribute of."""
    value: float = struct.unpack("<d", struct.pack("<q", attribute))[0]
    return value


def listed(tensor: Tensor | None) -> list[Tensor]:
    """An optional tensor as the operations take it."""
    return [] if tensor is None else [tensor]


@cache
def reading(settings: Settings) -> dict[str, Any]:
    """The attributes that a relation is read by."""
    return {
        "positive_threshold": bits(settings.positive_threshold),
        "negative_threshold": bits(settings.negative_threshold),
        "measure": cpu.MEASURES[settings.measure],
        "counts_are_averaged": settings.estimator == "counts",
    }


def _countable(targets: Tensor) -> Tensor:
    """Targets in a dtype that is counted, with one half where it was."""
    if targets.dtype in (tf.bool, tf.uint8, tf.float32, tf.float64):
        return targets
    return tf.cast(targets, tf.float32) if targets.dtype.is_floating else targets > 0


def count_pairs(targets: Tensor, observed: Tensor | None) -> Tensor:
    """The pair counts n, s and r of a batch, float64, (3, num_labels, num_labels)."""
    return operations().obrl_count_pairs(targets=_countable(targets), observed=listed(observed))


class Moved(NamedTuple):
    """A relation after Eq. 1.

    Attributes:
        state: the accumulators.
        code: uint8, (num_labels, num_labels): a + 4 b, twice the symmetric weights of the positive and negative pairs.
    """

    state: RelationState
    code: Tensor


def move_relation(
    targets: Tensor | None,
    observed: Tensor | None,
    counts: Tensor | None,
    state: RelationState,
    still: Tensor | bool,
    settings: Settings,
) -> Moved:
    """Eq. 1 for a batch of labels or else for its counts, unless `still` holds True; and the codes of the pairs."""
    new_sum, new_weight, code = operations().obrl_move_relation(
        targets=[] if targets is None else [_countable(targets)],
        observed=listed(observed),
        counts=listed(counts),
        relation_sum=state.relation_sum,
        relation_weight=state.relation_weight,
        still=still,
        decay=bits(settings.decay),
        **reading(settings),
    )
    return Moved(RelationState(new_sum, new_weight), code)


def move_variables(
    targets: Tensor, observed: Tensor | None, variables: RelationState, still: Tensor | bool, settings: Settings
) -> Tensor:
    """As `move_relation`, of two variables of this process, where they lie; gives the codes of the pairs then."""
    return operations().obrl_move_variables(
        targets=_countable(targets),
        observed=listed(observed),
        relation_sum=variables.relation_sum.handle,
        relation_weight=variables.relation_weight.handle,
        still=still,
        decay=bits(settings.decay),
        **reading(settings),
    )


def code_pairs(state: RelationState, settings: Settings) -> Tensor:
    """The codes of the pairs of a relation that stays as it is."""
    return operations().obrl_code_pairs(*state, **reading(settings))


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
    """L, with `parts` L_E and L_B too; or without targets L_B alone; their gradient is computed with them.

    Args:
        x: logits, (batch, num_labels), float32 or float64, the dtype to compute in.
        targets: the same shape, real, NaN where missing; None for L_B alone.
        observed: the same shape, bool, or None.
        sample_weight: (batch,), in the dtype of `x`, or None.
        pos_weight: (num_labels,), in the dtype of `x`, or None.
        code: of `move_relation`.
        alpha: weight of L_B.
        normalization: `"all_pairs"` or `"active_pairs"`.
        reduction: `"mean"`, `"sum"` or `"none"`.
        parts: whether L_E and L_B are wanted, ready to be differentiated on their own; with targets alone.
    """
    if targets is not None and targets.dtype not in (tf.bool, tf.uint8):
        targets = tf.cast(targets, x.dtype)
    terms, _ = operations().obrl_loss_terms(
        logits=x,
        targets=listed(targets),
        observed=listed(observed),
        sample_weight=listed(sample_weight),
        pos_weight=listed(pos_weight),
        code=code,
        num_terms=3 if parts else 1,
        num_gradients=2 if parts else 1,
        alpha=bits(alpha),
        reduction=cpu.REDUCTIONS[reduction],
        parts=parts,
        active_pairs=normalization == "active_pairs",
    )
    return tuple(terms)
