"""RelationMiner against numpy.corrcoef, pandas' moving averages and NumPy's relation, and in scikit-learn's manner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.utils.estimator_checks import (
    check_dont_overwrite_parameters,
    check_estimator_cloneable,
    check_estimators_fit_returns_self,
    check_fit_check_is_fitted,
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
)
from sklearn.utils.validation import check_is_fitted

from obrl import OBRLoss, OnlineBatchRelation, count_pairs
from obrl.mining import MiningError, RelationMiner, TableError
from obrl.mining.tables import open_tables

NAMES = ("Hat", "Beard", "Glasses", "Bald")
Flags = npt.NDArray[np.bool_]


@pytest.fixture(scope="module")
def targets() -> npt.NDArray[np.int64]:
    rng = np.random.default_rng(0)
    y = (rng.random((1003, 4)) < [0.5, 0.3, 0.4, 0.1]).astype(np.int64)
    y[:, 1] |= y[:, 0] & (rng.random(1003) < 0.5)
    return y


def test_phi_is_the_correlation_of_the_whole_table(targets: npt.NDArray[np.int64]) -> None:
    miner = RelationMiner().fit(targets)
    np.testing.assert_allclose(miner.phi_, np.corrcoef(targets.T), rtol=0, atol=1e-12)
    np.testing.assert_allclose(miner.relation_, (1 + np.corrcoef(targets.T)) / 2, rtol=0, atol=1e-12)
    for field, expected in zip(miner.counts_, count_pairs(targets), strict=True):
        np.testing.assert_array_equal(field, expected)


def test_missing_labels_are_left_out_pair_by_pair(targets: npt.NDArray[np.int64]) -> None:
    observed = np.random.default_rng(1).random(targets.shape) < 0.7
    frame = pd.DataFrame(np.where(observed, targets, np.nan))
    expected = frame.corr().to_numpy()
    for miner in (RelationMiner().fit(frame), RelationMiner().fit(targets, observed=observed)):
        np.testing.assert_allclose(miner.phi_, expected, rtol=0, atol=1e-12)


def test_batches_are_averaged_as_pandas_does(targets: npt.NDArray[np.int64]) -> None:
    miner = RelationMiner(decay=0.99, estimator="batch", measure="pearson", batch_size=64).fit(targets)
    with np.errstate(invalid="ignore", divide="ignore"):
        batches = np.array([np.corrcoef(targets[k : k + 64].T) for k in range(0, len(targets), 64)])
    for i in range(4):
        for j in range(4):
            average = pd.Series(batches[:, i, j]).ewm(alpha=0.01, adjust=True, ignore_na=True).mean().iloc[-1]
            assert miner.relation_[i, j] == pytest.approx(average, abs=1e-10)


@pytest.mark.parametrize("settings", [{}, {"decay": 0.9}, {"decay": 0.9, "estimator": "batch", "measure": "jaccard"}])
@pytest.mark.parametrize("size", [1, 50, 64, 400])
def test_rows_in_pieces_are_rows_at_once(targets: npt.NDArray[np.int64], settings: dict[str, Any], size: int) -> None:
    pieces = RelationMiner(batch_size=64, **settings)
    for start in range(0, 300, size):
        pieces.partial_fit(targets[start : start + size][: 300 - start])
    relation = OnlineBatchRelation(
        4,
        decay=settings.get("decay", 1.0),
        estimator=settings.get("estimator", "counts"),
        measure=settings.get("measure", "unit_pearson"),
    )
    for start in range(0, 300, 64):
        relation.update(targets[start : min(300, start + 64)])
    np.testing.assert_allclose(pieces.relation_, relation.relation, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(pieces.counts_.s, count_pairs(targets[:300]).s)
    assert pieces.table_counts_.rows == 300


def test_the_relation_equals_that_of_an_online_relation_in_every_accumulator(targets: npt.NDArray[np.int64]) -> None:
    mined = RelationMiner(batch_size=100).fit(targets).to_numpy()
    online = OnlineBatchRelation(4, decay=1, estimator="counts")
    for start in range(0, len(targets), 100):
        online.update(targets[start : start + 100])
    np.testing.assert_array_equal(mined.relation_sum, online.relation_sum)
    np.testing.assert_array_equal(mined.relation_weight, online.relation_weight)


@pytest.mark.parametrize(
    "table",
    [
        lambda y: pd.DataFrame(y, columns=list(NAMES)),
        lambda y: pd.DataFrame(y, columns=list(NAMES)).astype("boolean"),
        lambda y: pl.DataFrame(y, schema=list(NAMES)),
        lambda y: pa.table(dict(zip(NAMES, y.T, strict=True))),
    ],
    ids=["pandas", "pandas nullable", "polars", "arrow"],
)
def test_data_frames_give_names(targets: npt.NDArray[np.int64], table: Any) -> None:
    miner = RelationMiner().fit(table(targets))
    assert miner.label_names_in_ == NAMES
    np.testing.assert_array_equal(miner.counts_.s, count_pairs(targets).s)


@pytest.mark.parametrize(
    "table",
    [
        lambda y, m: pd.DataFrame(y, columns=list(NAMES)).astype("Int8").mask(~m),
        lambda y, m: pl.DataFrame(np.where(m, y, np.nan), schema=list(NAMES)).fill_nan(None),
        lambda y, m: pa.table({name: pa.array(y[:, k], mask=~m[:, k]) for k, name in enumerate(NAMES)}),
        lambda y, m: np.ma.masked_array(y, ~m),
    ],
    ids=["pandas", "polars", "arrow", "masked"],
)
def test_nulls_are_missing(targets: npt.NDArray[np.int64], table: Any) -> None:
    observed = np.random.default_rng(2).random(targets.shape) < 0.8
    miner = RelationMiner().fit(table(targets, observed))
    for field, expected in zip(miner.counts_, count_pairs(targets, observed=observed), strict=True):
        np.testing.assert_array_equal(field, expected)


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_array, sp.coo_matrix])
def test_sparse_matrices_are_counted_without_missing_labels(targets: npt.NDArray[np.int64], form: Any) -> None:
    for settings in ({}, {"decay": 0.9, "estimator": "batch"}):
        sparse, dense = (RelationMiner(**settings).fit(table) for table in (form(targets), targets))
        np.testing.assert_array_equal(sparse.relation_, dense.relation_)


def test_a_file_holds_all_of_it(targets: npt.NDArray[np.int64], tmp_path: Path) -> None:
    observed = np.random.default_rng(3).random(targets.shape) < 0.8
    groups = np.arange(len(targets)) // 5
    miner = RelationMiner(decay=0.9, estimator="batch", batch_size=32, label_names=NAMES)
    miner.fit(targets, groups, observed=observed).save(tmp_path / "r.npz")
    loaded = RelationMiner.load(tmp_path / "r.npz")
    assert loaded.get_params() == miner.get_params() | {"label_names": None}
    assert loaded.label_names_in_ == NAMES
    np.testing.assert_array_equal(loaded.relation_, miner.relation_)
    mine, theirs = miner.table_counts_, loaded.table_counts_
    assert (theirs.rows, theirs.grouped) == (mine.rows, True)
    assert mine.groups is not None
    assert theirs.groups is not None
    for field, other in zip((*mine.counts, *mine.groups), (*theirs.counts, *theirs.groups), strict=True):
        np.testing.assert_array_equal(field, other)
    OnlineBatchRelation.load(tmp_path / "r.npz")  # a loss passes over the counts
    with pytest.raises(MiningError, match="learns no further rows"):
        loaded.partial_fit(targets)


def test_a_relation_that_a_loss_saved_has_no_counts(targets: npt.NDArray[np.int64], tmp_path: Path) -> None:
    criterion = OBRLoss(4)
    criterion(np.zeros((100, 4)), targets[:100])
    criterion.save_relation(tmp_path / "r.npz")
    loaded = RelationMiner.load(tmp_path / "r.npz")
    np.testing.assert_array_equal(loaded.relation_, criterion.to_numpy().relation)
    with pytest.raises(MiningError, match="holds no counts of a table"):
        _ = loaded.phi_


@pytest.mark.parametrize(
    ("rows", "keywords", "message"),
    [
        ([[0, 1], [2, 0]], {}, r"\[0, 1\]"),
        ([[0.0, np.inf]], {}, r"\[0, 1\]"),
        ([0, 1], {}, "batch, num_labels"),
        ([["a", "b"]], {}, "bool, integer or floating point"),
        (np.zeros((0, 3)), {}, "at least one row"),
        (np.zeros((3, 0)), {}, "at least one label"),
        ([[0, 1], [1, 0]], {"groups": [1]}, "groups must have shape"),
        (sp.csr_array([[0, 3], [1, 0]]), {}, r"\[0, 1\]"),
        (sp.csr_array([[0, 1], [1, 0]]), {"observed": np.ones((2, 2), bool)}, "observed must be None"),
    ],
)
def test_what_is_no_table_is_refused_before_anything_changes(rows: Any, keywords: dict[str, Any], message: str) -> None:
    miner = RelationMiner().fit([[0, 1], [1, 1], [0, 0]])
    before = miner.counts_.s
    with pytest.raises((TypeError, ValueError), match=message):
        miner.partial_fit(rows, **keywords)
    np.testing.assert_array_equal(miner.counts_.s, before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay": 0.0}, "decay"),
        ({"measure": "phi"}, "measure"),
        ({"estimator": "mean"}, "estimator"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"label_names": ("a", "a")}, "distinct"),
        ({"label_names": ("a",)}, "2 names"),
    ],
)
def test_settings_are_checked_when_fitting(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RelationMiner(**settings).fit([[0, 1], [1, 0]])


def test_further_rows_must_be_of_the_same_labels() -> None:
    miner = RelationMiner().fit(pd.DataFrame([[0, 1], [1, 0]], columns=["a", "b"]))
    with pytest.raises(ValueError, match="expected 2 labels"):
        miner.partial_fit(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="label names"):
        miner.partial_fit(pd.DataFrame([[0, 1]], columns=["a", "c"]))
    with pytest.raises(ValueError, match="without groups"):
        miner.partial_fit(pd.DataFrame([[0, 1]], columns=["a", "b"]), [1])


def test_nothing_mined_yet() -> None:
    with pytest.raises(MiningError, match="call fit first"):
        _ = RelationMiner().phi_


class Estimator(RelationMiner):
    """The miner as scikit-learn's checks call it: with random numbers in place of labels."""

    def fit(self, targets: Any, groups: Any = None, *, observed: Any = None) -> Any:
        return super().fit(np.asarray(targets) > 0.5, None, observed=observed)

    def predict_proba(self, targets: Any) -> Any:
        return super().predict_proba(np.asarray(targets) > 0.5)


