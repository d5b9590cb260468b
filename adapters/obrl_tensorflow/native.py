"""The operations of `obrl_native/src/tensorflow_ops.cc`: how they are built, loaded and called.

`fused` calls that of the loss, whose gradient it registers.

They run on a CPU, in eager mode and in graphs that XLA does not compile. They check shapes, and `check_targets` values;
callers have checked dtypes.
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
from obrl_keras.graphs import RefusalWords
from obrl_native import cpu
from obrl_native.build import BuildError, Recipe, Unit, build
from obrl_tensorflow.namespace import Tensor


@cache
def operations() -> Any:
    """The operations, as a module of functions; the first call builds them.

    Raises:
        BuildError: an ImportError; they cannot be built, stored or loaded here.
    """
    return load_operations(build(recipe()))


def recipe() -> Recipe:
    """The library of the operations on a CPU."""
    return library_recipe("obrl_tensorflow", (*cpu.UNITS, source_unit("tensorflow_ops.cc")))


def library_recipe(name: str, units: Sequence[Unit], *links: str) -> Recipe:
    """A library for this version of TensorFlow."""
    return Recipe(
        name,
        units,
        links=(*tf.sysconfig.get_link_flags(), *links),
        versions=(tf.version.VERSION, tf.version.GIT_VERSION, tf.version.COMPILER_VERSION),
    )


def source_unit(name: str, *flags: str) -> Unit:
    """A source that includes TensorFlow's headers."""
    return Unit(name, (*tf.sysconfig.get_compile_flags(), *flags))


def load_operations(path: Path) -> Any:
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


def attribute_bits(value: float) -> int:
    """The bits of a double as an integer: TensorFlow's float attributes hold float32 only."""
    attribute: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return attribute


def attribute_double(attribute: int) -> float:
    """The double with these bits."""
    value: float = struct.unpack("<d", struct.pack("<q", attribute))[0]
    return value


def optional(tensor: Tensor | None) -> list[Tensor]:
    """A tensor or None, as operations take optional inputs: a list of one or none."""
    return [] if tensor is None else [tensor]


@cache
def pair_attributes(settings: Settings) -> dict[str, Any]:
    """The attributes that say which pairs of a relation are positive or negative."""
    return {
        "positive_threshold": attribute_bits(settings.positive_threshold),
        "negative_threshold": attribute_bits(settings.negative_threshold),
        "measure": cpu.MEASURES[settings.measure],
        "counts_are_averaged": settings.estimator == "counts",
    }


def _countable(targets: Tensor) -> Tensor:
    """Cast targets to a dtype that the native code reads; `target >= 0.5` keeps its value."""
    if targets.dtype in (tf.bool, tf.uint8, tf.float32, tf.float64):
        return targets
    return tf.cast(targets, tf.float32) if targets.dtype.is_floating else targets > 0


def check_targets(targets: Tensor, known: Tensor | None, words: RefusalWords) -> Any:
    """The operation that stops a graph where a known target lies outside of [0, 1].

    Args:
        targets: integer or floating point, in any of these dtypes, since a cast could round a number into the range;
            NaN is missing.
        known: the same shape, bool, or None.
        words: of the error.
    """
    return operations().obrl_check_targets(targets=targets, observed=optional(known), **words._asdict())


def count_pairs(targets: Tensor, observed: Tensor | None) -> Tensor:
    """The pair counts n, s and r of a batch, float64, (3, num_labels, num_labels)."""
    return operations().obrl_count_pairs(targets=_countable(targets), observed=optional(observed))


class RelationUpdate(NamedTuple):
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
    hold: Tensor | bool,
    settings: Settings,
) -> RelationUpdate:
    """Eq. 1 for a batch of labels or else for its counts, unless `hold` is True; and the codes of the pairs."""
    new_sum, new_weight, code = operations().obrl_move_relation(
        targets=[] if targets is None else [_countable(targets)],
        observed=optional(observed),
        counts=optional(counts),
        relation_sum=state.relation_sum,
        relation_weight=state.relation_weight,
        still=hold,
        decay=attribute_bits(settings.decay),
        **pair_attributes(settings),
    )
    return RelationUpdate(RelationState(new_sum, new_weight), code)


def move_variables(
    targets: Tensor, observed: Tensor | None, variables: RelationState, hold: Tensor | bool, settings: Settings
) -> Tensor:
    """As `move_relation`, but changes two variables in this process's memory; returns the codes of the pairs."""
    return operations().obrl_move_variables(
        targets=_countable(targets),
        observed=optional(observed),
        relation_sum=variables.relation_sum.handle,
        relation_weight=variables.relation_weight.handle,
        still=hold,
        decay=attribute_bits(settings.decay),
        **pair_attributes(settings),
    )


def code_pairs(state: RelationState, settings: Settings) -> Tensor:
    """The codes of the pairs of a relation that does not move."""
    return operations().obrl_code_pairs(*state, **pair_attributes(settings))
