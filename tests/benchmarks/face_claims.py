"""The sentences of docs/evidence.md on faces, each built from the cells of the tables in benchmarks/results/faces."""

import re
from typing import NamedTuple

from tests.benchmarks import evidence_claims as results

SETS = ("CelebA", "LFWA")
ALL = "net_1+net_2+net_3"
QUERY = "wrong entries left"
CONTROLS = ("over as many steps", "over shuffled people")
RULE = 0.7
"""What pre-training had to gain at 500 pictures, set before the runs, for the page to say that it helps."""


class Change(NamedTuple):
    """A difference in a table.

    Attributes:
        text: with its interval.
        mean: in points.
        verdict: higher, lower, or no difference.
    """

    text: str
    mean: float
    verdict: str


def change(page: str, row: str, column: str) -> Change:
    """Read a difference."""
    text = results.cell(f"faces/{page}", row, column).replace("*", "")
    mean, low, high = (float(figure) for figure in re.findall(r"[-+]?\d+\.\d+", text))
    verdict = "higher" if low > 0 else "lower" if high < 0 else "no difference"
    return Change(text, mean, verdict)


def rows(page: str) -> list[str]:
    """The names of the rows of a page's table."""
    (lines,) = results.tables(f"faces/{page}")
    return [line[0] for line in lines[1:]]


def counted(changes: list[Change]) -> str:
    """How many differences there are of each verdict."""
    higher, lower = (sum(each.verdict == verdict for each in changes) for verdict in ("higher", "lower"))
    return f"higher in {higher} and lower in {lower} of {len(changes)} comparisons"


def reach(changes: list[Change] | list[float]) -> str:
    """The least and the largest difference."""
    means = [each.mean if isinstance(each, Change) else each for each in changes]
    return f"{min(means):+.2f} to {max(means):+.2f}"


def joint_loss() -> str:
    names = [row for row in rows("loss") if "relation of all labels" not in row]
    accuracy, precision = (
        [change("loss", row, f"{figure} over cross-entropy") for row in names] for figure in ("accuracy", "mAP")
    )
    paper = [float(results.cell("faces/loss", row, "paper")) for row in names]
    return (
        f"changes the accuracy by {reach(accuracy)} points ({counted(accuracy)}), where the paper's Table II gains "
        f"{reach(paper)}; mAP changes by {reach(precision)}, over seeds alone {counted(precision)}"
    )


def global_relation() -> str:
    names = [row for row in rows("loss") if row.endswith("relation of all labels")]
    return f"changes it by {' and '.join(change('loss', row, 'accuracy over cross-entropy').text for row in names)}"


def influence() -> str:
    shares = {row: float(results.cell("faces/alphas", row, "share in the gradient, %")) for row in rows("alphas")}
    usual = [shares[f"{name}, 1"] for name in SETS]
    largest = [
        change("alphas", f"{name}, {alpha:g}", "accuracy over alpha 0")
        for name in SETS
        for alpha in (0.25, 0.5, 0.75, 1)
    ]
    return (
        f"at alpha 1 it has {usual[0]:g} % of the gradient on CelebA and {usual[1]:g} % on LFWA; from 0.25 to 1 the "
        f"accuracy changes by {reach(largest)} points"
    )


def overweight() -> str:
    parts = []
    for name in SETS:
        alphas = sorted(float(row.split(", ")[1]) for row in rows("alphas") if row.startswith(name))
        changes = [change("alphas", f"{name}, {alpha:g}", "accuracy over alpha 0") for alpha in alphas if alpha > 1]
        share = results.cell("faces/alphas", f"{name}, {max(alphas):g}", "share in the gradient, %")
        parts.append(f"by {reach(changes)} on {name} ({counted(changes)}), where it comes to {share} % of the gradient")
    return f"with weights of 10 to 100,000 accuracy changes {', and '.join(parts)}"


