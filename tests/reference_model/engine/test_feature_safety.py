"""Stored features that are not those of the pictures, or that not every process can read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reference_model.data.pictures import PictureBatches
from reference_model.data.synthetic import write_synthetic_faces
from reference_model.engine import feature_files
from reference_model.engine.feature_files import check_shared
from reference_model.runs import RunError
from tests.reference_model.engine.test_features import prepare, settings


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("safety") / "faces"
    return write_synthetic_faces(root, num_train=24, num_valid=5, num_test=4, seed=6, workers=1)


def test_any_picture_of_another_size_changes_the_names_of_its_features(faces: Path, tmp_path: Path) -> None:
    changed = tmp_path / "faces"
    shutil.copytree(faces, changed)
    row = min(set(range(24)) - set(np.linspace(0, 23, 16).astype(int).tolist()))  # none of those read byte by byte
    picture = sorted((changed / "img_align_celeba").iterdir())[row]
    same, _, _ = prepare(settings(changed, tmp_path / "features"))
    picture.write_bytes(picture.read_bytes() + b"\0")
    other, _, _ = prepare(settings(changed, tmp_path / "features"))
    before, after = ({part.key: part.partition for part in cache.maps} for cache in (same, other))
    assert {before[key] for key in before.keys() - after.keys()} == {"train"}
    assert {before[key] for key in before.keys() & after.keys()} == {"valid", "test"}


def test_every_opening_compares_other_rows(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, _, _ = prepare(settings(faces, tmp_path / "features"))
    cache.build(say=lambda text: None)
    batch, drawn = PictureBatches.batch, []

    def watched(self: PictureBatches, indices: Any) -> Any:
        drawn.append(tuple(indices.tolist()))
        return batch(self, indices)

    monkeypatch.setattr(PictureBatches, "batch", watched)
    for _ in range(3):
        cache.open()
    assert [len(rows) for rows in drawn] == [8, 5, 4] * 3
    assert len(set(drawn[::3])) == 3


def test_a_folder_that_another_process_does_not_see_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "features"
    check_shared(folder)
    assert not folder.exists()
    monkeypatch.setattr(feature_files, "LOOKED_FOR_S", 0.3)
    monkeypatch.setattr(feature_files, "count_processes", lambda: 3)
    monkeypatch.setattr(feature_files, "from_first", lambda value: value or "shared")
    monkeypatch.setattr(feature_files, "from_all", lambda value: [value] * 3)
    monkeypatch.setattr(feature_files, "this_rank", lambda: 0)
    check_shared(folder)
    assert list(folder.iterdir()) == []
    monkeypatch.setattr(feature_files, "from_all", lambda value: [True, value, value])
    monkeypatch.setattr(feature_files, "this_rank", lambda: 1)
    with pytest.raises(RunError, match=r"all processes, and 1, 2 of 3 do not see .* share with --features.folder DIR"):
        check_shared(folder)


def test_what_another_process_begins_or_renames_is_left_alone(tmp_path: Path) -> None:
    new, old, renamed = (tmp_path / f"key.partial-{name}" for name in ("new", "old", "renamed"))
    for folder in (new, old, renamed):
        folder.mkdir()
    (renamed / feature_files.VALUES).symlink_to(tmp_path / "gone")  # listed, and not there when it is looked at
    os.utime(old, (0, 0))
    feature_files._remove_abandoned(tmp_path, "key")
    assert (new.is_dir(), old.exists(), renamed.is_dir()) == (True, False, True)
