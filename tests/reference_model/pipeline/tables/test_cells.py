"""The key of a cell: what it depends on and what not; and where the nets of a cell come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reference_model.config import NetConfig, RelationConfig, RunConfig, TrainConfig, WeightsConfig
from reference_model.engine.origins import STARTS_FROM
from reference_model.nets import FaceNet
from reference_model.nets.weights import product_metadata, save_weights
from reference_model.pipeline.cells import (
    Cell,
    describe_file,
    describe_origins,
    key_of,
    net_names,
    settings_of_key,
    treatment_of,
    with_setting,
)
from reference_model.pipeline.tables.figure2 import alpha_of_half
from reference_model.pipeline.tables.relation_variants import VARIANTS
from reference_model.pipeline.tables.table import TableOptions
from reference_model.settings.pictures import POOL_MARKER

CELEBA = RunConfig(data="celeba", root=Path("somewhere"))


def key(config: RunConfig, data: str = "digest", **sources: Cell) -> str:
    """Return the key of a cell."""
    return key_of(Cell({}, config, {name.replace("_", ".", 1): cell for name, cell in sources.items()}), lambda _: data)


def weights(path: Path, *, value: float = 0.0, **stated: str) -> Path:
    """Write a file of weights that says what ``stated`` holds of itself."""
    net = FaceNet(width=0.05)
    with torch.no_grad():
        next(net.parameters()).fill_(value)
    config = RunConfig(stage="identity", data="casia", root=Path("x"), net=NetConfig(width=0.05))
    save_weights(path, net, {**product_metadata(config), **stated})
    return path


def test_the_key_leaves_places_and_machines_out() -> None:
    elsewhere = replace(
        CELEBA,
        root=Path("elsewhere"),
        out=Path("out"),
        preset="small",
        train=TrainConfig(threads=3, device="cpu", eval_batch_size=7, progress="off", checkpoint_every=3),
    )
    assert key(elsewhere) == key(CELEBA)
    assert settings_of_key(CELEBA) == {"data": "celeba"}


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"loss": "ce"},
        {"train": TrainConfig(epochs=1)},
        {"net": NetConfig(frozen=("net_1",))},
        {"net": NetConfig(groups="one")},
        {"relation": RelationConfig(alpha=0.25)},
    ],
)
def test_the_key_depends_on_settings(changed: dict[str, object]) -> None:
    assert key(replace(CELEBA, **changed)) != key(CELEBA)  # type: ignore[arg-type]


def test_settings_that_are_not_looked_at_do_not_count() -> None:
    entropy = replace(CELEBA, loss="ce")
    assert key(replace(entropy, relation=RelationConfig(alpha=3))) == key(entropy)
    assert key(replace(CELEBA, relation=RelationConfig(alpha=0))) == key(entropy)
    drawn = replace(CELEBA.synthetic, num_train=77)
    assert key(replace(CELEBA, synthetic=drawn)) == key(CELEBA)
    assert key(RunConfig(synthetic=drawn)) != key(RunConfig())
    identity = replace(CELEBA, stage="identity", data="celeba_people")
    assert key(replace(identity, loss="ce")) == key(identity) != key(CELEBA)


def test_the_key_depends_on_data_weights_and_sources(tmp_path: Path) -> None:
    assert key(CELEBA, "another digest") != key(CELEBA)
    first, second = (weights(tmp_path / f"{number}.safetensors", value=number) for number in (0, 1))
    starts = [replace(CELEBA, weights=WeightsConfig(net_1=path)) for path in (first, second)]
    assert len({key(CELEBA), *(key(config) for config in starts)}) == 3
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(first.read_bytes())
    assert key(replace(CELEBA, weights=WeightsConfig(net_1=moved))) == key(starts[0])
    sources = [Cell({}, replace(CELEBA, stage="identity", data="celeba_people", seed=seed)) for seed in (0, 1)]
    assert len({key(CELEBA), *(key(CELEBA, weights_net_1=source) for source in sources)}) == 3


def test_origins_in_words(tmp_path: Path) -> None:
    path = weights(tmp_path / "a.safetensors")
    assert describe_file(path) == "stage identity on casia"
    before = (
        '{"": {"stage": "face", "data": "celeba", "starts_from": {"": {"stage": "pretrain", "data": "synthetic"}}}}'
    )
    grown = weights(tmp_path / "b.safetensors", **{STARTS_FROM: before})
    assert describe_file(grown) == "stage identity on casia, after face on celeba, after pretrain on synthetic"
    other = tmp_path / "c.safetensors"
    other.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    assert "does not say what trained it" in describe_file(other)
    config = replace(CELEBA, weights=WeightsConfig(net_1=path))
    source = Cell({}, RunConfig(stage="age", data="table", root=Path("x")))
    assert describe_origins(config, {"weights.net_2": source}) == {
        "net_1": "stage identity on casia",
        "net_2": "stage age on table",
        "net_3": "random",
    }


def test_origins_name_drawn_pictures_in_the_place_of_the_data_set_that_they_were_written_as(tmp_path: Path) -> None:
    pool = tmp_path / "pool" / "celeba"
    pool.mkdir(parents=True)
    (tmp_path / "pool" / POOL_MARKER).write_text("{}")
    drawn = RunConfig(stage="identity", data="celeba_people", root=pool)
    config = replace(CELEBA, net=NetConfig(nets=("net_1",)))
    source = {"weights.net_1": Cell({}, drawn)}
    assert describe_origins(config, source) == {"net_1": "stage identity on drawn pictures"}
    assert settings_of_key(drawn)["data"] == "celeba_people"


def test_words_for_nets() -> None:
    assert net_names(("net_2", "net_0")) == "net_0+net_2"
    assert treatment_of(NetConfig()) == "tuned"
    assert treatment_of(NetConfig(frozen=("net_3", "net_1", "net_2"))) == "frozen"
    assert treatment_of(NetConfig(frozen=("net_3",))) == "net_3 frozen"
    assert with_setting(CELEBA, "weights.net_1", Path("w")).weights.net_1 == Path("w")
    assert with_setting(CELEBA, "seed", 4).seed == 4


def test_the_cells_of_a_loss_have_their_nets_and_relation() -> None:
    options = TableOptions({"celeba": CELEBA}, nets_frozen=True, nets={"net_1": Path("w"), "net_2": Path("v")})
    for name in VARIANTS:
        config = options.config("celeba", ("net_1",), seed=2, loss=name)
        assert config.loss == "obrl"
        assert config.net.nets == config.net.frozen == ("net_1",)
        assert config.weights == WeightsConfig(net_1=Path("w"))
    strong = options.config("celeba", ("net_1",), seed=2, loss="strong").relation
    assert (strong.positive_threshold, strong.negative_threshold, strong.alpha) == (0.7, 0.3, 2)
    assert options.config("celeba", ("net_1",), seed=2, loss="ce").relation == CELEBA.relation


def test_the_alpha_of_half_the_gradient() -> None:
    odds = 1e-3  # at alpha 1
    shares = [(alpha, alpha * odds / (1 + alpha * odds)) for alpha in (0.0, 1.0, 100.0, 1e5)]
    assert alpha_of_half(shares) == pytest.approx(1000)
    assert alpha_of_half(shares[:3]) is None
    assert alpha_of_half([(0.0, 0.0), (1.0, float("nan"))]) is None
