"""The relation over time: what is stored, which snapshots stay, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl import OnlineBatchRelation, PairCounts, count_pairs
from obrl.history import History

NAMES = ("hat", "cap", "beard")


def relations(number: int, **settings: Any) -> list[OnlineBatchRelation]:
    """A relation after each of so many batches, with one label unseen."""
    rng = np.random.default_rng(0)
    relation = OnlineBatchRelation(3, decay=0.9, **settings)
    copies = []
    for _ in range(number):
        targets = rng.random((8, 3)) < (0.5, 0.4, 0.3)
        relation.update(targets, observed=np.broadcast_to([True, True, False], targets.shape))
        copies.append(relation.to_numpy())
    return copies


def of_table(seed: int = 0, parts: int = 3) -> tuple[History, PairCounts]:
    """The history of a table of equal parts, with the counts that it should hold."""
    rng = np.random.default_rng(seed)
    each = [count_pairs(rng.random((10, 3)) < 0.5) for _ in range(parts)]
    counts = PairCounts(*(np.stack(field) for field in zip(*each, strict=True)))
    rows = 10 * np.arange(1, parts + 1)
    return History.from_counts(rows, counts, label_names=NAMES, error_ratio=np.full((3, 3), 2.0)), counts


def test_snapshots_are_copies_at_their_steps() -> None:
    history, copies = History(label_names=NAMES), relations(5)
    for step, relation in zip((1, 5, 6, 10, 100), copies, strict=True):
        history.append(step, relation, None if step == 6 else (0.8, 0.2))
    assert (len(history), history.num_labels) == (5, 3)
    assert history.steps.tolist() == [1, 5, 6, 10, 100]
    assert history.relation.dtype == np.float32
    expected = np.stack([relation.relation for relation in copies]).astype(np.float32)
    assert np.array_equal(history.relation, expected, equal_nan=True)
    assert np.isnan(history.relation[:, 0, 2]).all()
    assert np.isnan(history.thresholds[2]).all()
    assert np.delete(history.thresholds, 2, axis=0).tolist() == [[0.8, 0.2]] * 4


@pytest.mark.parametrize("most", [2, 3, 8])
@pytest.mark.parametrize("number", [2, 9, 64, 65])
def test_the_snapshots_that_stay_are_evenly_spaced_and_end_with_the_newest(most: int, number: int) -> None:
    history, copies = History(most=most), relations(number)
    for step, relation in enumerate(copies):
        history.append(step, relation)
        assert len(history) <= most
        assert history.steps[0] == 0
        assert history.steps[-1] == step
    distances = np.diff(history.steps)
    assert (distances[:-1] == distances[0]).all()
    assert distances[-1] <= distances[0]
    assert len(history) > most // 2 or number <= most
    expected = np.stack([copies[step].relation for step in history.steps.tolist()])
    assert np.array_equal(history.relation, expected.astype(np.float32), equal_nan=True)


def test_a_saved_history_goes_on_as_if_it_had_not_been_saved(tmp_path: Path) -> None:
    whole, part, copies = History(most=4), History(most=4), relations(20)
    for step, relation in enumerate(copies):
        whole.append(step, relation, (0.9, 0.1))
        part.append(step, relation, (0.9, 0.1))
        part.save(tmp_path / "history.npz")
        part = History.load(tmp_path / "history.npz")
    assert np.array_equal(whole.steps, part.steps)
    assert np.array_equal(whole.relation, part.relation, equal_nan=True)
    assert np.array_equal(whole.thresholds, part.thresholds)
    assert part.measure == "unit_pearson"
    assert part.most == 4


@pytest.mark.parametrize("names", [None, NAMES])
def test_an_empty_history_is_saved(names: tuple[str, ...] | None, tmp_path: Path) -> None:
    History(label_names=names, measure="jaccard").save(tmp_path / "history.npz")
    history = History.load(tmp_path / "history.npz")
    assert (len(history), history.label_names, history.measure) == (0, names, "jaccard")
    history.append(3, relations(1, measure="jaccard")[0])
    assert history.steps.tolist() == [3]


def test_the_history_of_a_table(tmp_path: Path) -> None:
    history, counts = of_table()
    history.save(tmp_path / "history.npz")
    loaded = History.load(tmp_path / "history.npz")
    for each in (history, loaded):
        assert each.counts is not None
        assert all(np.array_equal(*fields) for fields in zip(each.counts, counts, strict=True))
        assert each.error_ratio is not None
        assert (each.error_ratio == 2).all()
        assert each.steps.tolist() == [10, 20, 30]
        assert each.label_names == NAMES
        for step in range(3):
            part = OnlineBatchRelation(3, decay=1, estimator="counts")
            part.update(np.random.default_rng(0).random((30, 3))[10 * step : 10 * step + 10] < 0.5)
            assert np.allclose(each.relation[step], part.relation)


def test_names_come_from_the_first_relation_that_has_some() -> None:
    history = History()
    history.append(1, relations(1)[0])
    history.append(2, relations(1, label_names=NAMES)[0])
    assert history.label_names == NAMES


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((7, relations(1)[0].relation), "OnlineBatchRelation, got ndarray"),
        ((7, OnlineBatchRelation(4)), "must have 3 labels, got 4"),
        ((7, OnlineBatchRelation(3, measure="pearson")), "measure='unit_pearson', got 'pearson'"),
        ((7, OnlineBatchRelation(3, label_names=("a", "b", "c"))), "label names of this history"),
        ((5, relations(1)[0]), "above the last step 5, got 5"),
        ((7.5, relations(1)[0]), "step must be a whole number, got 7.5"),
        ((7, relations(1)[0], ("a", 0.2)), r"thresholds\[0\] must be a real number"),
    ],
)
def test_what_is_no_next_snapshot_changes_nothing(arguments: tuple[Any, ...], words: str) -> None:
    history = History(label_names=NAMES)
    history.append(5, relations(1)[0])
    with pytest.raises((TypeError, ValueError), match=words):
        history.append(*arguments)
    assert history.steps.tolist() == [5]


def test_a_table_takes_no_snapshots() -> None:
    with pytest.raises(ValueError, match="got that of a table"):
        of_table()[0].append(1, relations(1)[0])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"most": 1}, "most must be a whole number of at least 2, got 1"),
        ({"most": True}, "got True"),
        ({"measure": "phi"}, "measure must be one of"),
        ({"label_names": ("a", "a")}, "distinct"),
    ],
)
def test_settings_out_of_their_range(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        History(**settings)


@pytest.mark.parametrize(
    ("rows", "dtype", "words"),
    [([10, 20], int, r"got \(2,\)"), ([10, 10, 20], int, "rise"), ([1, 2, 3], float, "integers, got float64")],
)
def test_counts_that_are_no_parts(rows: list[int], dtype: type, words: str) -> None:
    counts = PairCounts(*(field.astype(dtype) for field in of_table()[1]))
    with pytest.raises((TypeError, ValueError), match=words):
        History.from_counts(rows, counts)


def test_counts_without_missing_labels_stay_small(tmp_path: Path) -> None:
    """n, r and c of complete tables broadcast; they give the same relation."""
    full, counts = of_table()
    narrow = PairCounts(counts.n[:, :1, :1], counts.s, counts.r[:, :, :1], counts.c[:, :1, :])
    history = History.from_counts([10, 20, 30], narrow)
    history.save(tmp_path / "history.npz")
    for each in (history, History.load(tmp_path / "history.npz")):
        assert each.counts is not None
        assert each.counts.n.size == 3
        assert np.array_equal(each.relation, full.relation, equal_nan=True)
    with pytest.raises(ValueError, match=r"n must broadcast to the shape of s \(3, 3, 3\), got \(1, 1\)"):
        History.from_counts([10, 20, 30], PairCounts(np.array([[10]]), *narrow[1:]))


def test_files_that_are_no_history(tmp_path: Path) -> None:
    relations(1)[0].save(tmp_path / "relation.npz")
    with pytest.raises(ValueError, match=r"expected a history written by obrl, but .* lacks history_version"):
        History.load(tmp_path / "relation.npz")
    with pytest.raises(FileNotFoundError):
        History.load(tmp_path / "none.npz")
    (tmp_path / "words.npz").write_text("words")
    with pytest.raises(ValueError, match=r"is no \.npz file"):
        History.load(tmp_path / "words.npz")
    history = History(label_names=NAMES)
    history.append(1, relations(1)[0])
    history.save(tmp_path / "history.npz")
    with np.load(tmp_path / "history.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    for change, words in (
        ({"history_version": np.array(9)}, "format version 1, got 9"),
        ({"relation": arrays["relation"][:, :2]}, "arrays of other shapes"),
        ({"measure": np.array("phi")}, "measure must be one of"),
        ({"relation": np.array([NAMES], object)}, "Object arrays cannot be loaded"),
    ):
        np.savez(tmp_path / "broken.npz", **(arrays | change))
        with pytest.raises(ValueError, match=words):
            History.load(tmp_path / "broken.npz")
