"""The relation's settings as columns of tables, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from reference_model.config import RelationConfig
from reference_model.settings.checks import did_you_mean
from reference_model.settings.plain import SettingsError


class Variant(NamedTuple):
    """One way to set the relation.

    Attributes:
        changes: What it changes of the settings ``relation.*``.
        sentence: What that is, in words.
    """

    changes: Mapping[str, Any]
    sentence: str


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "online": Variant({"source": "online", "file": None}, "the paper's moving average over the batches"),
        "global": Variant({"source": "global", "file": None}, "measured once on all training labels, never moved"),
        "unit_pearson": Variant(
            {"measure": "unit_pearson"}, "measured as (1 + phi) / 2, the scale that the paper's thresholds fit"
        ),
        "pearson": Variant(
            {"measure": "pearson"}, "measured as phi, the formula as printed: r_n of .2 then pushes most pairs apart"
        ),
        "active_pairs": Variant(
            {"normalization": "active_pairs"}, "divided by the active pairs, not by all pairs as in Eq. 2"
        ),
        "strong": Variant(
            {"normalization": "active_pairs", "positive_threshold": 0.7, "negative_threshold": 0.3, "alpha": 2.0},
            "thresholds .7 and .3, divided by the active pairs, alpha 2",
        ),
    }
)
"""The named settings. ``global+strong`` is both, the later one first in rank; ``strong@4`` is strong with alpha 4."""

DEFAULT_VARIANTS = (
    "online",
    "global",
    "pearson",
    "active_pairs",
    "strong@0.5",
    "strong",
    "strong@8",
    "global+strong",
)
"""Those of the table ``relations``: each one alone, and strong over the range of alpha where the loss has leverage."""


def parse_variants(text: str, *, option: str) -> tuple[str, ...]:
    """Return the names in ``online,global+strong,strong@4``.

    Args:
        text: Names with commas between them.
        option: The option's name, for messages.

    Raises:
        SettingsError: If there is none, one is there twice, or one is unknown.
    """
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        try:
            variant_of(name)
        except SettingsError as error:
            raise SettingsError(f"--{option}: {error}") from None
    if len(set(names)) < len(names):
        raise SettingsError(f"--{option} {text} names a relation twice")
    return names


def variant_of(name: str) -> Variant:
    """Return the settings of a name, which may combine several with + and end with an alpha after @.

    Raises:
        SettingsError: If a part of the name is unknown, or the alpha is no number of at least 0.

    Example:
        >>> dict(variant_of("global+active_pairs@4").changes)
        {'source': 'global', 'file': None, 'normalization': 'active_pairs', 'alpha': 4.0}
    """
    listed, has_alpha, alpha = name.partition("@")
    changes: dict[str, Any] = {}
    sentences = []
    for part in listed.split("+"):
        if part not in VARIANTS:
            known = ", ".join(VARIANTS)
            raise SettingsError(f"unknown relation {part!r}; there are {known}{did_you_mean(part, [*VARIANTS])}")
        changes |= VARIANTS[part].changes
        sentences.append(VARIANTS[part].sentence)
    if has_alpha:
        try:
            changes["alpha"] = float(alpha)
        except ValueError:
            changes["alpha"] = math.nan
        if not 0 <= changes["alpha"] < math.inf:
            raise SettingsError(f"{name}: expected a number of at least 0 after @, such as strong@4")
        sentences.append(f"alpha {changes['alpha']:g}")
    return Variant(changes, "; ".join(sentences))


def describe_variants(names: Sequence[str]) -> str:
    """Return a sentence that says what each name means."""
    listed = "; ".join(f"`{name}`: {variant_of(name).sentence}" for name in names)
    return f"Relations change the settings of the joint loss. {listed}."


def with_variant(config: RelationConfig, name: str) -> RelationConfig:
    """Return the settings of the relation with those of a name.

    Raises:
        SettingsError: As `variant_of`.
    """
    return replace(config, **variant_of(name).changes)
