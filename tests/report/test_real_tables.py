"""CelebA's and delicious' labels: small files, and counts in the browser that equal Python's."""

from pathlib import Path

import numpy as np
import pytest

from tests.mining.shared_data import shared_labels
from tests.report.reports import report_of
from tests.report.test_thresholds import expect_results, set_thresholds

pytestmark = [pytest.mark.browser, pytest.mark.shared]


@pytest.fixture(scope="module")
def celeba():
    with Path(shared_labels("celeba/list_attr_celeba.txt")).open(encoding="ascii") as file:
        next(file)
        names = tuple(next(file).split())
        table = np.array([line.split()[1:] for line in file], np.int8) == 1
    return report_of(table.astype(float), names=names)


@pytest.fixture(scope="module")
def delicious():
    with np.load(shared_labels("delicious.npz")) as file:
        return report_of(file["Y"].astype(float), names=tuple(map(str, file["label_names"])))


@pytest.mark.parametrize(("name", "most_bytes"), [("celeba", 50_000), ("delicious", 1_000_000)])
def test_the_page_is_small_and_counts_like_python(open_report, folder, request, name, most_bytes):
    report = request.getfixturevalue(name)
    page = open_report(report)
    assert (folder / "report.html").stat().st_size < most_bytes
    size = len(report.label_names)
    values = np.unique(report.relation[np.triu_indices(size, 1)])
    strongest = values[-9:-1].tolist() + values[-1_000 if size > 100 else -100 :: 97].tolist()
    for positive, negative in zip(strongest, values[: len(strongest)].tolist(), strict=True):
        set_thresholds(page, positive, negative)
        expect_results(page, report, positive, negative)
