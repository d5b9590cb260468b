"""Every setting of a run, typed and checked once. Presets, files and the command line all fill these classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from obrl import Settings
from reference_model.settings.checks import did_you_mean, require
from reference_model.settings.features import FeaturesConfig
from reference_model.settings.names import FACE_NETS, STAGE_DATA, STAGES, DataKind, LossKind, Norm, StageName
from reference_model.settings.nets import HeadConfig, NetConfig, WeightsConfig
from reference_model.settings.pictures import POOL_MARKER, ImagesConfig, PoolConfig, ReadConfig, SyntheticConfig
from reference_model.settings.sizes import usable_feature_size
from reference_model.settings.training import OptimConfig, RelationConfig, TrainConfig

DRAWN_PICTURES = "drawn pictures"
"""What stands for the name of a data set in words, where it is written from a pool of drawn pictures."""

SHUFFLED_PEOPLE = " with shuffled people"
"""What follows the name of a data set in words, where people are exchanged at random."""

__all__ = [
    "FACE_NETS",
    "STAGES",
    "STAGE_DATA",
    "DataKind",
    "FeaturesConfig",
    "HeadConfig",
    "ImagesConfig",
    "LossKind",
    "NetConfig",
    "Norm",
    "OptimConfig",
    "PoolConfig",
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
        stage: Which stage is trained; "all" trains every one.
        data: synthetic (built-in pictures) or the name of a data set under root.
        root: Folder of the data. Synthetic faces are drawn there; without it, in the user's cache folder.
        loss: ce is cross-entropy alone (Eq. 4), obrl the joint loss, both trains one after the other and compares.
        seed: Seed of weights, order of samples, augmentation and dropout.
        out: Folder of the run; without it, a folder under runs/ named after the time.
        images: Pictures.
        synthetic: Synthetic faces.
        pool: Synthetic people, objects and places for the stages before the attributes.
        read: What is read of the data.
        net: The net.
        weights: Weights to start from.
        features: Features of frozen nets on disk.
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
    pool: PoolConfig = field(default_factory=PoolConfig)
    read: ReadConfig = field(default_factory=ReadConfig)
    net: NetConfig = field(default_factory=NetConfig)
    weights: WeightsConfig = field(default_factory=WeightsConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    relation: RelationConfig = field(default_factory=RelationConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        """Check what concerns several settings."""
        require(0 <= self.seed < 2**63, "seed", "in [0, 2^63)", self.seed)
        self._check_data()
        self._check_weights()
        self._check_features()
        usable_feature_size(self.images.size, self.net.strides)
        if self.loss != "ce":
            try:
                Settings(**self.relation.of_loss())
            except (TypeError, ValueError) as error:
                raise ValueError(f"relation: {error}") from None

    def data_source(self) -> str:
        """Return the data set's name, or `DRAWN_PICTURES` where its folder is one of a pool that was drawn."""
        drawn = self.root is not None and (self.root.resolve().parent / POOL_MARKER).is_file()
        return DRAWN_PICTURES if drawn and self.data != "synthetic" else self.data

    def data_in_words(self) -> str:
        """Return what the net learns from, `data_source`, and that its people are shuffled where they are."""
        return f"{self.data_source()}{SHUFFLED_PEOPLE if self.read.shuffle_people else ''}"

    def _check_data(self) -> None:
        readable = ("synthetic", *STAGE_DATA.get(self.stage, (self.data,)))
        if self.data not in readable:
            hint = did_you_mean(self.data, readable)
            known = {name for names in STAGE_DATA.values() for name in names}
            fault = "the stage {0} cannot read {1!r}" if self.data in known else "unknown data {1!r}"
            fault = fault.format(self.stage, self.data)
            raise ValueError(f"{fault}; --stage {self.stage} reads {', '.join(readable)}{hint}")
        of_a_stage = {"label_share": ("attributes", 1.0), "shuffle_people": ("identity", False)}
        for name, (stage, unset) in of_a_stage.items():
            if self.stage != stage and getattr(self.read, name) != unset:
                raise ValueError(f"read.{name} is for the stage {stage}; leave it out for the stage {self.stage}")
        if self.data == "synthetic":
            return
        if self.root is None:
            raise ValueError(f"data {self.data} needs the folder of the data: --root DIR")
        if self.stage == "face" and self.read.scenes is None and self.read.scenes_data in ("sun397", "image_folder"):
            raise ValueError(
                "the stage face needs pictures without faces: --read.scenes DIR, or --read.scenes_data tiles to make "
                "them from the faces' own tiles"
            )

    def _check_weights(self) -> None:
        several = [name for name in FACE_NETS if getattr(self.weights, name) is not None]
        if self.stage == "attributes":
            if self.weights.init is not None:
                raise ValueError("weights.init is for stages that train one net; give weights.net_0 to weights.net_3")
            idle = [f"weights.{name}" for name in several if name not in self.net.nets]
            require(not idle, ", ".join(idle), f"left out, or net.nets name them ({', '.join(self.net.nets)})", several)
            if self.weights.model is not None and several:
                raise ValueError(f"weights.model holds every net; leave out weights.{several[0]}")
        else:
            require(
                not self.net.frozen,
                "net.frozen",
                f"left out: the stage attributes freezes nets, and the stage {self.stage} trains its one net",
                list(self.net.frozen),
            )
            several += [] if self.weights.model is None else ["model"]
            names = ", ".join(f"weights.{name}" for name in several)
            require(not several, names, f"left out: the stage {self.stage} trains one net, from weights.init", several)

    def _check_features(self) -> None:
        if not self.features.cache:
            return
        if self.stage != "attributes":
            raise ValueError(
                "features.cache is for the stage attributes, whose face-level nets may be frozen; the stage "
                f"{self.stage} trains its net: leave it out"
            )
        tuned = [name for name in self.net.nets if name not in self.net.frozen]
        if tuned:
            raise ValueError(
                f"features.cache needs frozen nets, for the features of a net that is trained change with every step: "
                f"add {', '.join(tuned)} to net.frozen, or leave features.cache out"
            )
