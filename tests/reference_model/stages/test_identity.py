"""The stage identity: recognition, and verification against all pairs one by one."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reference_model.config import HeadConfig, ReadConfig
from reference_model.data.catalogue import Catalogue, ClassLabels
from reference_model.engine.fitting import check_settings
from reference_model.losses import forecast
from reference_model.losses.forecast import CGROUP_LIMIT, forecast_memory, machine_memory
from reference_model.reports.verification import (
    acceptance_rate,
    area_under_curve,
    cosines,
    verification_pairs,
)
from reference_model.stages import identity
from reference_model.stages.registry import load_stage
from tests.reference_model.stages.pictures import CONFIG, colour_catalogue, evaluate
from tests.support.tolerances import assert_close, assert_exact, band

PEOPLE = 20
EACH = 6


def catalogue() -> Catalogue:
    """Twenty people with six pictures; the last five people are the test part and have no number."""
    person = np.repeat(np.arange(PEOPLE), EACH)
    trained = person < 15
    split = np.where(trained, np.where(np.arange(len(person)) % EACH == 0, "valid", "train"), "test")
    labels = ClassLabels(tuple(f"person {number}" for number in range(15)), np.where(trained, person, -1))
    return colour_catalogue(
        {"identity": labels}, brightness=person / PEOPLE, split=split.tolist(), person=(100 + 7 * person).tolist()
    )


def outputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    person = torch.arange(PEOPLE).repeat_interleave(EACH)
    directions = torch.randn(PEOPLE, 4, generator=generator)
    embeddings = directions[person] + torch.randn(PEOPLE * EACH, 4, generator=generator)
    return torch.randn(PEOPLE * EACH, 15, generator=generator), 5 * embeddings


def test_pairs_are_all_of_one_person_and_as_many_of_different_people() -> None:
    person = np.array([4, -1, 4, 9, 4, 9, 2, 30, 31, 32])
    same, different = verification_pairs(person, seed=0)
    expected = {pair for pair in itertools.combinations(range(10), 2) if person[pair[0]] == person[pair[1]] >= 0}
    assert {tuple(pair) for pair in same.tolist()} == expected
    assert len(different) == len(same) == 4
    assert len({tuple(pair) for pair in different.tolist()}) == 4
    for first, second in different.tolist():
        assert first < second
        assert person[first] != person[second]
        assert min(person[first], person[second]) >= 0
    again = verification_pairs(person, seed=0)[1]
    assert_exact("seeded", again, different)
    assert (verification_pairs(np.repeat(np.arange(30), 5), seed=1)[1] != again[0]).any()


@pytest.mark.parametrize(("people", "each", "limit"), [(2, 9, 1000), (40, 5, 1000), (40, 5, 50), (3, 30, 200)])
def test_no_pair_comes_twice_and_the_limit_holds(people: int, each: int, limit: int) -> None:
    person = np.random.default_rng(0).permutation(np.repeat(np.arange(people), each))
    same, different = verification_pairs(person, seed=5, max_pairs=limit)
    every = people * each * (each - 1) // 2
    assert len(same) == every if every <= limit else limit / 2 < len(same) <= limit
    assert len(different) == len(same) or len(different) == (people * each) ** 2 * (people - 1) // people // 2
    for pairs, equal in ((same, True), (different, False)):
        assert len({tuple(pair) for pair in pairs.tolist()}) == len(pairs)
        assert ((person[pairs[:, 0]] == person[pairs[:, 1]]) == equal).all()


def test_there_may_be_nobody_to_verify() -> None:
    same, different = verification_pairs(np.array([-1, -1]), seed=0)
    assert same.shape == different.shape == (0, 2)
    figures = cosines(torch.zeros(2, 3), same)
    assert math.isnan(area_under_curve(figures, figures))
    assert math.isnan(acceptance_rate(figures, figures, false_rate=0.5))


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    generator = torch.Generator().manual_seed(0)
    positive = torch.randint(-3, 12, (37,), generator=generator).double() * 100
    negative = torch.randint(-9, 5, (23,), generator=generator).double() * 100
    share = np.mean([(p > n) + 0.5 * (p == n) for p in positive.tolist() for n in negative.tolist()])
    assert_close("area", area_under_curve(positive, negative), share, band(37 * 23, 1.0, "float32"))


def test_the_acceptance_rate_is_the_best_that_the_false_rate_allows() -> None:
    generator = torch.Generator().manual_seed(1)
    same = torch.randint(0, 60, (50,), generator=generator).double()
    different = torch.randint(-40, 40, (200,), generator=generator).double()
    for rate in (0.01, 0.05, 0.5):
        allowed = [t for t in range(-41, 61) if float((different > t).double().mean()) <= rate]
        best = max(float((same > t).double().mean()) for t in allowed)
        assert_close(str(rate), acceptance_rate(same, different, false_rate=rate), best, band(50, 1.0))
    assert math.isnan(acceptance_rate(same, different, false_rate=0.001))


def test_figures_are_those_of_counting() -> None:
    stage = load_stage("identity")
    data = catalogue()
    report = stage.report(evaluate(stage, data, outputs()))
    logits, embeddings = outputs()
    held_out = [row for row in range(len(data)) if data.split[row] == "valid"]
    right = [int(logits[row].argmax()) == row // EACH for row in held_out]
    assert report["recognition"]["samples"] == 15
    assert_close("top-1", report["recognition"]["top_1"], np.mean(right), band(15, 1.0))
    unit = embeddings.double() / embeddings.double().norm(dim=1, keepdim=True)
    strangers = [row for row in range(len(data)) if data.split[row] == "test"]
    same = [
        float(unit[first] @ unit[second])
        for first, second in itertools.combinations(strangers, 2)
        if first // EACH == second // EACH
    ]
    verification = report["verification"]
    assert verification["people"] == 5
    assert verification["same_pairs"] == verification["different_pairs"] == len(same) == 75
    assert_close("mean cosine", verification["mean_cosine"]["same"], np.mean(same), band(75, 1.0))
    assert sum(verification["histogram"]["same"]) == 75
    assert 0.5 < verification["auc"] == report["main"]["value"] <= 1
    assert math.isnan(verification["tar_at_far"]["0.1%"])
    assert 0 <= verification["tar_at_far"]["1%"] <= 1 or math.isnan(verification["tar_at_far"]["1%"])
    assert report["center_loss"]["centers_moved"] == 0


def test_one_partition_alone_can_be_evaluated() -> None:
    stage = replace(load_stage("identity"), partitions=("train",))
    report = stage.report(evaluate(stage, catalogue(), outputs()))
    assert report["recognition"]["samples"] == report["samples"] == 75
    assert report["verification"]["people"] == 15


def test_head_and_loss_fit_each_other() -> None:
    stage = load_stage("identity")
    targets = stage.targets(catalogue(), CONFIG)
    assert stage.head is not None
    head, loss = stage.head(16, 6, targets, CONFIG), stage.loss(targets, CONFIG)
    logits, embedding = head(torch.rand(3, 16, 6, 6))
    assert logits.shape == (3, 15)
    assert embedding.shape == (3, 4)
    terms = loss.terms((logits, embedding), torch.tensor([0, 1, 1]))
    assert terms._fields == ("total", "cross_entropy", "center_loss", "uniform_loss")
    figures = stage.metrics(targets)
    figures.update((logits, embedding), torch.tensor([0, 1, 1]))
    assert next(iter(figures.compute())) == "top_1"


def test_text_and_picture_are_written(tmp_path: Path) -> None:
    stage = load_stage("identity")
    report = stage.report(evaluate(stage, catalogue(), outputs()))
    json.dumps(report)
    text = stage.describe({"stage": "identity", "data": "colours", **report})
    assert "ln 15 = 2.708" in text
    assert "0 of 15 centres moved" in text
    stage.plot(tmp_path / "report.png", report)
    assert (tmp_path / "report.png").stat().st_size > 5000


def test_memory_is_forecast_for_the_people_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = load_stage("identity")
    targets = stage.targets(catalogue(), CONFIG)
    memory, uniform = stage.check(targets, CONFIG)
    assert memory.startswith("15 classes will need up to")
    assert " 0 MB" not in memory
    assert uniform == "a net that has learnt nothing has a cross-entropy of ln 15 = 2.708"
    # More people are asked for than there are: what counts is what is read.
    at_most = replace(CONFIG, read=ReadConfig(classes=100_000), head=HeadConfig(embedding=512))
    monkeypatch.setattr(identity, "machine_memory", lambda device: 10**9)
    check_settings(at_most, stage)
    assert stage.check(targets, at_most)[0].startswith("15 classes")
    monkeypatch.setattr(identity, "machine_memory", lambda device: 10**4)
    with pytest.raises(ValueError, match=r"15 classes .* and there are 10 kB; read fewer classes"):
        stage.check(targets, at_most)
    monkeypatch.setattr(identity, "machine_memory", lambda device: None)
    stage.check(targets, at_most)


def test_a_container_has_less_memory_than_its_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(forecast, "CGROUP_LIMIT", limit)
    whole = machine_memory("cpu")
    limit.write_text("max\n")
    assert machine_memory("cpu") == whole
    limit.write_text("1000000\n")
    assert machine_memory("cpu") == 1_000_000
    assert CGROUP_LIMIT.name == "memory.max"


def test_adamw_remembers_twice_what_sgd_does() -> None:
    sgd, adamw = (forecast_memory(1000, 100, batch_size=1, optimizer=kind) for kind in ("sgd", "adamw"))
    assert adamw.total - sgd.total == sgd.weights == 400_000


def test_folders_of_classes_may_be_people() -> None:
    stage = load_stage("identity")
    assert stage.adapt is not None
    values = np.repeat(np.arange(20), 5)
    names = tuple(f"person {number}" for number in range(20))
    data = stage.adapt(
        colour_catalogue({"class": ClassLabels(names, values)}, brightness=[0.0] * 100, split=["train"] * 100)
    )
    assert data.person is not None
    assert stage.targets(data, CONFIG).details["train_counts"]
    seen = {part: set(data.person[data.split == part].tolist()) for part in ("train", "valid", "test")}
    assert len(seen["test"]) == 2
    assert not seen["test"] & seen["train"]
    assert seen["valid"] <= seen["train"]
    assert stage.adapt(data) is data
