"""What a stage of the pipeline is: a value that the engine trains, resumes and reports on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt
from torch import Tensor, nn

from reference_model.config import RunConfig
from reference_model.data.catalogue import Catalogue

Outputs = Any
"""What a head returns: a tensor, or a tuple of tensors whose first dimension is the batch."""


class Terms(Protocol):
    """A loss and its parts: a NamedTuple of scalar tensors, whose first field is ``total``."""

    @property
    def total(self) -> Tensor: ...  # noqa: D102 - named after the loss

    def _asdict(self) -> dict[str, Tensor]: ...


class Loss(Protocol):
    """A loss, also an ``nn.Module``; what it remembers between steps lies in buffers.

    It may also have a method ``after_step()``, called once after every step of the optimiser (after all micro-batches,
    in every process), and a method ``epoch_figures() -> dict[str, float]``, called at the end of every training epoch,
    whose figures are logged beside the loss.
    """

    def terms(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the loss of a batch and its parts."""
        ...


class Metrics(Protocol):
    """Running figures of one epoch, also an ``nn.Module`` without parameters; its whole state lies in buffers."""

    def update(self, outputs: Outputs, targets: Tensor) -> None:
        """Add a batch."""
        ...

    def compute(self) -> dict[str, float]:
        """Return the figures by name; NaN where nothing defines one. The first is shown on the console."""
        ...

    def reset(self) -> None:
        """Start anew."""
        ...


@dataclass(frozen=True, eq=False)
class Targets:
    """What a stage predicts, for the rows of a catalogue.

    Args:
        values: (N, M) float32, NaN where missing; or (N,) int64 of classes; or (N,) float32.
        names: Names of the outputs: attributes or classes; one name for a number.
        details: What else head, loss or report need, in plain values that JSON holds; written to the run's labels.json
            (groups of attributes, the training partition's rates, median or class counts ...).
    """

    values: npt.NDArray[Any]
    names: tuple[str, ...]
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a report is written from.

    Args:
        catalogue: The rows of the stage's data, all partitions.
        targets: Their targets.
        config: The run's settings.
        collected: By partition, what `Stage.collect` returned for its pictures, in the catalogue's order, on the CPU.
        criterion: The loss at the end of the training.
        model: The trained net.
    """

    catalogue: Catalogue
    targets: Targets
    config: RunConfig
    collected: Mapping[str, Mapping[str, Tensor]]
    criterion: nn.Module
    model: nn.Module


def _nothing_to_say(targets: Targets, config: RunConfig) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline.

    Args:
        name: As on the command line.
        product: What the trained convolutions are called: ``"net_0"`` to ``"net_3"``, ``"pretrained"`` or ``"model"``.
        after: The stages whose products it starts from.
        catalogues: The data sets that it can read, by name; the first is the default.
        label: The key of `Catalogue.labels` that it learns; rows without this label are left out.
        targets: From the catalogue's rows to what the net predicts.
        head: From (channels, side of the feature maps, targets, settings) to a module that takes feature maps.
        loss: From (targets, settings) to the loss, a module.
        metrics: From the targets to the running figures.
        collect: From (outputs, targets) of a batch to what the report needs of each picture; tensors whose first
            dimension is the batch.
        report: From the evaluation to the report's content, plain values.
        plot: Write the report's picture.
        describe: The report as text for the console and report.md (Markdown).
        partitions: The partitions that the report is on.
        balanced: Whether a batch has the same number of pictures of every class; an epoch is then as many times the
            smallest class as there are classes, and larger classes go on where they stopped.
        check: Called before any picture is read: sentences for the console, such as a forecast of memory. Raises
            ValueError where the targets cannot be trained.
    """

    name: str
    product: str
    after: tuple[str, ...]
    catalogues: tuple[str, ...]
    label: str
    targets: Callable[[Catalogue, RunConfig], Targets]
    head: Callable[[int, int, Targets, RunConfig], nn.Module]
    loss: Callable[[Targets, RunConfig], nn.Module]
    metrics: Callable[[Targets], nn.Module]
    collect: Callable[[Outputs, Tensor], Mapping[str, Tensor]]
    report: Callable[[Evaluation], dict[str, Any]]
    plot: Callable[[Path, Mapping[str, Any]], None]
    describe: Callable[[Mapping[str, Any]], str]
    partitions: tuple[str, ...] = ("test",)
    balanced: bool = False
    check: Callable[[Targets, RunConfig], tuple[str, ...]] = _nothing_to_say
