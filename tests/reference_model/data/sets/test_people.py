"""Dividing pictures among people, and leaving people out."""

from pathlib import Path

import numpy as np
import pytest

from reference_model.data.errors import DataError
from reference_model.data.registry import ReadOptions
from reference_model.data.sets.people import (
    excluded_people,
    identity_parts,
    most_pictures,
    normal_name,
    read_name_list,
)

PERSON = np.repeat(np.arange(100, 150), np.arange(50) % 12 + 1)


def parts(seed: int = 0):
    return identity_parts(PERSON, [f"p{number}" for number in range(100, 150)], seed=seed)


def test_people_of_the_test_partition_are_strangers():
    labels, split = parts()
    assert set(PERSON[split == "test"].tolist()).isdisjoint(PERSON[split != "test"].tolist())
    assert len(np.unique(PERSON[split == "test"])) == 5
    assert (labels.values[split == "test"] == -1).all()
    assert len(labels.names) == 45
    named = [f"p{number}" for number in PERSON[split != "test"]]
    assert [labels.names[value] for value in labels.values[split != "test"]] == named


def test_a_tenth_is_held_out_and_everybody_can_be_learnt():
    labels, split = parts()
    several = np.bincount(PERSON)[PERSON] > 1
    assert (split == "valid").sum() == round(0.1 * (several & (split != "test")).sum())
    assert set(labels.values[split == "train"].tolist()) == set(range(45))
    assert several[split == "valid"].all()


def test_the_division_follows_the_seed():
    np.testing.assert_array_equal(parts(1)[1], parts(1)[1])
    assert (parts(1)[1] != parts(2)[1]).any()


@pytest.mark.parametrize(("people", "strangers"), [(2, 0), (3, 1), (4, 2), (20, 2), (30, 3)])
def test_few_people_leave_two_to_train_on(people: int, strangers: int):
    labels, split = identity_parts(np.arange(people), [str(number) for number in range(people)])
    assert (split == "test").sum() == strangers
    assert len(labels.names) == people - strangers


def test_one_person_is_too_few():
    with pytest.raises(DataError, match="two people or more, got 1"):
        identity_parts(np.zeros(4, dtype=np.int64), ["only"])


def test_people_with_the_most_pictures():
    number = np.array([4, 9, 9, 2, 2, 2, 7, 7])
    assert set(number[most_pictures(number, 2)].tolist()) == {2, 7}
    assert most_pictures(number, None).all()
    assert most_pictures(number, 5).all()


def test_names_are_compared_without_accents_and_punctuation():
    assert normal_name("  Renée_ZELLWEGER. ") == normal_name("renee zellweger")


def test_excluding_by_name_and_by_folder(tmp_path: Path):
    wishes, names = tmp_path / "out.txt", tmp_path / "names.tsv"
    names.write_text('m.01\t"Ann Bée"@en\nm.01\t"Anna"@de\nm.02\tCy_Dee\nm.99\tNobody\n')
    wishes.write_text("ann bee\nm.03\nEve Eff\n")
    folders = ["m.01", "m.02", "m.03"]
    options = ReadOptions(exclude_names=wishes)
    excluded, notes = excluded_people(options, folders, read_name_list(names, folders), remedy="")
    assert excluded.tolist() == [True, False, True]
    assert notes == ("2 people named in out.txt are left out; 1 of its names are not in the data set: Eve Eff",)
    assert excluded_people(ReadOptions(), folders, None, remedy="")[0].tolist() == [False] * 3


def test_names_cannot_be_excluded_without_a_list(tmp_path: Path):
    wishes = tmp_path / "out.txt"
    wishes.write_text("Ann Bee\n")
    with pytest.raises(DataError, match=r"out\.txt: nobody can be left out by name.*; put one there"):
        excluded_people(ReadOptions(exclude_names=wishes), ["a"], None, remedy="put one there")
    wishes.write_text("a\n")
    with pytest.raises(DataError, match="nobody remains"):
        excluded_people(ReadOptions(exclude_names=wishes), ["a"], None, remedy="")


@pytest.mark.parametrize(("content", "message"), [(b"\n.\n", "holds no names"), (b"\xff\xfe\x00x", "UTF-16")])
def test_a_file_of_names_that_is_none(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "out.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        excluded_people(ReadOptions(exclude_names=tmp_path / "out.txt"), ["a"], None, remedy="")


def test_a_list_of_names_of_other_folders(tmp_path: Path):
    (tmp_path / "names.txt").write_text("x y\n")
    with pytest.raises(DataError, match="names none of the data set's folders"):
        read_name_list(tmp_path / "names.txt", ["a"])
