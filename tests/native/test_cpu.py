"""The relation and the loss in native code, compared with NumPy's."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import numpy as np
import pytest

from obrl.algebra import coded_laplacians, joint_loss, relation_loss
from obrl.counts import count_pairs, pair_counts
from obrl.labels import read_labels
from obrl.measures import MEASURES
from obrl.namespace import NUMPY
from obrl.online import RelationState, select_pairs, update_state
from obrl.settings import Settings
from obrl_native import cpu
from obrl_native.build import SOURCES
from tests.native import calls
from tests.native.calls import KINDS, SIZES, Array, count, draw_targets, empty_state, loss, move
from tests.support import tolerances

MANY_ROWS = (20_000, 4)
"""Float32 cannot hold the square of so many rows."""


@pytest.fixture(scope="module")
def library() -> cpu.Library:
    return cpu.library()


def mask_of(observed: Array | None) -> Array | None:
    return None if observed is None else observed.astype(bool)


def numpy_counts(targets: Array, observed: Array | None, dtype: Any) -> Any:
    values = targets.astype(bool) if targets.dtype == np.uint8 else targets
    _, positive, known = read_labels(values, mask_of(observed))
    return pair_counts(NUMPY, positive.astype(dtype), None if known is None else known.astype(dtype), len(targets))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_counts_are_exact(library: cpu.Library, size: tuple[int, int], kind: str) -> None:
    targets, observed = draw_targets(np.random.default_rng(1), *size, kind)
    expected = count_pairs(targets, observed=mask_of(observed))
    assert np.array_equal(count(library, targets, observed), np.stack(expected[:3]))


@pytest.mark.parametrize("words", [31, 32, 70])
def test_counts_of_ones_alone(library: cpu.Library, words: int) -> None:
    """Bytes would overflow first where all labels are 1."""
    targets = np.ones((32 * words, 3), np.uint8)
    targets[:, 2] = 0
    expected = np.full((3, 3), len(targets)) * np.outer([1, 1, 0], [1, 1, 0])
    assert np.array_equal(count(library, targets, None)[1], expected)


def test_one_half_is_decided_in_the_dtype_of_the_targets(library: cpu.Library) -> None:
    targets = np.array([[0.5, 0.49999999999]])
    assert count(library, targets, None)[1].tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("measure", MEASURES)
def test_the_relation_is_that_of_numpy_to_the_bit(
    library: cpu.Library, measure: str, estimator: str, dtype: Any
) -> None:
    settings = Settings(decay=0.9, measure=measure, estimator=estimator, positive_threshold=0.6, negative_threshold=0.3)
    rng = np.random.default_rng(2)
    for size in (*SIZES, MANY_ROWS):
        for kind in KINDS:
            state = empty_state(size[1], settings, dtype)
            moved = empty_state(size[1], settings, dtype)
            by_counts = empty_state(size[1], settings, dtype)
            for _ in range(3):
                targets, observed = draw_targets(rng, *size, kind)
                state = update_state(NUMPY, state, numpy_counts(targets, observed, dtype), settings)
                code = move(library, moved, settings, targets, observed)
                move(library, by_counts, settings, counts=count(library, targets, observed))
            positive, negative = (part.astype(np.uint8) for part in select_pairs(NUMPY, state, settings))
            assert all(map(np.array_equal, moved, state))
            assert np.array_equal(code, positive + positive.T + 4 * (negative + negative.T))
            assert np.array_equal(code, move(library, moved, settings))  # which moves nothing
            assert all(map(np.array_equal, moved, state))
            assert all(map(np.array_equal, by_counts, state))


def test_averaged_counts_are_active_where_both_directions_are(library: cpu.Library) -> None:
    """Rounding may make the directions differ by little; here they differ by much."""
    settings = Settings(estimator="counts", positive_threshold=0.6, negative_threshold=0.4)
    rng = np.random.default_rng(4)
    s = rng.random((20, 20))
    r = s + rng.random((20, 20))
    n = 4 + rng.random((20, 20))
    state = RelationState(np.stack([n, s, r]), np.ones((20, 20)))
    positive, negative = (part.astype(np.uint8) for part in select_pairs(NUMPY, state, settings))
    code = move(library, state, settings)
    assert np.array_equal(code, 2 * positive + 8 * negative)
    assert code.any()


def reference(logits: Array, targets: Array | None, code: Array, arguments: dict[str, Any]) -> tuple[Any, Any]:
    """The algebra in float64."""
    pairs = coded_laplacians(NUMPY, code, normalization=arguments["normalization"], like=np.empty(()))
    x = logits.astype(np.float64)
    weight = arguments["sample_weight"]
    shared = {"reduction": arguments["reduction"], "rows": len(logits)}
    weight = None if weight is None else weight.astype(np.float64)[:, None]
    if targets is None:
        value, gradients = relation_loss(NUMPY, x, weight, pairs, gradient=arguments["gradient"] != "none", **shared)
        return [None, None, value], gradients
    known = ~np.isnan(targets) if targets.dtype.kind == "f" else np.ones(targets.shape, bool)
    if arguments["observed"] is not None:
        known &= arguments["observed"].astype(bool)
    pos_weight = arguments["pos_weight"]
    return joint_loss(
        NUMPY,
        x,
        np.where(known, targets, 0).astype(np.float64),
        known,
        weight,
        None if pos_weight is None else pos_weight.astype(np.float64)[None],
        pairs,
        alpha=0.7,
        gradient=arguments["gradient"],
        **shared,
    )


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
    library: cpu.Library, reduction: str, gradient: str, normalization: str, dtype: str
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
            for have, want in zip(terms, exact_terms, strict=True):
                if want is not None:
                    bound = tolerances.band(num_labels, want + of_pairs, dtype)
                    tolerances.assert_close("term", have, want, bound)
            for have, want in zip(gradients, exact_gradients, strict=False):
                tolerances.assert_close("gradient", have, want, tolerances.band(num_labels, of_slopes, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_change_nothing(library: cpu.Library, dtype: str) -> None:
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


def test_the_native_list_of_measures_is_that_of_obrl() -> None:
    """It has the same order, which numbers the measures, and the same symmetry."""
    entries = re.findall(r"each\((\w+), (\w+), (true|false)\)", (SOURCES / "measures.h").read_text())
    assert entries == [(name.upper(), name, str(measure.symmetric).lower()) for name, measure in MEASURES.items()]
    assert list(cpu.MEASURES.items()) == [(name, number) for number, name in enumerate(MEASURES)]


UNKNOWN = (-1, 99)


@pytest.mark.parametrize("number", [*UNKNOWN, len(MEASURES)])
def test_an_unknown_measure_is_refused(library: cpu.Library, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a batch, for counts and for codes alone; the relation stays as it is."""
    monkeypatch.setitem(cpu.MEASURES, "cosine", number)
    settings = Settings(measure="cosine")
    state = empty_state(2, settings, np.float32)
    targets = np.ones((3, 2), np.uint8)
    for batch in ({"targets": targets}, {"counts": count(library, targets, None)}, {}):
        with pytest.raises(ValueError, match="does not know this dtype, measure, reduction or choice of gradients"):
            move(library, state, settings, **batch)
    assert not state.relation_weight.any()


