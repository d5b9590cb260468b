"""`make cubins`: the cubins that TensorFlow and JAX launch, and the table of them; `entries` lists them.

    python -m tools.cubins.build FOLDER

There is one file for each target, with all its cubins one after the other, and `table.txt`. The first word of a line
says what the line holds:

- `obrl-cubins`: the version of this format;
- `triton` and `ptxas`: the versions that compiled the cubins;
- `sources`: the hash of `digest`;
- `limits`: the most labels of a single launch, and the most labels and samples of all;
- `parts`: a target, and what decides the number of parts of `products_kernel`: programs at once, most parts, and the
  two costs of `launch`;
- `bundle`: a target, the bytes of its file, and their SHA-256;
- `arguments`: a kernel, and its arguments in order, each with its type. The last two are Triton's own, and null;
- `kernel`: target, key and symbol; the least and most labels, and samples, that it is for; place and bytes in the file;
  threads; bytes of shared memory; block sizes.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import triton
from triton import knobs

from obrl.counts import MAX_EXACT_COUNT
from obrl_native.cpu import MAX_LABELS
from obrl_torch.kernels import launch
from tools.cubins.compiled import TARGETS, Compiled, Variant, compile_variant
from tools.cubins.entries import Entry, compiler_options, entries

SOURCES = ("counting", "loss", "measures", "relation", "terms", "tiles", "wide_loss", "wide_relation")
"""The modules that hold the kernels."""

TABLE = "table.txt"
_FORM = 1
_ALIGNMENT = 16
_OF_TRITON = {"global_scratch": "*i8", "profile_scratch": "*i8"}
"""The arguments that Triton adds to every kernel; none of these kernels uses them."""


def digest() -> str:
    """A hash of everything that the cubins depend on: the kernels' sources, and the entries."""
    state = hashlib.sha256()
    for name in SOURCES:
        text = (Path(launch.__file__).parent / f"{name}.py").read_bytes()
        state.update(f"{name} {len(text)}\n".encode() + text)
    for entry in entries():
        variant = entry.variant
        what = (sorted(variant.types.items()), sorted(variant.constants.items(), key=str), variant.divisible)
        sizes = (entry.labels, entry.samples)
        state.update(repr((entry.key, entry.target, *sizes, compiler_options(variant.launch), what)).encode())
    return state.hexdigest()


def compile_entry(entry: Entry) -> Compiled:
    """Compile a cubin.

    The assembler is the older of the two that come with Triton, so that a driver of CUDA 12 loads cubins for Ampere and
    Hopper. Cubins hold no line numbers.

    Raises:
        RuntimeError: it spills registers, or needs device memory, which the launcher does not allocate.
    """
    with _settings():
        compiled = compile_variant(entry.variant, entry.target)
    if compiled.spilled or compiled.scratch:
        raise RuntimeError(f"{entry} spills {compiled.spilled} bytes and needs {compiled.scratch} bytes of scratch")
    return compiled


@contextmanager
def _settings() -> Iterator[None]:
    with knobs.compilation.scope(), knobs.nvidia.scope():
        knobs.compilation.disable_line_info = True
        knobs.nvidia.ptxas_blackwell = knobs.nvidia.ptxas.path
        yield


@dataclass(frozen=True)
class Package:
    """All cubins.

    Attributes:
        bundles: by target, the bytes of its file.
        rows: each entry, its cubin, and the place in the file where that begins.
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
    """The types of a cubin's arguments, in its order."""
    return {name: kind for name, kind in variant.types.items() if name not in variant.ones} | _OF_TRITON


def _row(entry: Entry, compiled: Compiled, place: int) -> str:
    run = entry.variant.launch
    blocks = " ".join(f"{name}={int(size)}" for name, size in run.blocks.items())
    sizes = (*entry.labels, *entry.samples, place, len(compiled.cubin), 32 * run.num_warps, compiled.shared)
    return f"kernel {entry.target} {entry.key} {compiled.symbol} {' '.join(map(str, sizes))} {blocks}"


def bundle(cubins: Sequence[bytes]) -> tuple[bytes, list[int]]:
    """Concatenate cubins, equal ones once, at multiples of 16 bytes; returns the bytes, and where each cubin begins."""
    data, places = bytearray(), dict[bytes, int]()
    for cubin in cubins:
        if cubin not in places:
            data += bytes(-len(data) % _ALIGNMENT)
            places[cubin] = len(data)
            data += cubin
    return bytes(data), [places[cubin] for cubin in cubins]


def compile_all() -> Package:
    """Compile everything."""
    compiled = []
    for number, entry in enumerate(entries(), start=1):
        compiled.append(compile_entry(entry))
        print(f"{number} of {len(entries())}: {entry.key} for sm_{entry.target}", flush=True)
    bundles, places = {}, []
    for target in TARGETS:  # in the order of the entries
        of_target = [one.cubin for entry, one in zip(entries(), compiled, strict=True) if entry.target == target]
        bundles[target], begins = bundle(of_target)
        places += begins
    return Package(bundles, list(zip(entries(), compiled, places, strict=True)))


def write(folder: Path) -> None:
    """Compile everything, and write the files."""
    package = compile_all()
    folder.mkdir(parents=True, exist_ok=True)
    for target, data in package.bundles.items():
        (folder / f"sm_{target}.bin").write_bytes(data)
    (folder / TABLE).write_text(package.table)


def main(words: Sequence[str] | None = None) -> None:
    """Write the files to the folder of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.cubins.build", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    write(parser.parse_args(words).folder)


if __name__ == "__main__":
    main()
