"""Which pictures of a pool each data set gets.

Sets that divide their pictures into partitions themselves (CelebA, LFWA, FairFace, ImageNet) get those of all people;
sets whose reader divides them get the training people's, so that the people who test the attributes are new to every
net.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from reference_model.data.catalogue import Catalogue
from reference_model.data.writers.common import people_of, running_numbers

# LFW has few pictures of most people.
_LFW_PICTURES = 3


@dataclass(frozen=True, eq=False)
class Pool:
    """Drawn pictures with all their labels.

    Args:
        root: Where they lie.
        faces: People: attributes, identity, age and race. No person is in two partitions.
        objects: Objects of 40 classes, partitions train and test.
        scenes: Places of 16 classes.
    """

    root: Path
    faces: Catalogue
    objects: Catalogue
    scenes: Catalogue


@dataclass(frozen=True)
class Format:
    """How a data set is written from a pool.

    Args:
        module: The writer's module in `reference_model.data.writers`.
        function: The writer; takes a folder and a catalogue.
        rows: The pictures that it gets.
    """

    module: str
    function: str
    rows: Callable[[Pool], Catalogue]


def _objects(pool: Pool) -> Catalogue:
    return pool.objects


def _scenes(pool: Pool) -> Catalogue:
    return pool.scenes


def _faces(pool: Pool) -> Catalogue:
    return pool.faces


def _training_people(pool: Pool) -> Catalogue:
    return pool.faces.subset("train")


def _few_of_each(pool: Pool) -> Catalogue:
    return pool.faces.rows(running_numbers(people_of(pool.faces)) <= _LFW_PICTURES)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "casia": Format("casia", "write_casia", _training_people),
        "sun397": Format("sun397", "write_sun397", _scenes),
        "msceleb": Format("msceleb", "write_msceleb", _training_people),
        "msceleb_tsv": Format("msceleb_tsv", "write_msceleb_tsv", _training_people),
        "recordio": Format("recordio", "write_recordio", _training_people),
        "imdb_wiki": Format("imdb_wiki", "write_imdb_wiki", _training_people),
        "fairface": Format("fairface", "write_fairface", _faces),
        "utkface": Format("utkface", "write_utkface", _training_people),
        "celeba": Format("celeba", "write_celeba", _faces),
        "lfwa": Format("lfwa", "write_lfwa", _few_of_each),
    }
)
"""The data sets that a pool is written as, by the name of their reader."""
