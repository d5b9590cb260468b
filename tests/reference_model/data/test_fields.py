"""Splitting tables into fields, against Python's own string methods."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_model.data.errors import DataError
from reference_model.data.fields import split_fields
from tests.support.profiles import examples

NAME = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8).filter(lambda name: name == name.strip())
VALUE = st.sampled_from(["-1", "0", "1", "nan", "NA", "?", "1.0", "-1.0"])
NUMBERS = {"-1": -1, "0": 0, "1": 1, "1.0": 1, "-1.0": -1}


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    columns = draw(st.integers(1, 4))
    row = st.tuples(NAME, *[VALUE] * columns).map(list)
    return draw(st.lists(row, min_size=1, max_size=8))


@examples(200)
@given(table=tables(), newline=st.sampled_from(["\n", "\r\n"]), comma=st.booleans(), data=st.data())
def test_fields_are_those_of_a_plain_split(
    table: list[list[str]], newline: str, comma: bool, data: st.DataObject
) -> None:
    gap = st.sampled_from([","]) if comma else st.sampled_from([" ", "  ", "\t"])
    lines = []
    for row in table:
        line = row[0]
        for value in row[1:]:
            line += data.draw(gap) + value
        lines.append(line)
        lines += [""] * data.draw(st.integers(0, 1))
    body = newline.join(lines).encode()
    fields = split_fields(Path("list"), body, comma=comma, columns=len(table[0]), first_line=1)
    assert fields.strings(0).tolist() == [row[0] for row in table]
    expected = [[NUMBERS.get(value, np.nan) for value in row[1:]] for row in table]
    np.testing.assert_array_equal(fields.ternary(1), np.array(expected, dtype=np.float32))
    for row, content in enumerate(table):
        assert lines[fields.line(row) - 1].startswith(content[0])
        assert [fields.text(row, column) for column in range(len(content))] == content


@pytest.mark.parametrize("comma", [True, False])
def test_other_spellings_of_the_numbers_are_read(tmp_path: Path, comma: bool) -> None:
    spellings = {"1.0": 1, "-1.0": -1, "0.0": 0, "+1": 1, "-1.000000": -1, "1e0": 1, "nan": np.nan, "1": 1, "-1": -1}
    generator = np.random.default_rng(0)
    cells = generator.choice(list(spellings), (50, 7))
    separator = "," if comma else " "
    text = "".join(separator.join([f"{row}.jpg", *cells[row]]) + "\n" for row in range(50))
    fields = split_fields(tmp_path / "a", text.encode(), comma=comma, columns=8, first_line=1)
    expected = np.array([[spellings[cell] for cell in row] for row in cells.tolist()], dtype=np.float32)
    np.testing.assert_array_equal(fields.ternary(1), expected)
    broken = text.replace("5.jpg", "5.jpg" + separator + "0.5", 1).encode()
    with pytest.raises(DataError, match="line 6: expected 8 fields, got 9"):
        split_fields(tmp_path / "a", broken, comma=comma, columns=8, first_line=1)


def test_the_first_field_that_is_no_number_is_named(tmp_path: Path) -> None:
    text = b"a 1.0 1\nb z.9 1\nc a.0 2\n"
    with pytest.raises(DataError, match=r"line 2: expected -1, 0 or 1 .* got 'z\.9'"):
        split_fields(tmp_path / "a", text, comma=False, columns=3, first_line=1).ternary(1)
