"""The variants of the kernels that are compiled to see that nothing spills, and a table of what each needs.

python -m tools.cubins.variants [--target 80 90 100]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import triton.language as tl

from obrl_torch.kernels import launch
from obrl_torch.kernels.launch import Launch
from tools.cubins.compiled import TARGETS, Variant, argument_types, compile_variant

_BATCH = 1024
_STATE = {"relation_sum": "*fp32", "relation_weight": "*fp32"}
_CODES = {"code": "*i8", "active": "*i32", "counter": "*i32", "arrivals": "*i32", "partials": "*fp32"}
_LABELS = {"targets": "*fp32", "observed": "*u8"}
_MEASURE = {"MEASURE": "unit_pearson", "SYMMETRIC": True, "ESTIMATOR": "batch"}
_MISSING = {"MASKED": True, "COMPLETE": False}
_LOSS = {
    **_LABELS,
    "logits": "*fp32",
    "sample_weight": "*fp32",
    "pos_weight": "*fp32",
    "code": "*i8",
    "active": "*i32",
    "counter": "*i32",
    **dict.fromkeys(("total", "cross_entropy", "relation_loss", "gradient", "second_gradient", "partials"), "*fp32"),
}
_WHOLE_LOSS = {
    "JOINT": True,
    "MASKED": True,
    "WEIGHTED": True,
    "POS_WEIGHTED": True,
    "ACTIVE_PAIRS": True,
    "REDUCTION": "mean",
    "GRADIENT": "parts",
    "DTYPE": tl.float32,
}


def _double(types: Mapping[str, str]) -> dict[str, str]:
    return {name: "*fp64" if kind == "*fp32" else kind for name, kind in types.items()}


def _relation(name: str, num_labels: int, constants: Mapping[str, Any], **pointers: str) -> Variant:
    run = launch.relation(_BATCH, num_labels)
    types = argument_types(run, **{**_LABELS, **_STATE, **_CODES, **pointers})
    return Variant(name, run, types, {**_MISSING, **_MEASURE, **constants})


def _contiguous(variant: Variant, num_labels: int) -> Variant:
    """The same variant for contiguous arrays, on Hopper alone."""
    name = f"{variant.name}, {num_labels} contiguous labels"
    return replace(variant, name=name, contiguous=num_labels, targets=(launch.HOPPER,))


def _loss(name: str, num_labels: int, constants: Mapping[str, Any], **pointers: str) -> Variant:
    constants = {**_WHOLE_LOSS, **constants}
    run = launch.loss(_BATCH, num_labels, double=constants["DTYPE"] == tl.float64)
    return Variant(name, run, argument_types(run, **{**_LOSS, **pointers}), constants)


def _wide() -> list[Variant]:
    """The kernels for many labels; those that read logits or targets also for any strides.

    The arrays that one kernel writes for another are always aligned.
    """
    batch = 512
    pointers = {
        **_LABELS,
        **_STATE,
        **_CODES,
        **_LOSS,
        **{"packed": "*i8", "halves": "*fp16", "code": "*i8", "degrees": "*fp32", "products": "*fp32"},
    }
    loss = {name: value for name, value in _WHOLE_LOSS.items() if name != "DTYPE"}
    result = []

    def add(name: str, run: Launch, labels: int, targets: tuple[int, ...] = TARGETS, **constants: Any) -> None:
        name = f"{name}, {labels} labels"
        variant = Variant(name, run, argument_types(run, **pointers), constants, targets=targets, contiguous=labels)
        result.append(variant)
        if {"logits", "targets"} & set(variant.types) and labels % 16:
            result.append(replace(variant, name=f"{name}, any strides", contiguous=None))

    for labels in (1000, 10_000):
        plans = {target: launch.wide_loss(batch, labels, capability=target) for target in TARGETS}
        plan = plans[TARGETS[0]]
        add("pack", launch.pack(batch, labels), labels, MASKED=True)
        add("halves", plan.halves, labels)
        add("degrees", plan.degrees, labels)
        add("wide loss", plan.loss, labels, **loss)
        for target in TARGETS:
            add(f"products for sm_{target}", plans[target].products, labels, targets=(target,))
            for measure, estimator in (("unit_pearson", "batch"), ("phi_ratio", "counts"), ("conditional", "batch")):
                run = launch.wide_relation(labels, capability=target, measure=measure, estimator=estimator)
                constants = {"MEASURE": measure, "SYMMETRIC": measure != "conditional", "ESTIMATOR": estimator}
                name = f"wide relation for sm_{target}, {measure}, {estimator}"
                add(name, run, labels, targets=(target,), **constants)
    return result


@cache
def variants() -> tuple[Variant, ...]:
    """Each kernel at every block size, with the constants that need the most registers and memory."""
    few, many = 40, 1000
    count, code = launch.count(many), launch.code(many, double=False)
    relations = [
        _relation(f"relation, {measure}, {estimator}", few, {**constants, "ESTIMATOR": estimator})
        for measure, constants in (
            ("unit_pearson", {}),
            ("phi_ratio", {"MEASURE": "phi_ratio"}),
            ("conditional", {"MEASURE": "conditional", "SYMMETRIC": False}),
        )
        for estimator in ("batch", "counts")
    ]
    losses = [
        variant
        for labels, size in ((few, "few"), (launch.SMALL_LABELS, "128"))
        for variant in (
            _loss(f"loss, {size} labels", labels, {}),
            _loss(f"loss, {size} labels, bfloat16", labels, {"GRADIENT": "total"}, logits="*bf16", targets="*bf16"),
        )
    ]
    contiguous = [
        *(_contiguous(_relation("relation", labels, {}), labels) for labels in (few, 64)),
        *(_contiguous(_loss("loss", labels, {}), labels) for labels in (16, 20, few, 64, launch.SMALL_LABELS)),
    ]
    return (
        *relations,
        *contiguous,
        _relation("relation, complete bytes", few, {"MASKED": False, "COMPLETE": True}, targets="*u8"),
        _relation("relation, float64", few, {}, **_double({**_LABELS, **_STATE})),
        Variant("counts", count, argument_types(count, **_LABELS, counts="*fp32"), _MISSING),
        Variant("codes", code, argument_types(code, counts="*fp32", **_STATE, **_CODES), {**_MEASURE, "MOVES": True}),
        *losses,
        replace(
            _loss("loss, many samples", few, {}),
            launch=launch.loss(launch.MANY_ROWS, few, double=False),
        ),
        _loss("loss by sample", few, {"REDUCTION": "none"}, targets="*i64"),
        *_wide(),
        _loss("loss, L_B alone", few, {"JOINT": False, "MASKED": False, "POS_WEIGHTED": False}),
        _loss("loss, float64", few, {"DTYPE": tl.float64}, **_double(_LOSS)),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for every variant and target."""
    parser = argparse.ArgumentParser(prog="python -m tools.cubins.variants", description=__doc__)
    parser.add_argument("--target", type=int, nargs="+", choices=TARGETS, default=TARGETS)
    for target in parser.parse_args(arguments).target:
        for variant in variants():
            if target in variant.targets:
                print(compile_variant(variant, target).row, flush=True)


if __name__ == "__main__":
    main()
