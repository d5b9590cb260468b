"""The operators that the kernels are registered as, interpreted on a CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from obrl.algebra import PairLaplacians, coded_laplacians
from obrl.measures import MEASURES
from obrl.problem import Problem, evaluate
from obrl.torch import OnlineBatchRelation
from obrl_torch import fused, operators
from obrl_torch.kernels import launch
from obrl_torch.namespace import TORCH
from tests.torch.test_fused import LABELS, ROWS, batch, generator

SETTINGS = (0.9, 0.7, 0.3, "unit_pearson", "batch")
DTYPES = (torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64)


def state(labels: int = LABELS, estimator: str = "batch", dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    shape = (3, labels, labels) if estimator == "counts" else (labels, labels)
    return torch.zeros(shape, dtype=dtype), torch.zeros(labels, labels, dtype=dtype)


def arrivals() -> Tensor:
    return torch.zeros(launch.most_arrivals(), dtype=torch.int32)


def loss(
    codes: tuple[Tensor, ...],
    gradient: str = "total",
    reduction: str = "mean",
    dtype: torch.dtype = torch.float32,
    **changes: Any,
) -> tuple[Tensor, ...]:
    logits, targets, observed = batch()
    arguments = {"logits": logits, "targets": targets, "observed": observed, **changes}
    return operators.loss_terms(
        arguments["logits"],
        arguments["targets"],
        arguments["observed"],
        arguments.get("sample_weight"),
        arguments.get("pos_weight"),
        *codes,
        0.5,
        "active_pairs",
        reduction,
        gradient,
        dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_counts_are_exact(dtype: torch.dtype, masked: bool) -> None:
    _, targets, mask = batch(rows=130, labels=70)
    known = mask if masked else torch.ones_like(mask)
    y, o = (targets & known).double(), known.double()
    counts = operators.count_pairs(targets.to(dtype), mask if masked else None)
    assert torch.equal(counts.double(), torch.stack([o.T @ o, y.T @ y, y.T @ o]))


@pytest.mark.parametrize(("value", "counted"), [(0.5, 1.0), (0.49999999, 0.0)])
def test_one_half_is_decided_in_the_dtype_of_the_targets(value: float, counted: float) -> None:
    targets = torch.full((1, 1), value, dtype=torch.float64)
    assert operators.count_pairs(targets, None)[1].item() == counted


WHOLES = [
    *((measure, ROWS, labels) for measure in MEASURES for labels in (1, 33)),
    *((measure, *size) for measure in ("unit_pearson", "conditional") for size in ((150, 20), (ROWS, 130))),
]


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize(("measure", "rows", "labels"), WHOLES)
def test_two_halves_are_the_whole(measure: str, estimator: str, rows: int, labels: int) -> None:
    """Counting and moving in two launches, as several processes do, equals one launch to the bit."""
    _, targets, mask = batch(rows, labels)
    whole, halves = state(labels, estimator), state(labels, estimator)
    settings = (0.9, 0.7, 0.3, measure, estimator)
    for _ in range(2):
        code, active, _ = operators.move_relation(targets, mask, *whole, arrivals(), *settings)
        split = operators.move_by_counts(operators.count_pairs(targets, mask), *halves, *settings)
        again = operators.code_pairs(*whole, *settings[1:])
        assert all(map(torch.equal, whole, halves))
        for other_code, other_active, counter in (split, again):
            assert torch.equal(code, other_code)
            assert (active.sum(), counter.item()) == (other_active.sum(), 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize(("rows", "labels"), [(ROWS, 70), (150, 20), (ROWS, 130)])
def test_every_tile_moves(estimator: str, dtype: torch.dtype, rows: int, labels: int) -> None:
    _, targets, mask = batch(rows, labels)
    moved, arrived = state(labels, estimator, dtype), arrivals()
    plain = OnlineBatchRelation(labels, decay=0.9, estimator=estimator).to(dtype)
    for _ in range(2):
        operators.move_relation(targets, mask, *moved, arrived, 0.9, 0.7, 0.3, "unit_pearson", estimator)
        plain.update(targets, observed=mask)
    torch.testing.assert_close(moved, (plain.relation_sum, plain.relation_weight))
    assert not arrived.any()


def test_room_for_arrivals() -> None:
    assert launch.most_arrivals() == fused.MOST_ARRIVALS == launch.relation(150, launch.SMALL_LABELS).grid[0]


@pytest.mark.parametrize("labels", [19, 33, 300])
def test_the_active_pairs_are_counted(labels: int) -> None:
    _, targets, _ = batch(labels=labels)
    code, active, counter = operators.move_relation(targets, None, *state(labels), arrivals(), *SETTINGS)
    assert not code[:, labels:].any()
    code = code[:, :labels]
    halves = (code & 3).sum() + (code >> 2).sum()
    assert (active.sum(), counter.item()) == (halves, 0)
    assert halves > 0
    assert torch.equal(code, code.T)
    assert not code.diagonal().any()


def by_the_algebra(
    logits: Tensor, targets: Tensor, observed: Tensor | None, code: Tensor
) -> tuple[list[Tensor], Tensor]:
    """The terms and the gradient of L in float64."""
    like = torch.zeros((), dtype=torch.float64)
    pairs: PairLaplacians = coded_laplacians(TORCH, code, normalization="active_pairs", like=like)
    problem = Problem(targets.double(), observed, None, None, pairs, 0.5, "mean", len(logits))
    terms, (slope,) = evaluate(TORCH, logits.double(), problem, gradients_of="total")
    return list(terms), slope


@pytest.mark.parametrize(("labels", "dtype"), [(70, torch.float32), (70, torch.float64), (130, torch.float32)], ids=str)
def test_a_loss_of_several_tiles_is_that_of_the_algebra(labels: int, dtype: torch.dtype) -> None:
    """Also where several programs share the products of a tile."""
    if labels > launch.SMALL_LABELS:
        assert launch.wide_loss(ROWS, labels, capability=launch.HOPPER).parts > 1
    else:
        assert launch.loss(ROWS, labels, double=dtype == torch.float64).grid[1] > 1
    logits, targets, mask = batch(labels=labels)
    codes = operators.move_relation(targets, mask, *state(labels), arrivals(), *SETTINGS)
    *terms, gradient, _ = loss(codes, dtype=dtype, logits=logits.to(dtype), targets=targets, observed=mask)
    code = codes[0][:, :labels]
    expected, slope = by_the_algebra(logits.to(dtype), targets, mask, code)
    assert code.any()
    torch.testing.assert_close(torch.stack(terms), torch.stack(expected).to(dtype))
    torch.testing.assert_close(gradient, slope.to(dtype))


def test_the_same_every_time() -> None:
    codes = operators.move_relation(*batch()[1:], *state(), arrivals(), *SETTINGS)
    first, second = loss(codes), loss(codes)
    assert all(map(torch.equal, first, second))
    assert codes[2].item() == 0


def test_a_gradient_that_is_not_asked_for_takes_no_memory() -> None:
    codes = operators.move_relation(*batch()[1:], *state(), arrivals(), *SETTINGS)
    sizes = {
        gradient: tuple(part.numel() for part in loss(codes, gradient)[3:]) for gradient in ("none", "total", "parts")
    }
    full = ROWS * LABELS
    assert sizes == {"none": (0, 0), "total": (full, 0), "parts": (full, full)}


def test_opcheck() -> None:
    """Schemas, fake tensors and mutation are as declared, with symbolic shapes too."""
    logits, targets, mask = batch()
    codes = operators.move_relation(targets, mask, *state(), arrivals(), *SETTINGS)
    weights = (torch.rand(ROWS, generator=generator(6)), torch.rand(LABELS, generator=generator(7)))
    tests = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")
    for operator, arguments in (
        (operators.count_pairs, (targets, mask)),
        (operators.move_relation, (targets, None, *state(), arrivals(), *SETTINGS)),
        (operators.move_by_counts, (operators.count_pairs(targets, None), *state(), *SETTINGS)),
        (operators.code_pairs, (*state(), *SETTINGS[1:])),
        *(
            (operators.loss_terms, (logits, labels, None, *weights, *codes, 0.5, "all_pairs", *how, torch.float32))
            for labels in (targets, None)
            for how in (("mean", "total"), ("none", "parts"), ("sum", "none"))
        ),
    ):
        result = torch.library.opcheck(operator, arguments, test_utils=tests)
        assert set(result.values()) == {"SUCCESS"}, (operator, result)


def test_the_tests_reach_every_block_size() -> None:
    """The sizes of these tests have several tiles of each kernel."""
    assert launch.relation(ROWS, 33).grid == (6, 1)
    assert launch.relation(150, 33).grid == (6, 4)
    assert launch.wide_relation(130, capability=launch.HOPPER, measure="pearson", estimator="batch").grid[0] > 1
    assert launch.loss(ROWS, LABELS, double=False).grid[0] > 1
