"""The tables by name. None imports torch: help and mistakes show at once."""

from __future__ import annotations

from collections.abc import Mapping

from reference_model.pipeline.tables import (
    figure2,
    groups,
    partial,
    pretraining,
    relation,
    relations,
    shift,
    table2,
    table3,
)
from reference_model.pipeline.tables.table import Table

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        table2.TABLE,
        figure2.TABLE,
        table3.TABLE,
        groups.TABLE,
        relation.TABLE,
        relations.TABLE,
        shift.TABLE,
        pretraining.TABLE,
        partial.TABLE,
    )
}
"""The tables, in the order of ``--help``."""
