"""The losses that a table compares: cross-entropy, and the joint loss with the relations that the options name."""

from __future__ import annotations

from collections.abc import Sequence

from reference_model.pipeline.published import LOSS_TITLES, LOSSES
from reference_model.pipeline.tables.relation_variants import VARIANTS, describe_variants, parse_variants
from reference_model.pipeline.tables.table import TableOptions

RELATIONS_OPTION = {"relations": f"further columns with other settings of the joint loss: {', '.join(VARIANTS)}"}
"""The option that `losses_of` reads, for the options of a table."""


def losses_of(options: TableOptions) -> tuple[str, ...]:
    """Return the losses of the table: the paper's two, and the joint loss with the relations that the options name.

    Raises:
        SettingsError: If a relation is unknown.
    """
    text = options.words.get("relations")
    return LOSSES if text is None else (*LOSSES, *parse_variants(text, option="relations"))


def loss_title(loss: str) -> str:
    """Return the name of a loss in the tables."""
    return LOSS_TITLES.get(loss, f"joint loss, {loss}")


def relation_notes(losses: Sequence[str]) -> list[str]:
    """Return what the relations beyond the paper's two losses change, as a note; nothing where there is none."""
    further = losses[len(LOSSES) :]
    return [describe_variants(further)] if further else []
