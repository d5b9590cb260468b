"""``report.md``: what was trained on what, and how well it does, for people to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reference_model.config import RunConfig
from reference_model.engine.sources import StageData
from reference_model.settings.plain import flatten, plain
from reference_model.settings.presets import preset_settings

SHOWN = 20
# Where things are, and what changes no result.
UNSHOWN = (
    "preset",
    "stage",
    "out",
    "train.progress",
    "train.threads",
    "train.device",
    "train.checkpoint_every",
    "train.validate_every",
)


def summary(
    config: RunConfig, data: StageData, report: Mapping[str, Any], text: str, *, unusable: Sequence[str]
) -> str:
    """Return the report of a run as Markdown.

    Args:
        config: The settings.
        data: The data.
        report: What report.json holds.
        text: The figures as the stage describes them.
        unusable: What is wrong with each picture that cannot be used.
    """
    partitions = ", ".join(f"{data.size(name)} {name}" for name in ("train", "valid", "test"))
    parts = [
        f"# {config.stage} on {config.data}",
        "## Data",
        f"{len(data.catalogue)} pictures: {partitions}. Fingerprint {data.fingerprint[:16]}.",
        *(f"- {note}" for note in dict.fromkeys([*data.catalogue.notes, *report.get("notes", ())])),
        "## Pictures that cannot be used",
        _listed(unusable),
        f"## Settings that differ from the preset {config.preset}",
        _listed([f"`{name}`: {value}" for name, value in changed_settings(config).items()], limit=None),
        f"## Figures ({report['split']})",
        text if text.lstrip().startswith(("|", "#")) or "\n|" in text else f"```\n{text}\n```",
        f"![The report's picture]({data.stage.picture})",
    ]
    return "\n\n".join(parts) + "\n"


def changed_settings(config: RunConfig) -> dict[str, Any]:
    """Return the settings whose values are not those of the preset, by name."""
    usual = flatten(plain(asdict(RunConfig()))) | flatten(preset_settings(config.preset, config.stage))
    actual = flatten(plain(asdict(config)))
    return {
        name: value
        for name, value in actual.items()
        if value != plain(usual.get(name)) and not name.startswith(UNSHOWN)
    }


def _listed(items: Sequence[str], limit: int | None = SHOWN) -> str:
    lines = [f"- {item}" for item in items[:limit]]
    if limit is not None and len(items) > limit:
        lines.append(f"- and {len(items) - limit} more")
    return "\n".join(lines) or "none"
