"""The words that settings choose from. Nothing here imports torch: the command line needs it before that."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Norm = Literal["lrn", "bn", "none"]
StageName = Literal["pretrain", "face", "identity", "age", "race", "attributes"]
STAGES: tuple[StageName, ...] = ("pretrain", "face", "identity", "age", "race", "attributes")
DataKind = str
LossKind = Literal["ce", "obrl", "both"]
FACE_NETS = ("net_0", "net_1", "net_2", "net_3")

_FACES = ("celeba", "celeba_people", "lfwa", "fairface", "utkface", "imdb_wiki")
STAGE_DATA: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "pretrain": ("imagenet", "image_folder", "sun397"),
        "face": ("casia", "image_folder", "msceleb", "msceleb_tsv", "recordio", *_FACES),
        "identity": ("msceleb", "msceleb_tsv", "recordio", "casia", "image_folder", "celeba_people"),
        "age": ("imdb_wiki", "utkface", "fairface", "table"),
        "race": ("fairface", "utkface", "image_folder"),
        "attributes": ("celeba", "lfwa", "table"),
    }
)
"""The data sets that each stage reads beside synthetic pictures; the first is the paper's, or what stands in for it."""

# Sets that a stage can read, but takes by name only (--age.data table --age.root DIR): a folder of classes means
# another thing to every stage, and a set that was given for one stage should not take part in another unasked.
_BY_NAME_ONLY = {
    *((stage, "image_folder") for stage in STAGES),
    *(("face", name) for name in STAGE_DATA["face"] if name not in STAGE_DATA["identity"]),
    ("pretrain", "sun397"),
    ("age", "table"),
}
ROOTS: Mapping[str, tuple[str, ...]] = {
    stage: tuple(name for name in names if (stage, name) not in _BY_NAME_ONLY) for stage, names in STAGE_DATA.items()
}
"""The data sets of ``--roots`` that a stage takes, the first one first; the attributes are trained on each."""


SCENES = "sun397"
"""The data set of ``--roots`` with pictures without faces."""
