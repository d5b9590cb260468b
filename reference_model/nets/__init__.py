"""The nets: face-level nets, their fusion, and the attribute net with one branch a group."""

from reference_model.nets.attribute_net import AttributeNet
from reference_model.nets.face_net import FaceNet
from reference_model.nets.fusion import FusedFaceNets
from reference_model.nets.model import AttributeModel, StageModel, build_seeded

__all__ = ["AttributeModel", "AttributeNet", "FaceNet", "FusedFaceNets", "StageModel", "build_seeded"]
