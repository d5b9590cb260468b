"""One run from its settings to its report: train or resume, then test and write the results."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from reference_model.config import RunConfig
from reference_model.data.augment import augment_batch
from reference_model.data.pictures import PictureBatches
from reference_model.engine.averaging import WeightAverage
from reference_model.engine.checkpoints import AtomicCheckpointIO, ResumeCheckpoint, check_resumable
from reference_model.engine.evaluation import choose_device
from reference_model.engine.feature_files import CachedPictures
from reference_model.engine.features import FeatureCache, prepare_features
from reference_model.engine.finite import FiniteGuard
from reference_model.engine.loader import EvalLoader, TrainLoader
from reference_model.engine.logs import MetricsFile
from reference_model.engine.module import StageModule, build_net
from reference_model.engine.monitoring import watch_relation
from reference_model.engine.processes import (
    check_launcher,
    count_processes,
    environment,
    strategy,
    this_rank,
    wait_for_all,
)
from reference_model.engine.results import write_results
from reference_model.engine.sources import StageData
from reference_model.engine.starting import start_from_weights
from reference_model.runs import (
    RunError,
    RunFolder,
    describe_environment,
    read_figures,
    read_json,
    write_atomically,
    write_json,
)
from reference_model.settings.files import dump_config
from reference_model.stages.stage import Stage

ACCOUNTS = "weights.json"
"""What became of every tensor of the files of weights that a run started from; absent where there were none."""

PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def check_settings(config: RunConfig, stage: Stage) -> None:
    """Find mistakes that only torch and the stage can see, before any data is read.

    Raises:
        TypeError, ValueError: What is wrong.
    """
    check_launcher()
    if stage.check_settings is not None:
        stage.check_settings(config)
    device = choose_device(config.train.device)
    if config.train.precision == "16" and device.type != "cuda":
        raise ValueError("train.precision 16 needs a CUDA device; bf16 works on a CPU as well")
    if config.train.batch_size < count_processes():
        raise ValueError(
            f"train.batch_size {config.train.batch_size} cannot be divided among {count_processes()} processes"
        )


def check_start(config: RunConfig, data: StageData) -> tuple[str, ...]:
    """Find what would stop a new run after its folder is there: weights that do not fit, batches that cannot be made.

    Returns:
        Sentences for the console.

    Raises:
        ValueError: What is wrong.
    """
    if data.size("valid") < count_processes():
        raise ValueError(
            f"{count_processes()} processes need as many validation pictures; there are {data.size('valid')}"
        )
    model = build_net(data.stage, data.targets, config)
    start_from_weights(model, config, data.targets)
    _train_loader(config, data, _undecoded(config, data))
    if not config.features.cache:
        return ()
    shift = config.images.crop_padding
    unshifted = f"; without features.cache they would be, by up to {shift} pixels" if shift else ""
    return (FeatureCache(model, data, config).forecast(), f"Training pictures are not shifted{unshifted}.")


def start_run(run: RunFolder, config: RunConfig, data: StageData) -> RunConfig:
    """Write down the settings, the environment and the data of a new run.

    Args:
        run: An empty run folder.
        config: The settings.
        data: The data.

    Returns:
        The settings with nothing left to choose: the number of threads and the device are filled in, and there are no
        shifts where features are stored.
    """
    device = choose_device(config.train.device)
    threads = config.train.threads or torch.get_num_threads()
    train = replace(config.train, threads=threads, device="cuda" if device.type == "cuda" else "cpu")
    images = replace(config.images, crop_padding=0) if config.features.cache else config.images
    config = replace(config, train=train, images=images, out=run.path)
    write_json(
        run.labels,
        {
            "stage": data.stage.name,
            "names": list(data.targets.names),
            "details": dict(data.targets.details),
            "fingerprint": data.fingerprint,
        },
    )
    write_json(run.environment, describe_environment(seed=config.seed, threads=threads, device=device.type))
    write_atomically(run.config, dump_config(config))
    return config


def check_same_data(run: RunFolder, data: StageData) -> None:
    """Raise RunError unless ``data`` is the data and the stage that the run was started with."""
    stored = read_json(run.labels)
    if stored.get("stage") != data.stage.name:
        raise RunError(f"{run.path} holds a run of the stage {stored.get('stage')}, not {data.stage.name}")
    if stored.get("fingerprint") != data.fingerprint:
        raise RunError(
            f"the data differs from what the run in {run.path} was started with: its file names, partitions, labels or "
            "pictures are not the same"
        )


def fit(run: RunFolder, config: RunConfig, data: StageData, *, callbacks: Sequence[Callback] = ()) -> dict[str, Any]:
    """Train to the end, from the last checkpoint where there is one, and write the results.

    Args:
        run: The run's folder, as `start_run` left it or as an interrupted run did.
        config: The settings, as `start_run` returned them.
        data: The data.
        callbacks: What else watches the training.

    Returns:
        The report.

    Raises:
        TrainingInterrupted: On Ctrl-C, SIGTERM or SIGUSR1; the run can be resumed.
        NotFiniteError: If the loss is not finite.
    """
    if this_rank() == 0:
        for unfinished in run.path.rglob("*.tmp"):  # of a process that was killed while it wrote
            unfinished.unlink(missing_ok=True)
    with _process_settings(config):
        module, unusable, features = _train(run, config, data, callbacks)
        if this_rank() == 0:
            write_results(run, config, data, module, unusable, features)
        wait_for_all()
    return read_figures(run.report)


@contextmanager
def _process_settings(config: RunConfig) -> Iterator[None]:
    """Set the process-wide settings of a run, and restore them at the end."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(config.train.threads or threads)
    devices = [torch.cuda.current_device()] if config.train.device == "cuda" else []
    try:
        with torch.random.fork_rng(devices):
            torch.manual_seed(config.seed)
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)


