"""What NumPy's losses ask of a function in place of Eq. 4, and show of it; `ignore_index` beside the losses."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl import OBRLoss, OnlineBatchRelation, RelationLoss, count_pairs
from obrl.monitor import Monitor
from tests.support.bad_inputs import GOOD_LOGITS, GOOD_TARGETS, NUM_LABELS
from tests.support.other_losses import with_slopes
from tests.support.tolerances import assert_close, assert_exact, band

BCE = with_slopes()["bce"]
MARKED = np.where(np.arange(15).reshape(5, 3) % 4 == 1, -1, GOOD_TARGETS)
UNKNOWN = np.where(MARKED == -1, np.nan, MARKED)


def scaled(x: Any, y: Any, factor: float = 1.0) -> Any:
    return tuple(factor * part for part in BCE(x, y))


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x, y: None, TypeError, "got NoneType: it ends without `return`"),
        (lambda x, y: BCE(x, y)[0], TypeError, "two arrays, the losses and their gradients .*, got ndarray"),
        (lambda x, y: (*BCE(x, y), x), TypeError, "two arrays"),
        (lambda x, y: (BCE(x, y)[0].sum(1), x), ValueError, r"losses of shape .* = \(5, 3\), .* got \(5,\)"),
        (lambda x, y: (x, x.sum()), ValueError, r"gradients of shape .* = \(5, 3\), .* got \(\)"),
        (lambda x, y: (x.astype(np.float32), x), TypeError, "losses in the dtype .* float64, got float32"),
        (lambda x, y: (x, y > 0), TypeError, "gradients in the dtype .* float64, got bool"),
    ],
)
def test_what_a_function_must_return(function: Any, error: type[Exception], message: str) -> None:
    criterion = OBRLoss(NUM_LABELS, cross_entropy=function)
    for method in (criterion, criterion.terms, criterion.value_and_grad):
        with pytest.raises(error, match=message):
            method(GOOD_LOGITS, GOOD_TARGETS)
        assert not criterion.relation_weight.any()


def test_a_function_gets_float64_without_nan() -> None:
    seen: list[Any] = []

    def spy(x: Any, y: Any) -> Any:
        seen.extend((x, y))
        return BCE(x, y)

    OBRLoss(NUM_LABELS, cross_entropy=spy)(GOOD_LOGITS.astype(np.float32), UNKNOWN.astype(np.float32))
    logits, targets = seen
    assert logits.dtype == targets.dtype == np.float64
    assert_exact("logits", logits, GOOD_LOGITS)
    assert_exact("targets", targets, np.nan_to_num(UNKNOWN))


def test_terms_and_repr() -> None:
    """The function changes L_E and nothing else; the criterion shows its name."""
    plain, twice = OBRLoss(NUM_LABELS), OBRLoss(NUM_LABELS, cross_entropy=partial(scaled, factor=2.0))
    expected, terms = plain.terms(GOOD_LOGITS, GOOD_TARGETS), twice.terms(GOOD_LOGITS, GOOD_TARGETS)
    assert_close("L_E", terms.cross_entropy, 2 * expected.cross_entropy, band(15, 9.0))
    assert_exact("L_B", terms.relation_loss, expected.relation_loss)
    assert_close("L", terms.total, terms.cross_entropy + 0.5 * terms.relation_loss, band(2, 9.0))
    assert_exact("state", twice.relation_sum, plain.relation_sum)
    assert repr(twice).startswith("OBRLoss(3, cross_entropy=scaled, ")
    assert repr(OBRLoss(3, cross_entropy=lambda x, y: x)).startswith("OBRLoss(3, cross_entropy=<lambda>, ")
    assert repr(OBRLoss(3, cross_entropy=Callable())).startswith("OBRLoss(3, cross_entropy=Callable, ")
    assert "cross_entropy" not in repr(plain)
    assert repr(RelationLoss(3, ignore_index=-1)).startswith("RelationLoss(3, ignore_index=-1, ")
    assert repr(OnlineBatchRelation(3, ignore_index=255)) == "OnlineBatchRelation(3, ignore_index=255)"


class Callable:
    """A function with settings of its own."""

    def __call__(self, x: Any, y: Any) -> Any:
        return BCE(x, y)


def test_a_relation_by_itself_ignores_the_number_too(tmp_path: Path) -> None:
    relation = OnlineBatchRelation(NUM_LABELS, ignore_index=-1).update(MARKED)
    expected = OnlineBatchRelation(NUM_LABELS).update(UNKNOWN)
    assert_exact("the relation", relation.relation_sum, expected.relation_sum)
    assert relation.to_numpy().ignore_index == relation.merge(expected).ignore_index == -1
    relation.save(tmp_path / "relation.npz")
    assert OnlineBatchRelation.load(tmp_path / "relation.npz").ignore_index is None  # it says how targets are coded
    assert OBRLoss(NUM_LABELS, ignore_index=-1).to_numpy().ignore_index == -1


@pytest.mark.parametrize("method", ["condition", "suspicion", "query_scores"])
def test_what_is_asked_of_a_relation_takes_the_same_targets(method: str) -> None:
    """Integers with marks, beside `observed` or a NumPy mask; floats with NaN mean what they always do."""
    criterion = RelationLoss(NUM_LABELS, ignore_index=-1)
    criterion(GOOD_LOGITS, MARKED)
    p = np.full(MARKED.shape, 0.5)
    ask = getattr(criterion, method)
    expected = ask(p, UNKNOWN)
    assert np.array_equal(ask(p, MARKED), expected)
    assert np.array_equal(ask(p, np.ma.masked_equal(MARKED, -1)), expected)
    mask = np.arange(15).reshape(5, 3) != 2
    assert np.array_equal(ask(p, MARKED, observed=mask), ask(p, UNKNOWN, observed=mask))


def test_a_monitor_reads_the_marks_and_leaves_a_function_out() -> None:
    shares = {}
    for name, settings, targets in (
        ("NaN", {}, UNKNOWN),
        ("marks", {"ignore_index": -1}, MARKED),
        ("function", {"cross_entropy": BCE}, UNKNOWN),
    ):
        criterion = OBRLoss(NUM_LABELS, **settings)
        criterion(GOOD_LOGITS, targets)
        measured = Monitor([], every=1).log(1, criterion, logits=GOOD_LOGITS, targets=targets)
        assert measured is not None
        shares[name] = measured[2:]
    assert shares["marks"] == shares["NaN"]
    assert all(share != share for share in shares["function"])  # NaN: not measured


@pytest.mark.parametrize(
    ("targets", "remedies"),
    [
        (
            [[1, -1]],
            ["ignore_index=-1 of the loss", "NaN (floating", "observed=targets != -1", "(targets + 1) / 2"],
        ),
        ([[1, 255]], ["ignore_index=255 of the loss", "observed=targets != 255"]),
        ([[1.0, 1.5]], ["got values from 1 to 1.5. Missing targets are NaN, or have observed=False"]),
        ([[1.0, np.inf]], ["Missing targets are NaN"]),
        ([[0, 100.0], [50.0, 30]], ["Several numbers lie outside", "targets / 100", "missing ones are NaN"]),
        ([[0, 7], [1, 3]], ["Several numbers lie outside"]),
        ([[-1, 255], [1, 0]], ["Several numbers lie outside"]),
        ([[np.nan, -1.0], [-1.0, 0]], ["If -1 means missing: ignore_index=-1"]),
    ],
)
def test_targets_out_of_range_name_the_remedy(targets: Any, remedies: list[str]) -> None:
    for call in (count_pairs, OnlineBatchRelation(2).update):
        with pytest.raises(ValueError, match="targets must lie in") as caught:
            call(targets)
        assert all(remedy in str(caught.value) for remedy in remedies)
        assert ("ignore_index" in str(caught.value)) == any("ignore_index" in remedy for remedy in remedies)
