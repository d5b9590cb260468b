"""The loss in native code, compared with the algebra in NumPy."""

from __future__ import annotations

import ctypes
from itertools import product
from typing import Any

import numpy as np
import pytest

from obrl.algebra import coded_laplacians
from obrl.namespace import NUMPY
from obrl.problem import Problem, evaluate
from obrl.settings import Settings
from tests.native.calls import KINDS, SIZES, Array, count, draw_targets, empty_state, loss, move
from tests.support import tolerances


def reference(logits: Array, targets: Array | None, code: Array, arguments: dict[str, Any]) -> tuple[Any, Any]:
    """The algebra in float64."""
    pairs = coded_laplacians(NUMPY, code, normalization=arguments["normalization"], like=np.empty(()))
    x = logits.astype(np.float64)
    weight = arguments["sample_weight"]
    weight = None if weight is None else weight.astype(np.float64)[:, None]
    options = (pairs, 0.7, arguments["reduction"], len(logits))
    if targets is None:
        problem = Problem(None, None, weight, None, *options)
        (value,), gradients = evaluate(NUMPY, x, problem, gradients_of=arguments["gradient"])
        return [None, None, value], gradients
    known = ~np.isnan(targets) if targets.dtype.kind == "f" else np.ones(targets.shape, bool)
    if arguments["observed"] is not None:
        known &= arguments["observed"].astype(bool)
    pos_weight = arguments["pos_weight"]
    pos_weight = None if pos_weight is None else pos_weight.astype(np.float64)[None]
    y = np.where(known, targets, 0).astype(np.float64)
    return evaluate(NUMPY, x, Problem(y, known, weight, pos_weight, *options), gradients_of=arguments["gradient"])


def draw_code(rng: np.random.Generator, num_labels: int, share: float) -> Array:
    """Codes of pairs with random weights, of which a share is active."""
    weights = rng.integers(1, 3, (num_labels, num_labels)) * rng.choice([1, 4], (num_labels, num_labels))
    upper = np.triu(weights * (rng.random((num_labels, num_labels)) < share), 1)
    return (upper + upper.T).astype(np.uint8)


CHOICES = [
    ("mean", "total", "all_pairs"),
    ("sum", "parts", "active_pairs"),
    ("none", "total", "active_pairs"),
    ("none", "parts", "all_pairs"),
    ("mean", "none", "active_pairs"),
]


def sizes(logits: Array, code: Array, arguments: dict[str, Any]) -> tuple[Any, Array]:
    """The sums of the absolute terms of L_B and of the gradient, at most; a pair adds at most its weights."""
    of_label = ((code & 3) + 2.0 * (code >> 2)).sum(axis=1)
    active = 0.5 * ((code & 3) + (code >> 2)).sum()
    divisor = 2 * (max(active, 1) if arguments["normalization"] == "active_pairs" else code.shape[0] ** 2)
    weight = (
        np.ones(len(logits)) if arguments["sample_weight"] is None else arguments["sample_weight"].astype(np.float64)
    )
    share = weight / max(len(logits), 1) if arguments["reduction"] == "mean" else weight
    label_weight = 1 if arguments["pos_weight"] is None else 1 + arguments["pos_weight"].astype(np.float64)
    of_pairs = share * (active / divisor)
    return (
        of_pairs if arguments["reduction"] == "none" else of_pairs.sum(),
        share[:, None] * (label_weight + 2 * of_label / divisor),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("reduction", "gradient", "normalization"), CHOICES)
