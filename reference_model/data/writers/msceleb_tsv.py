"""Writing MS-Celeb-1M's table of aligned faces."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

from reference_model.data.catalogue import Catalogue
from reference_model.data.sets.msceleb_tsv import USUAL_NAME
from reference_model.data.writers.common import people_of, running_numbers
from reference_model.data.writers.msceleb import mid_of

_RECTANGLE = base64.b64encode(struct.pack("<4f", 0, 0, 1, 1)).decode()


def write_msceleb_tsv(root: Path, catalogue: Catalogue) -> Path:
    """Write ``FaceImageCroppedWithAlignment.tsv``: a line a picture, in the catalogue's order.

    Args:
        root: The folder to write to.
        catalogue: Pictures whose people are known.

    Raises:
        ValueError: If a person is not known.
    """
    person = people_of(catalogue)
    root.mkdir(parents=True, exist_ok=True)
    with (root / USUAL_NAME).open("w", encoding="ascii", newline="\n") as stream:
        for row, (number, rank) in enumerate(zip(person.tolist(), running_numbers(person).tolist(), strict=True)):
            picture = base64.b64encode(catalogue.pictures.read(row)).decode()
            address = f"http://example.org/{row}"
            columns = (mid_of(number), str(rank), f"{address}.jpg", address, "FaceId-0", _RECTANGLE, picture)
            stream.write("\t".join(columns) + "\n")
    return root
