"""Every setting of a run, typed and checked once. Presets, files and the command line all fill these classes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from obrl import Settings
from reference_model.settings.checks import require
from reference_model.settings.names import FACE_NETS, STAGES, DataKind, LossKind, Norm, StageName
from reference_model.settings.nets import HeadConfig, NetConfig, WeightsConfig
from reference_model.settings.pictures import ImagesConfig, ReadConfig, SyntheticConfig
from reference_model.settings.sizes import usable_feature_size
from reference_model.settings.training import OptimConfig, RelationConfig, TrainConfig

__all__ = [
    "FACE_NETS",
    "STAGES",
    "DataKind",
    "HeadConfig",
    "ImagesConfig",
    "LossKind",
    "NetConfig",
    "Norm",
    "OptimConfig",
    "ReadConfig",
    "RelationConfig",
    "RunConfig",
    "StageName",
    "SyntheticConfig",
    "TrainConfig",
    "WeightsConfig",
]


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
        require(0 <= self.seed < 2**63, "seed", "in [0, 2^63)", self.seed)
        if self.data != "synthetic" and self.root is None:
            raise ValueError(f"data {self.data} needs the folder of the data: --root DIR")
        usable_feature_size(self.images.size, self.net.strides)
        if self.loss != "ce":
            try:
                Settings(**asdict(self.relation))
            except (TypeError, ValueError) as error:
                raise ValueError(f"relation: {error}") from None