@pytest.mark.parametrize("number", UNKNOWN)
@pytest.mark.parametrize("name", ["UINT8", "FLOAT32", "mean", "total"])
def test_unknown_numbers_are_refused(
    library: cpu.Library, name: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dtypes of labels, of accumulators, of logits and of their targets; reductions and choices of gradients."""
    dtypes = {"UINT8": np.dtype(np.uint8), "FLOAT32": np.dtype(np.float32)}
    table, key = {"mean": (cpu.REDUCTIONS, "mean"), "total": (cpu.GRADIENTS, "total")}.get(
        name, (calls.DTYPES, dtypes.get(name))
    )
    monkeypatch.setitem(table, key, number)
    logits, targets, code = np.zeros((3, 2), np.float32), np.ones((3, 2), np.uint8), np.zeros((2, 2), np.uint8)
    refused = [lambda: loss(library, logits, targets, code)]
    if name in dtypes:
        values = targets.astype(dtypes[name])
        refused.append(lambda: count(library, values, None))
        refused.append(lambda: move(library, empty_state(2, Settings(), np.float32), Settings(), values))
    for call in refused:
        with pytest.raises(ValueError, match="does not know this dtype"):
            call()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_and_logarithm_are_accurate(library: cpu.Library, dtype: str) -> None:
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
def test_certain_predictions(library: cpu.Library, dtype: str) -> None:
    logits = np.array([[1e4], [-1e4]], dtype)
    (_, entropy, _), (slope, _) = loss(
        library, logits, np.ones((2, 1), np.uint8), np.zeros((1, 1), np.uint8), reduction="none"
    )
    assert entropy[1] == 1e4
    assert slope[1] == -1
    assert 0 <= entropy[0] < np.finfo(dtype).eps ** 4
    assert -(np.finfo(dtype).eps ** 4) < slope[0] <= 0


def test_a_label_without_an_active_pair_may_hold_anything(library: cpu.Library) -> None:
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
def test_what_is_not_finite_shows(library: cpu.Library, logit: float, target: int) -> None:
    logits = np.array([[logit, 1.0], [1.0, 1.0]], np.float32)
    code = np.array([[0, 2], [2, 0]], np.uint8)
    targets = np.full((2, 2), target, np.uint8)
    (total, _, relation), (gradient, _) = loss(library, logits, targets, code, reduction="none")
    right = (logit > 0) == bool(target) and not np.isnan(logit)
    assert not np.isfinite(total[0]) or right
    assert np.isfinite(total[1])
    assert np.isnan(gradient[0]).all() == np.isnan(logit) == np.isnan(relation[0])
    assert np.isfinite(gradient[1]).all()
