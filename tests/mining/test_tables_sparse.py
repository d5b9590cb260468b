"""npz and svmlight as label tables, against matrices, SciPy and scikit-learn."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl.mining.blocks import MISSING, SparseLabels
from obrl.mining.counting import as_dense
from obrl.mining.errors import MiningWarning, TableError
from obrl.mining.tables import LabelTable, TableOptions, open_tables
from tests.mining.shared_data import shared_labels

RNG = np.random.default_rng(0)
Y = (RNG.random((23, 5)) < 0.4).astype(np.int8)
NAMES = np.array(["Hat", "Bald", "Beard", "Young", "Smile"])


def codes(table: LabelTable) -> np.ndarray:
    """The codes of all rows, (rows, labels)."""
    return np.concatenate([as_dense(block.labels).codes.T for block in table.blocks(7)])


def opened(path: Path, **options: Any) -> LabelTable:
    """A table with options."""
    return open_tables([str(path)], TableOptions(**options))


def compressed(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of compressed sparse rows."""
    rows, columns = np.nonzero(matrix)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(matrix)))])
    return {"data": np.ones(len(rows)), "indices": columns, "indptr": indptr, "shape": np.array(matrix.shape)}


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "float32", "float64"])
def test_dense_npz(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "a.npz"
    ids = np.array([f"{i}.jpg" for i in range(23)])
    np.savez_compressed(path, Y=Y.astype(dtype), label_names=NAMES, X=np.zeros((23, 9)), photo=ids)
    table = opened(path, id="photo")
    assert table.label_names == tuple(NAMES) and table.rows == 23
    assert np.array_equal(codes(table), Y)
    assert np.concatenate([block.columns["photo"] for block in table.blocks(7)]).tolist() == ids.tolist()
    assert np.array_equal(codes(opened(path, labels=("Smile", "Hat"))), Y[:, [4, 0]])
    assert np.array_equal(codes(opened(path, drop=("Bald",))), Y[:, [0, 2, 3, 4]])


def test_dense_npz_with_missing_labels_and_without_names(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    values = np.where(RNG.random(Y.shape) < 0.2, np.nan, Y)
    np.savez(path, values)  # under NumPy's own name arr_0
    table = opened(path)
    assert table.label_names == ("0", "1", "2", "3", "4")
    assert np.array_equal(codes(table), np.where(np.isnan(values), MISSING, values))
    assert np.array_equal(codes(opened(path, empty="absent")), np.nan_to_num(values))


@pytest.mark.parametrize("prefix", ["Y_", ""])
def test_sparse_npz(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "a.npz"
    arrays = {prefix + name: array for name, array in compressed(Y).items()}
    np.savez(path, **arrays, label_names=NAMES)
    table = opened(path)
    assert table.label_names == tuple(NAMES)
    assert all(isinstance(block.labels, SparseLabels) for block in table.blocks(7))
    assert np.array_equal(codes(table), Y)
    assert np.array_equal(codes(opened(path, labels=("Smile", "Hat"))), Y[:, [4, 0]])


def test_sparse_npz_of_scipy(tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    path = tmp_path / "a.npz"
    sparse.save_npz(path, sparse.csr_matrix(Y))
    assert np.array_equal(codes(opened(path)), Y)
    sparse.save_npz(path, sparse.csc_matrix(Y))
    with pytest.raises(TableError, match=r"stored by rows.*b'csc'.*tocsr"):
        opened(path)


def test_entries_stored_twice_count_once_and_warn(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    arrays = {"data": np.array([1, 1, 0, 1]), "indices": np.array([2, 2, 0, 1]), "indptr": np.array([0, 3, 4])}
    np.savez(path, **arrays, shape=np.array([2, 3]))
    with pytest.warns(MiningWarning, match="stored twice"):
        table = opened(path)
    assert np.array_equal(codes(table), [[0, 0, 1], [0, 1, 0]])
    text = tmp_path / "a.svm"
    text.write_text("3,3,1 1:0.5\n2 2:1\n")
    with pytest.warns(MiningWarning, match="list a label twice"):
        table = opened(text)
    assert table.label_names == ("3", "1", "2") and np.array_equal(codes(table), [[1, 1, 0], [0, 0, 1]])


def npz(**arrays: Any) -> bytes:
    """The content of an npz."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def with_objects() -> bytes:
    """An npz whose Y would need unpickling, from a pickle that must never run."""

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return pytest.fail, ("the pickle was loaded",)

    objects = np.empty((2, 2), object)
    objects[:] = Trap()
    return npz(Y=objects)


BAD = {
    "objects": (with_objects(), r"never unpickles; save plain arrays"),
    "names as objects": (npz(Y=Y, label_names=NAMES.astype(object)), r"never unpickles"),
    "cut off": (npz(Y=Y)[:-40], r"cut off or damaged"),
    "damaged": (npz(Y=Y).replace(Y.tobytes(), (1 - Y).tobytes()), r"cut off or damaged"),
    "no matrix": (npz(a=np.zeros(3), b=np.zeros(4)), r"no array Y of labels; its arrays are a \(3,\), b \(4,\)"),
    "two matrices": (npz(a=Y, b=Y), r"no array Y of labels"),
    "a vector": (npz(Y=np.zeros(3)), r"Y must be a matrix of numbers, .* got shape \(3,\)"),
    "text": (npz(Y=np.array([["a", "b"]])), r"Y must be a matrix of numbers"),
    "too few names": (npz(Y=Y, label_names=NAMES[:4]), r"4 names for 5 columns"),
    "equal names": (npz(Y=Y, label_names=np.array(["a"] * 5)), r"column 'a': two columns have the same name"),
    "no rows": (npz(Y=Y[:0]), r"no rows"),
    "one label": (npz(Y=Y[:, :1]), r"at least two labels"),
    "a value outside": (npz(Y=np.array([[1, 0], [1, 3]])), r"row 2, column '1': .* got 3; .*--drop"),
    "a fraction": (npz(Y=np.array([[1, 0], [0.25, 1]])), r"row 2, column '0': .* got 0.25"),
    "infinite": (npz(Y=np.array([[1, 0], [np.inf, 1]])), r"row 2, column '0': .* got inf"),
    "three values": (npz(Y=np.array([[1, 0], [-1, 1]])), r"row 2, column '0': .*uncertain.*--values u-ignore"),
    "sparse values": (npz(**compressed(Y) | {"data": np.full(int(Y.sum()), 2)}), r"row 1: a stored entry must be 1"),
    "sparse shape": (npz(**compressed(Y) | {"shape": np.array([9, 5])}), r"does not fit together"),
    "sparse indices": (npz(**compressed(Y) | {"shape": np.array([23, 4])}), r"does not fit together"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_npz_say_what_and_what_to_do(tmp_path: Path, case: str) -> None:
    content, message = BAD[case]
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(TableError, match=message) as error:
        list(opened(path).blocks())
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_objects_that_no_label_needs_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(npz(Y=Y, comment=np.array([{"free": "text"}], object)))
    assert np.array_equal(codes(opened(path)), Y)


def test_a_single_npy_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.save(path.with_suffix(".npy"), Y)
    path.write_bytes(path.with_suffix(".npy").read_bytes())
    with pytest.raises(TableError, match="single array"):
        opened(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "no array")
    with pytest.raises(TableError):
        opened(path)


def test_svmlight_of_scikit_learn(tmp_path: Path) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    path = tmp_path / "a.svm"
    datasets.dump_svmlight_file(RNG.random((23, 4)), Y, str(path), multilabel=True, comment="drawn rows")
    table = opened(path)
    order = [int(name) for name in table.label_names]
    assert sorted(order) == list(range(5)) and table.rows == 23
    assert np.array_equal(codes(table), Y[:, order])
    assert np.array_equal(codes(opened(path, labels=("4", "0"))), Y[:, [4, 0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2 1:1\n2,x 1:1\n", r"row 2, line 2: expected labels .* got '2,x'"),
        ("# rows\n1,2 1:1\n\n1 feature\n", r"row 2, line 4: .* got 'feature'"),
        ("1 1:1\n1 2:1\n", r"at least two labels"),
    ],
)
def test_bad_svmlight(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.svm"
    path.write_text(text)
    with pytest.raises(TableError, match=message):
        opened(path)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "shape"), [("yeast", (2417, 14)), ("emotions", (593, 6)), ("bibtex", (7395, 159))])
def test_real_tables_keep_their_names(name: str, shape: tuple[int, int]) -> None:
    path = shared_labels(f"{name}.npz")
    with np.load(path, allow_pickle=False) as content:
        expected = content["Y"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = open_tables([path])
        assert (table.rows, len(table.label_names)) == shape
        assert np.array_equal(codes(table), expected)


def test_svmlight_has_no_column_to_compare_by(tmp_path: Path) -> None:
    path = tmp_path / "t.svm"
    path.write_text("1,2 3:1\n2,3 3:1\n1,2,3 1:1\n")
    with pytest.raises(TableError, match="--by cannot be used"):
        opened(path, keep=("annotator",))
    assert opened(path, labels=("1", "2", "3"), drop=("2",)).label_names == ("1", "3")
