"""The cubins that TensorFlow and JAX launch, and the table of them: what `make cubins` writes.

    python -m obrl_torch.kernels.cubins FOLDER

One file for each target, all its cubins one after the other, and `table.txt`. Each line of that begins with what it is:

- `obrl-cubins`: the version of this form;
- `triton` and `ptxas`: versions of what compiled them;
- `sources`: a hash of the kernels' sources and of all that is compiled of them, as `digest` gives it;
- `limits`: the labels up to which one launch does everything, and the most labels and samples that there may be;
- `parts`: for a target, what decides how many parts `products_kernel` has: programs at once, most parts, and the two
  costs of `launch`;
- `bundle`: for a target, how many bytes its file has, and their SHA-256;
- `arguments`: a kernel's, in their order, each with its type: the last two are for Triton itself, and null;
- `kernel`: the target, the key and the symbol; the labels and samples, from and up to, for which it is the one; where
  in the file it begins, and its bytes; threads; bytes of shared memory; block sizes.

Arrays are contiguous, begin at multiples of 16 bytes, and are float32; a target that is missing is NaN. The loss is
that of each sample, with weights always.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import triton
import triton.language as tl
from triton import knobs

from obrl.counts import MAX_EXACT_COUNT
from obrl.measures import MEASURES
from obrl_native.cpu import MAX_LABELS
from obrl_torch.kernels import launch
from obrl_torch.kernels.compiled import TARGETS, Compiled, Variant, argument_types, compile_variant
from obrl_torch.kernels.launch import Launch

PARTS = 8
"""Into how many parts `relation_kernel` deals out a batch of any size: each choice more is 16 cubins more."""

SOURCES = ("counting", "loss", "measures", "relation", "terms", "tiles", "wide_loss", "wide_relation")
"""The modules that the kernels are written in."""

TABLE = "table.txt"
_FORM = 1
_ALIGNMENT = 16
_POINTERS = {
    **dict.fromkeys(("targets", "logits", "sample_weight", "pos_weight", "relation_sum", "relation_weight"), "*fp32"),
    **dict.fromkeys(("counts", "partials", "degrees", "products", "total", "cross_entropy", "relation_loss"), "*fp32"),
    **dict.fromkeys(("gradient", "second_gradient"), "*fp32"),
    **dict.fromkeys(("active", "counter", "arrivals"), "*i32"),
    **dict.fromkeys(("code", "pairs", "packed"), "*i8"),
    "observed": "*u8",
    "halves": "*fp16",
}
_OF_TRITON = {"global_scratch": "*i8", "profile_scratch": "*i8"}
"""What Triton adds to every kernel's arguments; none of these kernels uses it."""


_Range = tuple[int, int]
_Run = Callable[[int, int], Launch]
"""A launch, by the number of samples and of labels."""
WIDE_ALONE = ("pack", "halves", "degrees", "products")
"""Keys of kernels that nothing calls for few labels; those of others begin with `wide`."""
_ALL: _Range = (1, MAX_LABELS)
_FEW: _Range = (1, launch.SMALL_LABELS)
_WIDE: _Range = (launch.SMALL_LABELS + 1, MAX_LABELS)
_WITH_NAN = {"MASKED": False, "COMPLETE": False}
"""What is missing is NaN, and any target may be."""


@dataclass(frozen=True)
class Entry:
    """A cubin to be made.

    Attributes:
        key: what the launcher asks for.
        target: the compute capability, times ten.
        labels: from how many labels to how many it is the one.
        samples: likewise.
        variant: what is compiled.
    """

    key: str
    target: int
    labels: tuple[int, int]
    samples: tuple[int, int]
    variant: Variant


@cache
def entries() -> tuple[Entry, ...]:
    """All there are: for each target and key, disjoint ranges of sizes."""
    return tuple(entry for target in TARGETS for entry in _of_target(target))


def _of_target(target: int) -> Iterator[Entry]:
    yield from _ranged("count", target, _ALL, lambda _, labels: launch.count(labels), _WITH_NAN)
    for measure, estimator in product(MEASURES, ("batch", "counts")):
        yield from _relations(target, measure, estimator)
    yield from _ranged("pack", target, _WIDE, launch.pack, {"MASKED": False})
    yield from _ranged("halves", target, _WIDE, lambda *size: _plan(*size, target).halves, {})
    yield from _ranged("degrees", target, _WIDE, lambda *size: _plan(*size, target).degrees, {})
    yield from _ranged("products", target, _WIDE, lambda *size: _plan(*size, target).products, {})
    for normalization, gradient in product(("all_pairs", "active_pairs"), ("total", "parts")):
        yield from _losses(target, normalization, gradient)


