"""The stage face: two sets of pictures as one, and which pictures without a face look most like one."""

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reference_model.config import ImagesConfig
from reference_model.data.catalogue import Catalogue, ClassLabels
from reference_model.data.combined import TilePictures, shuffle_tiles
from reference_model.data.errors import DataError
from reference_model.engine.sources import StageData
from reference_model.stages.face import combine
from reference_model.stages.registry import load_stage
from tests.reference_model.stages.pictures import CONFIG, SIZE, Colours, colour_catalogue, evaluate, thirds
from tests.support.tolerances import assert_close, band

FACES, SCENES = 60, 40
KINDS = ("abbey", "bar", "cave")


def faces() -> Catalogue:
    values = np.arange(FACES) // 6
    labels = {"identity": ClassLabels(tuple(map(str, range(10))), values)}
    return colour_catalogue(labels, brightness=[0.8] * FACES, split=thirds(FACES), person=values.tolist())


def scenes() -> Catalogue:
    values = np.random.default_rng(2).integers(0, 3, size=SCENES)
    return colour_catalogue({"class": ClassLabels(KINDS, values)}, brightness=[0.2] * SCENES, split=thirds(SCENES))


def test_faces_and_scenes_are_one_catalogue() -> None:
    data = combine(faces(), scenes(), CONFIG)
    assert len(data) == FACES + SCENES
    labels = data.labels["class"]
    assert isinstance(labels, ClassLabels)
    assert labels.names == ("non-face", "face")
    assert labels.values.tolist() == [1] * FACES + [0] * SCENES
    assert data.pictures.name(0) == "faces/0000.png"
    assert data.pictures.name(FACES) == "scenes/0000.png"
    assert data.pictures.read(FACES + 3) == scenes().pictures.read(3)
    part = data.subset("test")
    assert part.pictures.name(len(part) - 1) == f"scenes/00{SCENES - 1}.png"
    assert part.pictures.describe(0) == "memory:0004.png"
    assert part.person is not None
    assert part.person[-1] == -1


def test_a_set_without_classes_of_scenes_will_do() -> None:
    data = combine(faces(), replace(scenes(), labels={}), CONFIG)
    assert (data.labels["scene"].values == -1).all()


