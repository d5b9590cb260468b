"""The settings of a whole pipeline: settings of its stages, where the data sets lie, and weights that a user supplies.

Nothing here has a meaning of its own: everything ends in the `RunConfig` of a stage. No torch is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reference_model.config import FACE_NETS, RunConfig, StageName
from reference_model.settings.names import ROOTS

SINGLE_STAGES: tuple[StageName, ...] = ("pretrain", "face", "identity", "age", "race")
PRODUCTS: Mapping[str, str] = dict(zip(SINGLE_STAGES, ("pretrained", *FACE_NETS), strict=True))
"""What each stage passes on: the weights of the convolutions and of hidden layers."""

PARENTS: Mapping[str, str] = {"net_0": "pretrained", **dict.fromkeys(FACE_NETS[1:], "net_0")}
"""What each product starts from."""

SECTIONS = (*SINGLE_STAGES, "attributes", *(f"attributes-{name}" for name in ROOTS["attributes"]))


@dataclass(frozen=True)
class PipelineConfig:
    """A pipeline.

    Args:
        preset: Where the settings start from.
        runs: The settings of every run, in their order, by name: a stage, or ``attributes-SET`` where the attributes
            are trained on several sets. Drawn data has data ``"synthetic"``; weights are not filled in.
        roots: Where the data sets lie, by name.
        weights: Files that a user supplies in place of a stage's product.
        out: Folder of the pipeline.
    """

    preset: str
    runs: Mapping[str, RunConfig]
    roots: Mapping[str, Path]
    weights: Mapping[str, Path]
    out: Path | None = None


@dataclass(frozen=True)
class Step:
    """A run of a pipeline, in its place.

    Args:
        name: The run's name: a stage, or ``attributes-SET``.
        config: Its settings, with folder, data and initial weights filled in.
        sources: The products that it starts from, by the setting that names their file: ``"init"`` or a net.
    """

    name: str
    config: RunConfig
    sources: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        if self.config.out is None:
            raise ValueError(f"{self.name} has no folder")
        return self.config.out

    @property
    def product(self) -> str | None:
        """What the run passes on; None for the attributes."""
        return PRODUCTS.get(self.config.stage)


def required_stages(nets: Iterable[str], weights: Iterable[str]) -> tuple[StageName, ...]:
    """Return the stages that must be trained for some nets, in their order.

    Args:
        nets: The nets that are fused.
        weights: The products that a user supplies.
    """
    supplied = set(weights)
    required = {origin for net in nets for origin in _origins(net, supplied)}
    return tuple(stage for stage in SINGLE_STAGES if PRODUCTS[stage] in required)


def unused_weights(nets: Iterable[str], weights: Iterable[str]) -> list[str]:
    """Return the supplied products that nothing starts from."""
    supplied = set(weights)
    trained = {PRODUCTS[stage] for stage in required_stages(nets, supplied)}
    used = set(nets) | {PARENTS[product] for product in trained if product in PARENTS}
    return sorted(supplied - used)


def _origins(product: str, supplied: set[str]) -> list[str]:
    """Return a product and those it starts from, up to the first that is supplied."""
    if product in supplied:
        return []
    parent = PARENTS.get(product)
    return [product] if parent is None else [*_origins(parent, supplied), product]


def place_steps(config: PipelineConfig, folder: Path, pool: Mapping[str, tuple[str, Path]]) -> list[Step]:
    """Return the runs of a pipeline with everything filled in.

    Args:
        config: The pipeline.
        folder: Its folder.
        pool: For drawn data, the data set's name and folder for each of the runs, and ``"scenes"``.
    """
    steps = []
    for name, run in config.runs.items():
        sources = sources_of(run)
        number = (*SINGLE_STAGES, "attributes").index(run.stage) + 1
        out = folder / f"{number}-{name}"
        placed = replace(run, out=out, weights=replace(run.weights, **_files(config, folder, sources)))
        if run.data == "synthetic":
            placed = _drawn(placed, name, pool)
        steps.append(Step(name, placed, sources))
    return steps


def product_path(config: PipelineConfig, folder: Path, product: str) -> Path:
    """Return where a product lies in the folder of a pipeline: that of the first stage in its run, if it is trained."""
    if product == "pretrained" and product not in config.weights:
        return folder / "1-pretrain" / f"{product}.safetensors"
    return folder / f"{product}.safetensors"


def sources_of(run: RunConfig) -> dict[str, str]:
    """Return the products that a run starts from, by the setting that names their file: ``"init"`` or a net."""
    if run.stage == "attributes":
        return {net: net for net in run.net.nets}
    product = PRODUCTS[run.stage]
    return {"init": PARENTS[product]} if product in PARENTS else {}


def _files(config: PipelineConfig, folder: Path, sources: Mapping[str, str]) -> dict[str, Path]:
    return {setting: product_path(config, folder, product) for setting, product in sources.items()}


def _drawn(run: RunConfig, name: str, pool: Mapping[str, tuple[str, Path]]) -> RunConfig:
    data, root = pool[name]
    read = run.read
    if run.stage == "face" and read.scenes is None and read.scenes_data != "tiles":
        read = replace(read, scenes_data="sun397", scenes=pool["scenes"][1])
    return replace(run, data=data, root=root, read=read)
