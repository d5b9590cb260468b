"""A small set of synthetic faces, and a finished table, made once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reference_model.data.synthetic import write_synthetic_faces
from reference_model.pipeline.trainer import StageTrainer
from tests.reference_model.pipeline.tables.commands import arguments, tables


@pytest.fixture(scope="session")
def table_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 training, 16 validation and 16 test faces in CelebA's layout."""
    root = tmp_path_factory.mktemp("table-faces") / "celeba"
    return write_synthetic_faces(root, num_train=48, num_valid=16, num_test=16, seed=3)


@pytest.fixture(scope="session")
def table2(tmp_path_factory: pytest.TempPathFactory, table_faces: Path) -> Path:
    """Table II of net_0 and net_1 with both losses and one seed."""
    out = tmp_path_factory.mktemp("tables") / "t2"
    assert tables(*arguments("table2", table_faces, out, "--fusions", "net_0,net_1")) == 0
    return out


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The keys of the cells whose training begins or goes on."""
    keys: list[str] = []
    train = StageTrainer.train

    def note(trainer: StageTrainer, run: Any, config: Any, **options: Any) -> Any:
        keys.append(run.path.name)
        return train(trainer, run, config, **options)

    monkeypatch.setattr(StageTrainer, "train", note)
    yield keys