def _train(
    run: RunFolder, config: RunConfig, data: StageData, watching: Sequence[Callback]
) -> tuple[StageModule, tuple[str, ...], Mapping[str, CachedPictures] | None]:
    settings = config.train
    checkpoint = run.last_checkpoint if run.last_checkpoint.exists() else None
    total_steps = settings.epochs * _train_loader(config, data, _undecoded(config, data)).steps_per_epoch
    module = _module(run, config, data, total_steps=total_steps, resumes=checkpoint is not None)
    step = check_resumable(checkpoint, module) if checkpoint else None
    features = prepare_features(module.model, data, config) if config.features.cache else None
    train_pictures, valid_pictures = (
        data.pictures(part, config) if features is None else features[part] for part in ("train", "valid")
    )
    train_loader = _train_loader(config, data, train_pictures)
    valid_loader = EvalLoader(
        valid_pictures, batch_size=settings.eval_batch_size, rank=this_rank(), processes=count_processes()
    )
    saving = ResumeCheckpoint(
        run.checkpoints, train_loader, every=settings.checkpoint_every, pictures=(train_pictures, valid_pictures)
    )
    monitors = watch_relation(module, run, train_loader)
    averages = [] if settings.ema is None else [WeightAverage(decay=settings.ema)]
    callbacks: list[Callback] = [*watching, *monitors, FiniteGuard(config.optim.lr, saving), *averages, saving]
    progress = settings.progress == "on" or (settings.progress == "auto" and sys.stderr.isatty())
    if progress:
        callbacks.append(TQDMProgressBar(leave=False))
    # Lightning's messages on hardware and finished loops say nothing about this run.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        accelerator="gpu" if settings.device == "cuda" else "cpu",
        devices=count_processes(),
        strategy=strategy(),
        sync_batchnorm=count_processes() > 1 and settings.device == "cuda",  # torch has none for a CPU
        precision=PRECISIONS[settings.precision],
        accumulate_grad_batches=train_loader.accumulate,
        deterministic="warn" if settings.device == "cuda" else True,
        logger=[MetricsFile(run.metrics, resume_step=step), _tensorboard(run, step)],
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(), environment()],
        default_root_dir=run.path,
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,
    )
    with warnings.catch_warnings():
        # Lightning 2.6 calls functions that torch 2.13 deprecates; the user of a run cannot change that.
        warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\)", category=FutureWarning)
        # The name that takes its place is missing in older versions of torch.
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        trainer.fit(module, train_loader, valid_loader, ckpt_path=checkpoint, weights_only=True)
    return module, saving.unusable(), features


def _undecoded(config: RunConfig, data: StageData) -> PictureBatches:
    """Return the training pictures, none of which is read yet."""
    return data.pictures("train", replace(config, images=replace(config.images, memory_mb=0)))


def _module(run: RunFolder, config: RunConfig, data: StageData, *, total_steps: int, resumes: bool) -> StageModule:
    """Build the module; one without a checkpoint loads its weights, and writes down what it loaded for the others."""
    path = run.path / ACCOUNTS
    accounts = read_json(path) if resumes and path.exists() else None
    module = StageModule(data.stage, data.targets, config, total_steps=total_steps, accounts=accounts)
    if not resumes:
        try:
            module.accounts, text = start_from_weights(module.model, config, data.targets)
        except ValueError as error:
            raise RunError(str(error)) from error
        if text and this_rank() == 0:
            print(text, flush=True)
            write_json(path, module.accounts)
    return module


def _train_loader(config: RunConfig, data: StageData, pictures: PictureBatches | CachedPictures) -> TrainLoader:
    images = config.images

    def augment(batch: Any, indices: Any, epoch: int) -> Any:
        if isinstance(pictures, CachedPictures):
            return pictures.mirror(batch, indices, seed=config.seed, epoch=epoch) if images.flip else batch
        return augment_batch(
            batch, indices, seed=config.seed, epoch=epoch, flip=images.flip, crop_padding=images.crop_padding
        )

    values = data.values("train")
    return TrainLoader(
        pictures,
        batch_size=config.train.batch_size,
        seed=config.seed,
        augment=augment if images.flip or images.crop_padding else None,
        classes=np.asarray(values, dtype=np.int64) if data.stage.balanced else None,
        accumulate=config.train.accumulate,
        rank=this_rank(),
        processes=count_processes(),
    )


def _keep_tensorflow_out() -> None:
    """Make TensorBoard write its files without TensorFlow, also where that is installed.

    It would import TensorFlow in the middle of a run, and torch's compiler aborts a process that holds TensorFlow.
    """
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))


def _tensorboard(run: RunFolder, step: int | None) -> TensorBoardLogger:
    _keep_tensorflow_out()
    # Events that the interrupted run wrote after its checkpoint are hidden.
    purge: Any = {} if step is None else {"purge_step": step + 1}
    return TensorBoardLogger(run.path, name="", version="", sub_dir="tensorboard", **purge)
