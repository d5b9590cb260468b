"""From settings to the net of a stage; nothing here imports Lightning, whose import takes seconds."""

from __future__ import annotations

from torch import nn

from reference_model.config import RunConfig
from reference_model.nets import FaceNet, StageModel, build_seeded
from reference_model.settings.sizes import usable_feature_size
from reference_model.stages.stage import Stage, Targets


def build_net(stage: Stage, targets: Targets, config: RunConfig) -> nn.Module:
    """Build the net of a stage; its initial weights depend on the run's seed alone.

    Args:
        stage: The stage.
        targets: What it predicts.
        config: The settings.
    """

    def build() -> nn.Module:
        if stage.model is not None:
            return stage.model(targets, config)
        assert stage.head is not None  # Stage has checked it
        net = config.net
        side = usable_feature_size(config.images.size, net.strides)
        trunk = FaceNet(width=net.width, depth=net.depth, strides=net.strides, norm=net.norm)
        return StageModel(trunk, stage.head(trunk.out_channels, side, targets, config))

    return build_seeded(build, seed=config.seed)
