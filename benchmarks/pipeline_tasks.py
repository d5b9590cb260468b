"""What `benchmarks.pipeline` times: loading pictures, training the reference model's nets, and the loss alone."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from reference_model.cli import parse_command
from reference_model.config import FeaturesConfig, RunConfig
from reference_model.data.augment import augment_batch
from reference_model.data.synthetic import write_synthetic_faces
from reference_model.engine.feature_files import CachedPictures
from reference_model.engine.features import FeatureCache
from reference_model.engine.loader import Batch, TrainLoader
from reference_model.engine.module import StageModule
from reference_model.engine.schedule import make_optimizer
from reference_model.engine.sources import StageData, open_data
from reference_model.nets.model import choose_forward
from reference_model.stages.registry import load_stage


@dataclass(frozen=True)
class Task:
    """Something that is timed in bursts.

    Args:
        name: Its name in the results.
        title: Its name in tables.
        burst: Does some of it and returns how much was done, in pictures or steps.
        unit: What `burst` counts.
    """

    name: str
    title: str
    burst: Callable[[], int]
    unit: str = "pictures"


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Args:
        faces: Drawn faces to train on.
        rounds: Rounds; in each of them every task runs once.
        load_batches: Batches that one burst of loading takes.
        train_steps: Steps of one burst of training.
        paper_rounds: Rounds of the paper's net, one step each.
        gpu_steps: Steps of the paper's net on a GPU.
        settings: Settings beside those of the presets, as on the command line.
    """

    faces: int = 1024
    rounds: int = 7
    load_batches: int = 16
    train_steps: int = 4
    paper_rounds: int = 3
    gpu_steps: int = 200
    settings: tuple[str, ...] = ()


FULL = Extent()
QUICK = Extent(
    faces=24,
    rounds=1,
    load_batches=2,
    train_steps=1,
    paper_rounds=1,
    gpu_steps=2,
    settings=("--net.width=0.05", "--images.size=48", "--images.crop_padding=2"),
)


class Trainer:
    """Trains the net of a run step by step, without checkpoints and logs.

    Args:
        config: The settings.
        data: The data.
        device: Where.
        precision: The type that autocast computes in; None computes in float32.
    """

    def __init__(
        self, config: RunConfig, data: StageData, *, device: str = "cpu", precision: torch.dtype | None = None
    ) -> None:
        self.device, self.precision = torch.device(device), precision
        self.module = StageModule(data.stage, data.targets, config, total_steps=1).to(self.device).train()
        self.forward = choose_forward(self.module.model, features=config.features.cache)
        self.optimizer = make_optimizer(self.module.model, config.optim)

    def step(self, batch: Batch) -> None:
        """Make one step of the optimiser."""
        images, targets = batch.images.to(self.device), batch.targets.to(self.device)
        with torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision is not None):
            outputs = self.forward(images)
        terms = self.module.criterion.terms(outputs.float(), targets)  # type: ignore[operator]
        self.optimizer.zero_grad()
        terms.total.backward()
        self.optimizer.step()


def make_config(preset: str, root: Path, *flags: str) -> RunConfig:
    """Return the settings of an attributes run of a preset on faces in CelebA's layout."""
    return parse_command(["--preset", preset, "--data", "celeba", "--root", str(root), *flags]).config


def draw_faces(folder: Path, extent: Extent) -> Path:
    """Draw faces, JPEG files in CelebA's layout and size, and return their folder."""
    return write_synthetic_faces(folder / "faces", num_train=extent.faces, num_valid=2, num_test=2, workers=1)


def batches(config: RunConfig, data: StageData, pictures: Any = None, *, memory_mb: int = 0) -> Iterator[Batch]:
    """Return training batches without end, varied as in a run.

    Args:
        config: The settings.
        data: The data.
        pictures: Stored features; by default the pictures.
        memory_mb: Largest memory for decoded pictures; 0 reads every one from its file.
    """
    images = replace(config.images, memory_mb=memory_mb)
    source = data.pictures("train", replace(config, images=images)) if pictures is None else pictures

    def augment(batch: Any, indices: Any, epoch: int) -> Any:
        if isinstance(source, CachedPictures):
            return source.mirror(batch, indices, seed=config.seed, epoch=epoch)
        return augment_batch(
            batch, indices, seed=config.seed, epoch=epoch, flip=images.flip, crop_padding=images.crop_padding
        )

    loader = TrainLoader(source, batch_size=config.train.batch_size, seed=config.seed, augment=augment)
    while True:
        yield from loader


def _load(stream: Iterator[Batch], count: int) -> int:
    return sum(len(next(stream).images) for _ in range(count))


