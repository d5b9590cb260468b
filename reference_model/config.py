"""Every setting of a run, typed and checked once. Presets, files and the command line all fill these classes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Norm = Literal["lrn", "bn", "none"]
StageName = Literal["pretrain", "face", "identity", "age", "race", "attributes"]
STAGES: tuple[StageName, ...] = ("pretrain", "face", "identity", "age", "race", "attributes")
DataKind = str
LossKind = Literal["ce", "obrl", "both"]
FACE_NETS = ("net_0", "net_1", "net_2", "net_3")


@dataclass(frozen=True)
class ImagesConfig:
    """How pictures are read and varied.

    Args:
        size: Side in pixels that every picture is scaled to.
        flip: Mirror half of the training pictures; no CelebA attribute depends on left and right.
        crop_padding: Training pictures are shifted by up to this many pixels each way; 0 turns it off.
        memory_mb: Keep decoded pictures in memory if they need no more than this many megabytes.
        missing: What to do about rows whose picture file is missing.
    """

    size: int = 64
    flip: bool = True
    crop_padding: int = 4
    memory_mb: int = 2048
    missing: Literal["error", "skip"] = "error"

    def __post_init__(self) -> None:
        """Check the ranges."""
        _require(self.size >= 16, "images.size", "at least 16", self.size)
        _require(0 <= self.crop_padding < self.size, "images.crop_padding", "in [0, images.size)", self.crop_padding)
        _require(self.memory_mb >= 0, "images.memory_mb", "0 or more", self.memory_mb)


@dataclass(frozen=True)
class SyntheticConfig:
    """The built-in synthetic faces.

    Args:
        num_train: Faces in the training partition.
        num_valid: Faces in the validation partition.
        num_test: Faces in the test partition.
        seed: Seed of the faces; the run's own seed does not change them.
        strength: How visible the attributes are, in [0, 1].
        label_noise: Probability that a written label is the wrong one, in [0, 0.5].
    """

    num_train: int = 2400
    num_valid: int = 300
    num_test: int = 600
    seed: int = 0
    strength: float = 1.0
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("num_train", "num_valid", "num_test"):
            _require(getattr(self, name) >= 1, f"synthetic.{name}", "at least 1", getattr(self, name))
        _require(0 <= self.strength <= 1, "synthetic.strength", "in [0, 1]", self.strength)
        _require(0 <= self.label_noise <= 0.5, "synthetic.label_noise", "in [0, 0.5]", self.label_noise)


@dataclass(frozen=True)
class NetConfig:
    """The net; the defaults are a small one.

    Args:
        nets: Which face-level nets are fused: one or more of net_0, net_1, net_2, net_3.
        width: Multiplies the channels of CNN-M (96, 256, 512).
        depth: 3x3 convolutions of a face-level net after its stem; CNN-M has 3.
        strides: Strides of the two stem convolutions; CNN-M has 2 and 2.
        norm: lrn as in CNN-M, bn, or none.
        group_channels: Channels of the convolution in a group's branch.
        group_hidden: Width of the first fully-connected layer in a group's branch.
        frozen: Which of the nets are not trained; they stay in evaluation mode.
        dropout: Dropout before the second fully-connected layer, in [0, 1).
    """

    nets: tuple[str, ...] = ("net_1", "net_2", "net_3")
    width: float = 0.25
    depth: int = 3
    strides: tuple[int, int] = (2, 1)
    norm: Norm = "bn"
    group_channels: int = 16
    group_hidden: int = 64
    frozen: tuple[str, ...] = ()
    dropout: float = 0.2

    def __post_init__(self) -> None:
        """Check the ranges."""
        known = all(name in FACE_NETS for name in self.nets)
        distinct = len(set(self.nets)) == len(self.nets) > 0
        _require(known and distinct, "net.nets", f"one or more of {', '.join(FACE_NETS)}, none twice", self.nets)
        inside = set(self.frozen) <= set(self.nets)
        _require(inside, "net.frozen", f"some of net.nets ({', '.join(self.nets)})", self.frozen)
        _require(self.width > 0, "net.width", "above 0", self.width)
        _require(self.depth >= 0, "net.depth", "0 or more", self.depth)
        _require(min(self.strides) >= 1, "net.strides", "two numbers of at least 1", self.strides)
        _require(self.group_channels >= 1, "net.group_channels", "at least 1", self.group_channels)
        _require(self.group_hidden >= 1, "net.group_hidden", "at least 1", self.group_hidden)
        _require(0 <= self.dropout < 1, "net.dropout", "in [0, 1)", self.dropout)


@dataclass(frozen=True)
class HeadConfig:
    """The head of a stage that trains one face-level net, and the center loss of the identity stage.

    Args:
        hidden: Widths of the fully-connected layers between the feature maps and the output; none leaves them out.
        embedding: Width of the layer that identities are compared by.
        dropout: Dropout after each hidden layer, in [0, 1).
        center_weight: Weight of the center loss (Wen et al.'s lambda), 0 or more.
        center_rate: Rate of the centres (Wen et al.'s alpha), in [0, 1].
    """

    hidden: tuple[int, ...] = (128,)
    embedding: int = 128
    dropout: float = 0.2
    center_weight: float = 0.003
    center_rate: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        _require(all(width >= 1 for width in self.hidden), "head.hidden", "widths of at least 1", self.hidden)
        _require(self.embedding >= 1, "head.embedding", "at least 1", self.embedding)
        _require(0 <= self.dropout < 1, "head.dropout", "in [0, 1)", self.dropout)
        _require(0 <= self.center_weight < math.inf, "head.center_weight", "0 or more", self.center_weight)
        _require(0 <= self.center_rate <= 1, "head.center_rate", "in [0, 1]", self.center_rate)


@dataclass(frozen=True)
class WeightsConfig:
    """Weights to start from: .safetensors files of face-level nets.

    Args:
        init: For a stage that trains one net: the weights that it starts from.
        net_0: For the attributes: the weights of Net_0; without one a net starts at random.
        net_1: The same for Net_1.
        net_2: The same for Net_2.
        net_3: The same for Net_3.
    """

    init: Path | None = None
    net_0: Path | None = None
    net_1: Path | None = None
    net_2: Path | None = None
    net_3: Path | None = None


@dataclass(frozen=True)
class ReadConfig:
    """What is read of a data set.

    Args:
        classes: Read this many people or classes only, those with the most pictures; none reads all.
        exclude_names: A file of names, one a line; pictures of these people are left out.
        max_unusable: Largest share of pictures that may be unreadable; more of them stop the run.
        scenes: For the stage face: the folder of the pictures without faces, in the format of scenes_data.
        scenes_data: For the stage face: the format of the pictures without faces, sun397 or image_folder; tiles makes
            them from the faces' own shuffled tiles, a surrogate.
    """

    classes: int | None = None
    exclude_names: Path | None = None
    max_unusable: float = 0.05
    scenes: Path | None = None
    scenes_data: Literal["sun397", "image_folder", "tiles", "synthetic"] = "sun397"

    def __post_init__(self) -> None:
        """Check the ranges."""
        _require(self.classes is None or self.classes >= 2, "read.classes", "at least 2, or null", self.classes)
        _require(0 <= self.max_unusable < 1, "read.max_unusable", "in [0, 1)", self.max_unusable)


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
    """

    decay: float = 0.99
    alpha: float = 0.5
    positive_threshold: float = 0.8
    negative_threshold: float = 0.2
    measure: str = "unit_pearson"
    estimator: Literal["batch", "counts"] = "batch"
    normalization: Literal["all_pairs", "active_pairs"] = "all_pairs"


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
        _require(math.isfinite(self.lr) and self.lr > 0, "optim.lr", "above 0", self.lr)
        pretrained = self.lr_pretrained
        positive = pretrained is None or (math.isfinite(pretrained) and pretrained > 0)
        _require(positive, "optim.lr_pretrained", "above 0, or null", pretrained)
        _require(0 <= self.momentum < 1, "optim.momentum", "in [0, 1)", self.momentum)
        _require(self.weight_decay >= 0, "optim.weight_decay", "0 or more", self.weight_decay)
        rising = list(self.step_at) == sorted(set(self.step_at))
        inside = all(0 < point < 1 for point in self.step_at)
        _require(rising and inside, "optim.step_at", "rising fractions in (0, 1)", self.step_at)
        _require(0 <= self.warmup < 1, "optim.warmup", "in [0, 1)", self.warmup)


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
    influence_every: int = 20
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None
    progress: Literal["auto", "on", "off"] = "auto"

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("epochs", "batch_size", "eval_batch_size", "accumulate", "checkpoint_every", "influence_every"):
            _require(getattr(self, name) >= 1, f"train.{name}", "at least 1", getattr(self, name))
        _require(self.ema is None or 0 < self.ema < 1, "train.ema", "in (0, 1), or null", self.ema)
        _require(self.threads is None or self.threads >= 1, "train.threads", "at least 1, or null", self.threads)


@dataclass(frozen=True)
class RunConfig:
    """One run: one stage on one data set.

    Args:
        preset: Where the other settings start from: demo, small or paper.
        stage: Which stage is trained.
        data: synthetic (built-in pictures) or the name of a data set under root.
        root: Folder of the data. Synthetic faces are drawn there; without it, in the user's cache folder.
        loss: ce is cross-entropy alone (Eq. 4), obrl the joint loss, both trains one after the other and compares.
        seed: Seed of weights, order of samples, augmentation and dropout.
        out: Folder of the run; without it, a folder under runs/ named after the time.
        images: Pictures.
        synthetic: Synthetic faces.
        read: What is read of the data.
        net: The net.
        weights: Weights to start from.
        head: The head of a stage that trains one net.
        relation: The relation loss.
        optim: The optimiser.
        train: The training.
    """

    preset: str = "demo"
    stage: StageName = "attributes"
    data: DataKind = "synthetic"
    root: Path | None = None
    loss: LossKind = "obrl"
    seed: int = 0
    out: Path | None = None
    images: ImagesConfig = field(default_factory=ImagesConfig)
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)
    read: ReadConfig = field(default_factory=ReadConfig)
    net: NetConfig = field(default_factory=NetConfig)
    weights: WeightsConfig = field(default_factory=WeightsConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    relation: RelationConfig = field(default_factory=RelationConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        """Check what concerns several settings."""
        _require(0 <= self.seed < 2**63, "seed", "in [0, 2^63)", self.seed)
        if self.data != "synthetic" and self.root is None:
            raise ValueError(f"data {self.data} needs the folder of the data: --root DIR")


def _require(condition: bool, name: str, expected: str, got: object) -> None:
    if not condition:
        raise ValueError(f"{name} must be {expected}; got {got!r}")
