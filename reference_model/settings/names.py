"""The words that settings choose from. Nothing here imports torch: the command line needs it before that."""

from __future__ import annotations

from typing import Literal

Norm = Literal["lrn", "bn", "none"]
StageName = Literal["pretrain", "face", "identity", "age", "race", "attributes"]
STAGES: tuple[StageName, ...] = ("pretrain", "face", "identity", "age", "race", "attributes")
DataKind = str
LossKind = Literal["ce", "obrl", "both"]
FACE_NETS = ("net_0", "net_1", "net_2", "net_3")
