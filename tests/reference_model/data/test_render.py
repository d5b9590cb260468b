"""Every attribute can be seen in its own region and, but for a few pixels, only there."""

import numpy as np
import pytest
from PIL import Image

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.data.ising import load_ising, sample_labels
from reference_model.data.synthetic import Person, Scene, make_person, make_scene, render_face
from tests.reference_model.data.regions import REGIONS, region_mask

FACES = 6
# Levels of 255 by which a pixel must differ to count as changed, and pixels that may change elsewhere (of 38,804).
CHANGED, STRAY_PIXELS = 8, 40
PLAIN = {"No_Beard": True, "Young": True, "Attractive": True}


def draw(person: Person, scene: Scene, labels: dict[str, bool], *, strength: float = 1.0) -> Image.Image:
    return render_face(person, scene, labels, strength=strength)


def difference(first: Image.Image, second: Image.Image) -> np.ndarray:
    return np.abs(np.asarray(first, dtype=int) - np.asarray(second, dtype=int)).max(axis=2)


def people() -> list[tuple[Person, Scene]]:
    return [(make_person(0, number), make_scene(0, number)) for number in range(FACES)]


@pytest.mark.parametrize("name", CELEBA_ATTRIBUTES)
def test_an_attribute_shows_in_its_region_and_only_there_and_at_64_pixels(name: str) -> None:
    for person, scene in people():
        without, with_it = (draw(person, scene, {**PLAIN, name: value}) for value in (False, True))
        changed, mask = difference(without, with_it), region_mask(name, scene)
        assert changed[mask].max() > 25
        assert (changed[mask] > CHANGED).sum() > 60
        assert (changed[~mask] > CHANGED).sum() < STRAY_PIXELS
        small = [picture.resize((64, 64), Image.Resampling.BILINEAR) for picture in (without, with_it)]
        assert (difference(*small) > 15).sum() >= 10


@pytest.mark.parametrize("name", [name for name in CELEBA_ATTRIBUTES if name != "Blurry"])
def test_regions_hold_whatever_else_a_face_has(name: str) -> None:
    rows, names = sample_labels(FACES, seed=3, sweeps=20).astype(bool).tolist(), load_ising().names
    for (person, scene), values in zip(people(), rows, strict=True):
        # A blurred picture spreads every change.
        labels = {**dict(zip(names, values, strict=True)), "Blurry": False}
        without, with_it = (draw(person, scene, {**labels, name: value}) for value in (False, True))
        outside = difference(without, with_it)[~region_mask(name, scene)]
        assert (outside > CHANGED).sum() < STRAY_PIXELS


def test_without_strength_nothing_shows() -> None:
    rows, names = sample_labels(FACES, seed=3, sweeps=20).astype(bool).tolist(), load_ising().names
    for (person, scene), values in zip(people(), rows, strict=True):
        labelled = draw(person, scene, dict(zip(names, values, strict=True)), strength=0.0)
        assert labelled.tobytes() == draw(person, scene, {}, strength=0.0).tobytes()


@pytest.mark.parametrize("name", CELEBA_ATTRIBUTES)
def test_more_strength_shows_more(name: str) -> None:
    person, scene = people()[1]
    changes = [0]
    for strength in (0.4, 1.0):
        without, with_it = (draw(person, scene, {**PLAIN, name: value}, strength=strength) for value in (False, True))
        changes.append(difference(without, with_it).sum())
    assert changes[0] < changes[1] < changes[2]


def test_the_seed_and_the_number_decide_person_and_scene() -> None:
    assert make_person(3, 7) == make_person(3, 7)
    assert make_scene(3, 7) == make_scene(3, 7)
    assert len({make_person(seed, number) for seed in range(3) for number in range(5)}) == 15
    assert len({make_scene(seed, number) for seed in range(3) for number in range(5)}) == 15


def test_names_are_matched_in_any_spelling_and_unknown_ones_refused() -> None:
    person, scene = people()[0]
    picture = draw(person, scene, {"wearing hat": True})
    assert (picture.size, picture.mode) == ((178, 218), "RGB")  # as CelebA's
    assert picture.tobytes() == draw(person, scene, {"Wearing_Hat": True}).tobytes()
    with pytest.raises(ValueError, match="not attributes of CelebA: Freckles"):
        draw(person, scene, {"Freckles": True})
    with pytest.raises(ValueError, match=r"strength must be in \[0, 1\], got 1.5"):
        draw(person, scene, {}, strength=1.5)
    with pytest.raises(ValueError, match="no attribute named 'Freckles'"):
        region_mask("Freckles", scene)


def test_every_attribute_has_a_region_smaller_than_the_picture_except_blurry() -> None:
    assert tuple(REGIONS) == CELEBA_ATTRIBUTES
    scene = make_scene(0, 0)
    for name in CELEBA_ATTRIBUTES:
        share = region_mask(name, scene).mean()
        assert share == 1 if name == "Blurry" else 0 < share < 0.7
