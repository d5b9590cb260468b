"""The model card of an exported net: what it was made from, how often it is wrong, and what it is not for.

Everything on it is read from the run. Where the run does not know a thing, the card says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference_model.config import DRAWN_PICTURES, SHUFFLED_PEOPLE, RunConfig
from reference_model.data.registry import MODULES, load_data_set
from reference_model.reports.card_errors import describe_errors
from reference_model.reports.text import table
from reference_model.settings.files import PATHS

DRAWN = ("synthetic", DRAWN_PICTURES)
"""What stands for the name of a data set that this program drew."""

WELL_KNOWN_PEOPLE = ("celeba", "celeba_people", "lfwa", "casia", "msceleb", "msceleb_tsv", "imdb_wiki")
"""Data sets of people whose pictures were collected by their names, so that one person may be in several of them."""


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from.

    Args:
        file: Name of the file that it describes.
        config: The run's settings.
        changed: Those of them that differ from the preset's, by name; paths say nothing elsewhere and are not shown.
        labels: What labels.json holds.
        report: What report.json holds.
        figures: The report as the stage describes it.
        accounts: What weights.json holds; empty where there is none.
        inputs: What goes into the net.
        outputs: What each output holds, by name.
        comparison: The result of the comparison with torch.
        trained_with: Versions that the run was trained with.
        exported_with: Versions that it was exported with.
        date: The day of the export.
    """

    file: str
    config: RunConfig
    changed: Mapping[str, Any]
    labels: Mapping[str, Any]
    report: Mapping[str, Any]
    figures: str
    accounts: Mapping[str, Mapping[str, Any]]
    inputs: str
    outputs: Mapping[str, str]
    comparison: str
    trained_with: Mapping[str, str | None]
    exported_with: Mapping[str, str | None]
    date: str


def model_card(facts: CardFacts) -> str:
    """Return the card in Markdown."""
    config = facts.config
    sections = {
        "Use": _use(facts),
        "Data and their terms": _data(facts),
        "Where the weights come from": _weights(facts),
        "Settings": _settings(facts),
        "People in several data sets": _people(facts),
        "Limits": _limits(facts),
        f"Errors ({facts.report['split']})": describe_errors(facts.report, facts.figures),
        "Versions": _versions(facts),
    }
    title = f"# Model card: {config.stage} on {_title(config.data)}"
    return "\n\n".join([title, *(f"## {name}\n\n{text}" for name, text in sections.items())]) + "\n"


