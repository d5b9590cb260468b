"""Training pictures, labels and people that a seed chooses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reference_model.config import ReadConfig, RunConfig
from reference_model.data.catalogue import AttributeLabels, Catalogue, ClassLabels, PictureFolder, fingerprint
from reference_model.data.errors import DataError
from reference_model.data.sampling import sample_training_labels, sample_training_rows, shuffle_training_people

ROWS, TRAIN = 60, 40


def catalogue() -> Catalogue:
    """40 training, 10 validation and 10 test rows of three attributes, a tenth of them missing, and eight people."""
    generator = np.random.default_rng(0)
    values = generator.integers(0, 2, (ROWS, 3)).astype(np.float32)
    values[generator.random((ROWS, 3)) < 0.1] = np.nan
    person = generator.integers(0, 8, ROWS)
    return Catalogue(
        data="celeba",
        pictures=PictureFolder(Path("absent"), np.array([f"{row}.jpg" for row in range(ROWS)])),
        labels={
            "attributes": AttributeLabels(("a", "b", "c"), values),
            "identity": ClassLabels(tuple("ABCDEFGH"), person),
        },
        split=np.array(["train"] * TRAIN + ["valid"] * 10 + ["test"] * 10),
        person=person,
    )


def names(part: Catalogue) -> list[str]:
    return [part.pictures.name(row) for row in range(len(part))]


def attributes(part: Catalogue) -> np.ndarray:
    labels = part.labels["attributes"]
    assert isinstance(labels, AttributeLabels)
    return labels.values


def test_training_rows_are_chosen_by_the_seed_and_nothing_else_changes() -> None:
    every = catalogue()
    few = sample_training_rows(every, 12, seed=1)
    assert names(few.subset("train")) == names(sample_training_rows(every, 12, seed=1).subset("train"))
    assert names(few.subset("train")) != names(sample_training_rows(every, 12, seed=2).subset("train"))
    assert len(few.subset("train")) == 12
    for part in ("valid", "test"):
        assert names(few.subset(part)) == names(every.subset(part))
    order = [names(every).index(name) for name in names(few)]
    assert order == sorted(order)
    np.testing.assert_array_equal(attributes(few), attributes(every)[order])
    assert few.notes == ("12 of 40 training pictures are used, chosen at random by the seed 1",)
    assert fingerprint(few) != fingerprint(every)


def test_fewer_rows_are_among_more_rows() -> None:
    sets = [set(names(sample_training_rows(catalogue(), count, seed=0))) for count in (5, 20, 40)]
    assert sets[0] < sets[1] < sets[2] == set(names(catalogue()))


def test_more_rows_than_there_are_is_an_error() -> None:
    with pytest.raises(DataError, match=r"read.train_rows is 41, but celeba has 40 training pictures"):
        sample_training_rows(catalogue(), 41, seed=0)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_a_share_of_the_training_labels_stays(share: float) -> None:
    every = catalogue()
    before, after = attributes(every), attributes(sample_training_labels(every, share, seed=3))
    known = ~np.isnan(before[:TRAIN])
    observed = ~np.isnan(after[:TRAIN])
    assert observed.sum() == round(share * known.sum())
    np.testing.assert_array_equal(after[:TRAIN][observed], before[:TRAIN][observed])
    np.testing.assert_array_equal(after[TRAIN:], before[TRAIN:])
    np.testing.assert_array_equal(attributes(every), before)


def test_labels_are_chosen_by_the_seed_and_a_smaller_share_is_part_of_a_larger_one() -> None:
    half, again, other, tenth = (
        attributes(sample_training_labels(catalogue(), share, seed=seed))
        for share, seed in ((0.5, 0), (0.5, 0), (0.5, 1), (0.1, 0))
    )
    np.testing.assert_array_equal(half, again)
    assert not np.array_equal(np.isnan(half), np.isnan(other))
    assert not (np.isnan(half) & ~np.isnan(tenth)).any()


def test_shuffled_people_have_as_many_training_pictures_as_before() -> None:
    every = catalogue()
    shuffled = shuffle_training_people(every, seed=0)
    before, after = (part.labels["identity"].values for part in (every, shuffled))
    np.testing.assert_array_equal(np.bincount(after[:TRAIN]), np.bincount(before[:TRAIN]))
    np.testing.assert_array_equal(after[TRAIN:], before[TRAIN:])
    assert (after[:TRAIN] == before[:TRAIN]).mean() < 0.5
    np.testing.assert_array_equal(after, shuffle_training_people(every, seed=0).labels["identity"].values)
    assert not np.array_equal(after, shuffle_training_people(every, seed=1).labels["identity"].values)
    assert "SHUFFLED" in shuffled.notes[0]


def test_data_without_such_labels_is_refused() -> None:
    with pytest.raises(DataError, match=r"read.label_share .* celeba has none"):
        sample_training_labels(replace(catalogue(), labels={}), 0.5, seed=0)
    with pytest.raises(DataError, match=r"read.shuffle_people .* celeba has no identities"):
        shuffle_training_people(replace(catalogue(), labels={}), seed=0)


@pytest.mark.parametrize(("name", "value"), [("train_rows", 0), ("label_share", 0.0), ("label_share", 1.5)])
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"read.{name}"):
        ReadConfig(**{name: value})  # type: ignore[arg-type]


def test_settings_of_another_stage_are_refused() -> None:
    with pytest.raises(ValueError, match=r"read\.label_share is for the stage attributes"):
        RunConfig(stage="race", read=ReadConfig(label_share=0.5))
    with pytest.raises(ValueError, match=r"read\.shuffle_people is for the stage identity"):
        RunConfig(read=ReadConfig(shuffle_people=True))
