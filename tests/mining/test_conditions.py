"""The conditions of `--fail-on`: what they mean, and what is said of text that is none."""

from __future__ import annotations

import numpy as np
import pytest

from obrl.mining import MiningError
from obrl.mining.changes.conditions import where

ROWS = {"q": np.array([0.01, 0.2, np.nan, 0.05]), "delta": np.array([-0.3, 0.5, 0.0, 0.1]), "old": np.array([True] * 4)}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("q<=.05", "1001"),
        ("q<=.05 and abs(delta)>=.1", "1001"),
        ("q <= 5e-2 and delta>0", "0001"),
        ("q < .05 or delta > .4", "1100"),
        ("not q<=.05", "0110"),
        ("not (q<=.05 or delta>.4) and old", "0010"),
        ("delta == -.3 or delta != delta", "1000"),
        ("q != .2", "1001"),
        ("-delta > -0.2 and old", "1011"),
        ("abs(-(delta)) >= 0.3", "1100"),
        ("(" * 50 + "q" + ")" * 50 + " <= 1", "1101"),
        ("(q) <= 1 and " * 20 + "(old)", "1101"),
        ("NOT q<=.05 And Abs(delta)>.1 OR q<.05", "1100"),
        ("not " * 196 + "q <= 1", "1101"),
        ("q<=.05 or q>.05 and delta<0", "1001"),
        (".1 <= delta", "0101"),
        ("old", "1111"),
    ],
)
def test_conditions(condition: str, expected: str) -> None:
    assert "".join(map(str, where(condition, ROWS).astype(int).tolist())) == expected


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("", "expected a column or a number, got the end"),
        ("q<=", "expected a column or a number, got the end"),
        ("q<=.05)", "at character 7: expected and, or, or the end, got '\\)'"),
        ("(q<=.05", "expected \\), got the end"),
        ("q<=.05 & old", "at character 8: '& old' is no part of a condition: did you mean and\\?"),
        ("q<=.05 && old", "did you mean and\\?"),
        ("old || q<1", "did you mean or\\?"),
        ("!old", "did you mean not\\?"),
        ("q=.05", "at character 2: '=.05' is no part of a condition: did you mean <= or ==\\?"),
        ("q=<.05", "did you mean <=\\?"),
        ("delta=>.1", "did you mean >=\\?"),
        ("q<=5%", "'%' is no part of a condition: write 0.05 for 5 %"),
        ("q%", "'%' is no part of a condition$"),
        ("abs delta > 1", "at character 5: expected \\( after abs, got 'delta'"),
        ("q <= .05 <= delta", "at character 10: expected and, or, or the end, got '<='"),
        ("old < 1", "a condition is no number"),
        ("abs(q<1) > 0", "a condition is no number"),
        ("q and old", "a number is no condition"),
        ("not q", "a number is no condition"),
        ("size > 1", "at character 1: there is no column 'size'; columns are q, delta, old"),
        ("q < and", "expected a column or a number, got 'and'"),
        ("(" * 100 + "q" + ")" * 100, "may have 200 words and signs, got 201"),
        ("(" * 51 + "q" + ")" * 51, "at character 51: expected at most 50 parentheses inside each other, got more"),
        ("(" * 180, "at most 50 parentheses"),
        ("abs(" * 51, "at most 50 parentheses"),
        ("Q <= .05", "there is no column 'Q'"),
    ],
)
def test_conditions_that_are_none(condition: str, words: str) -> None:
    with pytest.raises(MiningError, match=words):
        where(condition, ROWS)
