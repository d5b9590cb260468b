"""The table of kernels, read as the launcher reads it."""

from __future__ import annotations

from dataclasses import dataclass

from obrl_native.cuda import CUBINS


@dataclass(frozen=True)
class Row:
    """A line of the table: a cubin, and how it is launched."""

    target: int
    key: str
    symbol: str
    labels: tuple[int, int]
    samples: tuple[int, int]
    threads: int
    shared: int
    blocks: dict[str, int]
    cubin: bytes


TEXT = (CUBINS / "table.txt").read_text()


def lines(what: str) -> list[list[str]]:
    """The words of the lines that begin with one."""
    return [words for first, *words in map(str.split, TEXT.splitlines()) if first == what]


def value(what: str) -> str:
    """The words of the only line that begins with one."""
    ((*words,),) = lines(what)
    return " ".join(words)


def rows() -> list[Row]:
    """All kernels."""
    bundles = {target: (CUBINS / f"sm_{target}.bin").read_bytes() for target in {words[0] for words in lines("kernel")}}
    result = []
    for target, key, symbol, *rest in lines("kernel"):
        first, last, least, most, place, size, threads, shared = map(int, rest[:8])
        blocks = {name: int(number) for name, number in (word.split("=") for word in rest[8:])}
        cubin = bundles[target][place : place + size]
        sizes = ((first, last), (least, most))
        result.append(Row(int(target), key, symbol, *sizes, threads, shared, blocks, cubin))
    return result