def _train(trainer: Trainer, stream: Iterator[Batch], count: int) -> int:
    pictures = 0
    for _ in range(count):
        batch = next(stream)
        trainer.step(batch)
        pictures += len(batch.images)
    return pictures


def loading_tasks(root: Path, extent: Extent) -> list[Task]:
    """Return loading from files and from memory, and training that never waits for data."""
    config = make_config("small", root, *extent.settings)
    data = open_data(config, load_stage("attributes"))
    streamed, stored = batches(config, data), batches(config, data, memory_mb=10**6)
    ready, trainer = next(batches(config, data)), Trainer(config, data)
    size = config.images.size

    def train() -> int:
        for _ in range(extent.train_steps):
            trainer.step(ready)
        return extent.train_steps * len(ready.images)

    return [
        Task(
            "load_files", f"loading {size}-pixel pictures from JPEG files", lambda: _load(streamed, extent.load_batches)
        ),
        Task("load_memory", "loading them from memory", lambda: _load(stored, 4 * extent.load_batches)),
        Task("train", "training the small preset's net, data at hand", train),
    ]


def feature_tasks(root: Path, folder: Path, extent: Extent) -> list[Task]:
    """Return training with frozen nets, on pictures in memory and on stored features; loading included."""
    plain = make_config("small", root, "--net.frozen=[net_1,net_2,net_3]", *extent.settings, "--images.crop_padding=0")
    data = open_data(plain, load_stage("attributes"))
    cached = replace(plain, features=FeaturesConfig(cache=True, folder=folder / "features"))
    cache_trainer = Trainer(cached, data)
    cache = FeatureCache(cache_trainer.module.model, data, cached)
    cache.build(say=lambda text: None)
    trainer = Trainer(plain, data)
    from_pictures = batches(plain, data, memory_mb=10**6)
    from_features = batches(cached, data, cache.open()["train"])
    return [
        Task("frozen", "training with frozen nets", lambda: _train(trainer, from_pictures, extent.train_steps)),
        Task(
            "cached",
            "training on their stored features",
            lambda: _train(cache_trainer, from_features, 4 * extent.train_steps),
        ),
    ]


def paper_tasks(root: Path, batch: int, extent: Extent) -> list[Task]:
    """Return a training step of the paper's net, and the joint loss of its logits alone.

    Args:
        root: Folder of the faces.
        batch: Pictures a step.
        extent: How much is measured.
    """
    config = make_config("paper", root, *extent.settings, f"--train.batch_size={batch}")
    data = open_data(config, load_stage("attributes"))
    ready, trainer = next(batches(config, data)), Trainer(config, data)
    logits = torch.randn(len(ready.images), len(data.targets.names), requires_grad=True)

    def step() -> int:
        trainer.step(ready)
        return 1

    def loss() -> int:
        for _ in range(20):
            logits.grad = None
            trainer.module.criterion.terms(logits, ready.targets).total.backward()  # type: ignore[operator]
        return 20

    shown = f"of {len(ready.images)} pictures at {config.images.size} pixels"
    return [
        Task("paper_step", f"a training step of the paper's net, {shown}", step, "steps"),
        Task("paper_loss", "the joint loss in it: relation, forward and backward", loss, "steps"),
    ]


def time_in_turn(tasks: Sequence[Task], rounds: int, *, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Return, for each task, what it did a second in each round; each task has run once before.

    Args:
        tasks: What is timed.
        rounds: How often each of them is timed, one after the other.
        say: Tells what was measured.
    """
    speeds: dict[str, list[float]] = {task.name: [] for task in tasks}
    for turn in range(rounds + 1):
        for task in tasks:
            started = time.perf_counter()
            done = task.burst()
            speed = done / (time.perf_counter() - started)
            if turn:
                speeds[task.name].append(speed)
                say(f"round {turn}: {task.title}: {speed:.4g} {task.unit}/s")
    return speeds


def images_per_second(config: RunConfig, data: StageData, *, device: str, steps: int) -> float:
    """Return how many pictures a second training takes in mixed precision (bfloat16), loading from files included.

    Args:
        config: The settings.
        data: The data.
        device: ``"cuda"`` or ``"cpu"``.
        steps: Steps that are timed, after a tenth as many that are not.
    """
    trainer, stream = Trainer(config, data, device=device, precision=torch.bfloat16), batches(config, data)

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    _train(trainer, stream, max(1, steps // 10))
    wait()
    started = time.perf_counter()
    pictures = _train(trainer, stream, steps)
    wait()
    return pictures / (time.perf_counter() - started)


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for faces and features that is deleted at the end."""
    return tempfile.TemporaryDirectory(prefix="obrl-benchmark-", ignore_cleanup_errors=True)
