"""What `predict` refuses, before anything is written."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.reference_model.training.commands import predict


def test_nothing_is_replaced_unless_asked(
    finished: dict[str, Path], mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.csv").write_text("years of work")
    assert predict(finished["ce"], mixed, "--out", tmp_path / "p.csv") == 2
    assert "exists; choose another name, or replace it with --overwrite" in capsys.readouterr().err
    assert (tmp_path / "p.csv").read_text() == "years of work"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--out", "a.csv", "--sheet", "a.jpg"), "--sheet .*a.jpg: the name must end in .png"),
        (("--out", "a.csv", "--embeddings", "a"), "--embeddings .*a: the name must end in .npy"),
        (("--out", "a.png", "--sheet", "a.png"), "--out and --sheet name the same file"),
        (("--out", "."), "is a folder; give the name of a file"),
        (("--out", "file/a.csv"), "file is a file, not a folder"),
    ],
)
def test_places_are_checked_first(
    finished: dict[str, Path],
    mixed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: Sequence[str],
    message: str,
) -> None:
    (tmp_path / "file").write_text("x")
    where = [flag if flag.startswith("--") else str(tmp_path / flag) for flag in flags]
    assert predict(finished["ce"], mixed, *where) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_is_no_finished_run_is_refused(
    finished: dict[str, Path], mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(run: Path) -> str:
        assert predict(run, mixed, "--out", tmp_path / "p.csv") == 2
        return capsys.readouterr().err

    assert "is no run" in refused(tmp_path)
    unfinished = tmp_path / "unfinished"
    shutil.copytree(finished["ce"], unfinished)
    (unfinished / "model.safetensors").write_bytes(b"not a file of weights")
    assert "not a whole .safetensors file" in refused(unfinished)
    (unfinished / "model.safetensors").unlink()
    assert "is not finished; go on with python -m reference_model.train --resume" in refused(unfinished)
    assert "is no run and no model.safetensors" in refused(unfinished / "labels.json")
    pipeline: Mapping[str, Any] = {"pipeline.yaml": "", "2-age/model.safetensors": "", "1-face/labels.json": ""}
    for name, text in pipeline.items():
        path = tmp_path / "all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert "holds a pipeline; choose one of its finished runs: 2-age" in refused(tmp_path / "all")
    assert predict(finished["ce"], tmp_path / "absent", "--out", tmp_path / "p.csv") == 2
    assert "no such folder" in capsys.readouterr().err
    assert not (tmp_path / "p.csv").exists()
