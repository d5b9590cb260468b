"""Reading ahead: a second thread decodes the next blocks while the caller counts."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")
BLOCKS_AHEAD = 2


def read_ahead(items: Iterator[T], *, depth: int = BLOCKS_AHEAD) -> Iterator[T]:
    """The items in their order, made by another thread, at most `depth` of them ahead.

    An error of the other thread is raised here, after the items before it. A caller who stops early stops that thread.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: T | None, error: BaseException | None) -> bool:
        while not stop.is_set():
            try:
                ready.put((item, error), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for item in items:
                if not put(item, None):
                    return
            put(None, None)
        except BaseException as error:
            put(None, error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        stop.set()
        thread.join()
