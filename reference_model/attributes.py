"""CelebA's 40 attributes, the paper's nine groups of them, and matching attributes by name.

Table I of the paper sorts the attributes into nine groups of 10, 5, 1, 2, 4, 6, 2, 2 and 8, which are those below. Four
of its spellings differ from CelebA's, which are used here: Receding_Hair is `Receding_Hairline`, Bush_Eyebrows is
`Bushy_Eyebrows`, Over_Face is `Oval_Face` and 5_O_Clock_Shadow is `5_o_Clock_Shadow`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

CELEBA_ATTRIBUTES: tuple[str, ...] = (
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)
"""The attributes in the order of CelebA's list."""

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "hair": (
            "Bald",
            "Bangs",
            "Black_Hair",
            "Blond_Hair",
            "Brown_Hair",
            "Gray_Hair",
            "Receding_Hairline",
            "Straight_Hair",
            "Wavy_Hair",
            "Wearing_Hat",
        ),
        "eyes": ("Arched_Eyebrows", "Bags_Under_Eyes", "Bushy_Eyebrows", "Eyeglasses", "Narrow_Eyes"),
        "ears": ("Wearing_Earrings",),
        "nose": ("Big_Nose", "Pointy_Nose"),
        "mouth": ("Big_Lips", "Mouth_Slightly_Open", "Smiling", "Wearing_Lipstick"),
        "beard": ("5_o_Clock_Shadow", "Double_Chin", "Goatee", "Mustache", "No_Beard", "Sideburns"),
        "cheeks": ("High_Cheekbones", "Rosy_Cheeks"),
        "neck": ("Wearing_Necklace", "Wearing_Necktie"),
        "global": (
            "Attractive",
            "Blurry",
            "Chubby",
            "Heavy_Makeup",
            "Male",
            "Oval_Face",
            "Pale_Skin",
            "Young",
        ),
    }
)
"""The nine groups of Table I, in its order: group name to the CelebA names of its attributes, as Table I lists them."""

# The paper's spellings, normalised, and CelebA's for the same attribute.
_PAPER_SPELLINGS = {
    "recedinghair": "recedinghairline",
    "busheyebrows": "bushyeyebrows",
    "overface": "ovalface",
}


def normalise_name(name: str) -> str:
    """Return the form of a name that is the same for every spelling in use.

    Case, spaces, underscores, hyphens and apostrophes do not count, and the paper's spellings become CelebA's.

    Args:
        name: An attribute's name, as any data set, the paper or a user spells it.

    Example:
        >>> normalise_name("5 o'Clock Shadow") == normalise_name("5_O_Clock_Shadow")
        True
        >>> normalise_name("Over_Face") == normalise_name("Oval_Face")
        True
    """
    plain = re.sub(r"[\W_]+", "", name).lower()
    return _PAPER_SPELLINGS.get(plain, plain)


def match_attributes(names: Sequence[str], requested: Iterable[str]) -> npt.NDArray[np.int64]:
    """Find attributes by normalised name, never by position.

    Args:
        names: The names of a table's columns.
        requested: The attributes to find.

    Returns:
        (number requested,) int64: the column in ``names`` of each requested attribute, so that ``targets[:, result]``
        has the requested attributes in the requested order.

    Raises:
        ValueError: If two of ``names``, or two of ``requested``, are the same attribute, or a requested one is absent.

    Example:
        >>> match_attributes(["Young", "Bald", "Male"], ["male", "young"])
        array([2, 0])
    """
    columns = _positions(names, "the table's attributes")
    places = _positions(tuple(requested), "the requested attributes")
    absent = [original for key, (_, original) in places.items() if key not in columns]
    if absent:
        raise ValueError(f"no attribute named {', '.join(absent)}; the table has {', '.join(names) or 'none at all'}")
    return np.array([columns[key][0] for key in places], dtype=np.int64)


def _positions(names: Sequence[str], what: str) -> dict[str, tuple[int, str]]:
    positions: dict[str, tuple[int, str]] = {}
    for position, name in enumerate(names):
        key = normalise_name(name)
        if key in positions:
            raise ValueError(f"{what} name the same attribute twice: {positions[key][1]!r} and {name!r}")
        positions[key] = (position, name)
    return positions


def arrange_branches(groups: Mapping[str, Sequence[int]], arrangement: str, *, seed: int) -> dict[str, list[int]]:
    """Return the columns of each branch of the attribute net, by the branch's name.

    Args:
        groups: The groups of the data set, with the columns of each.
        arrangement: ``"paper"`` takes the groups as they are, ``"one"`` puts all columns together, ``"each"`` gives
            every column a branch, ``"random"`` shuffles the columns among groups of the same sizes.
        seed: Of the shuffling.

    Raises:
        ValueError: If the arrangement is none of these.

    Example:
        >>> arrange_branches({"hair": (0, 2), "eyes": (1,)}, "one", seed=0)
        {'all': [0, 1, 2]}
    """
    columns = sorted(column for members in groups.values() for column in members)
    if arrangement == "paper":
        return {name: list(members) for name, members in groups.items()}
    if arrangement == "one":
        return {"all": columns}
    if arrangement == "each":
        return {f"column_{column}": [column] for column in columns}
    if arrangement != "random":
        raise ValueError(f"the branches are arranged as paper, one, each or random; got {arrangement!r}")
    shuffled = np.random.Generator(np.random.PCG64(seed)).permutation(columns).tolist()
    branches = {}
    for number, members in enumerate(groups.values(), 1):
        branches[f"random_{number}"] = sorted(shuffled[: len(members)])
        shuffled = shuffled[len(members) :]
    return branches
