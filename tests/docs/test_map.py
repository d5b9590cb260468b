"""The map of the repository says what `tests/project/test_layering.py` enforces, and names what there is."""

from __future__ import annotations

import re

from tests.project.helpers import ROOT, tracked_files
from tests.project.test_layering import ALLOWED_BETWEEN_ADAPTERS, FACES, LAYERS, MINING, OWN_FRAMEWORKS

PAGE = (ROOT / "docs" / "contributing" / "map.md").read_text(encoding="utf-8")
FOR_THE_REPOSITORY = {".ci", ".github"}
"""Folders that hold no part of the project."""


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
    (faces,) = [part for part in table if "obrl.torch" in part and "obrl.jax" in part]
    assert names(faces) == {f"obrl.{face}" for face in FACES}
    for adapter in (*OWN_FRAMEWORKS, "obrl_native"):
        neighbours = {other for one, other in ALLOWED_BETWEEN_ADAPTERS if one == adapter}
        assert table[f"`{adapter}`"] == {"obrl"} | neighbours | OWN_FRAMEWORKS.get(adapter, set()), adapter


def test_the_layers_are_those_that_the_tests_enforce() -> None:
    table = rows("The layers of the reference model")
    assert [row[0] for row in table] == [name for name, _ in LAYERS]
    for name, files, _ in table:
        for file in names(files) - {"stages/NAME.py"}:
            assert (ROOT / "reference_model" / file).exists(), (name, file)


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
