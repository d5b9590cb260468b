"""The paper's own numbers, and what they say against its text.

Average accuracy over 40 attributes in per cent, single runs: Wang, Su, Zhao, *Joint Multi-Feature Fusion and Attribute
Relationships for Facial Attribute Prediction*. The paper prints no numbers for its Figure 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType

LOSSES = ("ce", "obrl")
LOSS_TITLES: Mapping[str, str] = MappingProxyType({"ce": "cross-entropy", "obrl": "joint loss"})
DATA = ("celeba", "lfwa")
TITLES: Mapping[str, str] = MappingProxyType({"celeba": "CelebA", "lfwa": "LFWA"})

_TABLE_2 = {
    "net_0": (89.21, 90.51, 84.17, 85.37),
    "net_1": (89.89, 90.97, 84.72, 85.69),
    "net_2": (89.56, 91.08, 85.02, 85.81),
    "net_3": (89.73, 91.24, 84.94, 85.90),
    "net_1+net_2": (90.09, 91.12, 85.23, 86.27),
    "net_1+net_3": (89.42, 91.26, 85.32, 86.19),
    "net_2+net_3": (89.54, 90.55, 85.43, 86.28),
    "net_1+net_2+net_3": (90.38, 91.47, 85.97, 86.51),
}
TABLE_2: Mapping[str, Mapping[tuple[str, str], float]] = MappingProxyType(
    {
        fusion: dict(zip([(data, loss) for data in DATA for loss in LOSSES], row, strict=True))
        for fusion, row in _TABLE_2.items()
    }
)
"""Table II: by fusion, then by (data set, loss)."""

TABLE_3: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "FaceTracer": {"celeba": 81.13, "lfwa": 73.93},
        "PANDA-I": {"celeba": 85.1, "lfwa": 80.06},
        "PANDA-w": {"celeba": 85.43, "lfwa": 81.03},
        "LNet+ANet": {"celeba": 87.3, "lfwa": 83.5},
        "Location+Weather": {"celeba": 88.65, "lfwa": 86.6},
        "Off-the-shelf": {"celeba": 86.3, "lfwa": 84.5},
        "FaceSTN": {"celeba": 91.1, "lfwa": 86.0},
        "MTCNN": {"celeba": 91.47, "lfwa": 86.51},
    }
)
"""Table III: other methods, and the paper's own last (MTCNN: joint loss, all nets)."""

ALL_NETS, GENERIC = "net_1+net_2+net_3", "net_0"
OUR_NAME = "MTCNN"

HELPED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "net_1": ("Attractive", "Male", "Chubby"),
        "net_2": ("Young", "Black_Hair"),
        "net_3": ("Blond_Hair", "Pale_Skin"),
    }
)
"""The attributes that the paper says each net helps, in CelebA's spelling: identity, age, race."""


@dataclass(frozen=True)
class Statement:
    """A sentence of the paper beside what its own numbers say.

    Args:
        text: The sentence.
        numbers: What the tables say.
        holds: Whether they bear the sentence out.
    """

    text: str
    numbers: str
    holds: bool


def accuracy(fusion: str, data: str, loss: str) -> float:
    """Return the paper's accuracy of a cell of Table II, in per cent; NaN where it has none."""
    return TABLE_2.get(fusion, {}).get((data, loss), float("nan"))


def gain_over_generic(data: str) -> tuple[float, float, float]:
    """Return gains over Net_0, all with the joint loss.

    Returns:
        That of all nets, the mean over the four fusions of several nets, and the mean over every row but Net_0's.
    """
    generic = accuracy(GENERIC, data, "obrl")
    gains = {fusion: accuracy(fusion, data, "obrl") - generic for fusion in TABLE_2 if fusion != GENERIC}
    return gains[ALL_NETS], fmean(gain for fusion, gain in gains.items() if "+" in fusion), fmean(gains.values())


def gain_of_loss(data: str) -> float:
    """Return the mean gain of the joint loss over cross-entropy at equal fusion."""
    return fmean(accuracy(fusion, data, "obrl") - accuracy(fusion, data, "ce") for fusion in TABLE_2)


def pairs_below_both_members(data: str) -> list[tuple[str, str]]:
    """Return the fusions of two nets that lie below both of their members, each with the loss."""
    pairs = [fusion for fusion in TABLE_2 if fusion.count("+") == 1]
    return [
        (fusion, loss)
        for loss in LOSSES
        for fusion in pairs
        if accuracy(fusion, data, loss) < min(accuracy(net, data, loss) for net in fusion.split("+"))
    ]


def text_against_numbers() -> list[Statement]:
    """Return sentences of the paper beside what its tables say, computed from them."""
    single, fused, mean = zip(*(gain_over_generic(data) for data in DATA), strict=True)
    loss = [gain_of_loss(data) for data in DATA]
    below = pairs_below_both_members("celeba")
    better = [
        f"{name} has {row[data]:.2f} on {TITLES[data]}, above {TABLE_3[OUR_NAME][data]:.2f}"
        for data in DATA
        for name, row in TABLE_3.items()
        if row[data] > TABLE_3[OUR_NAME][data]
    ]
    alone = accuracy(ALL_NETS, "celeba", "ce")
    above = [name for name, row in TABLE_3.items() if name != OUR_NAME and row["celeba"] > alone]
    without = [f"{name}'s {TABLE_3[name]['celeba']:.2f}" for name in above]
    return [
        Statement(
            f"On average {single[0]:.2f} and {single[1]:.2f} points over Net_0",
            f"That is one cell of each data set: all nets against Net_0, both with the joint loss. The mean over the "
            f"four fusions is {fused[0]:.2f} and {fused[1]:.2f}, over all rows but Net_0's {mean[0]:.2f} and "
            f"{mean[1]:.2f}; the joint loss gains {loss[0]:.2f} and {loss[1]:.2f} "
            "at equal fusion.",
            fused == single,
        ),
        Statement(
            "Performance increases by fusing richer features",
            f"Of the {2 * sum(fusion.count('+') == 1 for fusion in TABLE_2)} CelebA cells with two nets, {len(below)} "
            f"lie below both of their members: {', '.join(f'{fusion} ({loss})' for fusion, loss in below)}.",
            not below,
        ),
        Statement(
            "Superior to the state of the art on CelebA and LFWA",
            "; ".join(better)
            + (
                f". Without the joint loss the fusion's {alone:.2f} on CelebA is below {' and '.join(without)}."
                if without
                else "."
            ),
            not better,
        ),
    ]
