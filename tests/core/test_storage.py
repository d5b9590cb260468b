"""The .npz: what it holds, what it refuses, and that nothing is ever unpickled."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl import OBRLoss, OnlineBatchRelation, RelationLoss
from tests.support.compare import assert_same_state

TARGETS = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]])
NAMES = ("Young", "Bärtig", "No hat")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "relation.npz"
    OnlineBatchRelation(3, decay=0.9, label_names=NAMES).update(TARGETS).save(path)
    return path


def rewrite(path: Path, **changes: Any) -> None:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    arrays |= changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def test_a_round_trip(saved: Path) -> None:
    loaded = OnlineBatchRelation.load(saved)
    original = OnlineBatchRelation(3, decay=0.9, label_names=NAMES).update(TARGETS)
    assert_same_state(loaded, original)
    assert loaded.label_names == NAMES
    assert repr(loaded) == repr(original)


def test_it_holds_arrays_settings_and_a_version(saved: Path) -> None:
    with np.load(saved, allow_pickle=False) as file:
        assert {"relation_sum", "relation_weight", "settings", "format_version"} <= set(file.files)
        assert all(file[name].dtype.kind != "O" for name in file.files)


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"decay": 0.5}, "decay"), ({"measure": "pearson"}, "measure"), ({"estimator": "counts"}, "estimator")],
)
def test_other_settings_are_refused(saved: Path, settings: dict[str, Any], word: str) -> None:
    arguments = {"decay": 0.9, **settings}
    for kind in (OBRLoss, RelationLoss):
        with pytest.raises(ValueError, match=f"{word}="):
            kind(3, **arguments, relation=saved)
        criterion = kind(3, **arguments)
        with pytest.raises(ValueError, match=f"{word}="):
            criterion.load_relation(saved)
        assert_same_state(criterion, kind(3, **arguments))


def test_thresholds_and_alpha_may_differ(saved: Path) -> None:
    criterion = OBRLoss(3, decay=0.9, alpha=3, positive_threshold=0.6, relation=saved)
    assert_same_state(criterion, OnlineBatchRelation.load(saved))
    assert criterion.label_names == NAMES


def test_other_labels_are_refused(saved: Path) -> None:
    with pytest.raises(ValueError, match="4 labels, got 3"):
        OBRLoss(4, decay=0.9, relation=saved)
    with pytest.raises(ValueError, match="label_names must agree"):
        OBRLoss(3, decay=0.9, relation=saved, label_names=["Young", "Bald", "No hat"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": np.array(99)}, "version"),
        ({"settings": None}, "lacks settings"),
        ({"relation_sum": np.zeros((2, 2))}, "relation_sum must have shape"),
        ({"relation_sum": np.full((3, 3), np.nan)}, "finite"),
        ({"relation_weight": np.zeros((3, 2))}, "relation_weight must have shape"),
    ],
)
def test_a_damaged_file_is_refused(saved: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(saved, **changes)
    with pytest.raises(ValueError, match=message):
        OnlineBatchRelation.load(saved)


class Bomb:
    """Sets `exploded` when it is unpickled."""

    exploded = False

    def __reduce__(self) -> tuple[Any, ...]:
        return (_explode, ())


def _explode() -> None:
    Bomb.exploded = True


def test_a_pickle_inside_is_never_read(saved: Path) -> None:
    rewrite(saved, relation_sum=np.array([Bomb()], dtype=object))
    with pytest.raises(ValueError, match="expected a relation"):
        OnlineBatchRelation.load(saved)
    assert not Bomb.exploded
    with np.load(saved, allow_pickle=True) as file:
        file["relation_sum"]
    assert Bomb.exploded, "the test would not notice an unpickled file"


def test_an_interrupted_save_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        OnlineBatchRelation(3, decay=0.9).save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
    assert zipfile.is_zipfile(saved)


def test_no_file_or_one_of_something_else_is_refused(tmp_path: Path) -> None:
    """A page of an error, a truncated archive, a bare pickle, a single array."""
    path = tmp_path / "relation.npz"
    with pytest.raises(FileNotFoundError):
        OnlineBatchRelation.load(path)
    array = io.BytesIO()
    np.save(array, np.zeros((3, 3)))
    for content in (b"", b"<!DOCTYPE html>", b"PK\x03\x04 truncated", pickle.dumps(Bomb()), array.getvalue()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected a relation"):
            OnlineBatchRelation.load(path)
