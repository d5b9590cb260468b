"""Features of frozen nets on disk: what they hold, what is refused, and that training on them is the same training."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reference_model.config import FeaturesConfig, ImagesConfig, NetConfig, RunConfig
from reference_model.data.augment import augment_batch
from reference_model.data.errors import DataError
from reference_model.data.synthetic import write_synthetic_faces
from reference_model.engine import feature_files, features
from reference_model.engine.features import FeatureCache
from reference_model.engine.module import build_net
from reference_model.engine.sources import StageData, open_data
from reference_model.nets import AttributeModel
from reference_model.nets.model import scale_pixels
from reference_model.runs import RunError
from reference_model.stages.registry import load_stage

NETS = ("net_0", "net_2")
NET = NetConfig(
    nets=NETS, frozen=NETS, width=0.05, depth=1, strides=(1, 1), norm="bn", group_channels=4, group_hidden=8
)
ROUNDING = 2.0**-11
"""What float16 may be off by, in parts of the value."""


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cached") / "faces"
    return write_synthetic_faces(root, num_train=24, num_valid=5, num_test=4, seed=5, workers=1)


def settings(faces: Path, folder: Path, **features_settings: object) -> RunConfig:
    config = RunConfig(data="celeba", root=faces, net=NET, images=ImagesConfig(size=32), loss="ce")
    train = replace(config.train, device="cpu", eval_batch_size=7)
    return replace(config, train=train, features=FeaturesConfig(cache=True, folder=folder, **features_settings))  # type: ignore[arg-type]


def prepare(config: RunConfig) -> tuple[FeatureCache, AttributeModel, StageData]:
    stage = load_stage("attributes")
    data = open_data(config, stage)
    model = build_net(stage, data.targets, config).eval()
    assert isinstance(model, AttributeModel)
    return FeatureCache(model, data, config), model, data


@pytest.fixture
def built(faces: Path, tmp_path: Path) -> tuple[FeatureCache, AttributeModel, StageData, RunConfig]:
    config = settings(faces, tmp_path / "features")
    cache, model, data = prepare(config)
    cache.build(say=lambda text: None)
    return cache, model, data, config


Built = tuple[FeatureCache, AttributeModel, StageData, RunConfig]


def folders(cache: FeatureCache) -> list[Path]:
    return [cache.folder / part.key for part in cache.maps]


@pytest.mark.parametrize("partition", ["train", "valid", "test"])
def test_features_are_those_of_the_nets_rounded_to_float16(built: Built, partition: str) -> None:
    cache, model, data, config = built
    rows = np.array([3, 0, 2])
    stored, targets = cache.open()[partition].batch(rows)
    images, expected_targets = data.pictures(partition, config).batch(rows)
    with torch.inference_mode():
        expected = model.face(scale_pixels(torch.from_numpy(images))).numpy()
    assert stored.dtype == np.float16
    np.testing.assert_allclose(stored, expected, rtol=1.01 * ROUNDING, atol=1e-6)
    np.testing.assert_array_equal(targets, expected_targets)


def test_mirrored_rows_are_those_that_the_pictures_would_be(built: Built) -> None:
    cache, model, data, config = built
    pictures, rows = cache.open()["train"], np.arange(24)[::-1].copy()
    upright, _ = pictures.batch(rows)
    mixed = pictures.mirror(upright.copy(), rows, seed=7, epoch=2)
    images, _ = data.pictures("train", config).batch(rows)
    varied = augment_batch(images, rows, seed=7, epoch=2, crop_padding=0)
    with torch.inference_mode():
        expected = model.face(scale_pixels(torch.from_numpy(varied))).numpy()
    np.testing.assert_allclose(mixed, expected, rtol=1.01 * ROUNDING, atol=1e-6)
    changed = (mixed != upright).any(axis=(1, 2, 3))
    assert changed.tolist() == (varied != images).any(axis=(1, 2, 3)).tolist()
    assert 0 < changed.sum() < 24


def test_logits_of_stored_features_are_those_of_the_pictures(built: Built) -> None:
    cache, model, data, config = built
    rows = np.arange(5)
    stored, _ = cache.open()["valid"].batch(rows)
    images, _ = data.pictures("valid", config).batch(rows)
    with torch.inference_mode():
        close = model.forward_features(torch.from_numpy(stored)), model(torch.from_numpy(images))
    torch.testing.assert_close(*close, rtol=0, atol=4 * ROUNDING * float(close[1].abs().max()))


def test_a_second_run_computes_nothing(built: Built, faces: Path) -> None:
    cache, _, _, config = built
    times = [(place / feature_files.VALUES).stat().st_mtime_ns for place in folders(cache)]
    assert len(set(folders(cache))) == 2 * (2 + 1 + 1)  # two nets; train also mirrored, valid, test
    again, _, _ = prepare(config)
    said: list[str] = []
    again.build(say=said.append)
    assert (again.missing(), said) == ([], [])
    assert [(place / feature_files.VALUES).stat().st_mtime_ns for place in folders(again)] == times
    assert "0.000" in again.forecast()


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},  # other random nets
        {"images": ImagesConfig(size=40)},
        {"net": replace(NET, strides=(1, 2))},
    ],
)
def test_other_nets_and_sizes_have_other_features(built: Built, changed: dict[str, object]) -> None:
    cache, _, _, config = built
    other, _, _ = prepare(replace(config, **changed))  # type: ignore[arg-type]
    assert not set(folders(cache)) & set(folders(other))


def test_nets_share_their_features_between_fusions_and_label_sets(built: Built) -> None:
    cache, model, data, config = built
    names = ("net_2", "net_0")
    stage = load_stage("attributes")
    blank = np.full_like(data.targets.values, np.nan)
    labels = {"attributes": replace(data.catalogue.labels["attributes"], values=blank)}
    fewer = replace(data, catalogue=replace(data.catalogue, labels=labels))
    other_config = replace(config, net=replace(NET, nets=names, frozen=names))
    other = build_net(stage, data.targets, other_config)
    assert isinstance(other, AttributeModel)
    for name in names:
        other.face.nets[name].load_state_dict(model.face.nets[name].state_dict())
    shared = FeatureCache(other, fewer, other_config)
    assert set(folders(shared)) == set(folders(cache))
    assert shared.missing() == []
    ours, theirs = (part.open()["valid"].batch(np.arange(2))[0] for part in (cache, shared))
    np.testing.assert_array_equal(theirs, np.concatenate(np.split(ours, 2, axis=1)[::-1], axis=1))


def test_other_values_on_disk_are_an_error(built: Built) -> None:
    cache = built[0]
    place = folders(cache)[0]
    values = np.load(place / feature_files.VALUES)
    np.save(place / feature_files.VALUES, values[::-1])
    message = re.escape(f"Delete {place}, and they are computed anew")
    with pytest.raises(
        RunError, match=f"net_0 are not those of the train pictures.*computed anew and differ. {message}"
    ):
        cache.open()
    np.save(place / feature_files.VALUES, np.full_like(values, np.nan))
    with pytest.raises(RunError, match=r"differ"):
        cache.open()
    shutil.rmtree(place)
    cache.build(say=lambda text: None)
    cache.open()


@pytest.mark.parametrize("damage", ["cut", "other shape", "no json"])
def test_damaged_files_are_an_error(built: Built, damage: str) -> None:
    cache = built[0]
    place = folders(cache)[-1]
    values = place / feature_files.VALUES
    if damage == "cut":
        values.write_bytes(values.read_bytes()[:-10])
    elif damage == "other shape":
        np.save(values, np.zeros((2, 2), np.float16))
    else:
        (place / feature_files.ABOUT).write_text("{")
    with pytest.raises(RunError, match=r"are not those of the test pictures"):
        cache.open()


def test_half_written_features_are_never_read(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = built[0]
    for place in folders(cache):
        shutil.rmtree(place)
    compute, calls = features._compute_features, []

    def stopped(*arguments: object, **options: object) -> torch.Tensor:
        calls.append(arguments)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return compute(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(features, "_compute_features", stopped)
    with pytest.raises(KeyboardInterrupt):
        cache.build(say=lambda text: None)
    assert len(cache.missing()) == len(cache.maps)
    assert list(cache.folder.iterdir()) == []
    cache.build(say=lambda text: None)
    cache.open()


def test_what_a_killed_process_left_is_deleted_after_an_hour(built: Built) -> None:
    cache = built[0]
    place = folders(cache)[0]
    shutil.rmtree(place)
    old, new = (place.with_name(f"{place.name}.partial-{name}") for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
        (folder / feature_files.VALUES).write_bytes(b"half")
    feature_files.os.utime(old / feature_files.VALUES, (0, 0))
    cache.build(say=lambda text: None)
    assert (old.exists(), new.exists(), place.exists()) == (False, True, True)


def test_a_faster_process_is_no_error(built: Built) -> None:
    cache = built[0]
    part = cache.maps[0]
    before = (cache.folder / part.key / feature_files.VALUES).read_bytes()
    with feature_files.writers([part], cache.folder) as (writer,):
        writer.write(np.zeros(part.shape, np.float16))
        writer.finish({})
    assert (cache.folder / part.key / feature_files.VALUES).read_bytes() == before
    assert not list(cache.folder.glob("*.partial-*"))


def test_too_much_for_the_settings_or_the_disk(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, _, _ = prepare(settings(faces, tmp_path / "features", disk_gb=1e-6))
    with pytest.raises(RunError, match=r"for 33 pictures take .* more than the 1e-06 GB that features.disk_gb allows"):
        cache.build(say=lambda text: None)
    cache, _, _ = prepare(settings(faces, tmp_path / "features"))
    monkeypatch.setattr(features, "_free_bytes", lambda folder: 1000)
    with pytest.raises(RunError, match=r"and 1e-06 GB are free: choose another disk with features.folder"):
        cache.build(say=lambda text: None)
    assert not (tmp_path / "features").exists()


def test_values_that_float16_cannot_hold_are_an_error(faces: Path, tmp_path: Path) -> None:
    cache, model, _ = prepare(settings(faces, tmp_path / "features"))
    with torch.no_grad():
        for parameter in model.face.parameters():
            parameter *= 1e3
    with pytest.raises(RunError, match=r"features of net_0 are beyond what float16 holds"):
        cache.build(say=lambda text: None)
    assert list((tmp_path / "features").iterdir()) == []


def test_unusable_pictures_are_replaced_as_without_the_cache(faces: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(faces, broken)
    pictures = sorted((broken / "img_align_celeba").iterdir())
    for row in (4, 5, 23):
        pictures[row].write_bytes(b"no picture")
    config = settings(broken, tmp_path / "features")
    config = replace(config, read=replace(config.read, max_unusable=0.2))
    cache, model, data = prepare(config)
    cache.build(say=lambda text: None)
    stored, plain = cache.open()["train"], data.pictures("train", config)
    assert stored.unusable == plain.unusable
    assert [picture.row for picture in stored.unusable] == [4, 5, 23]
    rows = np.array([4, 22, 23])
    got, targets = stored.batch(rows)
    images, expected_targets = plain.batch(rows)
    with torch.inference_mode():
        expected = model.face(scale_pixels(torch.from_numpy(images))).numpy()
    np.testing.assert_allclose(got, expected, rtol=1.01 * ROUNDING, atol=1e-6)
    np.testing.assert_array_equal(targets, expected_targets)
    strict = replace(config, read=replace(config.read, max_unusable=0.05))
    with pytest.raises(RunError, match=r"3 of 24 train pictures cannot be used, more than the 5.0%"):
        FeatureCache(model, data, strict).open()
    with pytest.raises(DataError, match=r"of 24 pictures cannot be used"):
        FeatureCache(model, data, replace(strict, features=FeaturesConfig(True, tmp_path / "other"))).build(
            say=lambda text: None
        )


def test_a_net_that_is_trained_is_refused(faces: Path) -> None:
    with pytest.raises(ValueError, match=r"add net_2 to net.frozen, or leave features.cache out"):
        RunConfig(net=replace(NET, frozen=("net_0",)), features=FeaturesConfig(cache=True))
    with pytest.raises(ValueError, match=r"the stage age trains its net: leave it out"):
        RunConfig(stage="age", features=FeaturesConfig(cache=True))
    with pytest.raises(ValueError, match=r"features.disk_gb must be above 0"):
        FeaturesConfig(disk_gb=0)


def test_what_a_map_says_of_itself(built: Built) -> None:
    cache = built[0]
    about = json.loads((folders(cache)[0] / feature_files.ABOUT).read_text())
    assert (about["net"], about["partition"], about["mirrored"], about["unusable"]) == ("net_0", "train", False, {})
    assert about["shape"][0] == 24
