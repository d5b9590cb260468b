"""Properties of the relation over time: Eq. 1 against pandas, merging, masks and files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st
from numpy.typing import NDArray

from obrl import OBRLoss, OnlineBatchRelation, count_pairs
from obrl.measures import apply_measure
from obrl.namespace import NUMPY
from tests.support import strategies
from tests.support.cases import Batch, Case
from tests.support.compare import assert_same_state
from tests.support.tolerances import assert_close, assert_exact, band


def updated(case: Case, batches: tuple[Batch, ...] | None = None) -> OnlineBatchRelation:
    relation = OnlineBatchRelation(case.num_labels, **case.accumulation)
    for batch in case.batches if batches is None else batches:
        relation.update(batch.targets, observed=batch.observed)
    return relation


def batch_relations(case: Case) -> NDArray[np.float64]:
    """R_b of every batch, NaN where it is undefined."""
    relations = []
    for batch in case.batches:
        counts = count_pairs(batch.targets, observed=batch.observed)
        value, defined = apply_measure(NUMPY, case.measure, type(counts)(*(part * 1.0 for part in counts)))
        relations.append(np.where(defined, value, np.nan))
    return np.array(relations)


def take(batch: Batch, rows: NDArray[np.intp]) -> Batch:
    """Some rows of a batch, in an order."""
    return replace(
        batch,
        logits=batch.logits[rows],
        targets=batch.targets[rows],
        observed=None if batch.observed is None else batch.observed[rows],
        sample_weight=None if batch.sample_weight is None else batch.sample_weight[rows],
    )


@given(strategies.cases(max_batches=6, estimators=("batch",)))
def test_pandas_agrees_on_eq_1(case: Case) -> None:
    note(case.snippet())
    assume(case.decay < 1)  # ewm takes no alpha of 0
    flat = batch_relations(case).reshape(len(case.batches), -1)
    mean = pd.DataFrame(flat).ewm(alpha=1 - case.decay, adjust=True, ignore_na=True).mean()
    expected = mean.to_numpy()[-1].reshape(case.num_labels, case.num_labels)
    # 1 - (1 - decay) is not decay to the last bit, and pandas raises it to the number of batches.
    assert_close("relation", updated(case).relation, expected, band(4 * len(case.batches), 1.0))


@given(strategies.cases(max_batches=5, estimators=("counts",)))
def test_decay_1_measures_all_rows_at_once(case: Case) -> None:
    note(case.snippet())
    case = replace(case, decay=1.0)
    rows = [
        batch.targets.astype(np.float64)
        if batch.observed is None
        else np.where(batch.observed, batch.targets.astype(np.float64), np.nan)
        for batch in case.batches
    ]
    whole = replace(case, batches=(Batch(np.concatenate(rows), np.concatenate(rows)),))
    assert_exact("sum", updated(case).relation_sum, updated(whole).relation_sum)
    assert_exact("relation", updated(case).relation, updated(whole).relation)


@given(case=strategies.cases(max_batches=5), split=st.integers(0, 5))
def test_split_and_merge_is_the_whole(case: Case, split: int) -> None:
    note(case.snippet())
    first, second = updated(case, case.batches[:split]), updated(case, case.batches[split:])
    before = first.relation_sum
    merged, whole = first.merge(second), updated(case)
    steps = 4 * len(case.batches)
    assert_close("sum", merged.relation_sum, whole.relation_sum, band(steps, _size(whole)))
    assert_close("weight", merged.relation_weight, whole.relation_weight, band(steps, whole.relation_weight))
    assert_exact("the first part", first.relation_sum, before)


def _size(relation: OnlineBatchRelation) -> NDArray[np.float64]:
    """What relation_sum adds up: relations of size at most 1, or counts."""
    return np.maximum(np.abs(relation.relation_sum), relation.relation_weight)


@given(case=strategies.cases(max_batches=1), data=st.data())
def test_a_masked_row_is_a_removed_row(case: Case, data: st.DataObject) -> None:
    """For the relation and the sum of L_E; not for L_B, which acts on every prediction, nor for K."""
    (batch,) = case.batches
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=batch.size, max_size=batch.size)), bool)
    observed = np.ones(batch.targets.shape, bool) if batch.observed is None else batch.observed
    masked = replace(batch, observed=observed & keep[:, None])
    removed = take(batch, np.flatnonzero(keep))
    assert_same_state(updated(case, (masked,)), updated(case, (removed,)))
    arguments = {**case.arguments, "reduction": "sum"}
    entropies = [
        OBRLoss(case.num_labels, **arguments)
        .terms(part.logits, part.targets, observed=part.observed, sample_weight=part.sample_weight)
        .cross_entropy
        for part in (masked, removed)
    ]
    size = 2 * np.maximum(np.abs(batch.logits), 1).sum() * 4 * 4  # pos_weight and sample_weight are at most 3
    assert_close("L_E", entropies[0], entropies[1], band(max(batch.logits.size, 1), size))


@given(case=strategies.cases(), suffix=st.sampled_from(["relation.npz", "relation"]))
def test_saving_and_loading_in_between_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, case: Case, suffix: str
) -> None:
    path = Path(tmp_path_factory.mktemp("saved")) / suffix
    straight = OBRLoss(case.num_labels, **case.arguments)
    resumed = OBRLoss(case.num_labels, **case.arguments)
    for batch in case.batches:
        resumed.save_relation(path)
        resumed = OBRLoss(case.num_labels, **case.arguments, relation=path)
        losses = [loss(batch.logits, batch.targets, observed=batch.observed) for loss in (straight, resumed)]
        assert_exact("loss", losses[1], losses[0])
        assert_same_state(straight, resumed)


@given(strategies.cases())
def test_reset_forgets(case: Case) -> None:
    relation = updated(case)
    relation.reset()
    assert_same_state(relation, OnlineBatchRelation(case.num_labels, **case.accumulation))
    assert np.isnan(relation.relation).all()


def test_views_are_copies() -> None:
    relation = OnlineBatchRelation(2).update([[1, 1], [0, 0]])
    for name in ("relation", "relation_sum", "relation_weight"):
        getattr(relation, name)[:] = 7
        assert (getattr(relation, name) == 1).all()


def test_a_rare_label_keeps_its_evidence() -> None:
    """A label that 5,000 batches say nothing about has the relation that it had before them."""
    relation = OnlineBatchRelation(2, decay=0.9).update([[1, 1], [0, 0]])
    for _ in range(5000):
        relation.update([[1, 0], [0, 0]])
    assert_exact("relation", relation.relation[0, 1], 1.0)
    assert_exact("weight", relation.relation_weight[0, 1], 1.0)
