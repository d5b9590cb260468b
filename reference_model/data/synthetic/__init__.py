"""Faces drawn in layers, labelled with CelebA's attributes, in CelebA's own layout on disk.

Labels come from the Ising model of CelebA's labels, so they are correlated as real ones are. Every attribute can be
seen in its own region of the picture.
"""

from reference_model.data.synthetic.plan import Parameters
from reference_model.data.synthetic.render import render_face
from reference_model.data.synthetic.scene import Person, Scene, make_person, make_scene
from reference_model.data.synthetic.writer import write_synthetic_faces

__all__ = [
    "Parameters",
    "Person",
    "Scene",
    "make_person",
    "make_scene",
    "render_face",
    "write_synthetic_faces",
]
