"""The figures behind the decisions, as tables of Markdown."""

from __future__ import annotations

from typing import Any

READINGS = {
    "pearson": "Pearson's $\\phi$, in $[-1, 1]$",
    "unit_pearson": "$(1 + \\phi) / 2$, in $[0, 1]$",
    "matching": "$P(y_i = y_j)$, in $[0, 1]$",
}


def two_digits(value: float) -> str:
    """A loss with two digits that count, such as 0.28 or 0.00036."""
    return f"{float(f'{value:.2g}'):f}".rstrip("0")


def name(label: str) -> str:
    """The words of a label."""
    return label.replace("_", " ")


def markdown(document: dict[str, Any]) -> str:
    """All figures, with what each was measured on."""
    figures, of_tables = document["from_counts"], document["from_tables"]
    lines = [
        f"The {figures['rows']:,} training rows of CelebA, {figures['labels']} labels, {figures['pairs']} pairs, "
        "thresholds .8 and .2:",
        "",
        "| reading of $R$ | pairs $\\ge$ 0.8 | pairs $\\le$ 0.2 | $L_B$ of the *true* labels |",
        "|---|---:|---:|---:|",
    ]
    for measure, words in READINGS.items():
        row = figures["readings"][measure]
        lines.append(f"| {words} | {row['positive']} | {row['negative']} | {two_digits(row['loss_of_true_labels'])} |")
    lines += [
        "",
        "The active pairs of $(1 + \\phi) / 2$:",
        "",
        "| pair | | $\\phi$ | $(1 + \\phi) / 2$ | rows in which they differ |",
        "|---|---|---:|---:|---:|",
    ]
    for pair in figures["active"]:
        words = " and ".join(name(label) for label in pair["names"])
        sign = "together" if pair["phi"] > 0 else "apart"
        values = f"{pair['phi']:+.3f} | {pair['relation']:.3f} | {100 * pair['differing']:.1f} %"
        lines.append(f"| {words} | {sign} | {values} |")
    lines += [
        "",
        "Other thresholds for $(1 + \\phi) / 2$:",
        "",
        "| thresholds | together | apart | $L_B$ of the true labels | largest $L_B$ |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in figures["thresholds"]:
        values = f"{row['positive']} | {row['negative']} | {two_digits(row['loss_of_true_labels'])}"
        bounds = f"{row['positive_threshold']:g} and {row['negative_threshold']:g}"
        lines.append(f"| {bounds} | {values} | {two_digits(row['largest_loss'])} |")
    lines += ["", *_of_tables(of_tables)]
    return "\n".join(lines) + "\n"


def _of_tables(figures: dict[str, Any]) -> list[str]:
    constant = ", ".join(f"{100 * share:.1f} % of {size} rows" for size, share in figures["constant_batches"].items())
    lines = [
        "<!-- rows -->",
        "",
        f"Some label is constant in this share of batches: {constant} (the same rows, shuffled "
        f"{figures['shuffles_for_constant']} times).",
        "",
        "After one pass over the shuffled rows in batches of 32, against the relation of all rows at once; means of "
        f"{figures['seeds']} shuffles:",
        "",
        '| | `"batch"` | `"counts"` |',
        "|---|---:|---:|",
    ]
    errors = figures["largest_error"]
    for decay in errors["batch"]:
        values = " | ".join(f"{errors[estimator][decay]:.4f}" for estimator in ("batch", "counts"))
        lines.append(f"| CelebA, decay {decay}: largest error of a pair's relation | {values} |")
    for key, words in (("active", "active pairs"), ("wrong", "of them with $\\phi < 0.4$ over all rows")):
        values = " | ".join(f"{figures['delicious'][estimator][key]:,.0f}" for estimator in ("batch", "counts"))
        lines.append(f"| delicious (983 labels), decay 0.99: {words} | {values} |")
    return lines
