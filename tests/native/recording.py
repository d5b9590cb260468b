"""The CUDA launcher over a driver that records its calls, in place of NVIDIA's."""

from __future__ import annotations

import ctypes
import shutil
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from obrl_native import cpu, cuda
from obrl_native.build import Recipe, Unit, build

DRIVER = Path(__file__).parent / "recording_driver"


class Load(NamedTuple):
    """The loading of a cubin; `image` is its hash, and `mode` the capture mode of the thread at that time."""

    context: int
    image: int
    mode: int


class Launch(NamedTuple):
    """The launch of a kernel, with its arguments as the bytes that it reads."""

    context: int
    image: int
    symbol: str
    grid: tuple[int, int, int]
    threads: int
    shared: int
    stream: int
    arguments: tuple[bytes, ...]


class Set(NamedTuple):
    """A number of 32 bits written all over an array."""

    context: int
    address: int
    value: int
    count: int
    stream: int


class Copy(NamedTuple):
    """A copy from one array into another."""

    context: int
    to: int
    source: int
    size: int
    stream: int


def _parse(line: str) -> Any:
    what, context, *words = line.split()
    if what == "launch":
        image, symbol, *rest = words
        x, y, z, threads, shared, stream = map(int, rest[:6])
        arguments = tuple(map(bytes.fromhex, rest[6:]))
        return Launch(int(context), int(image), symbol, (x, y, z), threads, shared, stream, arguments)
    return {"load": Load, "set": Set, "copy": Copy}[what](int(context), *map(int, words))


class Driver:
    """The recording driver, loaded; the launcher loads it by the same path."""

    def __init__(self, flags: tuple[str, ...] = ()) -> None:
        self.path = str(build(Recipe("recording_driver", (Unit("driver.cc"),), flags=flags), sources=DRIVER))
        self._library = ctypes.CDLL(self.path)
        self._library.recording_hash.restype = ctypes.c_uint64
        self._library.recording_text.restype = ctypes.c_int64

    def reset(self) -> None:
        """Forget everything; no function fails any more."""
        self._library.recording_reset()

    def text(self) -> str:
        """The calls since `reset`, one a line."""
        size = self._library.recording_text(None, ctypes.c_int64(0)) + 1
        buffer = ctypes.create_string_buffer(size)
        self._library.recording_text(buffer, ctypes.c_int64(size))
        return buffer.value.decode()

    def calls(self) -> list[Any]:
        """The calls since `reset`."""
        return [_parse(line) for line in self.text().splitlines()]

    def enqueued(self) -> list[Any]:
        """The calls since `reset`, without `Load`."""
        return [one for one in self.calls() if not isinstance(one, Load)]

    def hash(self, image: bytes) -> int:
        """The hash by which calls name an image."""
        return int(self._library.recording_hash(image, ctypes.c_int64(len(image))))

    def fail(self, function: str, error: int) -> None:
        """Let a function return an error from now on."""
        self._library.recording_fail(function.encode(), error)

    def device(self, number: int, capability: int) -> None:
        """Let a device have a compute capability, times ten."""
        self._library.recording_device(number, capability)

    def current(self, context: int) -> None:
        """Make a context this thread's current one; 0 for none."""
        self._library.recording_current(context)

    def capture(self) -> None:
        """Let every stream be captured until `reset`; calls fail that NVIDIA's driver refuses then."""
        self._library.recording_capture()

    def left_behind(self) -> tuple[int, int]:
        """How many contexts this thread has, and its capture mode."""
        return self._library.recording_depth(), self._library.recording_capture_mode()


