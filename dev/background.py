"""Work in a thread of its own, beside what a block does."""

import threading
from abc import ABC, abstractmethod
from typing import Self


class Background(ABC):
    """Subclasses work in `work` until `over` is set. `check`, and the end of the block, raise what it raised."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @abstractmethod
    def work(self) -> None:
        """Work until `over` is set."""

    def check(self) -> None:
        """Raise what ended the work early, for a block that would else go on without it."""
        if self._failed:
            raise self._failed

    def _run(self) -> None:
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            self._failed = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._thread.join()
        self.check()
