from pathlib import Path

import numpy as np
import pytest

from reference_model.data.table import AttributeTable, PictureFiles

FILES = tuple(Path("faces") / f"{number}.jpg" for number in range(4))
TARGETS = np.array([[0, 1], [1, np.nan], [0, 0], [1, 1]], dtype=np.float32)
SPLIT = np.array(["train", "test", "train", "valid"])


def make_table(**changes: object) -> AttributeTable:
    parts = {"names": ("Bald", "Male"), "files": FILES, "targets": TARGETS, "split": SPLIT, "identity": np.arange(4)}
    return AttributeTable(**{**parts, **changes})


def test_subset_keeps_rows_together() -> None:
    train = make_table().subset("train")
    assert list(train.files) == [FILES[0], FILES[2]]
    np.testing.assert_array_equal(train.targets, TARGETS[[0, 2]])
    assert train.identity is not None
    assert train.identity.tolist() == [0, 2]
    assert set(train.split.tolist()) == {"train"}
    assert len(train) == 2


def test_all_is_the_table_itself_and_unknown_partitions_are_refused() -> None:
    table = make_table(identity=None)
    assert table.subset("all") is table
    assert table.subset("valid").identity is None
    with pytest.raises(ValueError, match="split must be one of train, valid, test or all, got 'val'"):
        table.subset("val")


def test_select_orders_columns_by_name() -> None:
    table = make_table().select(("male", "BALD"))
    assert table.names == ("male", "BALD")
    np.testing.assert_array_equal(table.targets, TARGETS[:, ::-1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": TARGETS.astype(np.float64)}, r"targets must be float32 of shape \(4, 2\)"),
        ({"targets": TARGETS[:3]}, r"targets must be float32 of shape \(4, 2\).*got float32 of shape \(3, 2\)"),
        ({"split": SPLIT[:2]}, r"split must have shape \(4,\)"),
        ({"identity": np.arange(5)}, r"identity must have shape \(4,\)"),
        ({"split": np.array(["train", "test", "val", "train"])}, "split must hold train, valid, test, got val"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_table(**changes)


def test_picture_files_are_a_sequence_of_paths() -> None:
    names = np.array([path.name for path in FILES])
    files = PictureFiles(Path("faces"), names)
    assert files == FILES
    assert files == PictureFiles(Path("faces"), names)
    assert files != PictureFiles(Path("other"), names)
    assert files[1] == FILES[1]
    assert files[1:] == FILES[1:]
    assert files[np.array([3, 0])] == (FILES[3], FILES[0])
    assert list(files) == list(FILES)
    assert make_table(files=files).subset("train").files == (FILES[0], FILES[2])
