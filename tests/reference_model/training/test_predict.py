"""Predicting for a folder of pictures, some of which are none."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.config import HeadConfig, ImagesConfig, NetConfig, RunConfig
from reference_model.data.pictures import decode_picture
from reference_model.engine.building import build_net
from reference_model.engine.model_file import load_model
from reference_model.engine.results import save_model
from reference_model.runs import read_figures
from reference_model.stages.registry import load_stage
from reference_model.stages.stage import Targets
from tests.reference_model.training.commands import predict


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


BROKEN = ["empty.jpg", "notes.txt", "page.png", "truncated.jpg"]
WHOLE = ["alpha.webp", "animated.gif", "cmyk.jpg", "deep/er/plain.png", "grey16.png", "turned.png"]


def test_every_picture_is_used_and_every_other_file_is_listed(
    finished: dict[str, Path], mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sheet = tmp_path / "new" / "p.csv", tmp_path / "s.png"
    assert predict(finished["ce"], mixed, "--out", out, "--sheet", sheet) == 0
    rows = rows_of(out)
    assert [row["file"] for row in rows] == sorted(BROKEN + WHOLE)
    assert [row["file"] for row in rows if row["error"]] == BROKEN
    assert all(row["Smiling"] == "" for row in rows if row["error"])
    printed = capsys.readouterr()
    assert [line.split(": ")[1] for line in printed.err.splitlines()] == [str(mixed / name) for name in BROKEN]
    assert "6 pictures; 4 files cannot be used" in printed.out
    assert "No face is searched for" in printed.out and "32 x 32 pixels" in printed.out
    with Image.open(sheet) as picture:
        assert picture.width < 7 * 170, "six pictures"
    assert predict(finished["ce"], mixed, "--out", out, "--overwrite", "--strict") == 1


def test_the_probabilities_are_those_of_the_net(finished: dict[str, Path], mixed: Path, tmp_path: Path) -> None:
    assert predict(finished["ce"], mixed, "--out", tmp_path / "p.csv") == 0
    rows = {row["file"]: row for row in rows_of(tmp_path / "p.csv")}
    path = mixed / "deep/er/plain.png"
    pixels = torch.from_numpy(decode_picture(path.read_bytes(), 32, where="")[None])
    with torch.inference_mode():
        expected = load_model(finished["ce"] / "model.safetensors").model(pixels)[0].sigmoid().numpy()
    for name in ("deep/er/plain.png", "turned.png", "alpha.webp"):  # the same pixels
        values = np.array([float(rows[name][label]) for label in CELEBA_ATTRIBUTES])
        assert np.abs(values - expected).max() < 1e-4
        assert [rows[name][f"{label}_present"] for label in CELEBA_ATTRIBUTES] == [
            str(int(value >= 0.5)) for value in expected
        ]


@pytest.mark.parametrize("metric", ["accuracy", "f1", "balanced"])
def test_cutoffs_are_those_that_the_run_chose(
    finished: dict[str, Path], faces: Path, tmp_path: Path, metric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = faces / "img_align_celeba"
    assert predict(finished["obrl"], pictures, "--out", tmp_path / "p.csv", "--cutoffs", metric) == 0
    cutoffs = read_figures(finished["obrl"] / "labels.json")["calibration"]["cutoffs"][metric]
    rows = rows_of(tmp_path / "p.csv")
    assert len(rows) == 160
    for label, cutoff in zip(CELEBA_ATTRIBUTES, cutoffs, strict=True):
        sure = [row for row in rows if abs(float(row[label]) - cutoff) > 1e-4]
        assert all(row[f"{label}_present"] == str(int(float(row[label]) >= cutoff)) for row in sure)
    assert "chosen on the 32 validation pictures" in capsys.readouterr().out


@pytest.mark.parametrize(("value", "flagged"), [(1, 6), (0, 0)])
def test_implausible_pairs_are_named(
    value: int, flagged: int, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = {"first": 0, "second": 1, "second_value": value, "expected": 30.0, "observed": 0}
    path = save_untrained(
        tmp_path / "m.safetensors", "attributes", ("Goatee", "Bangs"), bias=50, implausible_pairs=[pair]
    )
    assert predict(path, mixed, "--out", tmp_path / "p.csv", "--sheet", tmp_path / "s.png") == 0
    named = [row["implausible"] for row in rows_of(tmp_path / "p.csv") if not row["error"]]
    assert named == ["Goatee with Bangs" if flagged else ""] * 6
    assert f"\n{flagged} pictures (" in capsys.readouterr().out


def save_untrained(path: Path, stage: str, names: Sequence[str], *, bias: float = 0.0, **details: Any) -> Path:
    """Write the file of a net as its initial weights are, as a run does at its end."""
    config = RunConfig(
        stage=stage,  # type: ignore[arg-type]
        images=ImagesConfig(size=20),
        net=NetConfig(width=0.05, depth=0, strides=(1, 1)),
        head=HeadConfig(hidden=(6,), embedding=4),
    )
    details = {"groups": {"all": list(range(len(names)))}, "train_mean": 30.0, **details}
    targets = Targets(np.empty(0), tuple(names), details)
    net = build_net(load_stage(stage), targets, config)
    for name, parameter in net.named_parameters():
        if name.endswith("output_bias"):  # of the attribute net
            nn.init.constant_(parameter, bias)
    save_model(path, net, targets, config, {})
    return path


@pytest.mark.parametrize(
    ("stage", "names", "columns", "flags"),
    [
        ("age", ("age",), ["years"], ()),
        ("race", ("w", "b", "y"), ["race", "w", "b", "y"], ("--race",)),
        ("face", ("non-face", "face"), ["class", "non-face", "face"], ()),
        ("pretrain", ("cat", "dog"), ["class", "cat", "dog"], ()),
        ("identity", ("Jane Doe", "John Doe"), [], ("--embeddings", "e.npy")),
    ],
)
def test_other_stages(
    stage: str, names: tuple[str, ...], columns: list[str], flags: tuple[str, ...], mixed: Path, tmp_path: Path
) -> None:
    path = save_untrained(tmp_path / "m.safetensors", stage, names)
    where = [tmp_path / flag if flag.endswith(".npy") else flag for flag in flags]
    out = tmp_path / "p.csv"
    assert predict(path, mixed, "--out", out, "--sheet", tmp_path / "s.png", *where) == 0
    rows = rows_of(out)
    assert list(rows[0]) == ["file", *columns, "error"]
    usable = [row for row in rows if not row["error"]]
    if stage == "age":
        assert all(abs(float(row["years"]) - 30) < 5 for row in usable)
    elif columns:
        assert all(sum(float(row[name]) for name in names) == pytest.approx(1, abs=1e-3) for row in usable)
    else:
        vectors = np.load(tmp_path / "e.npy")
        assert vectors.shape == (10, 4) and vectors.dtype == np.float32
        assert [bool(row["error"]) for row in rows] == np.isnan(vectors).all(axis=1).tolist()
        assert "Doe" not in out.read_text()


@pytest.mark.parametrize(
    ("stage", "flags", "message"),
    [
        ("race", (), "predicts race, which is written on request only: give --race"),
        ("identity", (), "written on request only: give --embeddings FILE.npy"),
        ("age", ("--race",), "--race is for a net of the stage race"),
        ("age", ("--embeddings", "e.npy"), "--embeddings is for a net of the stage identity"),
        ("age", ("--cutoffs", "f1"), "--cutoffs is for a net of the stage attributes"),
        ("attributes", ("--cutoffs", "f1"), "no cut-offs for f1"),
    ],
)
def test_what_does_not_fit_the_stage_is_refused(
    stage: str, flags: tuple[str, ...], message: str, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_untrained(tmp_path / "m.safetensors", stage, ("a", "b"))
    where = [str(tmp_path / flag) if flag.endswith(".npy") else flag for flag in flags]
    assert predict(path, mixed, "--out", tmp_path / "new" / "p.csv", *where) == 2
    assert message in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.safetensors"]


def test_landmarks_turn_pictures_upright(finished: dict[str, Path], faces: Path, tmp_path: Path) -> None:
    name = sorted(path.name for path in (faces / "img_align_celeba").iterdir())[0]
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    with Image.open(faces / "img_align_celeba" / name) as picture:
        width, height = picture.size
        picture.save(pictures / "upright.png")
        picture.transpose(Image.Transpose.ROTATE_90).save(pictures / "turned.png")
        picture.save(pictures / "unknown.png")
    points = np.array([(69.745, 111), (107.237, 111), (88, 136), (72, 152.514), (104.864, 152.514)])
    left = np.stack([points[:, 1], width - 1 - points[:, 0]], axis=1)  # a quarter turn to the left
    assert height > width
    header = [
        f"{point}_{axis}" for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy"
    ]
    lines = [
        f"{name} {' '.join(map(str, xy.flatten()))}" for name, xy in {"upright.png": points, "turned.png": left}.items()
    ]
    landmarks = tmp_path / "landmarks.txt"
    landmarks.write_text("\n".join(["2", " ".join(header), *lines]) + "\n")
    assert predict(finished["ce"], pictures, "--out", tmp_path / "p.csv", "--landmarks", landmarks) == 0
    rows = {row["file"]: row for row in rows_of(tmp_path / "p.csv")}
    assert "has no landmarks for it" in rows["unknown.png"]["error"]
    values = {
        name: np.array([float(rows[name][label]) for label in CELEBA_ATTRIBUTES])
        for name in ("upright.png", "turned.png")
    }
    assert np.abs(values["upright.png"] - values["turned.png"]).max() < 0.01
    plain = tmp_path / "plain.csv"
    assert predict(finished["ce"], pictures, "--out", plain) == 0
    unaligned = np.array([float(rows_of(plain)[0][label]) for label in CELEBA_ATTRIBUTES])
    assert np.abs(unaligned - values["turned.png"]).max() > 0.01, "turned, and not aligned"


def test_landmarks_of_other_files_are_refused(
    finished: dict[str, Path], mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{point}_{axis}" for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy"]
    (tmp_path / "l.txt").write_text(f"1\n{' '.join(names)}\nother.jpg 1 2 3 2 2 3 1 4 3 4\n")
    assert predict(finished["ce"], mixed, "--out", tmp_path / "p.csv", "--landmarks", tmp_path / "l.txt") == 2
    assert "has landmarks for none of the 10 files" in capsys.readouterr().err
    assert not (tmp_path / "p.csv").exists()


def test_outputs_that_are_not_finite_are_refused(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_untrained(tmp_path / "m.safetensors", "age", ("age",), train_mean=float("inf"))
    assert predict(path, mixed, "--out", tmp_path / "p.csv") == 2
    assert "outputs are not finite" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.safetensors"]


def test_results_inside_the_folder_are_no_pictures_of_it(
    finished: dict[str, Path], mixed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(mixed, folder)
    for _ in range(2):
        options = ["--out", folder / "p.csv", "--sheet", folder / "s.png", "--overwrite"]
        assert predict(finished["ce"], folder, *options) == 0
        assert [row["file"] for row in rows_of(folder / "p.csv")] == sorted(BROKEN + WHOLE)
