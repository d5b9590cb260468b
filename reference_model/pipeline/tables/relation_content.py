"""What the table ``relation`` says: rows, figures, sentences and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from reference_model.pipeline.tables.relation_study import NEAR_FLOOR, SETTLED_SHARE, Study, Way
from reference_model.pipeline.tables.statistics import mean_and_spread
from reference_model.pipeline.tables.table import Column, FigureContent, Line, Panel, Part, TableContent, Value

_LINE_POINTS = 1.25
"""A figure shows a measurement when it is this many times later than the one before."""
PHASES = ("before", "after")


def study_content(study: Study, sources: Sequence[str], names: Sequence[str]) -> TableContent:
    """Return the table.

    Args:
        study: The results.
        sources: Where the labels of each phase come from, in words.
        names: The labels.
    """
    phases = range(len(sources))
    return TableContent(
        title="The relation over the batches",
        parts=[_part(study, phase, sources[phase]) for phase in phases],
        figures=[_figure(study, phase, sources[phase]) for phase in phases],
        notes=tuple(introduction(study, sources)),
        numbers=study_numbers(study, sources, names),
    )


def introduction(study: Study, sources: Sequence[str]) -> list[str]:
    """Return in sentences what was done and what came out, whether or not it favours the moving average."""
    options = study.options
    change = f", then as many of {sources[1]}" if len(sources) > 1 else ""
    thresholds = " and ".join(f"r_p {high:g}, r_n {low:g}" for high, low in options.thresholds)
    sentences = [
        f"The moving average (Eq. 1, measure {options.measure}) sees {options.batches} batches of {sources[0]}"
        f"{change}; {len(options.seeds)} shuffles. It is compared with the relation of the whole table that the "
        "batches come from, measured at once, over the pairs that both define. *Mean* and *max* are absolute "
        f"differences, *wrong side* is the number of pairs whose place among {thresholds} differs: means over the last "
        f"{SETTLED_SHARE:.0%} of the batches, ± over the shuffles. *To floor* is the number of batches until the mean "
        f"is at most {NEAR_FLOOR:g} times that, *to {options.tolerance:g}* until it is at most {options.tolerance:g}, "
        "*past frozen* until it is at most that of the frozen matrix; a dash says that it never was in some shuffle.",
        _steady_sentence(study),
    ]
    if len(sources) > 1:
        sentences.append(_change_sentence(study))
    return [*sentences, _cost_sentence(study, sources)]


def _steady_sentence(study: Study) -> str:
    errors = {way: _mean(study, way, 0) for way in study.ways()}
    best, worst = min(errors, key=lambda way: errors[way]), max(errors, key=lambda way: errors[way])
    return (
        "While the data stays the same, the frozen matrix is exact by construction, and no moving average can be "
        f"better. Once settled, the nearest one is off by {errors[best]:.4f} in the mean ({_name(best)}), the furthest "
        f"by {errors[worst]:.4f} ({_name(worst)})."
    )


def _change_sentence(study: Study) -> str:
    frozen = study.frozen[1]
    ways = study.ways()
    better = [way for way in ways if _mean(study, way, 1) < frozen.mean]
    text = (
        f"After the change the frozen matrix of the first data is off by {frozen.mean:.4f} in the mean and "
        f"{frozen.maximum:.4f} at most, with {_listed(frozen.wrong_side)} pairs on the wrong side. "
        f"{len(better)} of {len(ways)} moving averages end up nearer"
    )
    passed = {way: fmean(part.to_frozen for part in study.settled(way, 1)) for way in better}
    measured = {way: batches for way, batches in passed.items() if not math.isnan(batches)}
    if measured:
        first, last = min(measured, key=lambda way: measured[way]), max(measured, key=lambda way: measured[way])
        text += (
            f"; the first is past it after {measured[first]:.0f} batches ({_name(first)}), the last after "
            f"{measured[last]:.0f} ({_name(last)})"
        )
    anew = "A matrix measured anew on the new data is exact again, at the cost of reading all of its labels first."
    return f"{text}. {anew}"


def _cost_sentence(study: Study, sources: Sequence[str]) -> str:
    size = study.options.batch_sizes[0]
    update = fmean(seconds for (rows, _), seconds in study.update_seconds.items() if rows == size)
    batches = study.rows[0] // size
    return (
        f"Cost, in NumPy on the machine that made this table: measuring {sources[0]} at once took "
        f"{study.mining_seconds[0]:.2f} s; the {batches} updates of one epoch in batches of {size} took "
        f"{batches * update:.2f} s."
    )


def _listed(counts: Sequence[int]) -> str:
    return " and ".join(map(str, counts))


def _name(way: Way) -> str:
    return f"batches of {way.batch_size}, lambda {way.decay:g}, estimator {way.estimator}"


def _mean(study: Study, way: Way, phase: int) -> float:
    return fmean(part.mean for part in study.settled(way, phase))


def _wrong_columns(study: Study) -> tuple[Column, ...]:
    return tuple(Column(f"wrong side {high:g}/{low:g}", 1) for high, low in study.options.thresholds)


def _part(study: Study, phase: int, source: str) -> Part:
    columns = (
        *(Column("estimator"), Column("K", 0), Column("lambda", 3)),
        *(Column("mean", 4), Column("±", 4), Column("max", 3), *_wrong_columns(study)),
        *(Column("to floor", 0), Column(f"to {study.options.tolerance:g}", 0)),
        *((Column("past frozen", 0),) if phase else ()),
    )
    rows: list[list[Value]] = [
        [way.estimator, way.batch_size, way.decay, *_values(study, way, phase)] for way in study.ways()
    ]
    if phase:
        mean, maximum, wrong, _ = study.frozen[phase]
        unknown = [math.nan] * 3
        rows.insert(0, ["frozen", *unknown[1:], mean, math.nan, maximum, *map(float, wrong), *unknown])
    title = f"After the change: {source}" if phase else f"The same data: {source}"
    return Part(PHASES[phase] if phase else "", title, columns, rows)


def _values(study: Study, way: Way, phase: int) -> list[Value]:
    parts = study.settled(way, phase)
    wrong = [fmean(part.wrong_side[place] for part in parts) for place in range(len(study.options.thresholds))]
    values: list[Value] = [*mean_and_spread([part.mean for part in parts]), fmean(part.maximum for part in parts)]
    values += [*wrong, fmean(part.to_floor for part in parts), fmean(part.to_tolerance for part in parts)]
    return [*values, *([fmean(part.to_frozen for part in parts)] if phase else [])]


def _figure(study: Study, phase: int, source: str) -> FigureContent:
    panels = []
    for size in study.options.batch_sizes:
        lines = [
            Line(f"{way.estimator}, lambda {way.decay:g}", *_thinned(study, way, phase))
            for way in study.ways()
            if way.batch_size == size
        ]
        if phase:
            ends = [1.0, float(study.options.batches)]
            lines.append(Line("frozen matrix of the first data", ends, [study.frozen[phase].mean] * 2))
        panels.append(
            Panel(
                f"batches of {size}",
                "batches since the data changed" if phase else "batches",
                "mean absolute difference",
                lines,
                log_x=True,
                log_y=True,
            )
        )
    caption = (
        f"{'After the change to' if phase else 'On'} {source}: how far the moving average is from the relation of the "
        f"whole table. Means over {len(study.options.seeds)} shuffles."
    )
    return FigureContent(PHASES[phase] if phase else "", panels, caption)


def _thinned(study: Study, way: Way, phase: int) -> tuple[list[float], list[float]]:
    x: list[float] = []
    y: list[float] = []
    course = study.course(way, phase)
    for batch, mean, _ in course:
        if (not x or batch >= _LINE_POINTS * x[-1] or batch == course[-1][0]) and not math.isnan(mean):
            x.append(float(batch))
            y.append(mean)
    return x, y


def study_numbers(study: Study, sources: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """Return every figure as plain values: settings, the frozen matrix, and each moving average with its course."""
    return {
        "options": asdict(study.options),
        "data": [
            {"source": source, "rows": rows, "mining_seconds": seconds, "frozen": frozen._asdict()}
            for source, rows, seconds, frozen in zip(
                sources, study.rows, study.mining_seconds, study.frozen, strict=True
            )
        ],
        "labels": list(names),
        "update_seconds": [
            {"batch_size": size, "estimator": estimator, "seconds": seconds}
            for (size, estimator), seconds in study.update_seconds.items()
        ],
        "moving_averages": [
            {
                **way._asdict(),
                "phase": PHASES[phase],
                "seeds": [part._asdict() for part in study.settled(way, phase)],
                "course": {
                    name: list(column)
                    for name, column in zip(
                        ("batch", "mean", "maximum"), zip(*study.course(way, phase), strict=True), strict=True
                    )
                },
            }
            for phase in range(len(sources))
            for way in study.ways()
        ],
    }