def _relations(target: int, measure: str, estimator: str) -> Iterator[Entry]:
    """Whatever writes codes."""
    of = f"{measure}/{estimator}"
    constants = {"MEASURE": measure, "SYMMETRIC": MEASURES[measure].symmetric, "ESTIMATOR": estimator}

    def wide(_: int, labels: int) -> Launch:
        return launch.wide_relation(labels, capability=target, measure=measure, estimator=estimator)

    def code(_: int, labels: int) -> Launch:
        return launch.code(labels, double=False)

    yield from _ranged(f"relation/{of}", target, _FEW, _relation, _WITH_NAN | constants)
    yield from _ranged(f"wide_relation/{of}", target, _WIDE, wide, constants)
    yield from _ranged(f"move_by_counts/{of}", target, _ALL, code, constants | {"MOVES": True})
    yield from _ranged(f"code/{of}", target, _ALL, code, constants | {"MOVES": False})


def _losses(target: int, normalization: str, gradient: str) -> Iterator[Entry]:
    of = f"{normalization}/{gradient}"
    constants = {
        "JOINT": True,
        "MASKED": False,
        "WEIGHTED": True,
        "POS_WEIGHTED": True,
        "ACTIVE_PAIRS": normalization == "active_pairs",
        "REDUCTION": "none",
        "GRADIENT": gradient,
    }

    def few(batch: int, labels: int) -> Launch:
        return launch.loss(batch, labels, double=False)

    yield from _ranged(f"loss/{of}", target, _FEW, few, constants | {"DTYPE": tl.float32})
    yield from _ranged(f"wide_loss/{of}", target, _WIDE, lambda *size: _plan(*size, target).finish, constants)


def _relation(batch: int, labels: int) -> Launch:
    return launch.relation(batch, labels, parts=PARTS)


@cache
def _plan(batch: int, num_labels: int, target: int) -> launch.Wide:
    return launch.wide_loss(batch, num_labels, capability=target)


def _ranged(key: str, target: int, labels: _Range, run: _Run, constants: Mapping[str, Any]) -> Iterator[Entry]:
    """A cubin for each range of sizes in which a launch has other blocks."""
    samples = ((0, launch.MANY_ROWS - 1), (launch.MANY_ROWS, MAX_EXACT_COUNT))

    def runs(number: int) -> list[Launch]:
        return [run(most, number) for _, most in samples]

    for of_labels in _alike(labels, lambda number: [_recipe(one) for one in runs(number)]):
        one, other = runs(of_labels[0])
        alike = _recipe(one) == _recipe(other)
        for found, of_samples in ((one, (0, MAX_EXACT_COUNT)),) if alike else zip((one, other), samples, strict=True):
            types = argument_types(found, **_POINTERS)
            variant = Variant(key, found, types, constants, (target,), any_size=True)
            yield Entry(key, target, of_labels, of_samples, variant)


def _alike(labels: _Range, what: Callable[[int], Any]) -> list[_Range]:
    """The ranges in which something stays as it is, which it does between two sizes where it is the same."""
    first, last = labels
    if what(first) == what(last):
        return [labels]
    middle = (first + last) // 2
    found: list[_Range] = []
    for one in (*_alike((first, middle), what), *_alike((middle + 1, last), what)):
        if found and what(found[-1][0]) == what(one[0]):
            found[-1] = (found[-1][0], one[1])
        else:
            found.append(one)
    return found


def _recipe(run: Launch) -> tuple[Any, ...]:
    """What a launch says to the compiler."""
    return run.kernel.__name__, tuple(run.blocks.items()), tuple(run.options.items())


def digest() -> str:
    """A hash of what cubins are made of: the kernels' sources, and what is compiled of them."""
    found = hashlib.sha256()
    for name in SOURCES:
        text = (Path(__file__).parent / f"{name}.py").read_bytes()
        found.update(f"{name} {len(text)}\n".encode() + text)
    for entry in entries():
        variant = entry.variant
        what = (sorted(variant.types.items()), sorted(variant.constants.items(), key=str), variant.divisible)
        sizes = (entry.labels, entry.samples)
        found.update(repr((entry.key, entry.target, *sizes, _recipe(variant.launch), what)).encode())
    return found.hexdigest()


