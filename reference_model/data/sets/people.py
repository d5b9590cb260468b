"""Dividing pictures of people: who is trained on, which pictures are held out, and who is left out."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import Catalogue, ClassLabels, PictureSource, seeded_split
from reference_model.data.errors import DataError, first_few
from reference_model.data.registry import ReadOptions
from reference_model.data.sets.common import read_text

TEST_SHARE = 0.1
"""Share of the people whose pictures are the test partition; of four people or more, two at least."""
VALID_SHARE = 0.1
"""Share of the training people's pictures that are held out, of people with two or more."""


def identity_catalogue(
    data: str,
    pictures: PictureSource,
    place: npt.NDArray[np.integer],
    people: Sequence[str],
    options: ReadOptions,
    *,
    name_list: Path,
    numbers: npt.NDArray[np.int64] | None = None,
) -> Catalogue:
    """Return the catalogue of a data set whose every picture shows one of some people.

    Args:
        data: The data set's name.
        pictures: N pictures.
        place: (N,) the place in ``people`` of the person shown.
        people: The P people's folders or numbers, as the data set writes them.
        options: Whom to leave out.
        name_list: Where a list of people's names lies that serves ``options.exclude_names``; it may be missing.
        numbers: (P,) what `Catalogue.person` calls them; by default their places.
    """
    listed = None
    if options.exclude_names is not None and name_list.is_file():
        listed = read_name_list(name_list, people)
    remedy = f"put one at {name_list}, with lines such as '{people[0]} Ann Bee', or list {people[0]} itself"
    excluded, notes = excluded_people(options, people, listed, remedy=remedy)
    rows = np.flatnonzero(~excluded[place])
    rows = rows[most_pictures(place[rows], options.classes)]
    shown = place[rows].astype(np.int64)
    labels, split = identity_parts(shown, [people[number] for number in np.unique(shown).tolist()], seed=options.seed)
    person = shown if numbers is None else numbers[shown]
    return Catalogue(data, pictures.take(rows), {"identity": labels}, split, person, notes)


def identity_parts(
    person: npt.NDArray[np.int64], names: Sequence[str], *, seed: int = 0
) -> tuple[ClassLabels, npt.NDArray[np.str_]]:
    """Divide pictures for learning identities.

    A tenth of the people (`TEST_SHARE`) are for verification: all of their pictures are ``"test"``, and their
    identity is -1. Of the others, a tenth of the pictures of those who have two or more are ``"valid"``; everybody has
    one left in ``"train"``.

    Args:
        person: (N,) the number of the person in each picture.
        names: The people's names, in the order of their numbers: one for each number that occurs.
        seed: Of both divisions.

    Returns:
        The identities of the C training people, numbered in the order of their numbers, and the partition (N,) str.

    Raises:
        DataError: If there are fewer than two people.
    """
    people = len(np.unique(person))
    if people < 2:
        raise DataError(f"identities need pictures of two people or more, got {people}")
    strangers = min(max(round(TEST_SHARE * people), 2), people - 2) / people
    part = seeded_split(np.arange(people), {"train": 1 - strangers, "test": strangers}, seed=seed)
    return identities_of_training_people(person, part == "train", names, seed=seed)


def identities_of_training_people(
    person: npt.NDArray[np.int64], training: npt.NDArray[np.bool_], names: Sequence[str], *, seed: int = 0
) -> tuple[ClassLabels, npt.NDArray[np.str_]]:
    """Divide pictures as `identity_parts` does, where the data set says who the training people are.

    Args:
        person: (N,) the number of the person in each picture.
        training: (P,) bool: whether a person is learned, in the order of the P numbers that occur.
        names: The P people's names.
        seed: Of the pictures that are held out.
    """
    _, number = np.unique(person, return_inverse=True)
    identity = np.where(training, np.cumsum(training) - 1, -1)
    split = np.where(training[number], "train", "test").astype("U5")
    split[_held_out(np.flatnonzero(training[number]), number, seed)] = "valid"
    listed = tuple(name for name, is_trained in zip(names, training.tolist(), strict=True) if is_trained)
    return ClassLabels(listed, identity[number]), split


