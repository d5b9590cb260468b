"""The presets: settings that all stages share, and one section a stage."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from reference_model.settings.checks import did_you_mean
from reference_model.settings.names import STAGES
from reference_model.settings.plain import SettingsError, flatten, nest, read_yaml

PRESETS = ("demo", "small", "paper")


def default_preset(data: str) -> str:
    """Return the preset of a command that names none: demo for synthetic pictures, small for real ones."""
    return "demo" if data == "synthetic" else "small"


def preset_settings(name: str, stage: str) -> dict[str, Any]:
    """Return the nested settings of a preset for one stage: the shared ones, with those of the stage's section on top.

    Args:
        name: One of ``PRESETS``.
        stage: One of the stages.

    Raises:
        SettingsError: If there is no such preset.
    """
    if name not in PRESETS:
        raise SettingsError(
            f"unknown preset {name!r}; the presets are {', '.join(PRESETS)}{did_you_mean(name, PRESETS)}"
        )
    content = read_yaml(Path(str(files("reference_model") / "presets" / f"{name}.yaml")))
    sections: dict[str, Any] = {key: content.pop(key) for key in STAGES if key in content}
    return nest(flatten(content) | flatten(sections.get(stage, {})) | {"preset": name})
