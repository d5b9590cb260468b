"""Which pictures of a pool each data set gets.

The sets of attributes (CelebA, LFWA, a user's table) train on other people than the face-level nets, and on fewer: nets
are trained beforehand because labels are scarce. Of the other sets, those that divide their pictures into partitions
themselves (FairFace, ImageNet) get all of them, and those whose reader divides them only the training people's, so that
the people who test the attributes are new to every net.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from reference_model.data.catalogue import AttributeLabels, Catalogue
from reference_model.data.writers.common import attributes_of, people_of, running_numbers

# LFW has few pictures of most people.
_LFW_PICTURES = 6
TABLE_WORN = ("Eyeglasses", "Wearing_Hat", "Wearing_Necktie")
TABLE_ATTRIBUTES = (*TABLE_WORN, "Male", "Mouth_Slightly_Open", "Smiling", "Young")
"""The columns of the table that a pool is written as, a user's table in the small."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Drawn pictures with all their labels.

    Args:
        root: Where they lie.
        faces: People who train and test the face-level nets: attributes, identity, age and race. No person is in two
            partitions.
        labelled: People who train and test the attributes; of ``faces``, they have the test partition alone.
        objects: Objects of 40 classes, partitions train and test.
        scenes: Places of 16 classes.
    """

    root: Path
    faces: Catalogue
    labelled: Catalogue
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


def _labelled(pool: Pool) -> Catalogue:
    return pool.labelled


def _training_people(pool: Pool) -> Catalogue:
    return pool.faces.subset("train")


def _few_of_each(pool: Pool) -> Catalogue:
    return pool.labelled.rows(running_numbers(people_of(pool.labelled)) <= _LFW_PICTURES)


def _table(pool: Pool) -> Catalogue:
    """Return the few pictures of each person with some of the attributes, in two groups, and the age."""
    few = _few_of_each(pool)
    attributes = attributes_of(few, "the table")
    columns = [column for column, name in enumerate(attributes.names) if name in TABLE_ATTRIBUTES]
    names = tuple(attributes.names[column] for column in columns)
    groups = {
        group: tuple(column for column, name in enumerate(names) if (name in TABLE_WORN) == worn)
        for group, worn in (("face", False), ("worn", True))
    }
    chosen = AttributeLabels(names, attributes.values[:, columns], groups)
    return replace(few, labels={"attributes": chosen, "age": few.labels["age"]})


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "imagenet": Format("image_folder", "write_imagenet", _objects),
        "image_folder": Format("image_folder", "write_image_folder", _objects),
        "casia": Format("casia", "write_casia", _training_people),
        "sun397": Format("sun397", "write_sun397", _scenes),
        "msceleb": Format("msceleb", "write_msceleb", _training_people),
        "msceleb_tsv": Format("msceleb_tsv", "write_msceleb_tsv", _training_people),
        "recordio": Format("recordio", "write_recordio", _training_people),
        "imdb_wiki": Format("imdb_wiki", "write_imdb_wiki", _training_people),
        "fairface": Format("fairface", "write_fairface", _faces),
        "utkface": Format("utkface", "write_utkface", _training_people),
        "celeba": Format("celeba", "write_celeba", _labelled),
        "lfwa": Format("lfwa", "write_lfwa", _few_of_each),
        "table": Format("user_table", "write_table", _table),
    }
)
"""The data sets that a pool is written as, by the name of their reader."""
