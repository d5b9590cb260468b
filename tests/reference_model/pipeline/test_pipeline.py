"""A whole pipeline on the engine, with tiny nets and pictures: what it writes, and that no kill changes the result."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reference_model.pipeline.cells import describe_file
from reference_model.runs import RunFolder
from reference_model.train import main

REPOSITORY = Path(__file__).resolve().parents[3]
RUNS = ["1-pretrain", "2-face", "3-identity", "4-age", "5-race", "6-attributes-celeba", "6-attributes-lfwa"]
SETTINGS = """
images: {size: 32, crop_padding: 2}
net: {width: 0.05, strides: [1, 1]}
pool: {people: 24, valid_people: 4, test_people: 4, pictures_per_person: 4, objects: 2, scenes: 3}
train: {threads: 1, device: cpu}
attributes: {net: {group_channels: 4, group_hidden: 8}}
"""
STAGES = ("pretrain", "face", "identity", "age", "race", "attributes")
PRODUCTS = {"2-face": "net_0", "3-identity": "net_1", "4-age": "net_2", "5-race": "net_3"}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures are drawn, once for all pipelines of this file."""
    return tmp_path_factory.mktemp("pool") / "pool"


def arguments(folder: Path, pool: Path) -> list[str]:
    settings = folder.parent / "settings.yaml"
    training = "{epochs: 1, batch_size: 8, checkpoint_every: 1, influence_every: 2}"
    sections = "".join(f"{stage}: {{train: {training}}}\n" for stage in STAGES[:-1])
    settings.write_text(SETTINGS.replace("}}\n", f"}}, train: {training}}}\n") + sections)
    return ["--stage=all", "--data=synthetic", f"--root={pool}", f"--config={settings}", f"--out={folder}"]


@pytest.fixture(scope="module")
def complete(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted pipeline."""
    folder = tmp_path_factory.mktemp("complete") / "run"
    assert main(arguments(folder, pool)) == 0
    return folder


def assert_same_results(one: Path, other: Path) -> None:
    for name in RUNS:
        assert (one / name / "report.json").read_text() == (other / name / "report.json").read_text(), name
        assert (one / name / "metrics.csv").read_text() == (other / name / "metrics.csv").read_text(), name
    files = sorted(path.relative_to(one) for path in one.rglob("*.safetensors"))
    assert files == sorted(path.relative_to(other) for path in other.rglob("*.safetensors"))
    assert len(files) == len(RUNS) + len(STAGES[:-1]) + len(PRODUCTS)
    for file in files:
        weights, others = load_file(one / file), load_file(other / file)
        assert weights.keys() == others.keys(), file
        assert all(torch.equal(weights[name], others[name]) for name in weights), file


def test_a_pipeline_trains_every_stage_from_the_one_before(complete: Path) -> None:
    for name in RUNS:
        report = json.loads((complete / name / "report.json").read_text())
        assert report["main"]["name"], name
        assert RunFolder(complete / name).is_run()
    for name, product in PRODUCTS.items():
        passed_on, trained = (
            load_file(complete / f"{product}.safetensors"),
            load_file(complete / name / f"{product}.safetensors"),
        )
        assert all(torch.equal(passed_on[key], trained[key]) for key in trained)
    account = json.loads((complete / "3-identity" / "weights.json").read_text())
    net_0 = load_file(complete / "net_0.safetensors")
    assert set(account[""]["loaded"]) >= {name for name in net_0 if name.startswith("features.")}
    assert describe_file(complete / "net_1.safetensors") == (
        "stage identity on drawn pictures, after face on drawn pictures, after pretrain on drawn pictures"
    )
    fused = json.loads((complete / "6-attributes-lfwa" / "weights.json").read_text())
    assert {part: Path(entry["file"]).name for part, entry in fused.items()} == {
        f"net_{number}": f"net_{number}.safetensors" for number in (1, 2, 3)
    }


def test_what_is_done_is_skipped_and_a_change_is_named(complete: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--resume", str(complete)]) == 0
    assert capsys.readouterr().out.count("done before") == len(RUNS)
    assert main(["--resume", str(complete), "--age.optim.lr=0.5"]) == 2
    message = capsys.readouterr().err
    assert "4-age" in message or "age: optim.lr is" in message
    assert "--redo age" in message


# Each is killed, gone on with and compared; the slow ones are every other run, inside and after it.
KILLS = [(run.split("-", 1)[1], where) for run in RUNS for where in ("inside", "after")]
QUICK = [("identity", "inside")]


@pytest.mark.parametrize(
    ("run", "where"),
    [pytest.param(*kill, marks=[] if kill in QUICK else [pytest.mark.slow]) for kill in KILLS],
)
def test_killed_and_gone_on_with_it_ends_as_without(
    run: str, where: str, pool: Path, complete: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "tests.reference_model.pipeline.killed", run, where, *arguments(folder, pool)]
    killed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    place = next(folder / name for name in RUNS if name.endswith(run))
    assert (place / "report.json").exists() == (where == "after")
    assert main(["--resume", str(folder)]) == 0
    assert_same_results(folder, complete)
