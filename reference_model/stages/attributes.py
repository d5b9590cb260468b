"""The paper's last stage: 40 attributes in nine groups from fused face-level nets, with the joint loss or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from obrl.torch import OBRLoss
from reference_model.attributes import CELEBA_ATTRIBUTES, GROUPS, arrange_branches, match_attributes, normalise_name
from reference_model.config import STAGE_DATA, RunConfig
from reference_model.data.catalogue import AttributeLabels, Catalogue
from reference_model.data.errors import DataError
from reference_model.losses.influence import DEFINITIONS, InfluenceMeter, measure_shares
from reference_model.losses.joint import JointTerms, build_criterion, cross_entropy
from reference_model.losses.start import EpochClock, RelationStart, read_relation, start_relation
from reference_model.metrics import LabelCounts, average_precision, nanmean
from reference_model.nets.model import AttributeModel
from reference_model.reports.attributes import (
    FORMAT_VERSION,
    format_report,
    implausible_report,
    prediction_report,
    relation_report,
)
from reference_model.reports.cutoffs import calibrate_cutoffs
from reference_model.reports.implausible import implausible_pairs, pairs_from_plain, plain_pairs
from reference_model.reports.plots import plot_accuracy, plot_relation
from reference_model.reports.right import judge, pack_right
from reference_model.runs import write_json
from reference_model.stages.stage import Evaluation, Stage, Targets


class AttributeLoss(nn.Module):
    """Cross-entropy alone or the joint loss, with a meter of what the relation loss does.

    Args:
        targets: What is predicted; its names are those of the relation.
        config: The settings.
    """

    def __init__(self, targets: Targets, config: RunConfig) -> None:
        super().__init__()
        start: RelationStart | None = None
        if config.loss != "ce" and targets.start is not None:
            start = targets.start()
        self.criterion = build_criterion(config.loss, config.relation, targets.names, start and start.relation)
        self.origin = {"source": "online"} if start is None else start.origin
        self.clock = EpochClock() if config.relation.source == "global" else None
        self.influence = InfluenceMeter()
        self.alpha = config.relation.alpha
        self.every = config.train.influence_every

    def terms(self, logits: Tensor, targets: Tensor) -> JointTerms:
        """Return the loss of a batch and its parts; in training the relation moves by the targets."""
        return self.criterion.terms(logits, targets)

    def observe(self, terms: JointTerms, logits: Tensor, step: int) -> None:
        """Measure the share of the relation loss every few steps."""
        if self.clock is not None:
            self.clock.start()
        if isinstance(self.criterion, OBRLoss) and step % self.every == 0:
            self.influence.add(*measure_shares(terms, logits, alpha=self.alpha))

    def epoch_figures(self) -> dict[str, float]:
        """Return the shares of the epoch and the number of active pairs."""
        self.influence.end_epoch()
        if self.clock is not None:
            self.clock.stop()
        if not isinstance(self.criterion, OBRLoss):
            return {}
        shares = self.influence.summary()
        measured = {name: shares[name]["last_epoch"] for name in DEFINITIONS}
        figures = {name: float(value) for name, value in measured.items() if value is not None}
        return {**figures, "active_pairs": float(len(self.criterion.pairs()))}

    def relation_origin(self) -> dict[str, Any]:
        """Return where the relation comes from, and what a global one costs beside an epoch."""
        seconds = {} if self.clock is None else {"epoch_seconds": self.clock.seconds}
        return {**self.origin, **seconds}

    def get_extra_state(self) -> dict[str, Any]:
        """Return the meter's sums, and where the relation comes from, for checkpoints."""
        state: dict[str, Any] = dict(self.influence.state_dict())
        if len(self.origin) > 1:
            state["origin"] = dict(self.origin)
        if self.clock is not None:
            state["clock"] = self.clock.state_dict()
        return state

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what `get_extra_state` returned."""
        self.influence.load_state_dict(state)
        self.origin = dict(state.get("origin", self.origin))
        if self.clock is not None:
            self.clock.load_state_dict(state["clock"])


class AttributeMetrics(nn.Module):
    """Accuracy and balanced accuracy, means over the attributes.

    Args:
        targets: What is predicted.
    """

    def __init__(self, targets: Targets) -> None:
        super().__init__()
        self.counts = LabelCounts(len(targets.names))

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch."""
        self.counts.update(logits, targets)

    def compute(self) -> dict[str, float]:
        """Return the means, NaN where no label was seen."""
        return {
            "accuracy": nanmean(self.counts.accuracy()),
            "balanced_accuracy": nanmean(self.counts.balanced_accuracy()),
        }

    def reset(self) -> None:
        """Start anew."""
        self.counts.reset()


def attribute_groups(names: Sequence[str] = CELEBA_ATTRIBUTES) -> dict[str, tuple[int, ...]]:
    """Return the columns of the paper's nine groups, by name.

    Args:
        names: The attributes in the order of the columns: the 40 of CelebA, in any order.
    """
    place = {normalise_name(name): column for column, name in enumerate(names)}
    return {group: tuple(place[normalise_name(name)] for name in members) for group, members in GROUPS.items()}


