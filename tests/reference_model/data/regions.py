"""Where in a drawn face each attribute can be seen.

Regions are generous boxes around the features, in pixels of an upright, centred face, wide enough for every
person's geometry. Attributes of the whole face have the parts of it that they change.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from reference_model.attributes import CELEBA_ATTRIBUTES, normalise_name
from reference_model.data.synthetic.canvas import pose_matrix
from reference_model.data.synthetic.scene import HEIGHT, WIDTH, Scene

Box = tuple[float, float, float, float]

_EVERYTHING: tuple[Box, ...] = ((-60, -60, 240, 280),)
_HEAD: tuple[Box, ...] = ((38, 40, 140, 172),)
_HAIR: tuple[Box, ...] = (
    (20, 16, 158, 88),
    (20, 88, 66, 206),
    (112, 88, 158, 206),
    (60, 140, 74, 206),
    (104, 140, 118, 206),
)
_EYES: tuple[Box, ...] = ((44, 78, 134, 112),)
_BROWS: tuple[Box, ...] = ((44, 64, 134, 100),)
_CHEEKS: tuple[Box, ...] = ((46, 104, 80, 142), (98, 104, 132, 142))
_MOUTH: tuple[Box, ...] = ((60, 122, 118, 170),)
_NOSE: tuple[Box, ...] = ((68, 90, 110, 140),)
_JAW: tuple[Box, ...] = ((30, 112, 148, 174),)
_NECK: tuple[Box, ...] = ((44, 174, 134, 250),)

REGIONS: Mapping[str, tuple[Box, ...]] = MappingProxyType(
    {
        "5_o_Clock_Shadow": _JAW,
        "Arched_Eyebrows": _BROWS,
        "Attractive": _HEAD,
        "Bags_Under_Eyes": ((46, 98, 132, 124),),
        "Bald": _HAIR,
        "Bangs": ((40, 34, 138, 96),),
        "Big_Lips": _MOUTH,
        "Big_Nose": _NOSE,
        "Black_Hair": _HAIR,
        "Blond_Hair": _HAIR,
        "Blurry": _EVERYTHING,
        "Brown_Hair": _HAIR,
        "Bushy_Eyebrows": _BROWS,
        "Chubby": ((26, 84, 152, 176),),
        "Double_Chin": ((50, 142, 128, 198),),
        "Eyeglasses": ((36, 82, 142, 120),),
        "Goatee": ((70, 144, 108, 178),),
        "Gray_Hair": _HAIR,
        "Heavy_Makeup": _EYES,
        "High_Cheekbones": _CHEEKS,
        "Male": ((0, 84, 178, 280),),
        "Mouth_Slightly_Open": _MOUTH,
        "Mustache": ((64, 124, 114, 148),),
        "Narrow_Eyes": _EYES,
        "No_Beard": _JAW,
        "Oval_Face": ((30, 92, 148, 174),),
        "Pale_Skin": ((30, 40, 148, 230),),
        "Pointy_Nose": _NOSE,
        "Receding_Hairline": ((38, 38, 140, 106),),
        "Rosy_Cheeks": _CHEEKS,
        "Sideburns": ((30, 84, 66, 132), (112, 84, 148, 132)),
        "Smiling": _MOUTH,
        "Straight_Hair": _HAIR,
        "Wavy_Hair": _HAIR,
        "Wearing_Earrings": ((32, 110, 58, 146), (120, 110, 146, 146)),
        "Wearing_Hat": ((14, -30, 164, 78),),
        "Wearing_Lipstick": _MOUTH,
        "Wearing_Necklace": _NECK,
        "Wearing_Necktie": _NECK,
        "Young": ((30, 58, 148, 164),),
    }
)
"""For every attribute, boxes (left, top, right, bottom) in pixels of an upright face of 178 x 218."""


def region_mask(name: str, scene: Scene) -> npt.NDArray[np.bool_]:
    """Return where an attribute can be seen in pictures of a scene.

    Args:
        name: The attribute.
        scene: The circumstances, of which the pose counts.

    Returns:
        (218, 178) bool.

    Raises:
        ValueError: If there is no such attribute.
    """
    known = {normalise_name(attribute): attribute for attribute in CELEBA_ATTRIBUTES}
    if normalise_name(name) not in known:
        raise ValueError(f"no attribute named {name!r}")
    matrix, offset = pose_matrix(scene)
    mask = Image.new("1", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(mask)
    for left, top, right, bottom in REGIONS[known[normalise_name(name)]]:
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)]) @ matrix + offset
        draw.polygon(corners.ravel().tolist(), fill=1)
    return np.array(mask)
