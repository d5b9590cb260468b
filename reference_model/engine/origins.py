"""Where weights come from: which stage was trained on which data, and what that training started from in turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

STARTS_FROM = "starts_from"
"""The key, in the metadata of a file of weights, of what its training started from: JSON, as `origins` returns it."""


def origin_of(path: Path) -> dict[str, Any]:
    """Return what a file of weights says of its training.

    Args:
        path: A .safetensors file.

    Returns:
        ``stage`` and ``data``, None where the file does not say; ``scenes_data`` and ``shuffled`` where it says so (see
        `reference_model.nets.weights.product_metadata`); and ``starts_from``, the same of each file that it started
        from, by part of the net.

    Raises:
        ValueError: If the file cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
        starts_from = json.loads(metadata.get(STARTS_FROM, "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path}: not a whole .safetensors file ({error})") from error
    more = {name: metadata[name] for name in ("scenes_data", "shuffled") if name in metadata}
    return {"stage": metadata.get("stage"), "data": metadata.get("data"), **more, STARTS_FROM: starts_from}


def origins(accounts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return, by part of a net, where the weights come from that it starts from; no paths, which may change.

    Args:
        accounts: What became of the tensors of each file, as `reference_model.engine.starting` has it.
    """
    return {part: account["origin"] for part, account in accounts.items() if "origin" in account}


def describe_origins(accounts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return `origins` as metadata of a file of weights; empty for a net that starts at random."""
    content = origins(accounts)
    return {STARTS_FROM: json.dumps(content, sort_keys=True)} if content else {}
