"""LFWA's two MATLAB files and its pictures: written, broken in each way, and read."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from reference_model.data.catalogue import AttributeLabels, Catalogue
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.sets.lfwa import read_lfwa
from reference_model.data.writers.lfwa import write_lfwa
from tests.reference_model.data.sets.tiny import describe_rows, levels, tiny_catalogue

PERSON = np.repeat(np.arange(40), 2)
NAMES = ("5_o_Clock_Shadow", "Male", "Young")


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Catalogue]:
    values = np.random.default_rng(0).integers(0, 2, (80, 3)).astype(np.float32)
    values[:, 1] = PERSON % 2
    labels = AttributeLabels(NAMES, values)
    catalogue = tiny_catalogue(tmp_path / "pictures", 80, person=PERSON, labels={"attributes": labels})
    return write_lfwa(tmp_path / "lfwa", catalogue), catalogue


def change(path: Path, key: str, values: np.ndarray | None) -> None:
    """Replace an array of numbers as it is stored, or remove it."""
    with h5py.File(path, "r+") as file:
        del file[key]
        if values is not None:
            file[key] = values


def rename(root: Path, place: int, name: str) -> None:
    """Replace a picture's name."""
    with h5py.File(root / "lfw_att_40.mat", "r+") as file:
        cell = file.create_dataset(f"#refs#/{len(name)}", data=np.frombuffer(name.encode("utf-16-le"), np.uint16))
        references = file["name"][...]
        references[0, place] = cell.ref
        file["name"][...] = references


def stored(path: Path, key: str) -> np.ndarray:
    with h5py.File(path) as file:
        return file[key][...]


def test_what_is_written_is_read(written: tuple[Path, Catalogue]) -> None:
    root, catalogue = written
    read = read_lfwa(root, ReadOptions())
    assert describe_rows(read) == describe_rows(catalogue)
    assert read.labels["attributes"].names == NAMES
    assert ((read.split == "test") == (catalogue.split == "test")).all()
    assert read.notes == ()
    assert read.person is not None
    training = read.person[read.split != "test"]
    assert len(np.unique(read.person[read.split == "valid"])) == round(0.1 * len(np.unique(training)))
    assert not set(read.person[read.split == "valid"]) & set(read.person[read.split == "train"])
    assert (read.split == read_lfwa(root, ReadOptions()).split).all()
    assert (read.split != read_lfwa(root, ReadOptions(seed=1)).split).any()


def test_the_files_are_as_matlab_writes_them(written: tuple[Path, Catalogue]) -> None:
    root, _ = written
    for name in ("lfw_att_40.mat", "indices_train_test.mat"):
        with pytest.raises(NotImplementedError, match="HDF reader for matlab"):
            scipy.io.loadmat(root / name)
    assert stored(root / "lfw_att_40.mat", "label").shape == (3, 80)
    with h5py.File(root / "lfw_att_40.mat") as file:
        letters = file[file["name"][0, 1]]
        assert (letters.shape, letters.dtype) == ((34, 1), np.uint16)
        assert letters[...].tobytes().decode("utf-16-le") == "Person_00000\\Person_00000_0002.jpg"
    assert stored(root / "indices_train_test.mat", "indices_img_test").min() >= 1


def test_labels_belong_to_names_and_not_to_positions(written: tuple[Path, Catalogue]) -> None:
    root, catalogue = written
    path = root / "lfw_att_40.mat"
    order = np.random.default_rng(1).permutation(80)
    with h5py.File(path, "r+") as file:
        file["name"][...] = file["name"][...][:, order]
        file["label"][...] = file["label"][...][:, order]
    change(root / "indices_train_test.mat", "indices_img_train", np.arange(1.0, 61)[None])
    change(root / "indices_train_test.mat", "indices_img_test", np.arange(61.0, 81)[None])
    with pytest.warns(DataWarning, match="people are in more than one partition"):
        read = read_lfwa(root, ReadOptions())
    assert describe_rows(read) == describe_rows(catalogue)
    assert (read.split == "test").tolist() == [False] * 60 + [True] * 20


@pytest.mark.parametrize("folder", ["lfw-deepfunneled", "lfw/lfw", "lfw_funneled", "."])
def test_the_pictures_may_lie_elsewhere(written: tuple[Path, Catalogue], folder: str) -> None:
    root, catalogue = written
    (root / "lfw").rename(root / "moved")
    (root / folder).mkdir(parents=True, exist_ok=True)
    for person in (root / "moved").iterdir():
        person.rename(root / folder / person.name)
    assert describe_rows(read_lfwa(root, ReadOptions())) == describe_rows(catalogue)


