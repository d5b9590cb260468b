"""The cubins of the package: which kernels, with which constants, for which sizes.

Arrays are contiguous, begin at multiples of 16 bytes, and are float32; NaN marks a missing target. The loss is that of
each sample, and always has weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import triton.language as tl

from obrl.counts import MAX_EXACT_COUNT
from obrl.measures import MEASURES
from obrl_native.cpu import MAX_LABELS
from obrl_torch.kernels import launch
from obrl_torch.kernels.launch import Launch
from tools.cubins.compiled import TARGETS, Variant, argument_types

PARTS = 8
"""Number of parts of a batch of any size in `relation_kernel`; each further choice would add 16 cubins a target."""

_POINTERS = {
    **dict.fromkeys(("targets", "logits", "sample_weight", "pos_weight", "relation_sum", "relation_weight"), "*fp32"),
    **dict.fromkeys(("counts", "partials", "degrees", "products", "total", "cross_entropy", "relation_loss"), "*fp32"),
    **dict.fromkeys(("gradient", "second_gradient"), "*fp32"),
    **dict.fromkeys(("active", "counter", "arrivals"), "*i32"),
    **dict.fromkeys(("code", "packed"), "*i8"),
    "observed": "*u8",
    "halves": "*fp16",
}

_Range = tuple[int, int]
_Run = Callable[[int, int], Launch]
"""A launch, from the number of samples and of labels."""
WIDE_ALONE = ("pack", "halves", "degrees", "products")
"""Keys of kernels for many labels alone; other such keys begin with `wide`."""
_ALL: _Range = (1, MAX_LABELS)
_FEW: _Range = (1, launch.SMALL_LABELS)
_WIDE: _Range = (launch.SMALL_LABELS + 1, MAX_LABELS)
_WITH_NAN = {"MASKED": False, "COMPLETE": False}
"""Any target may be missing; NaN alone marks it."""


@dataclass(frozen=True)
class Entry:
    """A cubin of the package.

    Attributes:
        key: the name by which the launcher looks it up.
        target: the compute capability, times ten.
        labels: the least and the most labels that it is for.
        samples: the least and the most samples.
        variant: what is compiled.
    """

    key: str
    target: int
    labels: tuple[int, int]
    samples: tuple[int, int]
    variant: Variant


@cache
def entries() -> tuple[Entry, ...]:
    """All cubins. Those of a target and key are for disjoint ranges of sizes."""
    return tuple(entry for target in TARGETS for entry in _of_target(target))


def _of_target(target: int) -> Iterator[Entry]:
    yield from _ranged("count", target, _ALL, lambda _, labels: launch.count(labels), _WITH_NAN)
    for measure, estimator in product(MEASURES, ("batch", "counts")):
        yield from _relations(target, measure, estimator)
    yield from _ranged("pack", target, _WIDE, launch.pack, {"MASKED": False})
    yield from _ranged("halves", target, _WIDE, lambda *size: _plan(*size, target).halves, {})
    yield from _ranged("degrees", target, _WIDE, lambda *size: _plan(*size, target).degrees, {})
    yield from _ranged("products", target, _WIDE, lambda *size: _plan(*size, target).products, {})
    for normalization, gradient in product(("all_pairs", "active_pairs"), ("total", "parts")):
        yield from _losses(target, normalization, gradient)


def _relations(target: int, measure: str, estimator: str) -> Iterator[Entry]:
    """The kernels that write codes."""
    of = f"{measure}/{estimator}"
    constants = {"MEASURE": measure, "SYMMETRIC": MEASURES[measure].symmetric, "ESTIMATOR": estimator}

    def wide(_: int, labels: int) -> Launch:
        return launch.wide_relation(labels, capability=target, measure=measure, estimator=estimator)

    def code(_: int, labels: int) -> Launch:
        return launch.code(labels, double=False)

    yield from _ranged(f"relation/{of}", target, _FEW, _relation, _WITH_NAN | constants)
    yield from _ranged(f"wide_relation/{of}", target, _WIDE, wide, constants)
    yield from _ranged(f"move_by_counts/{of}", target, _ALL, code, constants | {"MOVES": True})
    yield from _ranged(f"code/{of}", target, _ALL, code, constants | {"MOVES": False})


def _losses(target: int, normalization: str, gradient: str) -> Iterator[Entry]:
    of = f"{normalization}/{gradient}"
    constants = {
        "JOINT": True,
        "MASKED": False,
        "WEIGHTED": True,
        "POS_WEIGHTED": True,
        "ACTIVE_PAIRS": normalization == "active_pairs",
        "REDUCTION": "none",
        "GRADIENT": gradient,
    }

    def few(batch: int, labels: int) -> Launch:
        return launch.loss(batch, labels, double=False)

    yield from _ranged(f"loss/{of}", target, _FEW, few, constants | {"DTYPE": tl.float32})
    yield from _ranged(f"wide_loss/{of}", target, _WIDE, lambda *size: _plan(*size, target).loss, constants)


def _relation(batch: int, labels: int) -> Launch:
    return launch.relation(batch, labels, parts=PARTS)


@cache
def _plan(batch: int, num_labels: int, target: int) -> launch.Wide:
    return launch.wide_loss(batch, num_labels, capability=target)


def _ranged(key: str, target: int, labels: _Range, run: _Run, constants: Mapping[str, Any]) -> Iterator[Entry]:
    """A cubin for each range of sizes in which a launch has other blocks."""
    samples = ((0, launch.MANY_ROWS - 1), (launch.MANY_ROWS, MAX_EXACT_COUNT))

    def runs(number: int) -> list[Launch]:
        return [run(most, number) for _, most in samples]

    for of_labels in _alike(labels, lambda number: [compiler_options(one) for one in runs(number)]):
        few, many = runs(of_labels[0])
        if compiler_options(few) == compiler_options(many):
            choices = [(few, (0, MAX_EXACT_COUNT))]
        else:
            choices = list(zip((few, many), samples, strict=True))
        for choice, of_samples in choices:
            types = argument_types(choice, **_POINTERS)
            variant = Variant(key, choice, types, constants, (target,), any_size=True)
            yield Entry(key, target, of_labels, of_samples, variant)


def _alike(labels: _Range, what: Callable[[int], Any]) -> list[_Range]:
    """The ranges of sizes in which `what` has one value; between two sizes of equal value it must be constant."""
    first, last = labels
    if what(first) == what(last):
        return [labels]
    middle = (first + last) // 2
    ranges: list[_Range] = []
    for one in (*_alike((first, middle), what), *_alike((middle + 1, last), what)):
        if ranges and what(ranges[-1][0]) == what(one[0]):
            ranges[-1] = (ranges[-1][0], one[1])
        else:
            ranges.append(one)
    return ranges


def compiler_options(run: Launch) -> tuple[Any, ...]:
    """The part of a launch that the compiler sees."""
    return run.kernel.__name__, tuple(run.blocks.items()), tuple(run.options.items())
