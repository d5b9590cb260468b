"""Settings of the training: the relation loss, the optimiser and the course."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from reference_model.settings.checks import require


@dataclass(frozen=True)
class RelationConfig:
    """The relation loss; used where loss is obrl or both. obrl itself checks the values.

    Args:
        decay: The paper's lambda, in (0, 1].
        alpha: Weight of the relation loss.
        positive_threshold: The paper's r_p.
        negative_threshold: The paper's r_n.
        measure: How the relation of two attributes is measured.
        estimator: batch is the paper's Eq. 1; counts averages the pair counts instead.
        normalization: all_pairs is the paper's 1 / (2 K M^2); active_pairs divides by the active pairs.
        source: online is the paper's moving average over the batches; global is measured once on all training labels
            and never moves; file is that of relation.file and never moves.
        file: A run's relation.npz: what source file stays at, and what online starts from.
    """

    decay: float = 0.99
    alpha: float = 0.5
    positive_threshold: float = 0.8
    negative_threshold: float = 0.2
    measure: str = "unit_pearson"
    estimator: Literal["batch", "counts"] = "batch"
    normalization: Literal["all_pairs", "active_pairs"] = "all_pairs"
    source: Literal["online", "global", "file"] = "online"
    file: Path | None = None

    def __post_init__(self) -> None:
        """Check that source and file go together."""
        if self.source == "file":
            require(self.file is not None, "relation.file", "a run's relation.npz, for relation.source file", self.file)
        if self.source == "global":
            require(self.file is None, "relation.file", "left out: relation.source global measures anew", self.file)

    def of_loss(self) -> dict[str, Any]:
        """Return the settings that are obrl's own, by obrl's names."""
        return {name: value for name, value in asdict(self).items() if name not in ("source", "file")}


@dataclass(frozen=True)
class OptimConfig:
    """The optimiser and its learning rate.

    Args:
        kind: sgd (with momentum) or adamw.
        lr: Learning rate after the warm-up.
        lr_pretrained: Learning rate of layers that start from weights; none means that of lr.
        momentum: Momentum of sgd, in [0, 1).
        weight_decay: Weight decay of matrices and convolutions; biases and normalisation have none.
        schedule: constant; cosine down to zero; or step, which divides by 10 at each of step_at.
        step_at: For schedule step: fractions of the run, rising, in (0, 1).
        warmup: Fraction of the run over which the learning rate rises linearly, in [0, 1).
    """

    kind: Literal["sgd", "adamw"] = "adamw"
    lr: float = 2e-3
    lr_pretrained: float | None = None
    momentum: float = 0.9
    weight_decay: float = 1e-2
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    step_at: tuple[float, ...] = (0.5, 0.75)
    warmup: float = 0.1

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(math.isfinite(self.lr) and self.lr > 0, "optim.lr", "above 0", self.lr)
        pretrained = self.lr_pretrained
        positive = pretrained is None or (math.isfinite(pretrained) and pretrained > 0)
        require(positive, "optim.lr_pretrained", "above 0, or null", pretrained)
        require(0 <= self.momentum < 1, "optim.momentum", "in [0, 1)", self.momentum)
        require(self.weight_decay >= 0, "optim.weight_decay", "0 or more", self.weight_decay)
        rising = list(self.step_at) == sorted(set(self.step_at))
        inside = all(0 < point < 1 for point in self.step_at)
        require(rising and inside, "optim.step_at", "rising fractions in (0, 1)", self.step_at)
        require(0 <= self.warmup < 1, "optim.warmup", "in [0, 1)", self.warmup)


@dataclass(frozen=True)
class TrainConfig:
    """The course of the training.

    Args:
        epochs: Passes over the training partition.
        batch_size: Pictures a step. The last, incomplete batch of an epoch is left out; the next epoch's order differs.
        eval_batch_size: Pictures a step in validation and testing.
        accumulate: Batches a step of the optimiser: their gradients are averaged.
        precision: Of the nets: 32 is float32, bf16 and 16 are mixed precision.
        ema: Decay of a moving average of the weights, which is then tested and saved; none turns it off.
        checkpoint_every: Steps between checkpoints; Ctrl-C and the end of an epoch save one as well.
        validate_every: Epochs between validations, which only report: the result of the training is the same. The last
            epoch is validated in any case.
        influence_every: Steps between measurements of the relation loss's share in loss and gradient.
        device: cpu, cuda, or auto: cuda where there is one.
        threads: CPU threads of torch; none leaves torch's choice. Bit-equal resuming needs the same number.
        progress: Show a progress bar: auto does so on a terminal.
    """

    epochs: int = 6
    batch_size: int = 64
    eval_batch_size: int = 256
    accumulate: int = 1
    precision: Literal["32", "bf16", "16"] = "32"
    ema: float | None = None
    checkpoint_every: int = 50
    validate_every: int = 1
    influence_every: int = 20
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None
    progress: Literal["auto", "on", "off"] = "auto"

    def __post_init__(self) -> None:
        """Check the ranges."""
        counts = ("epochs", "batch_size", "eval_batch_size", "accumulate")
        for name in (*counts, "checkpoint_every", "validate_every", "influence_every"):
            require(getattr(self, name) >= 1, f"train.{name}", "at least 1", getattr(self, name))
        require(self.ema is None or 0 < self.ema < 1, "train.ema", "in (0, 1), or null", self.ema)
        require(self.threads is None or self.threads >= 1, "train.threads", "at least 1, or null", self.threads)
