"""The monitor for loops: what it measures, and where it writes."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from obrl import MEASURES, OBRLoss, RelationLoss
from obrl.monitor import Monitor, heat_map
from obrl.pictures import HIGHEST, LOWEST, MIDDLE, UNDEFINED, encode_png
from tests.core.monitored import LABELS, batch, train
from tests.support.tolerances import assert_close, band


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_shares_are_those_of_the_terms(estimator: str, weighted: bool) -> None:
    criterion = OBRLoss(LABELS, alpha=3.0, estimator=estimator, pos_weight=[1, 2, 1, 3] if weighted else None)
    logits, targets = batch(1)
    options: dict[str, Any] = {}
    if weighted:
        options = {"observed": np.random.default_rng(0).random(targets.shape) < 0.8, "sample_weight": np.arange(16)}
    terms, gradient = criterion.value_and_grad(logits, targets, **options)
    measured = Monitor([], every=1).log(1, criterion, logits=logits, targets=targets, **options)
    assert measured is not None
    assert measured.share_of_loss == pytest.approx(3 * terms.relation_loss / terms.total)
    weights = {"pos_weight": criterion.pos_weight, "relation": criterion.to_numpy(), "freeze": True}
    alone = OBRLoss(LABELS, alpha=0.0, estimator=estimator, **weights)
    entropy = alone.value_and_grad(logits, targets, **options)[1]
    of_relation, of_entropy = np.linalg.norm(gradient - entropy), np.linalg.norm(entropy)
    expected = of_relation / (of_relation + of_entropy)
    assert_close("share", np.array(measured.share_of_gradient), expected, band(16 * LABELS, 4.0))


def test_the_pairs_are_those_that_the_criterion_lists() -> None:
    for measure in ("unit_pearson", "conditional"):
        criterion = OBRLoss(LABELS, measure=measure)
        criterion(*batch(1))
        measured = Monitor([], every=1).log(1, criterion)
        assert measured is not None
        signs = [pair.sign for pair in criterion.pairs()]
        assert (measured.pairs_together, measured.pairs_apart) == (signs.count(1), signs.count(-1))
        assert np.isnan(measured[2:]).all()


def test_nothing_happens_on_other_steps() -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    monitor = Monitor([], every=10)
    assert all(monitor.log(step, Untouchable(), logits=Untouchable(), targets=None) is None for step in range(1, 10))
    with pytest.raises(AssertionError):
        monitor.log(10, Untouchable())


def test_shares_are_0_without_an_active_pair_and_unknown_to_a_relation_loss() -> None:
    logits, targets = batch(1)
    joint, alone = OBRLoss(LABELS), RelationLoss(LABELS)
    alone(logits, targets)
    monitor = Monitor([], every=1)
    measured = monitor.log(1, joint, logits=logits, targets=targets)
    assert measured == (0, 0, 0.0, 0.0)
    measured = monitor.log(1, alone, logits=logits, targets=targets)
    assert measured is not None
    assert measured[:2] == (1, 2)
    assert np.isnan(measured[2:]).all()


class Writer:
    """What torch and tensorboardX call a SummaryWriter."""

    def __init__(self) -> None:
        self.scalars: list[tuple[str, float, int]] = []
        self.images: list[tuple[str, int, str]] = []
        self.flushed = 0

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars.append((tag, value, step))

    def add_image(self, tag: str, image: NDArray[Any], step: int, dataformats: str) -> None:
        assert image.shape[2] == 3
        self.images.append((tag, step, dataformats))

    def flush(self) -> None:
        self.flushed += 1


def test_a_summary_writer_gets_numbers_and_pictures() -> None:
    writer = Writer()
    with Monitor(writer, every=3) as monitor:
        train(monitor, OBRLoss(LABELS), range(1, 4))
        monitor.log(3, OBRLoss(LABELS), name="other")
    names = ["pairs_together", "pairs_apart", "share_of_loss", "share_of_gradient"]
    tags = [*(f"relation/{name}" for name in names), "other/pairs_together", "other/pairs_apart"]
    assert [(tag, step) for tag, _, step in writer.scalars] == [(tag, 3) for tag in tags]
    assert writer.images == [("relation/relation", 3, "HWC"), ("other/relation", 3, "HWC")]
    assert writer.flushed == 1


READ_EVENTS = """
import sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("tensorboard.compat.notf")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
for tag in events.Tags()["scalars"]:
    print(tag, *((event.step, round(event.value, 4)) for event in events.Scalars(tag)), sep="|")
