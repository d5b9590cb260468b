"""Splitting tables into fields, against Python's own string methods."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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
