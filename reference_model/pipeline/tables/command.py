"""The command line of the tables. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reference_model.cli import parse_command
from reference_model.config import FACE_NETS, RunConfig
from reference_model.pipeline.tables.registry import TABLES
from reference_model.pipeline.tables.table import ALL_NETS, Table, TableOptions, parse_fusions
from reference_model.pipeline.words import file_settings
from reference_model.runs import RunError
from reference_model.settings.checks import did_you_mean
from reference_model.settings.files import GROUPS_OF_SETTINGS
from reference_model.settings.plain import SettingsError

OPTIONS: Mapping[str, str] = {
    "data": "the data set (celeba, lfwa, table), or synthetic for drawn faces (the default)",
    "root": "folder of the data",
    "roots.NAME": "folder of a data set, for tables of several: --roots.celeba A --roots.lfwa B",
    "preset": "where the settings start from: demo, small or paper",
    "out": "folder of the table (default: tables/NAME); the same folder again goes on where it stopped",
    "seeds": "how many seeds, from the run's --first-seed on (default: 1)",
    "first-seed": "the first seed (default: 0)",
    "fusions": "which nets are fused, such as net_0,net_1+net_2+net_3 (default: the table's)",
    "nets": "folder of a run of all stages, whose net_0 to net_3 the nets start from",
    "weights.net_K": "file of weights that Net_K starts from; nets without one start at random",
    "nets-frozen": "yes, no, or preset: frozen with the preset paper, tuned with others (the default)",
    "cells": "folder of finished cells, KEY.json (default: cells-done in --out); those there are not trained again",
    "config": "a YAML file of settings and of these options; flags win over it",
    "dry-run": "list the cells, which of them are done, and the time the others will take; write nothing",
}
_OF_TABLES = ("data", "root", "preset", "out", "seeds", "first-seed", "fusions", "nets", "nets-frozen", "cells")
_YAML_WORDS: Mapping[str, str] = {"true": "yes", "false": "no"}
_OF_SINGLE_RUNS = ("config", "resume", "overwrite", "print_config")


@dataclass(frozen=True)
class TableRequest:
    """What a command line asks for.

    Args:
        table: The table.
        options: Its options.
        out: Its folder.
        cells: The folder of finished cells; None for the one in ``out``.
        dry_run: Whether cells are only listed.
        words: The text of every option of the command line and of its files, by name.
    """

    table: Table
    options: TableOptions
    out: Path
    cells: Path | None
    dry_run: bool
    words: Mapping[str, str]


def help_text() -> str:
    """Return what ``--help`` prints."""
    lines = [
        "usage: python -m reference_model.tables NAME [--data SET --root DIR] [options] [settings of a run]",
        "       python -m reference_model.tables again RECORD --cells DIR --out DIR",
        "",
        "Make one of the paper's tables or figures, and others: every cell is an ordinary run, those that are finished",
        "are not trained again, and those that were stopped go on.",
        "",
        "again makes a finished table once more, from its NAME.record.json and the files of its cells alone.",
        "",
        "tables:",
        *(f"  {table.name:12} {table.title}" for table in TABLES.values()),
        "",
        "options:",
        *(f"  --{name:14} {text}" for name, text in OPTIONS.items()),
    ]
    for table in TABLES.values():
        if table.options:
            lines += [
                "",
                f"options of {table.name}:",
                *(f"  --{name:14} {text}" for name, text in table.options.items()),
            ]
    lines += [
        "",
        "Every setting of python -m reference_model.train is one of all cells, such as --train.epochs 1, but for those",
        "that a table sets itself.",
    ]
    return "\n".join(lines)


def parse_tables(arguments: Sequence[str]) -> TableRequest:
    """Parse a command line.

    Args:
        arguments: The arguments after the program's name.

    Raises:
        SettingsError: If the table or an option is unknown, or a setting cannot be used.
        RunError: If the nets that are needed are not there.
    """
    if not arguments or arguments[0].startswith("--"):
        raise SettingsError(f"name a table first: {', '.join(TABLES)}")
    name = arguments[0]
    if name not in TABLES:
        raise SettingsError(f"unknown table {name!r}; there are {', '.join(TABLES)}{did_you_mean(name, [*TABLES])}")
    table = TABLES[name]
    words, dry_run = take_apart(arguments[1:])
    for setting in table.flags_of_cells:
        if setting in words:
            raise SettingsError(f"--{setting} differs between the cells of {name}, which sets it itself; leave it out")
    seeds = _seeds(words)
    fusions = parse_fusions(words["fusions"]) if "fusions" in words else table.fusions
    if table.one_fusion and len(fusions) > 1:
        raise SettingsError(f"all cells of {name} have the same nets; --fusions must name one fusion")
    bases = _bases(table, words)
    preset = next(iter(bases.values())).preset if bases else words.get("preset", "demo")
    nets = _nets(words, fusions)
    options = TableOptions(
        bases=bases,
        seeds=seeds,
        fusions=fusions,
        nets=nets,
        nets_frozen=_frozen(words, preset),
        words={key: value for key, value in words.items() if key in _own_options(table, words)},
    )
    out = Path(words.get("out", f"tables/{name}"))
    if out.exists() and not out.is_dir():
        raise RunError(f"--out {out} exists and is not a folder")
    return TableRequest(table, options, out, Path(words["cells"]) if "cells" in words else None, dry_run, words)


def take_apart(arguments: Sequence[str]) -> tuple[dict[str, str], bool]:
    """Return the text of every option, and whether cells are only listed.

    Flags win over ``--config`` files, and later ones of a kind over earlier ones.
    """
    words: dict[str, str] = {}
    from_files: dict[str, str] = {}
    dry_run = False
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("--"):
            raise SettingsError(f"unexpected {argument!r}; options are written --name value")
        key, has_value, value = argument[2:].partition("=")
        if key == "dry-run" and not has_value:
            dry_run = True
            continue
        if not has_value:
            if not rest or rest[0].startswith("--"):
                raise SettingsError(f"--{key} needs a value")
            value = rest.pop(0)
        if key == "config":
            from_files |= _file_words(Path(value))
        else:
            words[key] = value
    return from_files | words, dry_run


def _file_words(path: Path) -> dict[str, str]:
    words = file_settings(path)
    if words.get("nets-frozen") in _YAML_WORDS:  # YAML reads yes and no as true and false
        words["nets-frozen"] = _YAML_WORDS[words["nets-frozen"]]
    optional = {*_OF_TABLES, *(key for key in words if _is_net(key))}
    return {key: value for key, value in words.items() if not (value == "null" and key in optional)}


def _seeds(words: Mapping[str, str]) -> tuple[int, ...]:
    numbers = []
    for name, usual, least in (("seeds", "1", 1), ("first-seed", "0", 0)):
        text = words.get(name, usual)
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise SettingsError(f"--{name} must be a whole number of at least {least}; got {text!r}")
        numbers.append(int(text))
    count, first = numbers
    return tuple(range(first, first + count))


def _bases(table: Table, words: Mapping[str, str]) -> dict[str, RunConfig]:
    """Return the settings of a run on each data set that is named."""
    for key in words:
        if key in GROUPS_OF_SETTINGS:
            raise SettingsError(f"--{key} is a group of settings; write them one by one, as --{key}.NAME VALUE")
        if key in _OF_SINGLE_RUNS:
            raise SettingsError(f"--{key} is for single runs; a table goes on when the same command is given again")
    roots = {key.removeprefix("roots."): value for key, value in words.items() if key.startswith("roots.")}
    if not table.data:
        usable = [*table.options, "out"]
        for key in words:
            if key not in usable:
                hint = did_you_mean(key, usable)
                raise SettingsError(f"{table.name} trains nothing and has no option --{key}; see --help{hint}")
        return {}
    if roots and ("data" in words or "root" in words):
        raise SettingsError("--roots names data sets and their folders; leave --data and --root out")
    if len(roots) > 1 and not table.several:
        raise SettingsError(f"{table.name} is made of one data set; give --data NAME --root DIR")
    places = roots or {words.get("data", "synthetic"): words.get("root", "")}
    for name in places:
        if name not in table.data:
            hint = did_you_mean(name, table.data)
            raise SettingsError(f"{table.name} cannot be made of {name!r}, but of {', '.join(table.data)}{hint}")
    not_settings = {*_OF_TABLES, *_own_options(table, words)}
    settings = [
        f"--{key}={value}"
        for key, value in words.items()
        if key not in not_settings and not key.startswith("roots.") and not _is_net(key)
    ]
    preset = [f"--preset={words['preset']}"] if "preset" in words else []
    if _frozen(words, words.get("preset", "")) and "net.frozen" in table.flags_of_cells:
        nets = ",".join(ALL_NETS)  # settings such as features.cache are for frozen nets alone
        settings += [f"--net.nets=[{nets}]", f"--net.frozen=[{nets}]"]
    bases = {}
    for name, root in places.items():
        place = [f"--data={name}", *([f"--root={root}"] if root else [])]
        base = parse_command([*place, *preset, "--loss=obrl", *settings]).config
        if root and name != "synthetic" and not Path(root).is_dir():
            raise SettingsError(f"the folder of {name} is not there: {root}")
        assert (base.data, base.stage) == (name, "attributes"), (base.data, base.stage)
        bases[name] = base
    return bases


def _own_options(table: Table, words: Mapping[str, str]) -> set[str]:
    """Return the words that only this table understands."""
    return {key for key in words if key in table.options or key.partition(".")[0] in table.sections}


def _is_net(key: str) -> bool:
    return key in {f"weights.{net}" for net in FACE_NETS}


def _nets(words: Mapping[str, str], fusions: Sequence[Sequence[str]]) -> dict[str, Path]:
    """Return the files of the nets that the cells need."""
    needed = [net for net in FACE_NETS if any(net in fusion for fusion in fusions)]
    files = {net: Path(words[f"weights.{net}"]) for net in FACE_NETS if f"weights.{net}" in words}
    for net, path in files.items():
        if net not in needed:
            raise SettingsError(f"--weights.{net}: no fusion has {net}; leave it out")
        if not path.is_file():
            raise RunError(f"--weights.{net} {path}: no such file")
    if "nets" in words:
        run = Path(words["nets"])
        stored = {net: run / f"{net}.safetensors" for net in needed if net not in files}
        absent = [net for net, path in stored.items() if not path.is_file()]
        if absent:
            raise RunError(
                f"--nets {run} has no {', '.join(f'{net}.safetensors' for net in absent)}; name the folder of a "
                "finished run of --stage all, or leave these nets out with --fusions"
            )
        files |= stored
    return files


def _frozen(words: Mapping[str, str], preset: str) -> bool:
    text = words.get("nets-frozen", "preset")
    if text not in ("yes", "no", "preset"):
        raise SettingsError(f"--nets-frozen must be yes, no or preset; got {text!r}")
    return text == "yes" or (text == "preset" and preset == "paper")
