"""The model card says what the run knows, and says so where it does not know a thing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reference_model.config import NetConfig, ReadConfig, RunConfig
from reference_model.data.registry import load_data_set
from reference_model.reports.card import CardFacts, data_sets, model_card

NAN = float("nan")
SUPPORT = {"positive": 3, "negative": 9}


def figures(accuracy: float, balanced: float, majority: float = 0.75) -> dict[str, Any]:
    row = {"accuracy": accuracy, "balanced_accuracy": balanced, "f1": 0.5, "majority_accuracy": majority}
    return {**row, "support": SUPPORT}


REPORT: dict[str, Any] = {
    "split": "test",
    "samples": 12,
    "notes": ["3 people are both Male and not"],
    "unusable_pictures": 2,
    "groups": {"hair": {"attributes": ["Bald", "Bangs"], **figures(0.8, 0.6)}},
    "attributes": {"Bald": figures(0.7, 0.5), "Bangs": figures(0.9, 0.7), "Young": figures(NAN, NAN)},
    "mean_accuracy": 0.8,
}
GENERIC = {"stage": "pretrain", "data": "imagenet", "starts_from": {}}
FACE = {"stage": "face", "data": "casia", "starts_from": {"": GENERIC}}
IDENTITY = {"stage": "identity", "data": "msceleb", "starts_from": {"": FACE}}
RACE = {"stage": "race", "data": "fairface", "starts_from": {"": FACE}}


def account(origin: Mapping[str, Any], *, file: str = "/faces/of/net.safetensors") -> dict[str, Any]:
    return {"file": file, "origin": origin, "loaded": ["a", "b"], "fresh": [], "unused": ["c"], "notes": ["as noted"]}


def card(
    config: RunConfig | None = None,
    accounts: Mapping[str, Any] | None = None,
    *,
    without: tuple[str, ...] = (),
    **report: Any,
) -> str:
    config = config or RunConfig(data="celeba", root=Path("/faces/of/celeba"))
    facts = CardFacts(
        file="net.onnx",
        config=config,
        changed={"root": "/faces/of/celeba", "train.epochs": 3},
        labels={"names": ["Bald", "Bangs", "Young"], "fingerprint": "0123456789abcdef0123"},
        report={name: value for name, value in {**REPORT, **report}.items() if name not in without},
        figures="as the stage has it",
        accounts=accounts or {},
        inputs="pixels: uint8",
        outputs={"logits": "one a label"},
        comparison="largest difference to torch 1e-07 at batch size 1",
        trained_with={"torch": "2.13.0", "pillow": None},
        exported_with={"torch": "2.14.0"},
        date="2026-01-31",
    )
    return model_card(facts)


def test_a_card_has_what_a_user_must_know() -> None:
    text = card()
    for words in (
        "# Model card: attributes on CelebA",
        load_data_set("celeba").terms,
        "3 people are both Male and not",
        "2 pictures could not be used",
        "Fingerprint of the run's own data: 0123456789abcdef.",
        "- `train.epochs`: 3",
        "The net finds no faces",
        "trained with torch 2.13.0\n- exported on 2026-01-31 with torch 2.14.0",
        "All weights started at random",
    ):
        assert words in text
    assert "/faces/of" not in text


def test_the_worst_labels_come_first_and_what_is_undefined_is_said() -> None:
    text = card()
    assert text.index("| Bald ") < text.index("| Bangs ")
    assert "| Bald  |           50.00 % |  70.00 % |            25.00 % |" in text
    assert "No more often right than the majority class: Bald." in text
    assert "Not measured, for want of positives or negatives: Young." in text
    assert "implausible" not in text


def test_implausible_answers_are_on_the_card_where_the_report_has_them() -> None:
    text = card(implausible={"pairs": [{}, {}], "rate_predicted": 0.25, "rate_labels": 0.01})
    assert "2 pairs of answers are all but excluded by the training labels" in text
    assert "25.00 % of the pictures" in text
    assert "the labels of 1.00 %" in text


def test_the_origins_of_the_nets_are_followed_to_their_beginning() -> None:
    accounts = {"net_1": account(IDENTITY), "net_3": account(RACE)}
    config = RunConfig(
        data="celeba", root=Path("x"), net=NetConfig(nets=("net_0", "net_1", "net_3"), frozen=("net_3",))
    )
    assert data_sets(config, accounts) == ["celeba", "msceleb", "casia", "imagenet", "fairface"]
    text = card(config, accounts)
    for name in data_sets(config, accounts):
        assert load_data_set(name).terms in text
    assert "| net_1 " in text
    assert "-> which started from" in text
    assert "- net_1, from `net.safetensors`: 2 tensors loaded, 0 started at random, 1 of the file unused" in text
    assert "- net_0: started at random" in text
    assert "frozen): net_3" in text
    assert "CelebA and MS-Celeb-1M" in text
    assert "may therefore have been seen in training" in text
    assert "Race labels are those of FairFace" in text
    assert "left anybody out by name stands in the settings of its own run" in text


def test_scenes_and_shuffled_people_are_among_the_data_sets() -> None:
    face = {**FACE, "scenes_data": "sun397"}
    identity = {"stage": "identity", "data": "celeba_people", "shuffled": "true", "starts_from": {"": face}}
    accounts = {"net_1": account(identity)}
    config = RunConfig(data="lfwa", root=Path("x"))
    assert data_sets(config, accounts) == ["lfwa", "celeba_people", "casia", "sun397", "imagenet"]
    text = card(config, accounts)
    for name in ("celeba_people", "sun397"):
        assert load_data_set(name).terms in text
    assert f"{load_data_set('celeba_people').title} with shuffled people" in text
    assert f"scenes: {load_data_set('sun397').title}" in text
    assert "may therefore have been seen in training" in text
    assert "The people of CelebA are learnt as identities" in text
    assert "does not say which they were" not in text
    assert "does not know its terms" not in text


def test_drawn_pictures_are_no_data_set_of_others() -> None:
    drawn = {"stage": "face", "data": "drawn pictures", "starts_from": {}}
    text = card(RunConfig(data="lfwa", root=Path("x")), {"net_1": account(drawn)})
    assert "Drawn pictures (`drawn pictures`): this program draws them" in text
    assert "Part of what it learnt are drawings" in text
    assert "does not say which they were" not in text and "does not know its terms" not in text


def test_files_of_earlier_versions_say_their_data_in_words() -> None:
    identity = {"stage": "identity", "data": "celeba_people with shuffled people", "starts_from": {"": FACE}}
    accounts = {"net_1": account(identity)}
    config = RunConfig(data="lfwa", root=Path("x"))
    assert data_sets(config, accounts) == ["lfwa", "celeba_people", "casia", "imagenet"]
    text = card(config, accounts)
    assert f"{load_data_set('celeba_people').title} with shuffled people" in text
    assert "may therefore have been seen in training" in text
    assert "Pictures without faces: a file of the stage face does not say which they were." in text
    assert "does not know its terms" not in text


def test_weights_of_unknown_origin_are_called_unknown() -> None:
    text = card(accounts={"net_0": account({"stage": None, "data": None, "starts_from": {}})})
    assert "| net_0 | not stated | not stated |" in text
    assert "do not say what they were trained on" in text
    assert "may have seen anybody" in text
    without_origin = {name: value for name, value in account({}).items() if name != "origin"}
    assert "not stated" in card(accounts={"net_0": without_origin})


@pytest.mark.parametrize(("excluded", "words"), [(None, "Nobody was left out"), (Path("/a/lfw.txt"), "`lfw.txt`")])
def test_who_was_left_out_of_identities_is_said(excluded: Path | None, words: str) -> None:
    config = RunConfig(stage="identity", data="casia", root=Path("x"), read=ReadConfig(exclude_names=excluded))
    text = card(config)
    assert words in text
    assert "/a/" not in text


def test_other_stages_show_their_own_figures() -> None:
    config = RunConfig(stage="race", data="fairface", root=Path("x"))
    text = card(config, without=("attributes",))
    assert "## Errors (test)\n\n```\nas the stage has it\n```" in text
    assert "Race labels are those of FairFace" in text


def test_drawn_pictures_show_nobody() -> None:
    text = card(RunConfig())
    assert "they show nobody" in text
    assert "Nothing here says how it does on photographs" in text
    assert "The pictures are drawn and show nobody." in text
