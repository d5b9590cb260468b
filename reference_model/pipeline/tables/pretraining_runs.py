"""The runs of the table on pre-training: settings of the identity stage, and how many steps an epoch has."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from reference_model.cli import parse_command
from reference_model.config import RunConfig
from reference_model.pipeline.tables.table import TableOptions
from reference_model.pipeline.words import SHARED_GROUPS, SHARED_OF_GROUPS, section_of
from reference_model.settings.files import GROUPS_OF_SETTINGS
from reference_model.settings.nets import SHAPE_SETTINGS
from reference_model.settings.plain import SettingsError, flatten, plain

PEOPLE = {"celeba": "celeba_people"}
"""The identities of the training people of a data set; drawn faces have those of the drawn people."""

_NOT_OF_THE_SECTION = ("stage", "config", "resume")


def identity_config(options: TableOptions) -> RunConfig:
    """Return the settings of the pre-training: the preset's, the shared ones of the table, and its own section.

    Raises:
        SettingsError: If a setting of the section cannot be used, or makes another net than the attributes have.
    """
    base = options.base
    flat = flatten(plain(asdict(base)))
    shared = {
        name: _text(value)
        for name, value in flat.items()
        if name in SHARED_OF_GROUPS or name.partition(".")[0] in SHARED_GROUPS
    }
    chosen = {"stage": "identity", "data": PEOPLE.get(base.data, base.data), "preset": base.preset, **shared}
    if base.data in PEOPLE:
        chosen["root"] = str(base.root)
    section = section_of(options.words, "identity")
    for name in section:
        if name in _NOT_OF_THE_SECTION or name in GROUPS_OF_SETTINGS:
            raise SettingsError(
                f"--identity.{name} cannot be used; write the settings one by one, such as --identity.train.epochs 8"
            )
    try:
        identity = parse_command([f"--{name}={value}" for name, value in (chosen | section).items()]).config
    except SettingsError as error:
        raise SettingsError(f"identity: {error}") from None
    _check_same_net(identity, base)
    return identity


def _check_same_net(identity: RunConfig, base: RunConfig) -> None:
    for name in (*SHAPE_SETTINGS, "strides"):
        before, after = getattr(identity.net, name), getattr(base.net, name)
        if before != after:
            raise SettingsError(
                f"the attributes go on from the pre-trained net, so both have one net.{name}; got {plain(before)} for "
                f"identity and {plain(after)} for the attributes: leave --identity.net.{name} out, or set --net.{name}"
            )


def training_pictures(config: RunConfig) -> int:
    """Return the number of training pictures of a run.

    Raises:
        ValueError: If its data cannot be read.
    """
    # Here, since the command line answers without torch.
    from reference_model.engine.sources import open_data
    from reference_model.stages.registry import load_stage

    return open_data(config, load_stage(config.stage)).size("train")


def steps_per_epoch(rows: int, config: RunConfig) -> int:
    """Return the steps of the optimiser in an epoch.

    Args:
        rows: Training pictures.
        config: The settings.
    """
    return max(1, rows // (config.train.batch_size * config.train.accumulate))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
