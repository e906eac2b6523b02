"""Run stages concurrently with bounded memory, and stop when a server is unavailable."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from erp_medusa_pipelines.clients.failures import TransientError
from erp_medusa_pipelines.clients.http import LONGEST_WAIT

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Iterate while a thread fetches the next item, so that reading and processing overlap."""
    iterator = iter(items)
    missing: Any = object()
    with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
        upcoming: Future[Any] = pool.submit(next, iterator, missing)
        while True:
            item = upcoming.result()
            if item is missing:
                return
            upcoming = pool.submit(next, iterator, missing)
            yield item


class Stage:
    """Worker threads for chunks; `submit` blocks while `waiting` chunks are in flight.

    Thread-safe. The first exception of any chunk is raised by the next `submit` or by `finish`.
    """

    def __init__(self, name: str, workers: int, waiting: int | None = None) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._room = threading.Semaphore(waiting or 2 * workers)
        self._error: BaseException | None = None

    def submit(self, work: Callable[..., object], *arguments: Any) -> None:
        """Start `work` once there is room for it."""
        self._room.acquire()
        if self._error:
            self._room.release()
            raise self._error
        try:
            future = self._pool.submit(work, *arguments)
        except RuntimeError:
            self._room.release()
            raise
        future.add_done_callback(self._ended)

    def finish(self) -> None:
        """Wait for everything that was submitted."""
        self._pool.shutdown(wait=True)
        if self._error:
            raise self._error

    def close(self) -> None:
        """Cancel what has not started and wait for what has."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _ended(self, future: Future[object]) -> None:
        # The error is noted before there is room again: who waits for room must see it.
        try:
            self._error = self._error or future.exception()
        except CancelledError:
            pass
        finally:
            self._room.release()


class Breaker:
    """Give up on a server after several failures in a row, or at once when it asks for a long pause. Thread-safe.

    Without it a server that is down would cost every remaining chunk all its attempts.
    """

    def __init__(self, most: int = 3) -> None:
        self._most = most
        self._in_a_row = 0
        self._lock = threading.Lock()
        self.error: TransientError | None = None
        """Why the server was given up; None while it is worth trying."""

    def passed(self) -> None:
        """Note that a call succeeded."""
        with self._lock:
            self._in_a_row = 0

    def failed(self, error: TransientError) -> None:
        """Note that a call failed after all its attempts."""
        with self._lock:
            self._in_a_row += 1
            long_pause = error.retry_after is not None and error.retry_after > LONGEST_WAIT
            if self._in_a_row >= self._most or long_pause:
                self.error = self.error or error
