"""The settings of a pipeline as a file: pipeline.yaml in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from reference_model.pipeline.config import SECTIONS, PipelineConfig
from reference_model.settings.files import build_config, dump_config, make_parser, read_typed
from reference_model.settings.plain import SettingsError, read_yaml

PIPELINE_FILE = "pipeline.yaml"


def dump_pipeline(config: PipelineConfig) -> str:
    """Return a pipeline as YAML: one section for every run, with all of its settings."""
    lines = ["stage: all", f"preset: {config.preset}", *_paths("roots", config.roots)]
    lines += _paths("weights", config.weights)
    parser = make_parser()
    for name, run in config.runs.items():
        lines.append(f"{name}:")
        text = dump_config(replace(run, out=None), parser).splitlines()
        lines += [f"  {line}" for line in text if not line.startswith(("stage:", "preset:", "out:"))]
    return "\n".join(lines) + "\n"


def load_pipeline(folder: Path) -> PipelineConfig:
    """Read the pipeline of a folder.

    Raises:
        SettingsError: If its file is missing or damaged.
    """
    path = folder / PIPELINE_FILE
    content = read_yaml(path)
    preset, sections = content.get("preset"), [name for name in SECTIONS if name in content]
    if content.get("stage") != "all" or not isinstance(preset, str) or "attributes" not in "".join(sections):
        raise SettingsError(f"{path} is not complete; start the pipeline again with --overwrite")
    runs, parser = {}, make_parser()
    for name in sections:
        section = {"stage": name.split("-")[0], "preset": preset} | content[name]
        runs[name] = build_config(read_typed(parser, section))
    roots, weights = (
        {str(name): Path(file) for name, file in (content.get(key) or {}).items()} for key in ("roots", "weights")
    )
    return PipelineConfig(preset, runs, roots, weights, folder)


def _paths(title: str, paths: Mapping[str, Path]) -> list[str]:
    if not paths:
        return []
    return [f"{title}:", *(f"  {name}: {json.dumps(str(path))}" for name, path in paths.items())]