def missing_labels() -> str:
    parts = []
    for share in (10, 20):
        both = [
            change("partial", f"{share} %, joint loss, strong", f"{figure} over cross-entropy")
            for figure in ("accuracy", "mAP")
        ]
        parts.append(f"with {share} % known it changes accuracy by {both[0].text} and mAP by {both[1].text}")
    return ", and ".join(parts)


def default_with_missing_labels() -> str:
    names = [f"{share} %, joint loss" for share in (10, 20)]
    accuracy, precision = (
        [change("partial", row, f"{figure} over cross-entropy") for row in names] for figure in ("accuracy", "mAP")
    )
    return (
        f"With the default settings accuracy changes by {reach(accuracy)} points ({counted(accuracy)}) and mAP by "
        f"{reach(precision)}"
    )


def relation_of_the_first_set() -> str:
    parts = []
    for setting, words in (("paper", "the paper's settings"), ("strong", "the strong ones")):
        names = [row for row in rows("shift") if row.startswith(f"{setting}: ")]
        accuracy, precision = ([change("shift", row, figure) for row in names] for figure in ("accuracy", "mAP"))
        parts.append(f"with {words} by {reach(accuracy)} points ({counted(accuracy)}), in mAP by {reach(precision)}")
    return f"The ways differ in accuracy {' and '.join(parts)}"


def over_net_0(nets: str, treatment: str) -> list[str]:
    """What nets gain over net_0 in accuracy on each set, all of them being higher."""
    changes = [change("fusion", f"{name}, {nets}, {treatment}", "accuracy over net_0") for name in SETS]
    assert {each.verdict for each in changes} == {"higher"}
    return [each.text for each in changes]


def fused() -> str:
    gains = over_net_0(ALL, "frozen")
    return f"frozen, the three gain {gains[0]} points of accuracy over it on CelebA and {gains[1]} on LFWA"


def fused_and_tuned() -> str:
    gains = over_net_0(ALL, "tuned")
    return f"tuned, with `net_0` tuned as well, they gain {gains[0]} and {gains[1]}"


def one_net() -> str:
    gains = over_net_0("net_1", "frozen")
    parts = []
    for name in SETS:
        figures = [
            results.cell("faces/fusion", f"{name}, {nets}, frozen", "accuracy")
            for nets in ("net_1", "net_1+net_2", ALL)
        ]
        parts.append(f"{figures[0]}, {figures[1]} with age and {figures[2]} with race as well on {name}")
    return f"the net of identities alone gains {gains[0]} and {gains[1]}. Accuracy is {', and '.join(parts)}"


def named_attributes() -> str:
    columns = [f"{name}, over net_0" for name in SETS]
    named = [row for row in rows("attributes") if ", others" not in row]
    changes = [change("attributes", row, column) for row in named for column in columns]
    higher = sum(each.verdict == "higher" for each in changes)
    others = [row for row in rows("attributes") if row.endswith(", others: higher")]
    counts = [results.cell("faces/attributes", row, column).split(" of ") for row in others for column in columns]
    more, total = (sum(int(count[place]) for count in counts) for place in (0, 1))
    return (
        f"accuracy is higher in {higher} of {len(changes)} comparisons of the attributes that it names, and in "
        f"{more} of {total} of the others"
    )


def pretraining() -> str:
    gain = change("pretraining", "500", "over scratch")
    least = float(results.cell("faces/pretraining", "500", "least of a seed"))
    controls = [change("pretraining", "500", column).mean for column in CONTROLS]
    holds = gain.mean >= RULE and least > 0 and min(controls) > 0
    return (
        f"By the rule that was set before the runs it is {'shown' if holds else 'not shown'}: with 500 pictures it "
        f"gains {gain.text} points of accuracy over scratch, {least:+.2f} in the least of three seeds, and the rule "
        f"asks for {RULE:g} in the mean, every seed above 0, and more than both controls"
    )


def pretraining_with_other_numbers() -> str:
    listed = [f"{change('pretraining', count, 'over scratch').text} with {count}" for count in ("250", "1000", "all")]
    precision = [change("pretraining", count, "mAP over scratch") for count in rows("pretraining")]
    return f"It is {', '.join(listed)} pictures, and mAP rises by {reach(precision)} points"


