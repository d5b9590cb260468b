"""Does pre-training on identities help the attributes? A net with it, without it, and with controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reference_model.config import RunConfig, WeightsConfig
from reference_model.pipeline.cells import Cell
from reference_model.pipeline.tables.pretraining_content import pretraining_rows
from reference_model.pipeline.tables.pretraining_runs import (
    identity_config,
    steps_per_epoch,
    training_pictures,
)
from reference_model.pipeline.tables.table import Table, TableOptions
from reference_model.settings.plain import SettingsError

NET = "net_1"
ROWS, STEPS = "250,500,1000,all", 300
TRUE, SHUFFLED = "identities", "shuffled identities"


@dataclass(frozen=True)
class Way:
    """A way to train the attributes.

    Args:
        people: What its net is pre-trained on: true or shuffled identities, or None for a random net.
        frozen: Whether the net is frozen.
        long: Whether it has as many steps more as the pre-training had.
    """

    people: str | None = None
    frozen: bool = False
    long: bool = False


WAYS: Mapping[str, Way] = {
    "pre-trained": Way(TRUE),
    "scratch": Way(),
    "scratch with as many steps in all": Way(long=True),
    "pre-trained on shuffled people": Way(SHUFFLED),
    "pre-trained, frozen": Way(TRUE, frozen=True),
    "random, frozen": Way(frozen=True),
}


def pretraining_cells(options: TableOptions) -> list[Cell]:
    """Return, for every seed, the cells of both pre-trainings, and one for each number of rows and way.

    Args:
        options: With the training pictures of both stages.
    """
    base, identity = _base(options), identity_config(options)
    total = options.training_pictures["attributes"]
    epoch = steps_per_epoch(options.training_pictures["identity"], identity)
    pretraining_steps = identity.train.epochs * epoch
    counts = _parse_rows(options, total, base)
    steps = _parse_steps(options)
    cells: list[Cell] = []
    for seed in options.seeds:
        sources = {people: _identity_cell(identity, people, pretraining_steps, seed) for people in (TRUE, SHUFFLED)}
        cells += sources.values()
        for rows in counts:
            for name, way in WAYS.items():
                asked = steps + (pretraining_steps if way.long else 0)
                config = _with_steps(replace(base, seed=seed), rows or total, asked)
                config = replace(
                    config,
                    read=replace(base.read, train_rows=rows),
                    net=replace(base.net, frozen=(NET,) if way.frozen else ()),
                )
                columns = {
                    "way": name,
                    "rows": "all" if rows is None else str(rows),
                    "steps": str(config.train.epochs * steps_per_epoch(rows or total, config)),
                    "seed": f"seed {seed}",
                }
                source = {} if way.people is None else {f"weights.{NET}": sources[way.people]}
                cells.append(Cell(columns, config, source))
    return cells


def _pictures(options: TableOptions) -> dict[str, int]:
    return {config.stage: training_pictures(config) for config in (identity_config(options), _base(options))}


def _base(options: TableOptions) -> RunConfig:
    """Return the settings of the attributes' runs, but for what differs between the ways."""
    base = options.base
    net = replace(base.net, nets=(NET,), frozen=())
    return replace(base, loss="ce", net=net, weights=WeightsConfig())


def _identity_cell(identity: RunConfig, people: str, steps: int, seed: int) -> Cell:
    read = replace(identity.read, shuffle_people=people == SHUFFLED)
    columns = {"way": people, "rows": identity.data, "steps": str(steps), "seed": f"seed {seed}"}
    return Cell(columns, replace(identity, seed=seed, read=read))


def _with_steps(config: RunConfig, rows: int, steps: int) -> RunConfig:
    """Return settings with the whole number of epochs that comes closest to some steps, at least one."""
    epochs = max(1, round(steps / steps_per_epoch(rows, config)))
    return replace(config, train=replace(config.train, epochs=epochs))


def _parse_rows(options: TableOptions, total: int, base: RunConfig) -> list[int | None]:
    """Return the numbers of training pictures; None for all.

    Raises:
        SettingsError: If one is no number, larger than the data set, or smaller than a step.
    """
    text = options.words.get("rows", ROWS)
    least = base.train.batch_size * base.train.accumulate
    counts: list[int | None] = []
    for part in text.split(","):
        if part != "all" and not (part.isascii() and part.isdigit()):
            raise SettingsError(f"--rows must be whole numbers and all, such as 250,500,all; got {text!r}")
        rows = None if part == "all" else int(part)
        if not least <= (total if rows is None else rows) <= total:
            raise SettingsError(
                f"--rows {part}: it must be from {least}, the pictures of a step, to {total}, the training pictures of "
                f"{base.data}; name other numbers, or a smaller --train.batch_size"
            )
        if rows in counts:
            raise SettingsError(f"--rows {text} names {part} twice")
        counts.append(rows)
    return counts


def _parse_steps(options: TableOptions) -> int:
    text = options.words.get("steps", str(STEPS))
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise SettingsError(f"--steps must be a whole number of at least 1; got {text!r}")
    return int(text)


TABLE = Table(
    name="pretraining",
    title="one net pre-trained on identities, then attributes from few rows, beside four controls",
    cells=pretraining_cells,
    rows=pretraining_rows,
    data=("celeba", "synthetic"),
    fusions=((NET,),),
    several=False,
    options={
        "rows": f"training pictures with attributes (default: {ROWS})",
        "steps": f"steps of the attributes' training, the same for every number of rows (default: {STEPS})",
        "identity.*": "settings of the pre-training, such as --identity.train.epochs 8",
    },
    sections=("identity",),
    sets=(
        *("train.epochs", "fusions", "nets", "nets-frozen"),
        *("weights.net_0", "weights.net_1", "weights.net_2", "weights.net_3", "weights.model"),
        *("read.train_rows", "identity.seed", "identity.read.shuffle_people"),
    ),
    pictures=_pictures,
)