def data_sets(config: RunConfig, accounts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of all data sets that a net has seen, its own first, as far as the run knows them."""
    names = [config.data]
    if config.stage == "face" and config.data != "synthetic":
        names.append(config.read.scenes_data)
    for _, origin in _chain(_origins(accounts)):
        names += [_data_of(origin), str(origin.get("scenes_data") or "")]
    return [name for name in dict.fromkeys(names) if name]


def _origins(accounts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {part: account.get("origin", {}) for part, account in accounts.items()}


def _chain(origins: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield each origin after the one that started from it, with its depth."""
    for part, origin in origins.items():
        yield depth, {"part": part, **origin}
        yield from _chain(origin.get("starts_from", {}), depth + 1)


def _data_of(origin: Mapping[str, Any]) -> str:
    """Return the name of a data set; files of earlier versions have it in words."""
    return str(origin.get("data") or "").removesuffix(SHUFFLED_PEOPLE)


def _data_in_words(origin: Mapping[str, Any]) -> str:
    shuffled = origin.get("shuffled") or str(origin.get("data")).endswith(SHUFFLED_PEOPLE)
    scenes = f", scenes: {_title(origin['scenes_data'])}" if origin.get("scenes_data") else ""
    return f"{_title(_data_of(origin) or 'not stated')}{SHUFFLED_PEOPLE if shuffled else ''}{scenes}"


def _title(data: str) -> str:
    drawn = {"synthetic": DRAWN_PICTURES, "tiles": "shuffled tiles of the faces"}
    return drawn.get(data) or (load_data_set(data).title if data in MODULES else data)


def _use(facts: CardFacts) -> str:
    names = facts.labels["names"]
    listed = ", ".join(names[:60]) + (f" and {len(names) - 60} more" if len(names) > 60 else "")
    return "\n".join(
        [
            f"- `{facts.file}`",
            f"- {facts.inputs}",
            *(f"- `{name}`: {meaning}" for name, meaning in facts.outputs.items()),
            f"- names: {listed}",
            f"- {facts.comparison}",
        ]
    )


def _data(facts: CardFacts) -> str:
    lines = []
    for name in data_sets(facts.config, facts.accounts):
        if name in MODULES:
            data_set = load_data_set(name)
            lines.append(f"- {data_set.title} (`{name}`): {data_set.terms}")
        elif name in DRAWN:
            lines.append(f"- Drawn pictures (`{name}`): this program draws them; they show nobody.")
        elif name != "tiles":
            lines.append(f"- `{name}`: the run does not know its terms.")
    stated = [origin for _, origin in _chain(_origins(facts.accounts)) if origin.get("stage") == "face"]
    if any(not origin.get("scenes_data") and _data_of(origin) not in ("", *DRAWN) for origin in stated):
        lines.append("- Pictures without faces: a file of the stage face does not say which they were.")
    if _unknown_origin(facts):
        lines.append("- Some weights come from files that do not say what they were trained on; see below.")
    lines.append("\nThe terms bind whoever uses the data; whether they extend to a net is for the user to find out.")
    lines.append(f"\nFingerprint of the run's own data: {str(facts.labels['fingerprint'])[:16]}.")
    notes = dict.fromkeys(facts.report.get("notes", ()))
    lines += ["", *(f"- {note}" for note in notes)] if notes else []
    unusable = facts.report.get("unusable_pictures", 0)
    return "\n".join([*lines, *([f"- {unusable} pictures could not be used"] if unusable else [])])


def _unknown_origin(facts: CardFacts) -> bool:
    return any(not origin.get("data") for _, origin in _chain(_origins(facts.accounts)))


def _weights(facts: CardFacts) -> str:
    if not facts.accounts:
        return f"All weights started at random, by the seed {facts.config.seed}."
    rows = []
    for depth, origin in _chain(_origins(facts.accounts)):
        part = _part(origin["part"])
        name = part if depth == 0 else f"{'-' * depth}> which started from"
        rows.append([name, str(origin.get("stage") or "not stated"), _data_in_words(origin)])
    lines = [table(["part", "stage", "data"], rows), ""]
    for part, account in facts.accounts.items():
        loaded, fresh, unused = (len(account.get(kind, ())) for kind in ("loaded", "fresh", "unused"))
        text = f"{loaded} tensors loaded, {fresh} started at random, {unused} of the file unused"
        lines.append(f"- {_part(part)}, from `{Path(account['file']).name}`: {text}")
        lines += [f"- {note}" for note in account.get("notes", ())]
    if facts.config.stage == "attributes":
        nets, frozen = facts.config.net.nets, facts.config.net.frozen
        others = [name for name in nets if name not in facts.accounts]
        if others and set(facts.accounts) <= set(nets):
            lines.append(f"- {', '.join(others)}: started at random")
        if frozen:
            lines.append(f"- not trained any further (frozen): {', '.join(frozen)}")
    return "\n".join(lines)


def _part(name: str) -> str:
    return "the net" if name in ("", "model") else name


def _settings(facts: CardFacts) -> str:
    config = facts.config
    loss = f", loss `{config.loss}`" if config.stage == "attributes" else ""
    lines = [f"Preset `{config.preset}`, seed {config.seed}{loss}; what differs from the preset:", ""]
    shown = {name: value for name, value in facts.changed.items() if name not in PATHS}
    return "\n".join([*lines, *([f"- `{name}`: {value}" for name, value in shown.items()] or ["- nothing"])])


def _people(facts: CardFacts) -> str:
    names = data_sets(facts.config, facts.accounts)
    well_known = [name for name in names if name in WELL_KNOWN_PEOPLE]
    titles = list(dict.fromkeys(_title(name) for name in well_known))
    lines = []
    if len(well_known) > 1:
        lines.append(
            f"{' and '.join(titles)} show well-known people, and no run compares the people of two sets, who may go "
            "by other names in each. People of the test partition may therefore have been seen in training by one of "
            "the nets, and the errors below may be too low."
        )
    if "celeba_people" in names:
        lines.append(
            "The people of CelebA are learnt as identities from its training partition only (`celeba_people`), so not "
            "those whom a run on CelebA is tested on."
        )
    if facts.config.stage == "identity":
        excluded = facts.config.read.exclude_names
        lines.append(
            f"People listed in `{excluded.name}` were left out of the training."
            if excluded
            else "Nobody was left out of the training by name (`read.exclude_names` was not used)."
        )
    elif any(origin.get("stage") == "identity" for _, origin in _chain(_origins(facts.accounts))):
        lines.append("Whether the identity training left anybody out by name stands in the settings of its own run.")
    if _unknown_origin(facts):
        lines.append("Files of weights that do not say what they were trained on may have seen anybody.")
    if not lines:
        lines.append(
            "The net has seen one data set of people, as far as the run knows. `python -m reference_model.data check` "
            "counts people in two partitions where the data set says who is shown."
            if set(names) != {"synthetic"}
            else "The pictures are drawn and show nobody."
        )
    return "\n\n".join(lines)


def _limits(facts: CardFacts) -> str:
    size, names = facts.config.images.size, data_sets(facts.config, facts.accounts)
    lines = [
        f"- The net finds no faces. It takes the whole picture, squeezed to {size} x {size} pixels, and expects it cut "
        f"as those of {_title(facts.config.data)} are.",
        "- It answers for any picture, also for one without a face, and does not say that it cannot know.",
        "- A label says what the data set's lists say of a picture. The run knows nothing of who wrote them.",
    ]
    origins = [origin.get("stage") for _, origin in _chain(_origins(facts.accounts))]
    if facts.config.stage == "race" or "race" in origins:
        sets = [facts.config.data] if facts.config.stage == "race" else []
        sets += [str(o.get("data")) for _, o in _chain(_origins(facts.accounts)) if o.get("stage") == "race"]
        source = " and ".join(dict.fromkeys(_title(name) for name in sets))
        lines.append(
            f"- Race labels are those of {source}: a word that others gave to a picture, not what a person says of "
            "themselves. Nothing that matters to people should be decided by them."
        )
    if set(DRAWN) & set(names):
        lines.append("- Part of what it learnt are drawings. Nothing here says how it does on photographs.")
    lines.append(
        f"- The errors below are those on {_title(facts.config.data)}; on other pictures nothing was measured."
    )
    return "\n".join(lines)


def _versions(facts: CardFacts) -> str:
    def listed(versions: Mapping[str, str | None]) -> str:
        return ", ".join(f"{name} {version}" for name, version in versions.items() if version)

    return f"- trained with {listed(facts.trained_with)}\n- exported on {facts.date} with {listed(facts.exported_with)}"
