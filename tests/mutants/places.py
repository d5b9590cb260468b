"""Find the definition of a function by its name, in whichever file it stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """A definition: its file, and the characters where it starts and ends."""

    path: Path
    start: int
    end: int


class _Definition(NamedTuple):
    name: str
    start: int
    end: int


CPP = Path("adapters/obrl_native/src")
"""The sources in C++."""


def find_place(root: Path, name: str) -> Place:
    """Find a definition.

    Args:
        root: of the repository, or of a copy.
        name: `package:name` for Python (`package.module:name` where two modules have one), `C++:name` for C++. The
            name is that of a function, a method, a variable of a module or a constant outside of functions; as much of
            its qualified name (`OBRLoss.forward`, `Loss::run`) as makes it unique.

    Raises:
        LookupError: there is no such definition, or more than one.
    """
    package, _, function = name.partition(":")
    in_cpp = package == "C++"
    separator = "::" if in_cpp else "."
    places = [
        Place(path, definition.start, definition.end)
        for path in _files(root, "" if in_cpp else package)
        for definition in _definitions(path.read_text(encoding="utf-8"), in_cpp)
        if f"{separator}{definition.name}".endswith(f"{separator}{function}")
    ]
    if not places:
        raise LookupError(f"there is no {name}")
    if len(places) > 1:
        files = ", ".join(str(place.path.relative_to(root)) for place in places)
        raise LookupError(f"{name} is ambiguous: {files}")
    return places[0]


def _files(root: Path, package: str) -> list[Path]:
    """The files of a package or module of Python; of C++ where no package is named."""
    if not package:
        return sorted(path for path in (root / CPP).iterdir() if path.suffix in (".cc", ".h"))
    paths = [root / folder / package.replace(".", "/") for folder in ("", "adapters")]
    modules = [path.with_suffix(".py") for path in paths]
    return [
        *(path for path in modules if path.exists()),
        *(file for path in paths for file in sorted(path.rglob("*.py"))),
    ]


@cache
def _definitions(source: str, in_cpp: bool) -> tuple[_Definition, ...]:
    return tuple(_of_cpp(source) if in_cpp else _of_python(source))


def _of_python(source: str) -> Iterator[_Definition]:
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))

    def visit(node: ast.AST, scope: str) -> Iterator[_Definition]:
        for child in ast.iter_child_nodes(node):
            inner = scope
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{scope}{child.name}."
            names = []
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [child.name]
            elif isinstance(node, ast.Module) and isinstance(child, ast.Assign | ast.AnnAssign):
                targets = child.targets if isinstance(child, ast.Assign) else [child.target]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            for name in names:
                yield _Definition(scope + name, lines[child.lineno - 1], lines[child.end_lineno])
            yield from visit(child, inner)

    yield from visit(ast.parse(source), "")


_NO_CODE = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'|^#(?:\\\n|[^\n])*", re.DOTALL | re.MULTILINE
)
_SCOPE = re.compile(r"\b(?:namespace|class|struct)\s+([\w:]+)")
_CONSTANT = re.compile(r"\bconstexpr [^=]*?(\w+)\s*=")
_FUNCTION = re.compile(r"(~?[\w:]+)\s*\(")
_NO_FUNCTION = {"alignas", "catch", "decltype", "for", "if", "noexcept", "sizeof", "switch", "while", "__attribute__"}


def without_comments(source: str) -> str:
    """C++ with blanks in place of its comments, strings and directives; every other character stays at its place."""
    return _NO_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), source)


def _of_cpp(source: str) -> Iterator[_Definition]:
    """The functions and constants; each brace opens a scope, a function, or a block of one."""
    code = without_comments(source)
    open_braces: list[tuple[str, str, int]] = []  # what each opens ("scope", "function", "block"), its name, its start
    start = 0
    for mark in re.finditer(r"[{};]", code):
        header = code[start : mark.start()]
        begin = mark.start() - len(header.lstrip())
        kind, name = "", ""
        if mark.group() == "{":
            opened, its_name = _opened(header)
            nested = opened == "function" and any(outer != "scope" for outer, _, _ in open_braces)
            open_braces.append(("block" if nested else opened, its_name, begin))
        elif mark.group() == "}" and open_braces:
            kind, name, begin = open_braces.pop()
        elif constant := _CONSTANT.search(header):
            kind, name = "constant", constant[1]
        if kind == "function" or (kind == "constant" and all(outer == "scope" for outer, _, _ in open_braces)):
            scopes = [scope for _, scope, _ in open_braces if scope]
            yield _Definition("::".join([*scopes, name]), begin, mark.end())
        start = mark.end()


def _opened(header: str) -> tuple[str, str]:
    """What a brace opens after this text, and its name."""
    names = [match for match in _FUNCTION.finditer(header) if match[1] not in _NO_FUNCTION]
    if names and header.count("(") == header.count(")"):
        return "function", names[0][1]
    if re.search(r"\b(?:namespace|class|struct|extern)\b", header) and "(" not in header:
        scopes = _SCOPE.findall(header)  # the last, for `template <class T> struct Name`
        return "scope", scopes[-1] if scopes else ""
    return "block", ""
