"""A trainer that trains nothing: its weights are a digest of what a run starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reference_model.config import STAGE_DATA, RunConfig
from reference_model.pipeline.config import PRODUCTS
from reference_model.pipeline.state import settings_that_matter
from reference_model.runs import RunFolder, read_json, write_json


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the program may catch it."""


@dataclass
class FakeTrainer:
    """Trains in no time, and dies where it is told to.

    Args:
        dies: Where: ``("identity", "begin")``, ``"start"``, ``"middle"``, ``"product"`` or ``"end"``; each once.
        fingerprints: Of the data of a stage; others are their stage's name.
        unreadable: The stage whose data cannot be read.
        trained: The runs that were trained or gone on with, in order.
        drawings: How often pictures were drawn.
    """

    dies: list[tuple[str, str]] = field(default_factory=list)
    fingerprints: dict[str, str] = field(default_factory=dict)
    unreadable: str | None = None
    trained: list[tuple[str, bool]] = field(default_factory=list)
    drawings: int = 0

    def draw(self, runs: Mapping[str, RunConfig]) -> Mapping[str, tuple[str, Path]]:
        self.drawings += 1
        sets = {name: STAGE_DATA[run.stage][0] for name, run in runs.items()} | {"scenes": "sun397"}
        return {name: (data, Path("pool") / data) for name, data in sets.items()}

    def check(self, config: RunConfig) -> str:
        if config.stage == self.unreadable:
            raise ValueError(f"the data of {config.stage} cannot be read")
        return self.fingerprints.get(config.stage, config.stage)

    def check_weights(self, config: RunConfig, files: Mapping[str, Path]) -> None:
        for file in files.values():
            if file.read_text() == "unfit":
                raise ValueError(f"{file} does not fit")

    def train(
        self, run: RunFolder, config: RunConfig, *, resume: bool, on_start: Callable[[], None]
    ) -> Mapping[str, Any]:
        self.trained.append((config.stage, resume))
        self._die(config.stage, "begin")
        if not resume:
            write_json(run.labels, {})
            self._die(config.stage, "start")
            on_start()
        self._die(config.stage, "middle")
        files = {name: path.read_text() for name, path in asdict(config.weights).items() if path is not None}
        digest = hashlib.sha256(repr((settings_that_matter(config), files)).encode()).hexdigest()
        if config.stage in PRODUCTS:
            (run.path / f"{PRODUCTS[config.stage]}.safetensors").write_text(digest)
        self._die(config.stage, "product")
        write_json(run.report, {"main": {"name": "digest", "value": int(digest[:6], 16)}, "digest": digest})
        self._die(config.stage, "end")
        return read_json(run.report)

    def _die(self, stage: str, place: str) -> None:
        if (stage, place) in self.dies:
            self.dies.remove((stage, place))
            raise Killed
