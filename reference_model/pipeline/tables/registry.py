"""The tables by name. None imports torch: help and mistakes show at once."""

from __future__ import annotations

from collections.abc import Mapping

from reference_model.pipeline.tables import relation, table2
from reference_model.pipeline.tables.table import Table

TABLES: Mapping[str, Table] = {table.name: table for table in (table2.TABLE, relation.TABLE)}
"""The tables, in the order of ``--help``."""
