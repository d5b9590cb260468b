"""Tables whose cells diverge, lose their products, or come from several devices."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reference_model.engine.finite import NotFiniteError
from reference_model.pipeline.cells import Cell
from reference_model.pipeline.running import run_cells
from reference_model.pipeline.tables import figure2
from reference_model.pipeline.tables.command import parse_tables
from reference_model.pipeline.tables.table2 import table2_cells
from tests.reference_model.pipeline.tables.commands import arguments, check_made_again, tables


def test_figure_2_is_written_without_the_alphas_that_diverge(
    table2: Path,
    table_faces: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(figure2, "PAPER_ALPHAS", (0.0, 0.5, 1.0))  # of which table 2 has the first two
    shutil.copytree(table2 / "cells-done", tmp_path / "cells-done")
    words = arguments("figure2", table_faces, tmp_path, "--fusions=net_0", "--wide-alphas=1e300,1e301")
    assert tables(*words) == 2
    error = capsys.readouterr().err
    assert "2 of 5 cells diverged, as they will again with the same settings:" in error
    assert "celeba, alpha 1e+301, net_0, seed 0: step 1: the loss is not finite" in error
    assert "figure2 is written without them" in error and "go on" not in error
    text = (tmp_path / "figure2.md").read_text()
    assert "Training diverged in celeba, alpha 1e+300" in text and "| celeba | 1e+300 |" not in text
    assert len((tmp_path / "figure2-wide.csv").read_text().splitlines()) == 3  # alpha 0 and 1
    assert len((tmp_path / "figure2.csv").read_text().splitlines()) == 4
    check_made_again("figure2", tmp_path)


def test_a_table_that_needs_all_cells_says_so(
    table_faces: Path, tmp_path: Path, trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tables(*arguments("table2", table_faces, tmp_path, "--fusions=net_0", "--relation.alpha=1e300")) == 2
    error = capsys.readouterr().err
    assert "1 of 2 cells diverged" in error and "table2 cannot be written without them" in error
    assert not (tmp_path / "table2.md").exists()
    assert len(trained) == 2 and len([*(tmp_path / "cells-done").iterdir()]) == 1


def test_what_starts_from_a_cell_that_diverged_is_not_trained(
    table_faces: Path, tmp_path: Path, trained: list[str]
) -> None:
    options = parse_tables(arguments("table2", table_faces, tmp_path, "--fusions=net_0")).options
    entropy, joint = table2_cells(options)
    diverging = replace(joint, config=replace(joint.config, relation=replace(joint.config.relation, alpha=1e300)))
    tuned = [Cell({}, replace(entropy.config, seed=seed), {"weights.model": diverging}) for seed in (1, 2)]
    with pytest.raises(NotFiniteError, match=r"which weights\.model comes from, diverged: step 1"):
        run_cells([*tuned, entropy], tmp_path)
    assert len(trained) == 2  # the one that diverged, and cross-entropy behind it
    assert [path.stem for path in (tmp_path / "cells-done").iterdir()] == trained[1:]


def test_a_product_that_was_deleted_is_made_again(
    table_faces: Path, tmp_path: Path, trained: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = parse_tables(arguments("table2", table_faces, tmp_path, "--fusions=net_0")).options
    first, _ = table2_cells(options)
    (before,) = run_cells([first], tmp_path)
    product = tmp_path / "cells" / before.key / "model.safetensors"
    product.unlink()
    tuned = Cell({}, replace(first.config, seed=1), {"weights.model": first})
    (after,) = run_cells([tuned], tmp_path)
    assert trained == [before.key, before.key, after.key]
    assert product.is_file()
    assert "its model.safetensors is not here: it is trained again" in capsys.readouterr().out


def test_a_table_says_that_its_cells_are_from_several_devices(table2: Path, table_faces: Path, tmp_path: Path) -> None:
    folder = tmp_path / "done"
    shutil.copytree(table2 / "cells-done", folder)
    words = arguments("table2", table_faces, tmp_path / "out", "--fusions=net_0", "--cells", folder)
    assert tables(*words) == 0
    assert "devices" not in (tmp_path / "out" / "table2.md").read_text()
    for path in folder.iterdir():
        cell = json.loads(path.read_text())
        if cell["columns"].get("loss") == "ce":
            cell["environment"]["device"] = "cuda"
            path.write_text(json.dumps(cell))
    assert tables(*words) == 0
    assert "different devices (1 on cpu, 1 on cuda)" in (tmp_path / "out" / "table2.md").read_text()
    check_made_again("table2", tmp_path / "out", folder)