def pretraining_controls() -> str:
    steps, shuffled = (change("pretraining", "500", column).text for column in CONTROLS)
    frozen = change("pretraining", "500", "frozen, over random frozen").text
    return (
        f"with 500 pictures it is {steps} over as many steps from scratch, which overfit, {shuffled} over a net "
        f"pre-trained on shuffled people, and {frozen} as a frozen net over a random one"
    )


def pretraining_with_all_pictures() -> str:
    gain = change("pretraining", "all", "over as many steps")
    assert gain.verdict == "lower"
    return f"with all pictures it is {gain.text} over as many steps from scratch"


def groups() -> str:
    one, each, random = [row for row in rows("groups") if "nine" not in row]
    accuracy = [change("groups", row, "accuracy over the paper's groups") for row in (random, each, one)]
    assert {change.verdict for change in accuracy} == {"no difference"}
    precision = change("groups", one, "mAP over the paper's groups").text
    return (
        f"over them accuracy changes by {accuracy[0].text} with random groups of the same sizes, {accuracy[1].text} "
        f"with a branch for every attribute, and {accuracy[2].text} with one branch, whose mAP is {precision}"
    )


def used(data: str, figure: str, of: str = "with") -> str:
    """What the relation changes of a figure of the best net, with its interval."""
    parts = results.document("faces_relation")["data"][data]["differences"]
    (part,) = [each for each in parts if (each["figure"], each["of"]) == (figure, of)]
    return results.shown(part)


def conditioned() -> str:
    parts = []
    for data, name in (("celeba", "CelebA"), ("lfwa", "LFWA")):
        values = [used(data, f"{share}% known, mAP") for share in (10, 25, 50)]
        parts.append(f"{values[0]}, {values[1]} and {values[2]} points of mAP on {name}")
    return f"with 10, 25 and 50 % of a picture's labels known, `condition` changes the others by {'; '.join(parts)}"


def suspected() -> str:
    celeba, lfwa = (used(data, "flips, AUROC") for data in ("celeba", "lfwa"))
    return f"`suspicion` changes the ranking of flipped labels by {celeba} points of AUROC on CelebA and {lfwa} on LFWA"


def questions() -> str:
    pairs = (("query_scores, condition", "least sure, condition"), ("least sure, condition", "least sure"))
    parts = []
    for of, over in pairs:
        values = []
        for data in ("celeba", "lfwa"):
            listed = results.document("faces_relation")["data"][data]["differences"]
            (part,) = [each for each in listed if (each["figure"], each["of"], each["over"]) == (QUERY, of, over)]
            values.append(results.shown(part))
        parts.append(f"{values[0]} points on CelebA and {values[1]} on LFWA")
    return (
        "Once a fifth of the labels is asked for, `query_scores` changes the wrong entries that are left by "
        f"{parts[0]} over what the net is least sure of, and `condition` after the answers by {parts[1]}"
    )


def sizes() -> str:
    celeba, lfwa = (results.document("faces_relation")["data"][data] for data in ("celeba", "lfwa"))
    return (
        f"{celeba['train_pictures']:,} training faces from CelebA, where the paper has 162,770, and "
        f"{lfwa['train_pictures']:,} from LFWA; {celeba['units']} test people from CelebA, {lfwa['units']:,} from LFWA"
    )


CLAIMS = (
    joint_loss,
    global_relation,
    influence,
    overweight,
    default_with_missing_labels,
    missing_labels,
    relation_of_the_first_set,
    fused,
    fused_and_tuned,
    one_net,
    named_attributes,
    pretraining,
    pretraining_with_other_numbers,
    pretraining_controls,
    pretraining_with_all_pictures,
    groups,
    conditioned,
    suspected,
    questions,
    sizes,
)
"""Functions without arguments that return a part of a sentence."""
