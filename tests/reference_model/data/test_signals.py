"""What drawn pictures show besides attributes: who it is, the skin band, the years; and objects and places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reference_model.data.synthetic import make_person, make_scene, render_face
from reference_model.data.synthetic.objects import OBJECTS, draw_object
from reference_model.data.synthetic.scene import RACE_NAMES, RACES, Person
from reference_model.data.synthetic.scenes import SCENES, draw_scene
from reference_model.data.synthetic.years import YOUNG_BELOW, ageing, draw_years
from tests.reference_model.data.regions import region_mask

PLAIN = {"No_Beard": True, "Young": True, "Attractive": True}
PEOPLE = range(12)


def face(person: Person, number: int = 0, *, pale: bool = False, years: float | None = None) -> np.ndarray:
    labels = {**PLAIN, "Pale_Skin": pale, "Young": years is None or years < YOUNG_BELOW}
    return np.asarray(render_face(person, make_scene(0, number), labels, years=years), dtype=float)


def cheek(person: Person, *, pale: bool) -> np.ndarray:
    mask = region_mask("Rosy_Cheeks", make_scene(0, 0))
    colour: np.ndarray = np.median(face(person, pale=pale)[mask], axis=0)
    return colour


class TestIdentity:
    def test_people_differ_as_far_as_the_strength_says(self) -> None:
        spread = []
        for strength in (0.0, 0.5, 1.0):
            pictures = [
                face(replace(make_person(0, number, identity_strength=strength), race=0, eye_colour=0))
                for number in PEOPLE
            ]
            spread.append(np.std(pictures, axis=0).mean())
        assert spread[0] == 0
        assert 1.5 < spread[1] < spread[2]

    def test_moles_are_where_the_person_has_them(self) -> None:
        person = next(person for number in PEOPLE if len((person := make_person(0, number)).moles) > 1)
        changed = np.abs(face(person) - face(replace(person, moles=()))).max(axis=2) > 25
        assert 10 < changed.sum() < 300

    def test_pictures_of_a_person_share_everything_fixed(self) -> None:
        assert make_person(5, 9) == make_person(5, 9)
        assert make_person(5, 9, identity_strength=0.5) != make_person(5, 9)


class TestVariation:
    def test_it_moves_heads_and_colours_the_light(self) -> None:
        usual, varied = ([make_scene(0, number, variation=share) for number in range(200)] for share in (0.0, 1.0))
        assert usual == [make_scene(0, number) for number in range(200)]
        for name in ("rotation", "shift_x", "shift_y"):
            spread = [np.std([getattr(scene, name) for scene in scenes]) for scenes in (usual, varied)]
            assert spread[1] > 2 * spread[0]
        colours = [np.std(np.log([scene.light for scene in scenes]), axis=0).min() for scenes in (usual, varied)]
        assert colours[0] < 0.1 < colours[1]

    def test_it_leaves_background_and_clothes_alone(self) -> None:
        usual, varied = make_scene(0, 3), make_scene(0, 3, variation=1.0)
        assert (usual.background_colours, usual.clothes, usual.yaw) == (
            varied.background_colours,
            varied.clothes,
            varied.yaw,
        )


def test_skin_bands_are_told_apart_even_if_pale() -> None:
    assert len(RACE_NAMES) == RACES
    kinds = [(race, pale) for race in range(RACES) for pale in (False, True)]
    colours = {
        (race, pale): np.stack([cheek(replace(make_person(0, number), race=race), pale=pale) for number in PEOPLE])
        for race, pale in kinds
    }
    centres = {kind: rows.mean(axis=0) for kind, rows in colours.items()}
    for (race, _), rows in colours.items():
        for row in rows:
            nearest = min(kinds, key=lambda kind: float(np.linalg.norm(row - centres[kind])))
            assert nearest[0] == race


class TestYears:
    def test_signs_of_age_grow_with_a_step_where_youth_ends(self) -> None:
        values = [ageing(years) for years in range(10, 95)]
        assert values == sorted(values)
        assert (values[0], values[-1]) == (0, 1)
        assert ageing(YOUNG_BELOW) - ageing(YOUNG_BELOW - 1) > 0.15

    def test_older_faces_look_older(self) -> None:
        for number in PEOPLE:
            person = make_person(0, number)
            youngest = face(person, years=16)
            changes = [np.abs(face(person, years=years) - youngest).sum() for years in (25, 39, 50, 70, 85)]
            assert changes == sorted(set(changes))

    def test_only_the_region_of_young_shows_them(self) -> None:
        for number in PEOPLE:
            person, scene = make_person(0, number), make_scene(0, number)
            changed = np.abs(face(person, number, years=85) - face(person, number, years=16)).max(axis=2) > 8
            assert (changed & ~region_mask("Young", scene)).sum() < 40

    def test_drawn_years_agree_with_young(self) -> None:
        generator = np.random.default_rng(0)
        for young in (True, False):
            years = [draw_years(generator, place, young=young) for place in np.linspace(0, 1, 200)]
            assert all((value < YOUNG_BELOW) == young and value == int(value) for value in years)
            assert np.corrcoef(years, np.arange(200))[0, 1] > 0.9

    def test_without_strength_they_do_not_show(self) -> None:
        person, scene = make_person(0, 1), make_scene(0, 1)
        young, old = (render_face(person, scene, {}, years=years, strength=0.0) for years in (20, 80))
        assert young.tobytes() == old.tobytes()


@pytest.mark.parametrize(("draw", "classes", "count"), [(draw_object, OBJECTS, 40), (draw_scene, SCENES, 16)])
class TestClasses:
    def test_the_generator_decides_the_picture(self, draw, classes, count) -> None:  # type: ignore[no-untyped-def]
        assert len(classes) == count
        for name in classes:
            first, again, other = (draw(name, np.random.default_rng(seed)) for seed in (0, 0, 1))
            assert (first.size, first.mode) == ((112, 112), "RGB")
            assert first.tobytes() == again.tobytes() != other.tobytes()

    def test_every_class_is_drawn_differently(self, draw, classes, count) -> None:  # type: ignore[no-untyped-def]
        assert len({draw(name, np.random.default_rng(7)).tobytes() for name in classes}) == count
