"""CelebA as attributes and as identities: written, broken and read."""

from pathlib import Path

import numpy as np
import pytest

from reference_model.data.catalogue import AttributeLabels, Catalogue
from reference_model.data.errors import DataError, DataWarning
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.sets.celeba import read_celeba, read_celeba_people
from reference_model.data.writers.celeba import write_celeba
from tests.reference_model.data.sets.tiny import classes, describe_rows, sizes, tiny_catalogue

PERSON = np.repeat(np.arange(10) * 3 + 5, 4)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Catalogue]:
    values = np.random.default_rng(0).integers(0, 2, (40, 3)).astype(np.float32)
    values[3, 1] = np.nan
    values[:, 2] = PERSON % 2  # one value a person
    labels = AttributeLabels(("Bald", "Young", "Male"), values)
    catalogue = tiny_catalogue(tmp_path / "pictures", 40, person=PERSON, labels={"attributes": labels})
    return write_celeba(tmp_path / "celeba", catalogue), catalogue


def findings(name: str, root: Path) -> dict[str, str]:
    return {finding.text: finding.level for finding in load_data_set(name).check(root)}


def test_what_is_written_is_read(written: tuple[Path, Catalogue]) -> None:
    root, catalogue = written
    read = read_celeba(root, ReadOptions())
    assert str(describe_rows(read)) == str(describe_rows(catalogue))  # as text: NaN equals NaN
    assert read.split.tolist() == catalogue.split.tolist()
    assert read.person is not None
    assert read.person.tolist() == PERSON.tolist()
    assert read.labels["attributes"].names == ("Bald", "Young", "Male")
    assert read.notes == ()


def test_people_of_the_training_partition_are_identities(written: tuple[Path, Catalogue]) -> None:
    root, catalogue = written
    read = read_celeba_people(root, ReadOptions())
    trained = set(PERSON[catalogue.split == "train"].tolist())
    identity = read.labels["identity"]
    assert identity.names == tuple(map(str, sorted(trained)))
    assert read.person is not None
    for person, value, split in zip(read.person.tolist(), identity.values.tolist(), read.split.tolist(), strict=True):
        assert (value >= 0) == (split != "test") == (person in trained)
        assert value < 0 or identity.names[value] == str(person)
    assert set(read.person[read.split == "test"]) == set(PERSON[catalogue.split == "test"])
    assert (read.split == "valid").sum() == round(0.1 * 4 * len(trained))
    assert set(identity.values[read.split == "train"]) == set(range(len(trained)))
    assert len(read) == (catalogue.split != "valid").sum()


def test_some_people(written: tuple[Path, Catalogue], tmp_path: Path) -> None:
    root, _ = written
    assert len(read_celeba_people(root, ReadOptions(classes=2)).labels["identity"].names) == 2
    everybody = read_celeba_people(root, ReadOptions()).labels["identity"].names
    (tmp_path / "out").write_text(everybody[0])
    fewer = read_celeba_people(root, ReadOptions(exclude_names=tmp_path / "out"))
    assert fewer.labels["identity"].names == everybody[1:]
    assert read_celeba_people(root, ReadOptions(classes=99)).labels["identity"].names == everybody


def test_a_person_without_identity_is_left_out(written: tuple[Path, Catalogue]) -> None:
    root, _ = written
    path = root / "identity_CelebA.txt"
    path.write_bytes(b"\r\n".join(path.read_bytes().split(b"\r\n")[1:]))
    with pytest.warns(DataWarning, match="1 pictures have no identity: 000001.jpg"):
        read = read_celeba_people(root, ReadOptions())
    assert read.notes == ("1 pictures are left out, whose person is not known",)
    path.unlink()
    with pytest.raises(DataError, match=r"no identity_CelebA\.txt, which says who is shown"):
        read_celeba_people(root, ReadOptions())


def test_the_check_counts(written: tuple[Path, Catalogue]) -> None:
    root, catalogue = written
    counts = sizes(catalogue)
    assert findings("celeba", root) == {
        f"40 pictures: {counts[0]} train, {counts[1]} valid, {counts[2]} test": "note",
        "10 people": "note",
        "40 pictures have a label of the kind attributes": "note",
    }
    (root / "img_align_celeba" / "000007.jpg").unlink()
    path = root / "list_attr_celeba.txt"
    lines = path.read_text().splitlines()
    lines[2] = lines[2][:-2] + ("-1" if lines[2].endswith(" 1") else " 1")
    path.write_text("\n".join(lines) + "\n")
    told = " / ".join(f"{level}: {text}" for text, level in findings("celeba", root).items())
    assert "warning: 1 of 40 pictures of list_attr_celeba.txt are not in" in told
    assert "note: the label Male contradicts itself for 1 of the 10 people" in told
    path.write_text("<!DOCTYPE html>")
    told = " / ".join(f"{level}: {text}" for text, level in findings("celeba", root).items())
    assert told.startswith("error: ")
    assert "web page saved in place of the file" in told


def test_the_writer_needs_attributes(tmp_path: Path) -> None:
    catalogue = tiny_catalogue(tmp_path, 4, labels={"class": classes(("a",), [0] * 4)})
    with pytest.raises(ValueError, match="CelebA needs attributes, which tiny does not have"):
        write_celeba(tmp_path / "out", catalogue)
