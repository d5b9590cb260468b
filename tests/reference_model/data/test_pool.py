"""The pool of drawn people, objects and places, and the data sets written from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.config import PoolConfig, SyntheticConfig
from reference_model.data.errors import DataError
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.synthetic import pool_drawing
from reference_model.data.synthetic.pool import POOL_FOLDERS, open_pool, write_pool
from reference_model.data.synthetic.pool_formats import FORMATS
from reference_model.data.synthetic.pool_plan import PoolParameters, plan_faces, plan_objects
from reference_model.data.synthetic.years import YOUNG_BELOW

TINY = PoolConfig(people=6, valid_people=4, test_people=2, pictures_per_person=4, objects=2, scenes=3)
CONFIG = SyntheticConfig(seed=3)
# With the two people whose pictures train the attributes.
PICTURES = (6 + 2 + 4 + 2) * 4 + 40 * (2 + 1) + 16 * 3


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pool(tmp_path_factory.mktemp("pool") / "pool", CONFIG, TINY)


def drawn(root: Path) -> dict[str, bytes]:
    files = (path for kind in ("faces", "objects", "scenes") for path in sorted((root / kind).rglob("*")))
    return {str(path.relative_to(root)): path.read_bytes() for path in files if path.is_file()}


class Killed(BaseException):
    pass


def test_a_cut_drawing_goes_on_and_gives_the_same_pictures(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, count = pool_drawing._draw, 0

    def killed_in_the_middle(*arguments: object) -> object:
        nonlocal count
        count += 1
        if count == 30:
            raise Killed
        return draw(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pool_drawing, "_draw", killed_in_the_middle)
    with pytest.raises(Killed):
        write_pool(tmp_path / "pool", CONFIG, TINY, formats=["casia"], workers=1)
    assert len(drawn(tmp_path / "pool")) == 29
    assert not (tmp_path / "pool" / "casia").exists()
    write_pool(tmp_path / "pool", CONFIG, TINY, formats=["casia"], workers=1)
    assert count == 30 + PICTURES - 29
    assert drawn(tmp_path / "pool") == drawn(pool)
    write_pool(tmp_path / "pool", CONFIG, TINY, formats=["casia"], workers=1)
    assert count == 30 + PICTURES - 29
    assert not list((tmp_path / "pool").rglob(".*.*"))


@pytest.mark.slow
def test_pictures_do_not_depend_on_the_number_of_workers(pool: Path, tmp_path: Path) -> None:
    assert drawn(write_pool(tmp_path / "pool", CONFIG, TINY, formats=[], workers=2)) == drawn(pool)


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_is_read_back(pool: Path, name: str) -> None:
    data_set = load_data_set(name)
    catalogue = data_set.read(pool / name, ReadOptions())
    assert len(catalogue) > 0
    assert set(data_set.labels) <= set(catalogue.labels) | {"identity", "class"}
    assert not [finding for finding in data_set.check(pool / name) if finding.level == "error"]
    assert all(catalogue.pictures.read(row)[:2] == b"\xff\xd8" for row in range(len(catalogue)))


def test_attributes_are_trained_on_other_people_than_the_nets(pool: Path) -> None:
    def pictures(name: str, *, train: bool) -> set[bytes]:
        catalogue = load_data_set(name).read(pool / name, ReadOptions())
        rows = np.flatnonzero(catalogue.split == "train") if train else range(len(catalogue))
        return {catalogue.pictures.read(int(row)) for row in rows}

    for name in ("celeba", "lfwa", "table"):
        for nets in ("msceleb", "imdb_wiki", "casia"):
            assert not pictures(name, train=False) & pictures(nets, train=False)
        assert not pictures(name, train=True) & pictures("fairface", train=True)


def test_the_stages_have_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    root = open_pool(CONFIG, None, TINY)
    assert root.parent == tmp_path / "obrl"
    for name, folder in POOL_FOLDERS.values():
        assert len(load_data_set(name).read(root / folder, ReadOptions())) > 0
    assert open_pool(CONFIG, None, TINY) == root


def test_only_pools_of_the_same_parameters_are_used(pool: Path, tmp_path: Path) -> None:
    before = drawn(pool)
    with pytest.raises(DataError, match="drawn with other values of seed: name another folder"):
        write_pool(pool, SyntheticConfig(seed=4), TINY)
    with pytest.raises(DataError, match="drawn with other values of sizes"):
        write_pool(pool, CONFIG, PoolConfig())
    assert drawn(pool) == before
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="is not a pool of synthetic pictures"):
        write_pool(tmp_path, CONFIG, TINY)
    with pytest.raises(ValueError, match="unknown formats lmdb; there are imagenet"):
        write_pool(tmp_path / "pool", CONFIG, TINY, formats=["lmdb"])


class TestPlan:
    def test_people_are_in_one_partition_of_one_sex_and_race(self) -> None:
        sizes = PoolConfig(people=40, valid_people=5, test_people=10, pictures_per_person=10)
        plan = plan_faces(PoolParameters.of(SyntheticConfig(seed=1), sizes))
        male = plan.drawn[:, CELEBA_ATTRIBUTES.index("Male")]
        for person in np.unique(plan.person):
            rows = plan.person == person
            assert len(set(plan.split[rows])) == len(set(male[rows])) == len(set(plan.race[rows])) == 1
            assert len(set(plan.labelled[rows])) == 1
            assert rows.sum() == 10
        assert len(np.unique(plan.person[plan.split == "train"])) == 40 + 10
        assert len(np.unique(plan.person[(plan.split == "train") & plan.labelled])) == 10
        assert plan.labelled[plan.split != "train"].all()
        assert set(np.unique(plan.race)) == {0, 1, 2}

    def test_pictures_of_a_person_agree_in_what_belongs_to_the_person(self) -> None:
        plan = plan_faces(PoolParameters.of(SyntheticConfig(seed=1), PoolConfig(people=200, pictures_per_person=5)))
        each = plan.drawn.reshape(-1, 5, 40).astype(float)
        within = each.var(axis=1).mean(axis=0) / each.var(axis=(0, 1))
        names = CELEBA_ATTRIBUTES
        assert within[names.index("Male")] == 0
        assert within[[names.index(name) for name in ("Big_Nose", "Black_Hair", "Bushy_Eyebrows", "Young")]].max() < 0.1
        assert within[[names.index(name) for name in ("Smiling", "Mouth_Slightly_Open", "Blurry")]].min() > 0.4

    def test_years_agree_with_young(self) -> None:
        plan = plan_faces(PoolParameters.of(SyntheticConfig(seed=1), TINY))
        young = plan.drawn[:, CELEBA_ATTRIBUTES.index("Young")] == 1
        np.testing.assert_array_equal(plan.years < YOUNG_BELOW, young)
        assert plan.years.min() >= 16
        assert plan.years.max() <= 85

    def test_label_noise_changes_written_attributes_only(self) -> None:
        clean, noisy = (
            plan_faces(PoolParameters.of(SyntheticConfig(label_noise=noise), PoolConfig(people=50)))
            for noise in (0.0, 0.1)
        )
        np.testing.assert_array_equal(clean.drawn, noisy.drawn)
        np.testing.assert_array_equal(clean.person, noisy.person)
        assert abs((noisy.drawn != noisy.written).mean() - 0.1) < 0.01

    def test_objects_have_the_same_number_of_pictures_in_every_class(self) -> None:
        plan = plan_objects(PoolParameters.of(SyntheticConfig(), PoolConfig(objects=10)))
        assert set(np.bincount(plan.value)) == {13}
        assert (plan.split == "test").sum() == 40 * 3