def test_the_loss_is_that_of_the_algebra(
    library: ctypes.CDLL, reduction: str, gradient: str, normalization: str, dtype: str
) -> None:
    """Within rounding."""
    rng = np.random.default_rng(3)
    for rows, num_labels in SIZES:
        for share, kind in product((0.0, 0.05, 1.0), (*KINDS, None)):
            targets, observed = (None, None) if kind is None else draw_targets(rng, rows, num_labels, kind)
            if targets is not None and kind != "bytes":
                targets = targets.astype(dtype)
            arguments: dict[str, Any] = {
                "observed": observed,
                "sample_weight": rng.random(rows).astype(dtype) if share else None,
                "pos_weight": rng.random(num_labels).astype(dtype) if kind != "bytes" else None,
                "reduction": reduction,
                "gradient": gradient,
                "normalization": normalization,
            }
            logits = (4 * rng.standard_normal((rows, num_labels))).astype(dtype)
            code = draw_code(rng, num_labels, share)
            terms, gradients = loss(library, logits, targets, code, alpha=0.7, **arguments)
            exact_terms, exact_gradients = reference(logits, targets, code, arguments)
            of_pairs, of_slopes = sizes(logits, code, arguments)
            for result, exact in zip(terms, exact_terms, strict=True):
                if exact is not None:
                    bound = tolerances.band(num_labels, exact + of_pairs, dtype)
                    tolerances.assert_close("term", result, exact, bound)
            for result, exact in zip(gradients, exact_gradients, strict=False):
                tolerances.assert_close("gradient", result, exact, tolerances.band(num_labels, of_slopes, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_change_nothing(library: ctypes.CDLL, dtype: str) -> None:
    """At a size with enough work for several threads."""
    rng = np.random.default_rng(5)
    targets, _ = draw_targets(rng, 600, 300, "bytes")
    logits = rng.standard_normal(targets.shape).astype(dtype)
    code = draw_code(rng, 300, 1.0)
    settings = Settings(positive_threshold=0.6, negative_threshold=0.3)
    results = []
    for threads in (1, 2, 3):
        state = empty_state(300, settings, dtype)
        moved = move(library, state, settings, targets, threads=threads)
        counts = count(library, targets, None, threads)
        terms, gradients = loss(library, logits, targets, code, gradient="parts", threads=threads)
        results.append((*state, moved, counts, *terms, *gradients))
    for other in results[1:]:
        assert all(map(np.array_equal, results[0], other))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_and_logarithm_are_accurate(library: ctypes.CDLL, dtype: str) -> None:
    """Cross-entropy and its gradient are within some units in the last place, even where they are small."""
    logits = np.concatenate([np.linspace(-80, 80, 4001), np.linspace(-1e-3, 1e-3, 41)]).astype(dtype)[:, None]
    x = logits.astype(np.longdouble)
    small = np.exp(-np.abs(x))
    for target in (0, 1):
        targets = np.full(logits.shape, target, np.uint8)
        (_, entropy, _), (slope, _) = loss(library, logits, targets, np.zeros((1, 1), np.uint8), reduction="none")
        wrong = -x if target else x  # the loss grows with it
        exact = np.maximum(wrong, 0) + np.log1p(small)
        tolerances.assert_close("entropy", entropy, exact[:, 0], tolerances.band(0, exact[:, 0], dtype))
        exact = np.where(wrong > 0, 1, small) / (1 + small) * (-1 if target else 1)
        tolerances.assert_close("slope", slope, exact, tolerances.band(0, exact, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_certain_predictions(library: ctypes.CDLL, dtype: str) -> None:
    logits = np.array([[1e4], [-1e4]], dtype)
    (_, entropy, _), (slope, _) = loss(
        library, logits, np.ones((2, 1), np.uint8), np.zeros((1, 1), np.uint8), reduction="none"
    )
    assert entropy[1] == 1e4
    assert slope[1] == -1
    assert 0 <= entropy[0] < np.finfo(dtype).eps ** 4
    assert -(np.finfo(dtype).eps ** 4) < slope[0] <= 0


def test_a_label_without_an_active_pair_may_hold_anything(library: ctypes.CDLL) -> None:
    logits = np.array([[1.0, np.nan, -1.0]])
    code = np.array([[0, 0, 2], [0, 0, 0], [2, 0, 0]], np.uint8)
    (_, _, value), (gradient, _) = loss(library, logits, None, code)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    (total, _, _), (gradient, _) = loss(library, logits, np.zeros((1, 3), np.uint8), code)
    assert np.isnan(total)
    assert np.isnan(gradient).tolist() == [[False, True, False]]


@pytest.mark.parametrize("logit", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("target", [0, 1])
def test_what_is_not_finite_shows(library: ctypes.CDLL, logit: float, target: int) -> None:
    logits = np.array([[logit, 1.0], [1.0, 1.0]], np.float32)
    code = np.array([[0, 2], [2, 0]], np.uint8)
    targets = np.full((2, 2), target, np.uint8)
    (total, _, relation), (gradient, _) = loss(library, logits, targets, code, reduction="none")
    right = (logit > 0) == bool(target) and not np.isnan(logit)
    assert not np.isfinite(total[0]) or right
    assert np.isfinite(total[1])
    assert np.isnan(gradient[0]).all() == np.isnan(logit) == np.isnan(relation[0])
    assert np.isfinite(gradient[1]).all()
