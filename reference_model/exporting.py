"""What ``python -m reference_model.export`` does once its arguments are known: write, compare, and write the card."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import json
from datetime import UTC, datetime
from pathlib import Path

from reference_model.engine.finished import Finished, load_finished
from reference_model.engine.fitting import ACCOUNTS
from reference_model.engine.formats import describe_differences, write_onnx, write_safetensors
from reference_model.engine.summary import changed_settings
from reference_model.export import LIBRARIES, card_file
from reference_model.reports.card import CardFacts, model_card
from reference_model.runs import package_version, read_figures, read_json, write_atomically

WRITERS = {"onnx": write_onnx, "safetensors": write_safetensors}


def export(folder: Path, path: Path, *, format_name: str) -> tuple[Path, str]:
    """Write the net of a finished run and its model card.

    Args:
        folder: The run's folder.
        path: The file; it gets its name once its outputs were compared with torch's and the card is there.
        format_name: ``"onnx"`` or ``"safetensors"``.

    Returns:
        The card's place, and the result of the comparison in words.

    Raises:
        ValueError: If the run's files are damaged, or the outputs are not torch's.
    """
    net = load_finished(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.tmp")
    try:
        result = describe_differences(WRITERS[format_name](unfinished, net))
        card = card_file(path)
        write_atomically(card, model_card(card_facts(net, path.name, result, format_name)))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return card, result


def card_facts(net: Finished, name: str, comparison: str, format_name: str) -> CardFacts:
    """Return what the card of a file is written from.

    Args:
        net: The net.
        name: The file's name.
        comparison: The result of the comparison with torch.
        format_name: The file's format.
    """
    report, accounts = read_figures(net.run.report), net.run.path / ACCOUNTS
    environment = read_json(net.run.environment)
    libraries = LIBRARIES if format_name == "onnx" else ("safetensors",)
    versions = environment["versions"]
    return CardFacts(
        file=name,
        config=net.config,
        changed=changed_settings(net.config),
        labels=net.labels,
        report=report,
        figures=net.stage.describe(report),
        accounts=read_json(accounts) if accounts.is_file() else {},
        inputs=net.metadata["input"],
        outputs=json.loads(net.metadata["outputs"]),
        comparison=comparison,
        trained_with={name: versions.get(name) for name in ("obrl", "torch", "lightning", "numpy", "pillow")},
        exported_with={name: package_version(name) for name in ("obrl", "torch", *libraries)},
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )
