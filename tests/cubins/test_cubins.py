"""The cubins in the package are what the kernels compile to, and contain no path of the machine that compiled them."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
import triton

from obrl.counts import MAX_EXACT_COUNT
from obrl_native.cuda import CUBINS
from obrl_torch import fused
from obrl_torch.kernels import launch
from tests.cubins.table import lines, rows, value
from tests.support.profiles import draws_many
from tools.cubins import build, entries
from tools.cubins.compiled import MAX_SHARED, TARGETS

ENTRIES = entries.entries()
ROWS = rows()

SAMPLE = (
    *((key, 80) for key in ("loss/all_pairs/total", "move_by_counts/yule_q/batch")),
    *((key, 90) for key in ("relation/conditional/counts", "products")),
    *((key, 100) for key in ("wide_relation/pearson/batch", "wide_loss/active_pairs/parts")),
)
"""The cubins that the tests compile again. With `HYPOTHESIS_PROFILE=slow`, all are."""


def sample() -> list[int]:
    """The numbers of the entries that are compiled."""
    numbers = {(entry.key, entry.target): number for number, entry in enumerate(ENTRIES)}
    return list(range(len(ENTRIES))) if draws_many() else [numbers[one] for one in SAMPLE]


def test_they_were_compiled_from_these_sources() -> None:
    """Run `make cubins` where this fails."""
    assert value("triton") == triton.__version__
    assert value("sources") == build.digest()


def test_the_hash_depends_on_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.digest()
    monkeypatch.setattr(Path, "read_bytes", lambda path: f"another {path.name}".encode())
    assert build.digest() != before


def test_every_source_of_a_kernel_is_hashed() -> None:
    folder = Path(launch.__file__).parent
    assert {path.stem for path in folder.glob("*.py") if "@triton.jit" in path.read_text()} == set(build.SOURCES)


@pytest.mark.parametrize("number", sample(), ids=lambda number: f"{ENTRIES[number].key}-sm_{ENTRIES[number].target}")
def test_they_are_what_the_kernels_compile_to(number: int) -> None:
    entry, row = ENTRIES[number], ROWS[number]
    compiled = build.compile_entry(entry)
    assert (entry.target, entry.key) == (row.target, row.key)
    assert compiled.cubin == row.cubin
    assert (compiled.symbol, compiled.shared) == (row.symbol, row.shared)
    assert row.shared <= MAX_SHARED[row.target]


def test_the_table_has_every_entry() -> None:
    for entry, row in zip(ENTRIES, ROWS, strict=True):
        run = entry.variant.launch
        assert (row.target, row.key, row.labels, row.samples) == (entry.target, entry.key, entry.labels, entry.samples)
        assert (row.blocks, row.threads) == (dict(run.blocks), 32 * run.num_warps)


def test_the_files_are_those_of_the_table() -> None:
    bundles = {f"sm_{target}.bin": [size, digest] for target, size, digest in lines("bundle")}
    files = {path.name: path.read_bytes() for path in CUBINS.iterdir() if path.name != build.TABLE}
    assert bundles == {name: [str(len(data)), hashlib.sha256(data).hexdigest()] for name, data in files.items()}
    assert len(bundles) == len(TARGETS)


def test_every_size_has_one_kernel() -> None:
    """For each key and target, all labels and samples of its range, none twice."""
    sizes = defaultdict(list)
    for row in ROWS:
        sizes[row.target, row.key].append((row.labels, row.samples))
    for (_, key), ranges in sizes.items():
        few, wide = key.startswith(("loss/", "relation/")), key.startswith("wide") or key in entries.WIDE_ALONE
        by_labels = sorted({labels for labels, _ in ranges})
        assert by_labels[0][0] == (launch.SMALL_LABELS + 1 if wide else 1)
        assert by_labels[-1][1] == (launch.SMALL_LABELS if few else fused.MAX_LABELS)
        assert all(one[1] + 1 == other[0] for one, other in pairwise(by_labels))
        for labels in by_labels:
            samples = sorted(samples for of, samples in ranges if of == labels)
            assert (samples[0][0], samples[-1][1]) == (0, MAX_EXACT_COUNT)
            assert all(one[1] + 1 == other[0] for one, other in pairwise(samples))


def test_the_limits_are_those_of_torch() -> None:
    assert value("limits") == f"{launch.SMALL_LABELS} {fused.MAX_LABELS} {MAX_EXACT_COUNT}"


def test_nothing_of_a_machine_is_in_them() -> None:
    for row in ROWS:
        assert not re.search(rb"/(tmp|root|home|work|usr|opt|mnt)/|\.py\b|\.ptx\b", row.cubin)


def test_drivers_of_cuda_12_load_those_for_ampere_and_hopper() -> None:
    """The ELF version in their headers is that of CUDA 12; CUDA 13 has another."""
    assert {row.cubin[7:9] for row in ROWS if row.target in (80, 90)} == {bytes([0x33, 7])}


def test_all_of_them_are_not_large() -> None:
    assert sum(path.stat().st_size for path in CUBINS.iterdir()) < 14_000_000