def test_pictures_without_files(written: tuple[Path, Catalogue]) -> None:
    root, _ = written
    (root / "lfw" / "Person_00003" / "Person_00003_0001.jpg").unlink()
    message = r"1 of 80 pictures of lfw_att_40\.mat are not in .*lfw: Person_00003/Person_00003_0001\.jpg"
    with pytest.raises(DataError, match=f"{message}; --images.missing skip"):
        read_lfwa(root, ReadOptions())
    with pytest.warns(DataWarning, match=f"{message}; their rows are left out"):
        assert len(read_lfwa(root, ReadOptions(missing="skip"))) == 79
    (root / "lfw").rename(root / "faces")
    with pytest.raises(DataError, match="no folders of pictures such as Person_00000"):
        read_lfwa(root, ReadOptions())


@pytest.mark.parametrize(
    ("file", "key", "values", "message"),
    [
        ("lfw_att_40", "label", np.zeros((80, 3)), "label must be 80 x 3, a row for each name .* got 3 x 80"),
        ("lfw_att_40", "label", np.full((3, 80), -1.0), "240 labels are neither 0 nor 1; the first is -1 for 5_o_Cl"),
        ("lfw_att_40", "label", None, "has no array label; it has AttrName, name"),
        ("lfw_att_40", "name", np.zeros((1, 80)), "name is no cell array of text but holds float64"),
        ("indices_train_test", "indices_img_train", np.array([[0.0, 1]]), "whole numbers from 1 to 80, got 0"),
        ("indices_train_test", "indices_img_train", np.array([[1.5]]), "whole numbers from 1 to 80, got 1.5"),
        ("indices_train_test", "indices_img_test", np.array([[81.0]]), "whole numbers from 1 to 80, got 81"),
        ("indices_train_test", "indices_img_test", np.array([[7.0, 7]]), "holds 1 numbers twice, the first is 7"),
        ("indices_train_test", "indices_img_test", np.arange(1.0, 81)[None], "rows are for training and for testing"),
        ("indices_train_test", "indices_img_train", np.array([[]]), "rows are neither for training nor for testing"),
        ("indices_train_test", "indices_img_test", None, "has no array indices_img_test"),
    ],
)
def test_files_that_contradict_themselves(
    written: tuple[Path, Catalogue], file: str, key: str, values: np.ndarray | None, message: str
) -> None:
    root, _ = written
    change(root / f"{file}.mat", key, values)
    with pytest.raises(DataError, match=rf"{file}\.mat: .*{message}"):
        read_lfwa(root, ReadOptions())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>", "web page saved in place"),
        (b"MATLAB 5.0 MAT-file".ljust(512), "of an older version: save it in MATLAB with -v7.3"),
        (b"noise" * 200, "file signature not found"),
        (None, "no such file"),
    ],
)
@pytest.mark.parametrize("name", ["lfw_att_40.mat", "indices_train_test.mat"])
def test_other_files_in_their_place(
    written: tuple[Path, Catalogue], name: str, content: bytes | None, message: str
) -> None:
    root, _ = written
    (root / name).unlink()
    if content is not None:
        (root / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: .*{message}"):
        read_lfwa(root, ReadOptions())


def test_a_file_that_is_cut_off(written: tuple[Path, Catalogue]) -> None:
    path = written[0] / "lfw_att_40.mat"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(
        DataError,
        match=r"lfw_att_40\.mat: not a readable MATLAB file of version 7\.3 \(.*truncated.*: download it again",
    ):
        read_lfwa(written[0], ReadOptions())


def test_names_that_repeat_or_have_no_folder(written: tuple[Path, Catalogue]) -> None:
    root, _ = written
    rename(root, 4, "Person_00000\\Person_00000_0001.jpg")
    with pytest.raises(DataError, match=r"name holds 1 entries twice: Person_00000/Person_00000_0001\.jpg"):
        read_lfwa(root, ReadOptions())
    rename(root, 4, "Person_00002_0001.jpg")
    with pytest.raises(DataError, match=r"1 names are not of the form Person\\Person_0001\.jpg"):
        read_lfwa(root, ReadOptions())


def test_the_check_counts_labels_in_contradiction(written: tuple[Path, Catalogue]) -> None:
    root, _ = written
    with h5py.File(root / "lfw_att_40.mat", "r+") as file:
        file["label"][1, 0] = 1 - file["label"][1, 0]
    findings = load_data_set("lfwa").check(root)
    told = [f"{finding.level}: {finding.text}" for finding in findings]
    assert "note: the label Male contradicts itself for 1 of the 40 people with two or more pictures" in told
    assert "note: 40 people" in told
    (root / "indices_train_test.mat").unlink()
    assert levels("lfwa", root) == ["error"]
