"""The lines of Python that a report offers to copy: they build the loss."""

from __future__ import annotations

import os
from collections.abc import Sequence

from obrl.settings import Settings

FILE = "relation.npz"
"""Where the lines save a relation that has no file yet."""
ANY_FRAMEWORK = "from obrl import OBRLoss  # or from obrl.torch, obrl.jax, obrl.tensorflow"


def lines_of_code(
    num_labels: int, relation: str, settings: Settings, *, first: Sequence[str] = (), loss: str | None = None
) -> str:
    """The lines that build a loss, with places for the thresholds.

    Args:
        num_labels: M.
        relation: the expression for where it starts.
        settings: those that differ from the defaults are written out.
        first: lines that have to run before.
        loss: the public name of its class, such as `"obrl.torch.OBRLoss"`; None where any framework may do.

    Example:
        >>> print(lines_of_code(2, "matrix", Settings(alpha=2), loss="obrl.OBRLoss"))
        from obrl import OBRLoss
        OBRLoss(2, relation=matrix, alpha=2.0, positive_threshold={positive_threshold}, \
negative_threshold={negative_threshold})
    """
    module, _, name = (loss or "obrl.OBRLoss").rpartition(".")
    changed = {key: value for key, value in settings.changed().items() if not key.endswith("_threshold")}
    words = [str(num_labels), f"relation={relation}", *(f"{key}={value!r}" for key, value in changed.items())]
    words += [f"{key}={{{key}}}" for key in ("positive_threshold", "negative_threshold")]
    start = ANY_FRAMEWORK if loss is None else f"from {module} import {name}"
    return "\n".join([*first, start, f"{name}({', '.join(words)})"])


def code_of_saved(
    num_labels: int, settings: Settings, *, saved: str = "relation.save({file})", loss: str = "obrl.OBRLoss"
) -> str:
    """The lines for a relation in memory, which is saved first.

    Args:
        num_labels: M.
        settings: of the loss.
        saved: the statement that saves it, with `{file}` in the place of the path.
        loss: the public name of its class.
    """
    return lines_of_code(num_labels, repr(FILE), settings, first=[saved.format(file=repr(FILE))], loss=loss)


def code_of_file(num_labels: int, file: str | os.PathLike[str], settings: Settings) -> str:
    """The lines for a relation that a loss has saved."""
    return lines_of_code(num_labels, repr(os.fspath(file)), settings)


def code_of_mined(num_labels: int, file: str | os.PathLike[str] | None, measure: str) -> str:
    """The lines for a relation that was mined.

    Args:
        num_labels: M.
        file: the .npz; None for a `RelationMiner` that is there as `miner`.
        measure: of the relation.
    """
    settings = Settings(measure=measure)
    if file is None:
        return lines_of_code(num_labels, "miner.as_start()", settings)
    start = f"RelationMiner.load({os.fspath(file)!r}).as_start()"
    return lines_of_code(num_labels, start, settings, first=["from obrl.mining import RelationMiner"])