def test_tiles_hold_the_same_pixels_in_another_order() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, size=(80, 95, 3), dtype=np.uint8)
    shuffled = shuffle_tiles(pixels, np.random.default_rng(1))
    side = next(n for n in (4, 5, 6, 7, 8) if shuffled.shape == (80 // n * n, 95 // n * n, 3))
    height, width = 80 // side, 95 // side

    def tiles(picture: np.ndarray) -> list[bytes]:
        return [
            picture[row * height : (row + 1) * height, column * width : (column + 1) * width].tobytes()
            for row in range(side)
            for column in range(side)
        ]

    assert sorted(tiles(shuffled)) == sorted(tiles(pixels))
    assert tiles(shuffled) != tiles(pixels)
    with pytest.raises(DataError, match="3 x 3 pixels is too small"):
        shuffle_tiles(pixels[:3, :3], np.random.default_rng(1))


def test_tiles_follow_from_seed_and_name_and_say_what_they_are() -> None:
    data = combine(faces(), None, CONFIG)
    assert len(data) == 2 * FACES
    assert data.split[:FACES].tolist() == data.split[FACES:].tolist()
    assert "stand-in" in data.notes[0]
    assert data.data == "colours and its shuffled tiles"
    row = int(np.flatnonzero(data.split == "test")[-1])
    part = data.subset("test")
    assert part.pictures.name(len(part) - 1) == f"tiles/00{row - FACES}.png"
    assert part.pictures.read(len(part) - 1) == data.pictures.read(row)
    picture = Image.open(io.BytesIO(data.pictures.read(row)))
    assert picture.size[0] == picture.size[1] in (28, 30, 32)


class Broken(Colours):
    """Pictures that are none."""

    def read(self, row: int) -> bytes:
        return b"no picture"


def test_a_broken_picture_is_named() -> None:
    source = TilePictures(Broken(np.zeros((1, 3), np.uint8), ("bad.png",)))
    with pytest.raises(DataError, match=r"memory:bad\.png: not a readable picture"):
        source.read(0)


@dataclass(frozen=True)
class SomeBroken(Colours):
    """Pictures of which some cannot be decoded."""

    def read(self, row: int) -> bytes:
        return b"no picture" if self.names[row] in ("0002.png", "0007.png") else super().read(row)


def test_a_face_stands_for_a_face_that_cannot_be_used() -> None:
    stage = load_stage("face")
    people, places = faces(), scenes()
    assert isinstance(people.pictures, Colours)
    broken = SomeBroken(people.pictures.colours, people.pictures.names)
    # Scenes stand beside the faces: every second row of each is the other kind.
    both = combine(replace(people, pictures=broken), places, CONFIG)
    rows = np.argsort(np.concatenate([np.arange(FACES), np.arange(SCENES) + 0.5]), kind="stable")
    mixed = both.rows(rows)
    data = StageData(stage, mixed, stage.targets(mixed, CONFIG), "")
    values = data.values("train")
    for memory_mb in (0, 1):
        config = replace(CONFIG, images=ImagesConfig(size=SIZE, memory_mb=memory_mb))
        pictures = data.pictures("train", config)
        images, targets = pictures.batch(np.arange(len(values)))
        assert targets.tolist() == values.tolist()
        np.testing.assert_array_equal(images.mean(axis=(1, 2, 3)) > 128, values == 1)
        assert len(pictures.unusable) == 2


def logits() -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    truth = torch.tensor([1.0] * FACES + [0.0] * SCENES)
    return torch.stack([-truth, truth], dim=1) + torch.randn(FACES + SCENES, 2, generator=generator)


def test_figures_are_those_of_counting() -> None:
    stage = load_stage("face")
    data = combine(faces(), scenes(), CONFIG)
    report = stage.report(evaluate(stage, data, logits()))
    rows = np.flatnonzero(data.split == "test")
    score = (logits()[:, 1] - logits()[:, 0]).double().numpy()
    face = [row for row in rows if row < FACES]
    other = [row for row in rows if row >= FACES]
    right = np.mean([(score[f] > score[o]) + 0.5 * (score[f] == score[o]) for f in face for o in other])
    assert_close("auc", report["auc"], right, band(len(face) * len(other), 1.0, "float32"))
    assert report["main"]["value"] == report["auc"]
    hits = [score[row] > 0 for row in face] + [score[row] <= 0 for row in other]
    assert_close("accuracy", report["accuracy"], np.mean(hits), band(len(rows), 1.0))
    recalls = [np.mean([score[row] > 0 for row in face]), np.mean([score[row] <= 0 for row in other])]
    assert_close("balanced", report["balanced_accuracy"], np.mean(recalls), band(len(rows), 1.0))
    worst = sorted(other, key=lambda row: -score[row])
    assert [entry["picture"] for entry in report["worst_scenes"]] == [data.pictures.name(row) for row in worst]
    kinds = data.labels["scene"].values
    assert report["worst_scenes"][0]["class"] == KINDS[kinds[worst[0]]]
    rates = {
        name: np.mean([score[row] > 0 for row in other if kinds[row] == kind])
        for kind, name in enumerate(KINDS)
        if any(kinds[row] == kind for row in other)
    }
    listed = {entry["class"]: entry["false_positive_rate"] for entry in report["worst_classes"]}
    assert listed == {name: rate for name, rate in rates.items() if rate}
    assert list(listed.values()) == sorted(listed.values(), reverse=True)


def test_running_figures_agree_with_the_report() -> None:
    stage = load_stage("face")
    data = combine(faces(), scenes(), CONFIG)
    targets = stage.targets(data, CONFIG)
    figures = stage.metrics(targets)
    for part in np.array_split(np.flatnonzero(data.split == "test"), 3):
        figures.update(logits()[part], torch.from_numpy(targets.values[part]))
    report = stage.report(evaluate(stage, data, logits()))
    running = figures.compute()
    assert_close("accuracy", running["accuracy"], report["accuracy"], band(SCENES, 1.0))
    # Scores are counted in bins; only pairs that share one may be counted otherwise.
    assert abs(running["auc"] - report["auc"]) < 1 / len(np.flatnonzero(data.split == "test"))
    assert stage.balanced


def test_text_and_picture_are_written(tmp_path: Path) -> None:
    stage = load_stage("face")
    report = stage.report(evaluate(stage, combine(faces(), None, CONFIG), torch.randn(2 * FACES, 2)))
    json.dumps(report)
    text = stage.describe({"stage": "face", "data": "colours", **report})
    assert "stand-in" in text
    assert "| AUC" in text
    stage.plot(tmp_path / "report.png", report)
    assert (tmp_path / "report.png").stat().st_size > 5000