class Memory:
    """Addresses of arrays on a device that does not exist; they are multiples of 256, with gaps between arrays."""

    def __init__(self) -> None:
        self._next = 2**40
        self._arrays: dict[str, tuple[int, int]] = {}

    def take(self, name: str, size: int) -> int:
        """The address of a new array of `size` bytes."""
        address = self._next
        self._arrays[name] = (address, size)
        self._next += -(-size // 256) * 256 + 4096
        return address

    def find(self, address: int) -> tuple[str, int]:
        """The name of the array that holds an address, and the offset in it."""
        for name, (begin, size) in self._arrays.items():
            if begin <= address < begin + max(size, 1):
                return name, address - begin
        raise AssertionError(f"no array is at {address:#x}")

    def size(self, name: str) -> int:
        """The bytes of an array."""
        return self._arrays[name][1]


def take_all(memory: Memory, **numbers: int) -> dict[str, int]:
    """Addresses of new float32 arrays, by name, from their numbers of elements."""
    return {name: memory.take(name, 4 * number) for name, number in numbers.items()}


def move(
    library: cuda.Library,
    memory: Memory,
    num_labels: int,
    batch: int | None = None,
    *,
    by_counts: bool = False,
    measure: str = "unit_pearson",
    average_counts: bool = False,
    in_place: bool = True,
    stream: int = 4096,
) -> cuda.Relation:
    """Call `obrl_cuda_move` with new arrays, named in `memory`; without batch and counts nothing moves."""
    matrix = num_labels**2
    arrays = take_all(memory, sum=(3 if average_counts else 1) * matrix, weight=matrix)
    arrays |= {"new_sum": arrays["sum"], "new_weight": arrays["weight"]}
    if not in_place:
        arrays |= take_all(memory, new_sum=(3 if average_counts else 1) * matrix, new_weight=matrix)
    if batch is not None:
        arrays |= take_all(memory, targets=batch * num_labels)
    if by_counts:
        arrays |= take_all(memory, counts=3 * matrix)
    size = library.move_scratch(batch or 0, num_labels)
    relation = cuda.Relation(
        pairs=memory.take("pairs", library.pairs_bytes(num_labels)),
        decay=0.9,
        positive_threshold=0.7,
        negative_threshold=0.3,
        batch=batch or 0,
        num_labels=num_labels,
        measure=cpu.MEASURES[measure],
        average_counts=average_counts,
        **arrays,
    )
    library.move(relation, stream=stream, scratch=memory.take("scratch", size), scratch_bytes=size)
    return relation


def loss(
    library: cuda.Library,
    memory: Memory,
    batch: int,
    num_labels: int,
    *,
    joint: bool = True,
    gradients: str = "total",
    active_pairs: bool = False,
    stream: int = 4096,
) -> cuda.LossArguments:
    """Call `obrl_cuda_loss` likewise."""
    matrix = batch * num_labels
    arrays = take_all(memory, logits=matrix, sample_weight=batch, relation_loss=batch)
    if joint:
        arrays |= take_all(memory, targets=matrix, pos_weight=num_labels, total=batch, cross_entropy=batch)
    if gradients != "none":
        arrays |= take_all(memory, gradient=matrix)
    if gradients == "parts" and joint:
        arrays |= take_all(memory, relation_gradient=matrix)
    size = library.loss_scratch(batch, num_labels, joint=joint, gradients=cpu.GRADIENTS[gradients])
    arguments = cuda.LossArguments(
        pairs=memory.take("pairs", library.pairs_bytes(num_labels)),
        alpha=0.5,
        batch=batch,
        num_labels=num_labels,
        gradients=cpu.GRADIENTS[gradients],
        active_pairs=active_pairs,
        **arrays,
    )
    library.loss(arguments, stream=stream, scratch=memory.take("scratch", size), scratch_bytes=size)
    return arguments


@cache
def driver() -> Driver:
    """The recording driver."""
    return Driver()


@cache
def built() -> str:
    """The path of the launcher's library."""
    return str(build(Recipe("obrl_cuda", cuda.UNITS, links=cuda.LINKS)))


@cache
def library() -> cuda.Library:
    """The launcher over the recording driver."""
    return cuda.Library(built(), driver=driver().path)


_copies = count()


def fresh(folder: Path, **options: Any) -> cuda.Library:
    """Another launcher, which has started and loaded nothing."""
    path = folder / f"launcher-{next(_copies)}.so"
    shutil.copy(built(), path)
    return cuda.Library(str(path), **{"driver": driver().path, **options})
