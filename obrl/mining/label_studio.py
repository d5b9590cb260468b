"""Queues of rows for annotators, as an import of Label Studio: tasks with pre-annotations, and the labelling setup.

The format is that of https://labelstud.io/guide/predictions: each task has `data`, which the setup shows, and one
prediction, whose `result` ticks the labels that are probably present.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl._version import __version__
from obrl.errors import check_label_names, check_whole_number
from obrl.mining.label_studio_setup import SHOWN, label_studio_config
from obrl.mining.output import TASKS, folder_of_results

CONFIG = "config.xml"
ASKED = ("question", "labels", "score")
"""What a queue adds to the data of a row."""
Task = dict[str, Any]
FloatArray = npt.NDArray[np.float64]


def suspect_tasks(
    scores: npt.ArrayLike,
    targets: npt.ArrayLike,
    data: Sequence[Mapping[str, Any]],
    *,
    label_names: Sequence[str],
    top: int = 1000,
) -> list[Task]:
    """Rows with entries that are probably wrong, for somebody to look at again, the most suspicious row first.

    The pre-annotation of a row ticks the labels that the table has, with its most suspicious entry turned round.
    Further suspects of the row are named and left as they are: two entries that contradict each other are both
    suspicious, and turning both would keep the contradiction.

    Args:
        scores: (rows, num_labels), of `suspicion` or `score_labels`; -inf for entries that nobody should look at.
        targets: (rows, num_labels), what the table holds, at least 0.5 is present; NaN is unknown.
        data: for each row what Label Studio shows and hands back: `image`, the address of a picture, or `text`, and
            whatever names the row, such as `id`.
        label_names: one distinct name a label.
        top: how many entries; those of one row make one task.

    Returns:
        The tasks. The `data` of each is that of the row with `question`, for the annotator, `labels`, the suspects of
        the row, and `score`, that of the first. The prediction's score is 1 - exp(-score), since Label Studio wants
        it in [0, 1]; with a model it is the probability that the table's value is wrong.

    Raises:
        TypeError, ValueError: arrays of other shapes, scores that are NaN or infinite, a score for an unknown target,
            names that are not distinct, or data without `image` and `text`, with a key that the queue adds, or with a
            value that JSON cannot hold.

    Example:
        >>> tasks = suspect_tasks([[0.1, 2.0]], [[1, 0]], [{"text": "a photo"}], label_names=["hat", "head"], top=1)
        >>> tasks[0]["data"]["question"]
        'Look again: head (the table says absent)'
        >>> tasks[0]["predictions"][0]["result"][0]["value"]
        {'choices': ['hat', 'head']}
    """
    ranks, names = _checked(scores, data, label_names, top)
    table = np.asarray(targets, np.float64)
    if table.shape != ranks.shape:
        raise ValueError(f"targets must have the shape of scores, {ranks.shape}, got {table.shape}")
    unknown = np.isnan(table) & (ranks > -np.inf)
    if unknown.any():
        row, label = np.argwhere(unknown)[0].tolist()
        raise ValueError(
            f"scores must be -inf where targets are NaN, got {ranks[row, label]:g} in row {row} for {names[label]!r}: "
            "the table says nothing there that could be wrong"
        )
    present = table >= 0.5
    by_row: dict[int, list[int]] = {}
    for entry in _highest(ranks.reshape(-1), top).tolist():
        row, label = divmod(entry, len(names))
        by_row.setdefault(row, []).append(label)
    tasks = []
    for row, labels in by_row.items():
        says = [f"{names[j]} (the table says {'present' if present[row, j] else 'absent'})" for j in labels]
        ticked = present[row].copy()
        ticked[labels[0]] = not ticked[labels[0]]
        asked = {"question": f"Look again: {', '.join(says)}", "labels": [names[j] for j in labels]}
        tasks.append(_task(data[row], asked, float(ranks[row, labels[0]]), names, ticked, "suspects"))
    return tasks


def query_tasks(
    scores: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    data: Sequence[Mapping[str, Any]],
    *,
    label_names: Sequence[str],
    top: int = 1000,
) -> list[Task]:
    """Rows with missing labels, the row whose best question tells most about its other labels first.

    The pre-annotation of a row ticks the labels that are present or, where they are unknown, probably so.

    Args:
        scores: (rows, num_labels), of `query_scores`: -inf for known labels; a row without any other is left out.
        probabilities: (rows, num_labels), of `condition`, so that known labels hold their targets.
        data: for each row what Label Studio shows and hands back: `image`, the address of a picture, or `text`, and
            whatever names the row, such as `id`.
        label_names: one distinct name a label.
        top: how many rows.

    Returns:
        The tasks. The `data` of each is that of the row with `question`, for the annotator, `labels`, which holds the
        label to ask for, and `score`. The prediction's score is 1 - exp(-score), since Label Studio wants it in
        [0, 1]; sorting by it keeps the order.

    Raises:
        TypeError, ValueError: as `suspect_tasks`.

    Example:
        >>> tasks = query_tasks([[0.2, -np.inf]], [[0.7, 0.0]], [{"text": "a photo"}], label_names=["hat", "head"])
        >>> tasks[0]["data"]["question"], tasks[0]["predictions"][0]["result"][0]["value"]
        ('hat: present or absent?', {'choices': ['hat']})
    """
    ranks, names = _checked(scores, data, label_names, top)
    ticked = np.asarray(probabilities, np.float64) >= 0.5
    if ticked.shape != ranks.shape:
        raise ValueError(f"probabilities must have the shape of scores, {ranks.shape}, got {ticked.shape}")
    tasks = []
    for row in _highest(ranks.max(axis=1), top).tolist():
        label = int(ranks[row].argmax())
        asked = {"question": f"{names[label]}: present or absent?", "labels": [names[label]]}
        tasks.append(_task(data[row], asked, float(ranks[row, label]), names, ticked[row], "queries"))
    return tasks


def write_label_studio(folder: str | os.PathLike[str], tasks: Sequence[Task], *, label_names: Sequence[str]) -> None:
    """Write what Label Studio imports: tasks.json, and config.xml, the labelling setup that goes with it.

    Args:
        folder: a new or an empty one, or one that holds earlier results, which are replaced.
        tasks: of `suspect_tasks` or `query_tasks`; all show a picture, or all a text.
        label_names: those of the tasks.

    Raises:
        MiningError: a folder that holds something else, or a label that no setup can show; nothing is then written.
        ValueError: tasks of which some show a picture and others a text, or tasks of labels that are not among
            `label_names`.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> tasks = suspect_tasks([[0.1, 2.0]], [[1, 0]], [{"text": "a photo"}], label_names=["hat", "head"])
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     write_label_studio(f"{directory}/import", tasks, label_names=["hat", "head"])
        ...     sorted(path.name for path in Path(directory, "import").iterdir())
        ['config.xml', 'tasks.json']
    """
    shown = {_shown(task["data"]) for task in tasks} or {SHOWN[1]}
    if len(shown) > 1:
        raise ValueError("all tasks must show the same, got some with image and some with text")
    config = label_studio_config(label_names, show=shown.pop())
    for task in tasks:
        _check_labels_of(task, label_names)
    content = json.dumps(list(tasks), indent=1, ensure_ascii=False, allow_nan=False)
    with folder_of_results(folder, "folder") as part:
        (part / CONFIG).write_text(config, encoding="utf-8")
        (part / TASKS).write_text(content + "\n", encoding="utf-8")


def _checked(
    scores: npt.ArrayLike, data: Sequence[Mapping[str, Any]], label_names: Sequence[str], top: int
) -> tuple[FloatArray, tuple[str, ...]]:
    """Scores as float64 and the names, both of the sizes that the other says."""
    check_whole_number("top", top, least=1)
    names = check_label_names(label_names, len(label_names)) or ()
    values = np.asarray(scores, np.float64)
    if values.shape != (len(data), len(names)):
        raise ValueError(
            f"scores must have shape (rows, num_labels) = ({len(data)}, {len(names)}), those of data and label_names, "
            f"got {values.shape}"
        )
    if np.isnan(values).any():
        raise ValueError("scores must be numbers, with -inf for entries to leave out, got NaN")
    if np.isposinf(values).any():
        raise ValueError("scores must be finite, or -inf for entries to leave out, got inf")
    for number, row in enumerate(data):
        _shown(row)
        _check_data(number, row)
    return values, names


def _check_data(number: int, data: Mapping[str, Any]) -> None:
    """Raise ValueError for data of a row that a task cannot hold."""
    reserved = [key for key in ASKED if key in data]
    if reserved:
        raise ValueError(
            f"the data of row {number} must not have {', '.join(reserved)}, which the queue adds: rename it"
        )
    for key, value in data.items():
        try:
            json.dumps(_plain(value), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"the data of row {number} must hold what JSON can, such as text and finite numbers, got {value!r} of "
                f"type {type(value).__name__} under {key!r}: convert it, for example by str()"
            ) from error


def _plain(value: Any) -> Any:
    """A number of NumPy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def _check_labels_of(task: Task, label_names: Sequence[str]) -> None:
    """Raise ValueError for a task that speaks of a label without a box."""
    ticked = [name for part in task["predictions"] for region in part["result"] for name in region["value"]["choices"]]
    strange = sorted({*task["data"]["labels"], *ticked} - {*label_names})
    if strange:
        raise ValueError(f"label_names must be those of the tasks, which speak of {strange[0]!r} too")


