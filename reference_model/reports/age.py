"""The report of the age stage: mean absolute error in years beside the training median's, and by decade."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from reference_model.reports.plots import save_figure
from reference_model.reports.text import heading, number, table

Years = npt.NDArray[Any]


def age_report(predicted: Years, actual: Years, *, median: float) -> dict[str, Any]:
    """Return the errors of predicted ages.

    Args:
        predicted: (N,) years.
        actual: (N,) years; rows with NaN count nowhere.
        median: The median age of the training partition: what always saying the same does best with.

    Returns:
        samples, mae, median_mae (that of always saying the median), ratio of the two, bias (the mean of predicted minus
        actual), median_years, and the same by decade of the actual age. NaN without a picture.
    """
    known = ~np.isnan(actual)
    predicted, actual = predicted[known].astype(np.float64), actual[known].astype(np.float64)
    decade = (actual // 10).astype(np.int64)
    mae, median_mae = _mean(np.abs(predicted - actual)), _mean(np.abs(median - actual))
    return {
        "samples": len(actual),
        "mae": mae,
        "median_mae": median_mae,
        "ratio": mae / median_mae if median_mae else float("nan"),
        "bias": _mean(predicted - actual),
        "within_5_years": _mean(np.abs(predicted - actual) <= 5),
        "median_years": median,
        "by_decade": {
            f"{10 * number}-{10 * number + 9}": {
                "pictures": int((decade == number).sum()),
                "mae": _mean(np.abs(predicted - actual)[decade == number]),
                "median_mae": _mean(np.abs(median - actual)[decade == number]),
                "bias": _mean((predicted - actual)[decade == number]),
            }
            for number in np.unique(decade).tolist()
        },
    }


def describe_age(report: Mapping[str, Any]) -> str:
    """Return the report as text."""
    header = ["years", "pictures", "error", "error of the median", "bias"]
    rows = [*report["by_decade"].items(), ("all", {**report, "pictures": report["samples"]})]
    return "\n".join(
        [
            heading(report),
            "",
            f"Mean absolute error {number(report['mae'])} years; always saying the training partition's median, "
            f"{number(report['median_years'], 1)} years, errs by {number(report['median_mae'])}: "
            f"{number(report['ratio'], 3)} of that.",
            "",
            table(
                header,
                [
                    [name, str(row["pictures"]), number(row["mae"]), number(row["median_mae"]), number(row["bias"])]
                    for name, row in rows
                ],
            ),
        ]
    )


def plot_age(path: Path, report: Mapping[str, Any]) -> None:
    """Write the error by decade beside the median's.

    Args:
        path: A .png file.
        report: A report of `age_report`.
    """
    decades = report["by_decade"]
    places = np.arange(len(decades))
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(places, [row["mae"] for row in decades.values()], color="tab:blue", label="the net")
    axes.plot(
        places, [row["median_mae"] for row in decades.values()], "_", color="black", markersize=22, label="median"
    )
    axes.set_xticks(places, [f"{name}\n{row['pictures']} pictures" for name, row in decades.items()], fontsize=8)
    axes.set_ylabel("mean absolute error in years")
    axes.set_title(f"{heading(report)}\n{number(report['mae'])} years; median {number(report['median_mae'])}")
    axes.legend()
    save_figure(figure, path)


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
