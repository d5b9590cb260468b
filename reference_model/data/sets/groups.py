"""Groups of attributes that a user gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from reference_model.data.errors import DataError
from reference_model.data.sets.common import read_text

REST = "other"
"""The group of the attributes that no group names."""


def read_groups(path: Path, names: Sequence[str]) -> dict[str, tuple[int, ...]] | None:
    """Read a file of groups: ``Group: [Attribute, Attribute]`` in YAML.

    Args:
        path: The file.
        names: The attributes, in the order of their columns.

    Returns:
        The columns of each group, so that every attribute is in one; None if there is no such file.

    Raises:
        DataError: If the file holds something else, a group is empty, or an attribute is unknown or in two groups.
    """
    if not path.is_file():
        return None
    try:
        content = yaml.load(read_text(path), Loader=yaml.BaseLoader)  # text stays text
    except yaml.YAMLError as error:
        raise DataError(f"{path}: no readable YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: expected lines such as 'Eyes: [Glasses, Narrow_Eyes]', got {content!r:.60}")
    groups: dict[str, tuple[int, ...]] = {}
    group_of: dict[str, str] = {}
    for group, members in content.items():
        if not isinstance(members, list) or not members:
            raise DataError(f"{path}: the group {group} must be a list of attributes, got {members!r:.60}")
        for member in map(str, members):
            if member not in names:
                raise DataError(f"{path}: the group {group} names {member}, which is no attribute of the table")
            if member in group_of:
                raise DataError(f"{path}: {member} is in the groups {group_of[member]} and {group}; leave it in one")
            group_of[member] = str(group)
        groups[str(group)] = tuple(list(names).index(str(member)) for member in members)
    rest = tuple(column for column, name in enumerate(names) if name not in group_of)
    if rest:
        groups[REST] = (*groups.get(REST, ()), *rest)
    return groups