def _held_out(rows: npt.NDArray[np.int64], number: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Return the rows that are held out: a tenth of those of people with two or more, never a person's last one."""
    rows = np.random.Generator(np.random.PCG64([seed, 1])).permutation(rows)
    _, first = np.unique(number[rows], return_index=True)
    several = np.bincount(number[rows])[number[rows]] > 1
    candidates = np.delete(rows, first)
    return candidates[: round(VALID_SHARE * int(several.sum()))]


def most_pictures(number: npt.NDArray[np.integer], count: int | None) -> npt.NDArray[np.bool_]:
    """Return which rows belong to the ``count`` classes with the most pictures, or to fewer: (N,) bool.

    Args:
        number: (N,) each row's class or person.
        count: How many; None for all. Of classes with as many pictures, those with lower numbers come first.
    """
    if count is None:
        return np.ones(len(number), dtype=bool)
    distinct, place, counts = np.unique(number, return_inverse=True, return_counts=True)
    chosen = np.zeros(len(distinct), dtype=bool)
    chosen[np.argsort(-counts, kind="stable")[:count]] = True
    return chosen[place]


def excluded_people(
    options: ReadOptions, folders: Sequence[str], names: Mapping[str, Sequence[str]] | None, *, remedy: str
) -> tuple[npt.NDArray[np.bool_], tuple[str, ...]]:
    """Find the people whom ``options.exclude_names`` leaves out, by name or by folder.

    Names are compared without case, accents and punctuation.

    Args:
        options: With the file of names.
        folders: The P people's folders or numbers, as the data set writes them.
        names: Their names by folder; None where the data set lists none.
        remedy: What a user can do who has no list of names, for the error.

    Returns:
        (P,) bool, True for those who are left out, and a sentence for the catalogue's notes.

    Raises:
        DataError: If the file is missing or empty, if there is no list of names and no line is a folder's name, or if
            nobody remains.
    """
    if options.exclude_names is None:
        return np.zeros(len(folders), dtype=bool), ()
    path = Path(options.exclude_names)
    listed = _read_excluded(path)
    keys = [{normal_name(name) for name in (folder, *(names or {}).get(folder, ()))} for folder in folders]
    excluded = np.array([not key.isdisjoint(listed) for key in keys], dtype=bool)
    if names is None and not excluded.any():
        raise DataError(f"{path}: nobody can be left out by name, since the data set has no list of names; {remedy}")
    if excluded.all():
        raise DataError(f"{path}: names everybody in the data set, so that nobody remains")
    present = set().union(*keys)
    absent = [line for name, line in listed.items() if name not in present]
    note = f"{int(excluded.sum())} people named in {path.name} are left out"
    if absent:
        note += f"; {len(absent)} of its names are not in the data set: {first_few(absent)}"
    return excluded, (note,)


def _read_excluded(path: Path) -> dict[str, str]:
    """Return the lines of a file of names, by their normal form."""
    listed = {normal_name(line): line.strip() for line in read_text(path).splitlines() if normal_name(line)}
    if not listed:
        raise DataError(f"{path}: holds no names; write one a line, or give no such file")
    return listed


def normal_name(name: str) -> str:
    """Return a name without case, accents and punctuation.

    Example:
        >>> normal_name("Renée_Zellweger")
        'renee zellweger'
    """
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return " ".join("".join(letter if letter.isalnum() else " " for letter in plain.casefold()).split())


def read_name_list(path: Path, folders: Sequence[str]) -> dict[str, list[str]]:
    """Read a list of people's names: a folder's name, white space, and the person's name in each line.

    Quotes and a language mark, as in ``m.0abc<tab>"Ann Bee"@en``, are removed; a folder may have several names.

    Args:
        path: The file.
        folders: The folders whose names are needed; other lines are passed over.

    Raises:
        DataError: If the file cannot be read, or names none of the folders.
    """
    names: dict[str, list[str]] = {folder: [] for folder in folders}
    for line in read_text(path).splitlines():
        parts = line.strip().split(maxsplit=1)
        if len(parts) == 2 and parts[0] in names:
            text = parts[1].rpartition("@")[0] if '"@' in parts[1] else parts[1]
            names[parts[0]].append(text.strip('"'))
    if not any(names.values()):
        raise DataError(f"{path}: names none of the data set's folders; expected lines such as '{folders[0]} Ann Bee'")
    return names
