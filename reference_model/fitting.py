"""One run from its settings to its report: train or resume, then test and write the results."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from types import ModuleType
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors.torch import save_file

from obrl.torch import OBRLoss
from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.checkpoints import (
    STEP_KEY,
    AtomicCheckpointIO,
    ResumeCheckpoint,
    read_checkpoint,
    seed_everything,
)
from reference_model.cli import dump_config
from reference_model.config import RunConfig
from reference_model.data.augment import augment_batch
from reference_model.evaluation import choose_device, evaluate_model
from reference_model.loader import EvalLoader, TrainLoader
from reference_model.logs import MetricsFile
from reference_model.module import AttributeModule
from reference_model.nets import build_model
from reference_model.objective import build_criterion
from reference_model.plots import plot_accuracy, plot_relation
from reference_model.report import relation_report
from reference_model.runs import (
    RunError,
    RunFolder,
    describe_environment,
    read_json,
    write_atomically,
    write_json,
)
from reference_model.sources import Source, attribute_groups


def check_settings(config: RunConfig) -> None:
    """Find mistakes that only torch can see, before any data is read.

    Raises:
        TypeError, ValueError: What is wrong.
    """
    build_criterion(config.loss, config.relation, CELEBA_ATTRIBUTES)
    choose_device(config.train.device)


def start_run(run: RunFolder, config: RunConfig, source: Source) -> RunConfig:
    """Write down the settings, the environment and the data of a new run.

    Args:
        run: An empty run folder.
        config: The settings.
        source: The data.

    Returns:
        The settings with nothing left to choose: the number of threads and the device are filled in.
    """
    device = choose_device(config.train.device)
    threads = config.train.threads or torch.get_num_threads()
    train = replace(config.train, threads=threads, device="cuda" if device.type == "cuda" else "cpu")
    config = replace(config, train=train, out=run.path)
    rates = source.train_rates()
    write_json(
        run.labels,
        {
            "names": source.names,
            "train_rates": dict(zip(source.names, rates.tolist(), strict=True)),
            "fingerprint": source.fingerprint,
        },
    )
    write_json(run.environment, describe_environment(seed=config.seed, threads=threads, device=device.type))
    write_atomically(run.config, dump_config(config))
    return config


def check_same_data(run: RunFolder, source: Source) -> None:
    """Raise RunError unless ``source`` is the data that the run was started with."""
    if read_json(run.labels)["fingerprint"] != source.fingerprint:
        raise RunError(
            f"the data differs from what the run in {run.path} was started with: its file names, partitions or "
            "labels are not the same"
        )


def fit(run: RunFolder, config: RunConfig, source: Source) -> dict[str, Any]:
    """Train to the end, from the last checkpoint where there is one, and write the results.

    Args:
        run: The run's folder, as `start_run` left it or as an interrupted run did.
        config: The settings, as `start_run` returned them.
        source: The data.

    Returns:
        The report on the test partition.

    Raises:
        TrainingInterrupted: On Ctrl-C or SIGTERM; the run can be resumed.
    """
    with _process_settings(config):
        return _finish(run, config, source, _train(run, config, source))


@contextmanager
def _process_settings(config: RunConfig) -> Iterator[None]:
    """Set the process-wide settings of a run, and restore them at the end."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(config.train.threads or threads)
    put_back = seed_everything(config.seed)
    try:
        yield
    finally:
        put_back()
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)


def _train(run: RunFolder, config: RunConfig, source: Source) -> AttributeModule:
    settings = config.train
    train_loader = _train_loader(config, source)
    valid_loader = EvalLoader(source.pictures("valid", config.images), batch_size=settings.eval_batch_size)
    model = build_model(config.images.size, list(attribute_groups().values()), config.net, seed=config.seed)
    module = AttributeModule(model, config, source.names, total_steps=settings.epochs * len(train_loader))
    checkpoint = run.last_checkpoint if run.last_checkpoint.exists() else None
    step = int(read_checkpoint(checkpoint)[STEP_KEY]) if checkpoint else None
    callbacks: list[Callback] = [ResumeCheckpoint(run.checkpoints, train_loader, every=settings.checkpoint_every)]
    progress = settings.progress == "on" or (settings.progress == "auto" and sys.stderr.isatty())
    if progress:
        callbacks.append(TQDMProgressBar(leave=False))
    # Lightning's messages on hardware and finished loops say nothing about this run.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        accelerator="gpu" if settings.device == "cuda" else "cpu",
        devices=1,
        deterministic="warn" if settings.device == "cuda" else True,
        logger=[MetricsFile(run.metrics, resume_step=step), _tensorboard(run, step)],
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
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
        trainer.fit(module, train_loader, valid_loader, ckpt_path=checkpoint, weights_only=True)
    return module


def _train_loader(config: RunConfig, source: Source) -> TrainLoader:
    images = config.images

    def augment(pictures: Any, indices: Any, epoch: int) -> Any:
        return augment_batch(
            pictures, indices, seed=config.seed, epoch=epoch, flip=images.flip, crop_padding=images.crop_padding
        )

    return TrainLoader(
        source.pictures("train", images),
        batch_size=config.train.batch_size,
        seed=config.seed,
        augment=augment if images.flip or images.crop_padding else None,
    )


def _keep_tensorflow_out() -> None:
    """Make TensorBoard write its files without TensorFlow, also where that is installed.

    It would import TensorFlow in the middle of a run: that draws random numbers, so a resumed run would not be the
    uninterrupted one, and torch's compiler aborts a process that holds TensorFlow.
    """
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))


def _tensorboard(run: RunFolder, step: int | None) -> TensorBoardLogger:
    _keep_tensorflow_out()
    # Events that the interrupted run wrote after its checkpoint are hidden.
    purge: Any = {} if step is None else {"purge_step": step + 1}
    return TensorBoardLogger(run.path, name="", version="", sub_dir="tensorboard", **purge)


def _finish(run: RunFolder, config: RunConfig, source: Source, module: AttributeModule) -> dict[str, Any]:
    model = module.model
    groups = attribute_groups()
    _save_weights(run, config, source, module)
    report = {
        "data": config.data,
        "split": "test",
        "loss": config.loss,
        "preset": config.preset,
        "seed": config.seed,
        **evaluate_model(
            model,
            source.pictures("test", config.images),
            names=source.names,
            groups=groups,
            train_rates=source.train_rates(),
            batch_size=config.train.eval_batch_size,
            device=choose_device(config.train.device),
        ),
    }
    report["relation"] = relation_report(module.criterion, config.relation, module.influence.summary())
    if isinstance(module.criterion, OBRLoss):
        module.criterion.save_relation(run.relation)
        relation = module.criterion.relation.detach().cpu().numpy()
        plot_relation(run.path / "relation.png", relation, source.names, measure=config.relation.measure)
    plot_accuracy(run.path / "accuracy.png", report)
    write_json(run.report, report)
    return report


def _save_weights(run: RunFolder, config: RunConfig, source: Source, module: AttributeModule) -> None:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.model.state_dict().items()}
    metadata = {
        "names": json.dumps(source.names),
        "groups": json.dumps(attribute_groups()),
        "size": str(config.images.size),
        "net": json.dumps(asdict(config.net)),
    }
    unfinished = run.weights.with_name(run.weights.name + ".tmp")
    save_file(tensors, unfinished, metadata=metadata)
    unfinished.replace(run.weights)
