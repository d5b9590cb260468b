"""The paper's numbers, against a second copy of them, and what they say against its text."""

from __future__ import annotations

import math

from pytest import approx

from reference_model.pipeline import published
from reference_model.settings.names import FACE_NETS
from tests.project.helpers import ROOT

# Typed a second time, so that a slip of the pen in one of the copies shows.
FUSIONS = """
net_0              89.21 90.51 84.17 85.37
net_1              89.89 90.97 84.72 85.69
net_2              89.56 91.08 85.02 85.81
net_3              89.73 91.24 84.94 85.90
net_1+net_2        90.09 91.12 85.23 86.27
net_1+net_3        89.42 91.26 85.32 86.19
net_2+net_3        89.54 90.55 85.43 86.28
net_1+net_2+net_3  90.38 91.47 85.97 86.51
"""
METHODS = """
FaceTracer         81.13 73.93
PANDA-I            85.1  80.06
PANDA-w            85.43 81.03
LNet+ANet          87.3  83.5
Location+Weather   88.65 86.6
Off-the-shelf      86.3  84.5
FaceSTN            91.1  86.0
MTCNN              91.47 86.51
"""


def test_the_tables_are_those_of_the_paper() -> None:
    for line in FUSIONS.split("\n")[1:-1]:
        fusion, *numbers = line.split()
        cells = [published.accuracy(fusion, data, loss) for data in ("celeba", "lfwa") for loss in ("ce", "obrl")]
        assert cells == [float(number) for number in numbers]
    assert len(published.TABLE_2) == len(FUSIONS.split("\n")) - 2
    for line in METHODS.split("\n")[1:-1]:
        method, celeba, lfwa = line.split()
        assert published.TABLE_3[method] == {"celeba": float(celeba), "lfwa": float(lfwa)}
    assert len(published.TABLE_3) == len(METHODS.split("\n")) - 2
    assert published.TABLE_3["MTCNN"]["celeba"] == published.accuracy("net_1+net_2+net_3", "celeba", "obrl")
    assert math.isnan(published.accuracy("net_0", "synthetic", "ce"))


def test_the_named_attributes_are_seven_of_three_nets() -> None:
    assert {net: len(named) for net, named in published.HELPED.items()} == {"net_1": 3, "net_2": 2, "net_3": 2}
    assert set(published.HELPED) == set(FACE_NETS[1:])


def test_the_papers_average_is_a_single_cell() -> None:
    single, fused, every = published.gain_over_generic("celeba")
    assert (single, fused, every) == approx((0.96, 0.59, 0.589), abs=0.005)
    assert published.gain_over_generic("lfwa")[0] == approx(1.14)
    assert published.gain_of_loss("celeba") == approx(1.2975)
    assert published.gain_of_loss("lfwa") == approx(0.9025)


def test_three_of_six_fusions_of_two_nets_are_below_both_members() -> None:
    assert published.pairs_below_both_members("celeba") == [
        ("net_1+net_3", "ce"),
        ("net_2+net_3", "ce"),
        ("net_2+net_3", "obrl"),
    ]
    assert published.pairs_below_both_members("lfwa") == []


def test_no_sentence_is_borne_out() -> None:
    average, richer, superior = published.text_against_numbers()
    assert not (average.holds or richer.holds or superior.holds)
    assert "0.59" in average.numbers and "1.30 and 0.90" in average.numbers
    assert "6 CelebA cells with two nets, 3 lie below" in richer.numbers
    assert "Location+Weather has 86.60 on LFWA, above 86.51" in superior.numbers
    assert "90.38 on CelebA is below FaceSTN's 91.10" in superior.numbers


def test_the_documentation_repeats_what_is_computed() -> None:
    page = (ROOT / "docs" / "reference_model" / "tables.md").read_text()
    for statement in published.text_against_numbers():
        assert f"| {statement.text} | {statement.numbers} | {'yes' if statement.holds else 'no'} |" in page