for tag in events.Tags()["images"]:
    for image in events.Images(tag):
        print(tag, image.step, image.width, image.height, image.encoded_image_string.hex(), sep="|")
"""


def read_events(folder: Path) -> list[list[str]]:
    command = [sys.executable, "-c", READ_EVENTS, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("|") for line in done.stdout.splitlines()]


def test_tensorboard_reads_the_folder_also_of_a_resumed_run(tmp_path: Path) -> None:
    criterion = OBRLoss(LABELS)
    for steps in (range(1, 13), range(8, 13)):
        with Monitor(tmp_path, every=4) as monitor:
            train(monitor, criterion, steps)
    lines = read_events(tmp_path)
    scalars = {line[0]: line[1:] for line in lines if line[0] != "relation/relation"}
    assert scalars["relation/pairs_apart"] == ["(4, 2.0)", "(8, 2.0)", "(12, 2.0)"]
    assert len(scalars) == 4
    pictures = [line for line in lines if line[0] == "relation/relation"]
    assert [line[1:4] for line in pictures] == [[str(step), "256", "256"] for step in (4, 8, 12)]
    assert bytes.fromhex(pictures[-1][4]) == encode_png(heat_map(criterion.relation))


def test_a_run_of_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    import wandb

    run = wandb.init(project="obrl")
    with Monitor(run, every=2) as monitor:
        for step in range(1, 7):
            run.log({"loss": 1.0}, step=1000 + step)  # the steps of the user's own values are others
            train(monitor, OBRLoss(LABELS), range(step, step + 1))
    assert run.summary["relation/step"] == 6
    assert run.summary["relation/pairs_apart"] == 2
    assert run.summary["relation/relation"]["width"] == 256
    run.finish()


def test_colours_say_sign_and_strength() -> None:
    for name, measure in MEASURES.items():
        middle = (measure.low + measure.high) / 2
        relation = [[measure.high, measure.low], [middle, np.nan]]
        pixels = heat_map(relation, measure=name)
        assert (pixels.shape, pixels.dtype) == ((256, 256, 3), np.uint8)
        corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
        np.testing.assert_array_equal(corners, [HIGHEST, LOWEST, MIDDLE, UNDEFINED])
    ramp = heat_map(np.linspace(-1, 1, 25).reshape(5, 5), measure="pearson")[::51, ::51].reshape(-1, 3)
    red_over_blue = ramp[:, 0].astype(int) - ramp[:, 2]
    assert (red_over_blue[:12] < 0).all()
    assert (red_over_blue[13:] > 0).all()


def test_many_labels_share_pixels_and_strong_pairs_stay_visible() -> None:
    relation = np.full((1000, 1000), 0.5)
    relation[700, 301], relation[2, 5], relation[998:, 998:] = 1.0, 0.0, np.nan
    pixels = heat_map(relation)
    assert pixels.shape == (500, 500, 3)
    np.testing.assert_array_equal(pixels[[350, 1, 499, 0], [150, 2, 499, 0]], [HIGHEST, LOWEST, UNDEFINED, MIDDLE])


def test_a_png_is_read_by_others() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), pixels)


def test_errors_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="sinks must be paths"):
        Monitor(object())
    with pytest.raises(TypeError, match="every must be a whole number"):
        Monitor([], every=2.5)  # type: ignore[arg-type]
    other = tmp_path / "other.csv"
    other.write_text("name,age\nx,1\n")
    with pytest.raises(ValueError, match="exists and is none that a monitor wrote"):
        Monitor(other)
    assert other.read_text() == "name,age\nx,1\n"
    with pytest.raises(ValueError, match="expected a history written by obrl"):
        Monitor([], history=other)
    criterion = OBRLoss(LABELS)
    logits, targets = batch(1)
    with pytest.raises(ValueError, match="targets"):
        Monitor([], every=1).log(1, criterion, logits=logits, targets=targets[:, :2])
