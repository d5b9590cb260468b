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
    """A loss, also an ``nn.Module``; what it remembers between steps lies in buffers, or in its extra state.

    Three more methods are called where a loss has them:

    - ``observe(terms, outputs, step)`` in every training step before the backward pass, with the loss's own terms, the
      outputs with their graph, and the number of steps of the optimiser so far;
    - ``after_step()`` once after every step of the optimiser (after all micro-batches, in every process);
    - ``epoch_figures() -> dict[str, float]`` at the end of every training epoch: figures that are logged beside the
      loss.
    """

    def terms(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the loss of a batch and its parts."""
        ...


class Metrics(Protocol):
    """Running figures of one epoch, also an ``nn.Module`` without parameters.

    Its state lies in buffers that are sums over pictures, which the engine saves and adds up over processes; parts from
    torchmetrics do both themselves.
    """

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
        start: Returns what a new loss starts from, for losses whose start takes the data; not called for a net that
            was trained earlier.
    """

    values: npt.NDArray[Any]
    names: tuple[str, ...]
    details: Mapping[str, Any] = field(default_factory=dict)
    start: Callable[[], Any] | None = None


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


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of the pipeline.

    Args:
        name: As on the command line.
        product: What the trained convolutions are called: ``"net_0"`` to ``"net_3"``, ``"pretrained"`` or ``"model"``.
        after: The stages whose products it starts from.
        catalogues: The data sets that it can read, by name; the first is the default.
        label: The key of `Catalogue.labels` that it learns; rows without this label are left out, but for people of
            the stage identity who are known by number only.
        targets: From the catalogue's rows to what the net predicts.
        loss: From (targets, settings) to the loss, a module.
        metrics: From the targets to the running figures.
        collect: From (outputs, targets) of a batch to what the report needs of each picture; tensors whose first
            dimension is the batch.
        report: From the evaluation to the report's content, plain values.
        plot: Write the report's picture.
        describe: The report as text for the console and report.md (Markdown).
        head: From (channels, side of the feature maps, targets, settings) to a module that takes the feature maps of
            one face-level net. Either this or ``model`` is there.
        model: From (targets, settings) to the whole net, which takes pictures (batch, 3, size, size) uint8; for a stage
            that trains something other than one face-level net with a head.
        adapt: From a catalogue as it was read to one with the stage's label, for data sets that call it otherwise (a
            folder of classes that are people or races); called before anything else is done with it.
        combine: From (catalogue, scenes, settings) to one catalogue, for a stage with pictures of a second data set;
            scenes is None where ``read.scenes_data`` is tiles.
        check_settings: Raises ValueError or TypeError for settings that the stage cannot use, before any data is read.
        calibrate: From the evaluation of the validation partition to plain values that are saved with the weights, such
            as cut-offs.
        finish: Write further files into the run's folder, from (folder, evaluation).
        picture: File name of the report's picture.
        partitions: The partitions that the report is on.
        balanced: Whether a batch has the same number of pictures of every class; an epoch is then as many times the
            smallest class as there are classes, and larger classes go on where they stopped.
        check: Called before any picture is read: sentences for the console, such as a forecast of memory. Raises
            ValueError where the targets cannot be trained.

    Raises:
        ValueError: If there is neither a head nor a model, or both.
    """

    name: str
    product: str
    after: tuple[str, ...]
    catalogues: tuple[str, ...]
    label: str
    targets: Callable[[Catalogue, RunConfig], Targets]
    loss: Callable[[Targets, RunConfig], nn.Module]
    metrics: Callable[[Targets], nn.Module]
    collect: Callable[[Outputs, Tensor], Mapping[str, Tensor]]
    report: Callable[[Evaluation], dict[str, Any]]
    plot: Callable[[Path, Mapping[str, Any]], None]
    describe: Callable[[Mapping[str, Any]], str]
    head: Callable[[int, int, Targets, RunConfig], nn.Module] | None = None
    model: Callable[[Targets, RunConfig], nn.Module] | None = None
    adapt: Callable[[Catalogue], Catalogue] | None = None
    combine: Callable[[Catalogue, Catalogue | None, RunConfig], Catalogue] | None = None
    check_settings: Callable[[RunConfig], None] | None = None
    calibrate: Callable[[Evaluation], dict[str, Any]] | None = None
    finish: Callable[[Path, Evaluation], None] | None = None
    picture: str = "report.png"
    partitions: tuple[str, ...] = ("test",)
    balanced: bool = False
    check: Callable[[Targets, RunConfig], tuple[str, ...]] = _nothing_to_say

    def __post_init__(self) -> None:
        """Check that the net is declared once."""
        if (self.head is None) == (self.model is None):
            raise ValueError(f"the stage {self.name} needs either a head or a model")
