"""The map of the repository says what `tests/project/test_layering.py` enforces, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from tests.project.helpers import ROOT, tracked_files
from tests.project.test_layering import (
    ADAPTERS,
    ALLOWED_BETWEEN_ADAPTERS,
    FACES,
    LAYERS,
    MINING,
    OWN_FRAMEWORKS,
    violations,
)

PAGE = (ROOT / "docs" / "contributing" / "map.md").read_text(encoding="utf-8")
MODEL = ROOT / "reference_model"
FOR_THE_REPOSITORY = {".ci", ".github"}
"""Folders that hold no part of the project."""
PLACES = ("obrl/loss.py", "obrl/torch/x.py", "adapters/obrl_torch/x.py", "reference_model/train.py")
"""A file of each part that neither measures nor draws."""


def rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> set[str]:
    """What stands in code."""
    return set(re.findall(r"`([^`]+)`", cell))


def test_what_may_import_what_is_what_the_tests_enforce() -> None:
    table = {part: names(imports) for part, imports in rows("What may import what")}
    assert table["`obrl`"] == {"numpy"}
    assert table["`obrl.mining`"] == {"numpy"} | MINING
    assert table["`obrl.report`"] == {"numpy"}
    (faces,) = [part for part in table if "obrl.torch" in part and "obrl.jax" in part]
    assert names(faces) == {f"obrl.{face}" for face in FACES}
    for adapter in (*OWN_FRAMEWORKS, "obrl_native"):
        neighbours = {other for one, other in ALLOWED_BETWEEN_ADAPTERS if one == adapter}
        assert table[f"`{adapter}`"] == {"obrl"} | neighbours | OWN_FRAMEWORKS.get(adapter, set()), adapter
    parts = {"obrl", "obrl.torch", "obrl.mining", "benchmarks", "tools", "tests", *ADAPTERS}
    assert table["`reference_model`"] == {part for part in parts if is_allowed("reference_model/train.py", part)}
    others = {"`obrl`", "`obrl.mining`", "`obrl.report`", "`reference_model`", "`benchmarks`, `tools`", faces}
    assert set(table) == others | {f"`{adapter}`" for adapter in ADAPTERS}


def is_allowed(place: str, module: str) -> bool:
    return not violations(Path(place), f"import {module}")


def test_what_nothing_else_imports_is_what_the_tests_enforce() -> None:
    assert "Nothing imports `tests`. Only `benchmarks` imports `benchmarks`, and only `tools` imports `tools`." in PAGE
    allowed = {
        (place, part)
        for place in (*PLACES, "benchmarks/x.py", "tools/x.py")
        for part in ("tests", "benchmarks", "tools")
        if is_allowed(place, part)
    }
    assert allowed == {("benchmarks/x.py", "benchmarks"), ("tools/x.py", "tools")}


def test_the_layers_are_those_that_the_tests_enforce() -> None:
    table = rows("The layers of the reference model")
    assert [row[0] for row in table] == [name for name, _ in LAYERS]
    for (name, files, text), (_, members) in zip(table, LAYERS, strict=True):
        modules = {file.removesuffix(".py").strip("/").replace("/", ".") for file in names(files)}
        expected = {member.replace("*", "NAME") for member in members}
        if len(members) > 1:
            expected -= {"stages"}  # the package itself, which holds the stages
        assert modules - {"presets"} == expected, name  # presets hold no code
        folders = [MODEL, *(MODEL / file for file in names(files) if file.endswith("/"))]
        for file in names(files + text) - {"stages/NAME.py"}:
            if file.endswith((".py", "/")):
                assert any((folder / file).exists() for folder in folders), (name, file)


def test_names_on_the_map_are_in_the_folder_that_they_stand_beside() -> None:
    for folder_cell, text in rows("What lies where"):
        folders = [ROOT / name for name in sorted(names(folder_cell))]
        sources = "\n".join(path.read_text() for folder in folders for path in sorted(folder.rglob("*.py")))
        for name in names(text):
            if " " in name:
                continue  # a command
            in_place = any((base / name).exists() for base in (ROOT, *folders))
            assert in_place or (not name.endswith((".py", "/")) and name in sources), (folder_cell, name)


def test_every_folder_is_on_the_map() -> None:
    tops = {path.relative_to(ROOT).parts[0] for path in tracked_files() if path.parent != ROOT} - FOR_THE_REPOSITORY
    adapters = {f"adapters/{path.name}" for path in (ROOT / "adapters").glob("obrl_*")}
    on_the_map = {name.strip("/") for row in rows("What lies where") for name in names(row[0])}
    assert (tops - {"adapters"}) | adapters <= on_the_map
    assert {name for name in on_the_map if not (ROOT / name).exists()} == set()


def test_the_files_that_a_step_runs_through_exist() -> None:
    for way, *cells in rows("Three ways to compute a step"):
        files = {name for cell in cells for name in names(cell) if name.endswith((".py", ".cc"))}
        assert len(files) > 3, way
        for file in files:
            places = (ROOT, ROOT / "adapters", ROOT / "adapters" / "obrl_torch", ROOT / "adapters/obrl_torch/kernels")
            assert any((place / file).exists() for place in places), (way, file)