def attribute_targets(catalogue: Catalogue, config: RunConfig) -> Targets:
    """Return the attributes to predict.

    Sets of the paper's attributes are brought into one order, whatever that of the files; they are compared by
    normalised name, and an attribute too few or too many is refused. A table of other attributes is taken as it is.
    Implausible pairs are those of all training labels, also where a part of them is trained on, so that runs on
    different parts count the same pairs.

    Raises:
        DataError: If a set other than a user's table has other attributes.
        ValueError: If an attribute is missing.
    """
    labels = catalogue.labels["attributes"]
    if not isinstance(labels, AttributeLabels):
        raise DataError(f"{catalogue.data}: the labels called attributes are no binary attributes")
    requested = {normalise_name(name) for name in CELEBA_ATTRIBUTES}
    extra = [name for name in labels.names if normalise_name(name) not in requested]
    if extra and catalogue.data != "table":
        raise DataError(
            f"{catalogue.data} has other attributes than the model's {len(CELEBA_ATTRIBUTES)}: "
            f"it also has {', '.join(extra)}"
        )
    names, values = labels.names, labels.values
    columns = np.arange(len(names))
    groups = labels.groups or {"all": tuple(range(len(names)))}
    if catalogue.data != "table":
        names = CELEBA_ATTRIBUTES
        columns = match_attributes(labels.names, names)
        values = np.ascontiguousarray(values[:, columns])
        groups = attribute_groups()
    train = values[catalogue.split == "train"]
    every_train = train if labels.whole_training is None else labels.whole_training[:, columns]
    rates = torch.from_numpy(train).double().nanmean(dim=0)
    return Targets(
        values=values,
        names=names,
        details={
            "groups": {name: list(members) for name, members in groups.items()},
            "train_rates": dict(zip(names, rates.tolist(), strict=True)),
            **_branches(groups, config),
            "implausible_pairs": plain_pairs(implausible_pairs(every_train)),
        },
        start=lambda: start_relation(config.relation, train, names),
    )


def _branches(groups: Mapping[str, Sequence[int]], config: RunConfig) -> dict[str, Any]:
    """Return the columns of the net's branches where they are not the groups that the report is on."""
    if config.net.groups == "paper":
        return {}
    return {"branches": arrange_branches(groups, config.net.groups, seed=config.seed)}


def _model(targets: Targets, config: RunConfig) -> AttributeModel:
    branches = targets.details.get("branches", targets.details["groups"])
    return AttributeModel(config.images.size, list(branches.values()), config.net)


def _check_settings(config: RunConfig) -> None:
    build_criterion(config.loss, config.relation, CELEBA_ATTRIBUTES)
    if config.loss != "ce" and config.relation.file is not None:
        read_relation(config.relation)


def _check_labels(targets: Targets, config: RunConfig) -> tuple[str, ...]:
    if config.loss != "ce" and config.relation.file is not None:
        read_relation(config.relation, targets.names)
    return ()


def _collect(logits: Tensor, targets: Tensor) -> Mapping[str, Tensor]:
    return {"logits": logits, "targets": targets}


def _report(evaluation: Evaluation) -> dict[str, Any]:
    logits = torch.cat([part["logits"] for part in evaluation.collected.values()])
    targets = torch.cat([part["targets"] for part in evaluation.collected.values()])
    names, details = evaluation.targets.names, evaluation.targets.details
    counts = LabelCounts(len(names))
    counts.update(logits, targets)
    rates = [details["train_rates"][name] for name in names]
    figures = prediction_report(
        counts,
        names,
        details["groups"],
        torch.tensor(rates, dtype=torch.float64),
        average_precision(logits, targets),
    )
    pairs = pairs_from_plain(details.get("implausible_pairs", ()))  # a run of an earlier version names none
    return {
        "main": {"name": "mean accuracy", "value": figures["mean_accuracy"]},
        "format_version": FORMAT_VERSION,
        "samples": len(logits),
        "cross_entropy": float(cross_entropy(logits.double(), targets.double())),
        **figures,
        "implausible": implausible_report(logits, targets, names, pairs),
        "relation": _relation(evaluation),
    }


def _relation(evaluation: Evaluation) -> dict[str, Any]:
    loss = evaluation.criterion
    assert isinstance(loss, AttributeLoss)  # the stage's own
    return relation_report(loss.criterion, evaluation.config.relation, loss.influence.summary(), loss.relation_origin())


def _calibrate(evaluation: Evaluation) -> dict[str, Any]:
    (part,) = evaluation.collected.values()
    return calibrate_cutoffs(part["logits"], part["targets"])


def _finish(folder: Path, evaluation: Evaluation) -> None:
    _write_right(folder, evaluation)
    loss = evaluation.criterion
    assert isinstance(loss, AttributeLoss)  # the stage's own
    if isinstance(loss.criterion, OBRLoss):
        loss.criterion.save_relation(folder / "relation.npz")
        loss.criterion.report(folder / "report.html")
        relation = loss.criterion.relation.detach().cpu().numpy()
        measure = evaluation.config.relation.measure
        plot_relation(folder / "relation.png", relation, evaluation.targets.names, measure=measure)


def _write_right(folder: Path, evaluation: Evaluation) -> None:
    """Write which test predictions are right, for comparisons between runs."""
    test, rows = evaluation.collected["test"], evaluation.catalogue.subset("test")
    right = judge(
        test["logits"].float().numpy(),
        test["targets"].float().numpy(),
        names=evaluation.targets.names,
        pictures=[rows.pictures.name(row) for row in range(len(rows))],
        people=rows.person,
    )
    write_json(folder / "right.json", pack_right(right))


STAGE = Stage(
    name="attributes",
    product="model",
    after=("face", "identity", "age", "race"),
    catalogues=STAGE_DATA["attributes"],
    label="attributes",
    targets=attribute_targets,
    model=_model,
    loss=AttributeLoss,
    metrics=AttributeMetrics,
    collect=_collect,
    report=_report,
    plot=plot_accuracy,
    describe=format_report,
    calibrate=_calibrate,
    check_settings=_check_settings,
    check=_check_labels,
    finish=_finish,
    picture="accuracy.png",
)