def _shown(data: Mapping[str, Any]) -> str:
    """The key of what is shown."""
    shown = [key for key in SHOWN if key in data]
    if len(shown) != 1:
        raise ValueError(f"the data of a row must have either image or text, got the keys {sorted(data)}")
    return shown[0]


def _highest(scores: FloatArray, top: int) -> npt.NDArray[np.intp]:
    """The places of the `top` highest scores above -inf, highest first; of equal ones the first."""
    order = np.argsort(-scores, kind="stable")[:top]
    return order[scores[order] > -np.inf]


def _task(
    data: Mapping[str, Any],
    asked: Mapping[str, Any],
    score: float,
    names: Sequence[str],
    ticked: npt.NDArray[np.bool_],
    queue: str,
) -> Task:
    """One task; a row without a label ticked has an empty result."""
    choices = [name for name, box in zip(names, ticked, strict=True) if box]
    region = {"from_name": "labels", "to_name": "shown", "type": "choices", "value": {"choices": choices}}
    prediction = {
        "model_version": f"obrl {__version__} {queue}",
        "score": round(float(-np.expm1(-max(score, 0.0))), 6),
        "result": [region] if choices else [],
    }
    plain = {key: _plain(value) for key, value in data.items()}
    return {"data": {**plain, **asked, "score": round(score, 6)}, "predictions": [prediction]}
