import csv
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_model.attributes import CELEBA_ATTRIBUTES, GROUPS, match_attributes, normalise_name

SPELLINGS = {
    "Receding_Hair": "Receding_Hairline",
    "Bush_Eyebrows": "Bushy_Eyebrows",
    "Over_Face": "Oval_Face",
    **dict.fromkeys(("5_O_Clock_Shadow", "5 o'Clock Shadow", "5-O-Clock-Shadow", "5oClockShadow"), "5_o_Clock_Shadow"),
}
"""The paper's and others."""


def test_there_are_forty_distinct_attributes_in_celebas_order() -> None:
    assert len(set(map(normalise_name, CELEBA_ATTRIBUTES))) == 40
    # CelebA sorts them by the bytes of their names.
    assert list(CELEBA_ATTRIBUTES) == sorted(CELEBA_ATTRIBUTES)
    table = resources.files("reference_model.data").joinpath("ising_celeba.csv").read_text()
    assert tuple(next(csv.reader(table.splitlines()))[2:]) == CELEBA_ATTRIBUTES


def test_groups_have_the_papers_sizes_and_hold_every_attribute_once() -> None:
    assert [len(members) for members in GROUPS.values()] == [10, 5, 1, 2, 4, 6, 2, 2, 8]
    members = [name for group in GROUPS.values() for name in group]
    assert sorted(members) == sorted(CELEBA_ATTRIBUTES)
    assert list(GROUPS) == ["hair", "eyes", "ears", "nose", "mouth", "beard", "cheeks", "neck", "global"]


@pytest.mark.parametrize(("spelling", "celeba"), SPELLINGS.items())
def test_other_spellings_mean_celebas_attributes(spelling: str, celeba: str) -> None:
    assert normalise_name(spelling) == normalise_name(celeba)
    assert CELEBA_ATTRIBUTES[match_attributes(CELEBA_ATTRIBUTES, [spelling])[0]] == celeba


@given(st.permutations(range(40)), st.integers(1, 40))
def test_matching_goes_by_name_never_by_position(order: list[int], count: int) -> None:
    shuffled = [CELEBA_ATTRIBUTES[place] for place in order]
    requested = [name.upper().replace("_", " ") for name in CELEBA_ATTRIBUTES[:count]]
    columns = match_attributes(shuffled, requested)
    assert columns.dtype == np.int64
    assert [shuffled[column] for column in columns] == list(CELEBA_ATTRIBUTES[:count])


def test_an_absent_attribute_is_named_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"no attribute named Male, Young; the table has Bald, Bangs"):
        match_attributes(["Bald", "Bangs"], ["Male", "Bald", "Young"])


def test_ambiguous_names_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"table's attributes name the same attribute twice: 'Oval_Face' and 'Over Face'"
    ):
        match_attributes(["Oval_Face", "Over Face"], ["Oval_Face"])
    with pytest.raises(ValueError, match=r"requested attributes name the same attribute twice: 'Male' and 'male'"):
        match_attributes(["Male"], ["Male", "male"])
