"""What a mutant is: a fault that the tests must catch, and where in the source it goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.places import Place, find_place


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        name: what is wrong.
        place: the function, as `find_place` takes it: a package and a name, in whichever file it stands.
        pattern: code that occurs once in that function. Space between two tokens matches any space or none, and `$x`
            any name, the same at each occurrence; so the pattern survives another line break or a renamed variable.
        replacement: the faulty code; `$x` stands for the name that the pattern matched.
        test: what must fail: a test's file or folder, after variables of the environment (`NAME=value`), before options
            of pytest.
    """

    name: str
    place: str
    pattern: str
    replacement: str
    test: str


class MutantError(Exception):
    """A mutant does not fit the source."""


def apply(mutant: Mutant, root: Path) -> tuple[Path, str]:
    """The file that a mutant changes, and what it then holds; writes nothing.

    Raises:
        MutantError: no such function, or more than one; a pattern that does not occur exactly once in it; a replacement
            that changes nothing; Python that does not compile.
    """
    try:
        place = find_place(root, mutant.place)
    except LookupError as error:
        raise MutantError(f"{mutant.name}: {error}") from error
    source = place.path.read_text(encoding="utf-8")
    changed = _replace(mutant, place, source)
    if changed == source:
        raise MutantError(f"{mutant.name}: the replacement changes nothing")
    if place.path.suffix == ".py":
        try:
            compile(changed, place.path, "exec")
        except SyntaxError as error:
            raise MutantError(f"{mutant.name}: the changed {place.path.name} does not compile: {error}") from error
    return place.path, changed


def _replace(mutant: Mutant, place: Place, source: str) -> str:
    matches = list(compile_pattern(mutant.pattern).finditer(source, place.start, place.end))
    if len(matches) != 1:
        raise MutantError(f"{mutant.name}: the pattern occurs {len(matches)} times in {mutant.place}")
    (match,) = matches
    replacement = re.sub(r"\$(\w+)", lambda name: match[name[1]], mutant.replacement)
    return source[: match.start()] + replacement + source[match.end() :]


_TOKEN = re.compile(r"""\$\w+|"[^"]*"|'[^']*'|\w+|\S""")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression of a mutant's pattern."""
    expression, names, ends_in_word = "", set[str](), False
    for token in _TOKEN.findall(pattern):
        is_word = re.match(r"[\w$]", token) is not None
        if is_word:
            expression += r"\s+" if ends_in_word else r"\s*(?<!\w)" if expression else r"(?<!\w)"
        elif expression:
            expression += r"\s*"
        name = token[1:]
        if not token.startswith("$"):
            expression += re.escape(token)
        elif name in names:
            expression += f"(?P={name})"
        else:
            expression += rf"(?P<{name}>[^\W\d]\w*)"
            names.add(name)
        expression += r"(?!\w)" if is_word else ""
        ends_in_word = is_word
    return re.compile(expression)


def split_test(test: str) -> tuple[dict[str, str], list[str]]:
    """The variables of the environment that a mutant's test names, and the arguments of pytest."""
    words = test.split()
    variables = [word for word in words if re.match("[A-Z_]+=", word)]
    return dict(word.split("=", 1) for word in variables), [word for word in words if word not in variables]
