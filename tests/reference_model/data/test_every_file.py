"""Every file below a folder, in a stable order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reference_model.data.errors import DataError
from reference_model.data.every_file import list_files


def test_files_are_listed_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/2.txt", "a/1.jpg", "c/d/e.png", ".hidden/x.jpg", ".DS_Store", "out.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    files = list_files(tmp_path, without=(tmp_path / "c" / ".." / "out.csv",))
    assert files.names.tolist() == ["a/1.jpg", "a/2.txt", "b.jpg", "c/d/e.png"]


def test_links_and_what_is_no_file(tmp_path: Path) -> None:
    inside, outside = tmp_path / "pictures", tmp_path / "elsewhere"
    inside.mkdir()
    outside.mkdir()
    (outside / "a.jpg").write_text("x")
    (inside / "linked").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (inside / "nowhere.jpg").symlink_to(tmp_path / "absent.jpg")
    os.mkfifo(inside / "pipe")
    assert list_files(inside).names.tolist() == ["linked/a.jpg", "nowhere.jpg"]


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name, message in {"empty": "no file in it", "file": "is a file; name its folder", "absent": "no such"}.items():
        with pytest.raises(DataError, match=message):
            list_files(tmp_path / name)
