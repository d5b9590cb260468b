"""Fewer training pictures, fewer training labels, or wrong people: parts of a data set that a seed chooses."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import AttributeLabels, Catalogue, ClassLabels
from reference_model.data.errors import DataError


class _Choice(IntEnum):
    """What is chosen; each choice has random numbers of its own, so that one does not change another."""

    ROWS = 1
    LABELS = 2
    PEOPLE = 3


def sample_training_rows(catalogue: Catalogue, count: int, *, seed: int) -> Catalogue:
    """Return a catalogue with some of its training rows; the other partitions stay whole.

    With one seed, the rows of a smaller count are among those of a larger one.

    Args:
        catalogue: The data.
        count: How many training rows.
        seed: Of the choice.

    Raises:
        DataError: If there are fewer.
    """
    train = np.flatnonzero(catalogue.split == "train")
    if count > len(train):
        raise DataError(f"read.train_rows is {count}, but {catalogue.data} has {len(train)} training pictures")
    catalogue = _with_whole_training(catalogue)
    chosen = catalogue.split != "train"
    chosen[_order(train, _Choice.ROWS, seed)[:count]] = True
    note = f"{count} of {len(train)} training pictures are used, chosen at random by the seed {seed}"
    return replace(catalogue.rows(chosen), notes=(*catalogue.notes, note))


def sample_training_labels(catalogue: Catalogue, share: float, *, seed: int) -> Catalogue:
    """Return a catalogue in which some of the training labels of attributes are missing; every row stays.

    With one seed, the labels of a smaller share are among those of a larger one.

    Args:
        catalogue: The data.
        share: The share of the known labels of the training rows that stays, in (0, 1], rounded to a whole number.
        seed: Of the choice.

    Raises:
        DataError: If the data has no attributes.
    """
    labels = _with_whole_training(catalogue).labels.get("attributes")
    if not isinstance(labels, AttributeLabels):
        raise DataError(f"read.label_share takes labels of attributes away, and {catalogue.data} has none")
    values = labels.values.copy()
    known = np.flatnonzero(~np.isnan(values) & (catalogue.split == "train")[:, None])
    observed = round(share * len(known))
    values.flat[_order(known, _Choice.LABELS, seed)[observed:]] = np.nan
    note = f"{observed} of {len(known)} training labels are used, chosen at random by the seed {seed}"
    return replace(
        catalogue,
        labels={**catalogue.labels, "attributes": replace(labels, values=values)},
        notes=(*catalogue.notes, note),
    )


def shuffle_training_people(catalogue: Catalogue, *, seed: int) -> Catalogue:
    """Return a catalogue whose training pictures are assigned to people at random: a control that teaches no faces.

    Everybody has as many training pictures as before. The pictures of the other partitions keep their people, so that
    recognition and verification are measured on true identities.

    Args:
        catalogue: The data.
        seed: Of the assignment.

    Raises:
        DataError: If the data has no identities.
    """
    labels = catalogue.labels.get("identity")
    if not isinstance(labels, ClassLabels):
        raise DataError(f"read.shuffle_people exchanges the people of pictures, and {catalogue.data} has no identities")
    train = np.flatnonzero(catalogue.split == "train")
    values = labels.values.copy()
    values[train] = labels.values[_order(train, _Choice.PEOPLE, seed)]
    note = f"the people of the {len(train)} training pictures are SHUFFLED at random by the seed {seed}: a control"
    return replace(
        catalogue,
        labels={**catalogue.labels, "identity": replace(labels, values=values)},
        notes=(*catalogue.notes, note),
    )


def _with_whole_training(catalogue: Catalogue) -> Catalogue:
    """Return a catalogue whose attributes hand on all of their training labels, whatever part of them is chosen."""
    labels = catalogue.labels.get("attributes")
    if not isinstance(labels, AttributeLabels) or labels.whole_training is not None:
        return catalogue
    whole = replace(labels, whole_training=labels.values[catalogue.split == "train"])
    return replace(catalogue, labels={**catalogue.labels, "attributes": whole})


def _order(numbers: npt.NDArray[np.int64], choice: _Choice, seed: int) -> npt.NDArray[np.int64]:
    """Return the numbers in an order that depends on the seed and on what is chosen."""
    return np.random.Generator(np.random.PCG64([seed, choice])).permutation(numbers)
