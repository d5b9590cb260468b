"""Conditions over the columns of a table, such as `q<=.05 and abs(delta)>=.1`, read without `eval`.

condition  = and-part {"or" and-part}
and-part   = not-part {"and" not-part}
not-part   = "not" not-part | comparison
comparison = number [("<" | "<=" | ">" | ">=" | "==" | "!=") number]
number     = ["-"] (digits | column | "abs" "(" condition ")" | "(" condition ")")

A line of this grammar that starts with `number` gives numbers; the others give answers. `and`, `or`, `not` and `abs`
may be written in capitals; parentheses may be nested 50 deep.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.mining.errors import MiningError, shortened

Values = npt.NDArray[Any]

TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)|([a-z_]\w*)|(<=|>=|==|!=|[<>()-]))", re.I)
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
HINTS = {
    "=>": "did you mean >=?",
    "=<": "did you mean <=?",
    "=": "did you mean <= or ==?",
    "&": "did you mean and?",
    "|": "did you mean or?",
    "!": "did you mean not?",
}
"""What other languages write, with what a condition has in its place."""
WORDS = ("and", "or", "not", "abs")
MOST_TOKENS = 200
DEEPEST = 50
"""Parentheses inside each other; Python itself stops at some depth."""


def where(condition: str, columns: Mapping[str, Values]) -> npt.NDArray[np.bool_]:
    """Which rows fulfil a condition.

    Args:
        condition: comparisons of columns and numbers, joined by `and`, `or` and `not`, with `abs(...)` and
            parentheses. A column of answers stands by itself: `changed and delta < 0`.
        columns: numbers or answers by name, (rows,) each. A comparison with an undefined number (NaN) does not hold.

    Returns:
        (rows,) bool.

    Raises:
        MiningError: no such condition, or no such column; the message says where and what is expected.

    Example:
        >>> where("q <= .05 and abs(delta) >= .1", {"q": np.array([.01, .2]), "delta": np.array([-.3, .5])})
        array([ True, False])
    """
    return _Parser(condition, columns).parse()


def columns_in(condition: str) -> set[str]:
    """The names in a condition, those of columns that do not exist included."""
    return {match[2] for match in TOKEN.finditer(condition) if match[2] and match[2].lower() not in WORDS}


def _hint(rest: str, before: str) -> str:
    """What the user may have meant, who wrote what no condition begins with, behind a word or number."""
    if rest.startswith("%") and before[:1] in {*"0123456789."}:
        return f": write {float(before) / 100:g} for {before} %"
    return next((f": {words}" for sign, words in HINTS.items() if rest.startswith(sign)), "")


class _Parser:
    """Reads a condition from left to right, and computes as it goes.

    Args:
        condition: the text.
        columns: by name.
    """

    def __init__(self, condition: str, columns: Mapping[str, Values]) -> None:
        self._text = condition
        self._columns = columns
        self._rows = len(next(iter(columns.values()))) if columns else 0
        self._tokens = self._split()
        self._next = 0
        self._depth = 0

    def _split(self) -> list[tuple[str, int]]:
        """The words, numbers and signs of the text, each with its place."""
        tokens: list[tuple[str, int]] = []
        place, text = 0, self._text.rstrip()
        while place < len(text):
            match = TOKEN.match(text, place)
            if match is None:
                start = place + len(text[place:]) - len(text[place:].lstrip())
                hint = _hint(text[start:], tokens[-1][0] if tokens else "")
                raise self._error(f"{shortened(text[start : start + 10])} is no part of a condition{hint}", start)
            tokens.append((match[0].strip(), match.end() - len(match[0].lstrip())))
            place = match.end()
        if len(tokens) > MOST_TOKENS:
            raise MiningError(f"a condition may have {MOST_TOKENS} words and signs, got {len(tokens)}")
        return tokens

    def parse(self) -> npt.NDArray[np.bool_]:
        value = self._condition()
        if self._word() is not None:
            raise self._expected("and, or, or the end")
        return self._answers(value)

    def _word(self) -> str | None:
        word = self._tokens[self._next][0] if self._next < len(self._tokens) else None
        return word.lower() if word is not None and word.lower() in WORDS else word

    def _take(self, *words: str) -> str | None:
        word = self._word()
        if word in words:
            self._next += 1
            return word
        return None

    def _condition(self) -> Values:
        value = self._and_part()
        while self._take("or"):
            value = self._answers(value) | self._answers(self._and_part())
        return value

    def _and_part(self) -> Values:
        value = self._not_part()
        while self._take("and"):
            value = self._answers(value) & self._answers(self._not_part())
        return value

    def _not_part(self) -> Values:
        if self._take("not"):
            return ~self._answers(self._not_part())
        return self._comparison()

    def _comparison(self) -> Values:
        left = self._number()
        sign = self._take(*COMPARISONS)
        if sign is None:
            return left
        left, right = self._numbers(left), self._numbers(self._number())
        return np.asarray(COMPARISONS[sign](left, right) & ~np.isnan(left) & ~np.isnan(right))

    def _number(self) -> Values:
        if self._take("-"):
            return -self._numbers(self._number())
        if self._take("abs"):
            if not self._take("("):
                raise self._expected("( after abs")
            return np.abs(self._numbers(self._inside()))
        if self._take("("):
            return self._inside()
        word = self._word()
        if word is None or word in WORDS or not (word[0].isalnum() or word[0] in "._"):
            raise self._expected("a column or a number")
        self._next += 1
        if word[0].isdigit() or word[0] == ".":
            return np.full(self._rows, float(word))
        if word not in self._columns:
            place = self._tokens[self._next - 1][1]
            raise self._error(f"there is no column {word!r}; columns are {', '.join(self._columns)}", place)
        return np.asarray(self._columns[word])

    def _inside(self) -> Values:
        self._depth += 1
        if self._depth > DEEPEST:
            place = self._tokens[self._next - 1][1]
            raise self._error(f"expected at most {DEEPEST} parentheses inside each other, got more", place)
        value = self._condition()
        if not self._take(")"):
            raise self._expected(")")
        self._depth -= 1
        return value

    def _answers(self, value: Values) -> npt.NDArray[np.bool_]:
        if value.dtype != np.bool_:
            raise self._error("a number is no condition: compare it, as in delta>=.1")
        return value

    def _numbers(self, value: Values) -> Values:
        if value.dtype == np.bool_:
            raise self._error("a condition is no number, and cannot be compared or have an abs")
        return np.asarray(value, np.float64)

    def _expected(self, what: str) -> MiningError:
        word = self._word()
        came = "the end" if word is None else repr(word)
        return self._error(f"expected {what}, got {came}", None if word is None else self._tokens[self._next][1])

    def _error(self, problem: str, place: int | None = None) -> MiningError:
        at = "" if place is None else f" at character {place + 1}"
        return MiningError(f"the condition {shortened(self._text)}{at}: {problem}")