def compile_entry(entry: Entry) -> Compiled:
    """Make a cubin.

    The assembler is the older one that comes with Triton, so that a driver of CUDA 12 loads what it makes for Ampere
    and Hopper. No line of source is named in it.

    Raises:
        RuntimeError: it spills, or asks for memory that the launcher does not give.
    """
    with _settings():
        made = compile_variant(entry.variant, entry.target)
    if made.spilled or made.scratch:
        raise RuntimeError(f"{entry}: {made.spilled} bytes are spilled, and {made.scratch} asked for")
    return made


@contextmanager
def _settings() -> Iterator[None]:
    with knobs.compilation.scope(), knobs.nvidia.scope():
        knobs.compilation.disable_line_info = True
        knobs.nvidia.ptxas_blackwell = knobs.nvidia.ptxas.path
        yield


@dataclass(frozen=True)
class Made:
    """All cubins.

    Attributes:
        bundles: the contents of a file, by target.
        rows: of each entry, its cubin and where in the file that begins.
    """

    bundles: Mapping[int, bytes]
    rows: Sequence[tuple[Entry, Compiled, int]]

    @property
    def table(self) -> str:
        """The text of the table."""
        sizes = {target: f"{len(data)} {hashlib.sha256(data).hexdigest()}" for target, data in self.bundles.items()}
        costs = f"{launch.MOST_LABEL_PARTS} {launch.START_COST} {launch.PART_COST!r}"
        lines = [
            f"obrl-cubins {_FORM}",
            f"triton {triton.__version__}",
            f"ptxas {knobs.nvidia.ptxas.version}",
            f"sources {digest()}",
            f"limits {launch.SMALL_LABELS} {MAX_LABELS} {MAX_EXACT_COUNT}",
            *(f"parts {target} {launch.at_once(target)} {costs}" for target in sizes),
            *(f"bundle {target} {size}" for target, size in sizes.items()),
            *(f"arguments {symbol} {types}" for symbol, types in sorted(self._arguments().items())),
            *(_row(*row) for row in self.rows),
        ]
        return "\n".join(lines) + "\n"

    def _arguments(self) -> dict[str, str]:
        return {
            compiled.symbol: " ".join(f"{name}:{kind}" for name, kind in arguments(entry.variant).items())
            for entry, compiled, _ in self.rows
        }


def arguments(variant: Variant) -> dict[str, str]:
    """The types of what a launch takes, in its order."""
    return {name: kind for name, kind in variant.types.items() if name not in variant.ones} | _OF_TRITON


def _row(entry: Entry, compiled: Compiled, place: int) -> str:
    run = entry.variant.launch
    blocks = " ".join(f"{name}={int(size)}" for name, size in run.blocks.items())
    sizes = (*entry.labels, *entry.samples, place, len(compiled.cubin), 32 * run.num_warps, compiled.shared)
    return f"kernel {entry.target} {entry.key} {compiled.symbol} {' '.join(map(str, sizes))} {blocks}"


def bundle(cubins: Sequence[bytes]) -> tuple[bytes, list[int]]:
    """Cubins one after the other, each once, at multiples of 16 bytes; and where each begins."""
    data, places = bytearray(), dict[bytes, int]()
    for cubin in cubins:
        if cubin not in places:
            data += bytes(-len(data) % _ALIGNMENT)
            places[cubin] = len(data)
            data += cubin
    return bytes(data), [places[cubin] for cubin in cubins]


def make() -> Made:
    """Compile everything."""
    compiled = []
    for number, entry in enumerate(entries(), start=1):
        compiled.append(compile_entry(entry))
        print(f"{number} of {len(entries())}: {entry.key} for sm_{entry.target}", flush=True)
    bundles, places = {}, []
    for target in TARGETS:  # the order of the entries, too
        of_target = [made.cubin for entry, made in zip(entries(), compiled, strict=True) if entry.target == target]
        bundles[target], begins = bundle(of_target)
        places += begins
    return Made(bundles, list(zip(entries(), compiled, places, strict=True)))


def write(folder: Path) -> None:
    """Compile everything, and write the files."""
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    for target, data in made.bundles.items():
        (folder / f"sm_{target}.bin").write_bytes(data)
    (folder / TABLE).write_text(made.table)


def main(words: Sequence[str] | None = None) -> None:
    """Write the files into the folder that is named."""
    parser = argparse.ArgumentParser(prog="python -m obrl_torch.kernels.cubins", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    write(parser.parse_args(words).folder)


if __name__ == "__main__":
    main()
