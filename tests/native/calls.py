"""The native code, called with NumPy arrays."""

from __future__ import annotations

import ctypes
import re
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from obrl.measures import MEASURES
from obrl.online import RelationState, state_shapes
from obrl.settings import Settings
from obrl_native import cpu
from obrl_native.build import SOURCES

Array = NDArray[Any]
_TYPES = {"int64_t": ctypes.c_int64, "int32_t": ctypes.c_int32, "double": ctypes.c_double}


def structure(name: str) -> type[ctypes.Structure]:
    """A structure of `obrl_cpu.h`, read from its text."""
    _, text = (SOURCES / "obrl_cpu.h").read_text().split(f"struct {name} {{")
    fields = re.findall(r"^  (?:const )?(\w+)(\*?) (\w+);", text.partition("\n};")[0], re.MULTILINE)
    types = [(field, ctypes.c_void_p if pointer else _TYPES[kind]) for kind, pointer, field in fields]
    return type(name, (ctypes.Structure,), {"_fields_": types})


LABELS, RELATION, LOSS_ARGUMENTS = map(structure, ("obrl_labels", "obrl_relation", "obrl_loss_arguments"))
DTYPES = {np.dtype(np.uint8): cpu.UINT8, np.dtype(np.float32): cpu.FLOAT32, np.dtype(np.float64): cpu.FLOAT64}


def address(array: Array | None) -> int | None:
    assert array is None or array.flags.c_contiguous
    return None if array is None else array.ctypes.data


def labels(targets: Array, observed: Array | None) -> ctypes.Structure:
    return LABELS(address(targets), address(observed), *targets.shape, DTYPES[targets.dtype])


def empty_state(num_labels: int, settings: Settings, dtype: Any) -> RelationState:
    return RelationState(*(np.zeros(shape, dtype) for shape in state_shapes(num_labels, settings.estimator)))


def count(library: ctypes.CDLL, targets: Array, observed: Array | None, threads: int = 1) -> Array:
    counts = np.full((3, targets.shape[1], targets.shape[1]), np.nan)
    types = (ctypes.POINTER(LABELS), ctypes.c_void_p, ctypes.c_int32)
    cpu.function(library, "obrl_count", *types)(labels(targets, observed), counts.ctypes.data, threads)
    return counts


def move(
    library: ctypes.CDLL,
    state: RelationState,
    settings: Settings,
    targets: Array | None = None,
    observed: Array | None = None,
    *,
    counts: Array | None = None,
    threads: int = 1,
) -> Array:
    """Move the state in place; return the coded pairs."""
    num_labels = state.relation_weight.shape[0]
    code = np.full((num_labels, num_labels), 255, np.uint8)
    relation = RELATION(
        address(state.relation_sum),
        address(state.relation_weight),
        settings.decay,
        settings.positive_threshold,
        settings.negative_threshold,
        num_labels,
        DTYPES[state.relation_weight.dtype],
        cpu.MEASURES[settings.measure],
        settings.estimator == "counts",
    )
    batch = None if targets is None else labels(targets, observed)
    types = (ctypes.POINTER(LABELS), ctypes.c_void_p, ctypes.POINTER(RELATION), ctypes.c_void_p, ctypes.c_int32)
    cpu.function(library, "obrl_move", *types)(batch, address(counts), relation, code.ctypes.data, threads)
    return code


def loss(
    library: ctypes.CDLL,
    logits: Array,
    targets: Array | None,
    code: Array,
    *,
    observed: Array | None = None,
    sample_weight: Array | None = None,
    pos_weight: Array | None = None,
    alpha: float = 0.5,
    reduction: str = "mean",
    gradient: str = "total",
    normalization: str = "all_pairs",
    threads: int = 1,
) -> tuple[list[Array], list[Array]]:
    """The terms and two gradients; NaN where the library writes nothing."""
    dtype = logits.dtype
    shape = (len(logits),) if reduction == "none" else ()
    terms = [np.full(shape, np.nan, dtype) for _ in range(3)]
    gradients = [np.full(logits.shape, np.nan, dtype) for _ in range(2)]
    arguments = LOSS_ARGUMENTS(
        *map(address, (logits, targets, observed, sample_weight, pos_weight, code)),
        *(array.ctypes.data for array in (*terms, *gradients)),
        alpha,
        *logits.shape,
        DTYPES[dtype],
        DTYPES[dtype if targets is None else targets.dtype],
        cpu.REDUCTIONS[reduction],
        cpu.GRADIENTS[gradient],
        targets is not None,
        normalization == "active_pairs",
    )
    cpu.function(library, "obrl_loss", ctypes.POINTER(LOSS_ARGUMENTS), ctypes.c_int32)(arguments, threads)
    return terms, gradients


def draw_targets(rng: np.random.Generator, rows: int, num_labels: int, kind: str) -> tuple[Array, Array | None]:
    """Targets of related labels and a mask, or None: `"bytes"`, `"float32"`, or `"float64"` with NaN and a mask."""
    source = rng.random((rows, 3))[:, np.arange(num_labels) % 3]
    values = (source + 0.2 * rng.random((rows, num_labels))).clip(0, 1)
    if kind == "bytes":
        return (values > 0.6).astype(np.uint8), None
    if kind == "float32":
        return values.astype(np.float32), None
    values[rng.random(values.shape) < 0.1] = np.nan
    return values, (rng.random(values.shape) < 0.9).astype(np.uint8)


SIZES = (
    *((0, 3), (1, 1), (2, 2), (31, 64), (32, 65), (33, 32), (63, 5), (64, 17), (65, 40), (130, 33)),
    *((2, 512), (3, 513)),
)
"""Rows and labels around the sizes of words, vectors, blocks and tiles."""

KINDS = ("bytes", "float32", "float64")


def exercise(library: ctypes.CDLL) -> int:
    """Call everything at every size, for a library with sanitizers; returns the number of calls."""
    rng = np.random.default_rng(0)
    calls = 0
    for (rows, num_labels), kind, dtype in product(SIZES, KINDS, (np.float32, np.float64)):
        targets, observed = draw_targets(rng, rows, num_labels, kind)
        counts = count(library, targets, observed, threads=2)
        for measure, estimator in product(MEASURES, ("batch", "counts")):
            settings = Settings(measure=measure, estimator=estimator, positive_threshold=0.6, negative_threshold=0.3)
            state = empty_state(num_labels, settings, dtype)
            move(library, state, settings, targets, observed, threads=2)
            code = move(library, state, settings, counts=counts)
            calls += 3
        logits = rng.standard_normal((rows, num_labels)).astype(dtype)
        logits[rng.random(logits.shape) < 0.1] = rng.choice([np.nan, np.inf, -np.inf, 1e30])
        soft = targets if kind == "bytes" else targets.astype(dtype)
        for gradient, reduction, joint in product(cpu.GRADIENTS, cpu.REDUCTIONS, (True, False)):
            weights = rng.random(rows).astype(dtype)
            loss(
                library,
                logits,
                soft if joint else None,
                code,
                observed=observed,
                sample_weight=weights,
                pos_weight=rng.random(num_labels).astype(dtype),
                gradient=gradient,
                reduction=reduction,
                threads=2,
            )
            calls += 1
    return calls
