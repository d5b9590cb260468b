"""Faces drawn in layers, labelled with CelebA's attributes, in CelebA's own layout on disk.

Labels come from the Ising model of CelebA's labels, so they are correlated as real ones are. Every attribute can be
seen in its own region of the picture.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> person: Person = make_person(seed=0, number=1)
    >>> scene: Scene = make_scene(seed=0, number=7)
    >>> render_face(person, scene, {"Smiling": True, "Eyeglasses": True}, years=30).size
    (178, 218)
    >>> Parameters(num_train=3, num_valid=1, num_test=1).total
    5
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = write_synthetic_faces(Path(folder) / "faces", num_train=3, num_valid=1, num_test=1, workers=1)
    ...     sorted(path.name for path in (root / "img_align_celeba").iterdir())[:2]
    ['000001.jpg', '000002.jpg']
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