@pytest.mark.parametrize(
    "check",
    [
        check_no_attributes_set_in_init,
        check_parameters_default_constructible,
        check_get_params_invariance,
        check_set_params,
        check_estimator_cloneable,
        check_dont_overwrite_parameters,
        check_estimators_fit_returns_self,
        check_fit_check_is_fitted,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_checks_pass(check: Any) -> None:
    check("RelationMiner", Estimator())


def test_scikit_learn_clones_and_asks_whether_it_is_fitted() -> None:
    miner = RelationMiner(decay=0.9, label_names=("a", "b"))
    copy = clone(miner)
    assert copy.get_params() == miner.get_params()
    with pytest.raises(ValueError, match="not fitted"):
        check_is_fitted(copy)
    check_is_fitted(copy.fit([[0, 1], [1, 0]]))
    with pytest.raises(ValueError, match="expected parameters among"):
        miner.set_params(lamda=0.5)


def test_an_error_in_a_later_block_leaves_nothing_mined(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("A,B\n" + "0,1\n1,0\n" * 70_000 + "7,0\n")
    miner = RelationMiner()
    with pytest.raises(TableError, match="row 140001"):
        miner.fit_table(open_tables([str(path)]))
    with pytest.raises(MiningError, match="call fit first"):
        _ = miner.table_counts_


def test_entries_are_judged_by_columns_in_the_order_of_the_labels(targets: npt.NDArray[np.int64]) -> None:
    frame = pd.DataFrame(targets, columns=list(NAMES))
    miner = RelationMiner().fit(frame)
    for method in (miner.score_labels, miner.predict_proba):
        np.testing.assert_array_equal(method(frame), method(targets))
        with pytest.raises(ValueError, match="column 0 must be 'Hat', got 'Bald'"):
            method(frame[list(NAMES)[::-1]])
        with pytest.raises(ValueError, match="got no column 'Hat'"):
            method(frame.rename(columns={"Hat": "Cap"}))


def test_a_file_that_is_no_relation_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("a,b\n1,0\n")
    with pytest.raises(ValueError, match=r"labels\.csv, which is no \.npz file"):
        RelationMiner.load(tmp_path / "labels.csv")
    with pytest.raises(ValueError, match="name the file in it"):
        RelationMiner.load(tmp_path)


def test_printing_a_miner_says_its_settings() -> None:
    assert repr(RelationMiner(decay=0.9)).startswith("RelationMiner(decay=0.9, measure='unit_pearson'")
