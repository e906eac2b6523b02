"""What clients of one server have learnt of it: the parts of a run ask once together, and so do the runs of a tick.

How long an answer is used, and by whom. What is asked, and when it has to be asked anew, is said where it is used.
Whole lists of documents, which grow with the shop, are kept by name in `reading.py`.
"""

import json
import logging
import math
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

from erp_medusa_pipelines.clients.reading import UNKEPT, Reading

log = logging.getLogger(__name__)

FACTS_HOLD = 600.0
"""Seconds. The assets of a short run share what they learn; one of hours does not go by what it learnt at its start."""

Answer = TypeVar("Answer")


class Facts:
    """What is known of `service`. Clients that were given the same `known` share it. Thread-safe."""

    def __init__(self, service: str, known: dict[str, Any] | None = None) -> None:
        self.known = {} if known is None else known
        self.reading: Reading | None = None
        """Where the runs of a tick keep what they were answered; None where this run asks for itself."""
        self._service = service
        self._asking = threading.local()

    @property
    def of_tick(self) -> bool:
        """Whether the runs of a tick know together what `seen` is asked."""
        return self.reading is not None and self.reading.shared

    def once(self, what: str, ask: Callable[[], Answer], *, of_tick: bool = False) -> Answer:
        """Return what `ask` returned last, if that is no longer ago than FACTS_HOLD: for what seldom changes.

        With `of_tick` it may be what another run of this tick was answered: see `seen`.
        """
        key = f"{self._service} {what}"
        answer, at = self.known.get(key, (None, -math.inf))
        if time.monotonic() - at > FACTS_HOLD:
            answer = self.seen(what, ask) if of_tick else ask()
            self.known[key] = (answer, time.monotonic())
        return answer

    def seen(self, what: str, ask: Callable[[], Answer]) -> Answer:
        """Return what `ask` returns; its reads are answered as another run of this tick was, if one asked the same.

        For what decides whether there is anything to do. What is written is looked up without it.
        """
        before = getattr(self._asking, "what", None)
        self._asking.what = what
        try:
            return ask()
        finally:
            self._asking.what = before

    def answer(self, method: str, path: str, body: Any, send: Callable[[], Any]) -> Any:
        """Return the answer to a read: inside `seen` the one that a run of this tick was given, else from `send`."""
        what: str | None = getattr(self._asking, "what", None)
        is_read = method == "GET" or path.endswith("/frappe.client.get_list")
        if what is None or self.reading is None or not self.of_tick or not is_read:
            return send()
        # Thousands of names may be in it.
        asked = sha256(json.dumps([self._service, method, path, body], default=str).encode()).hexdigest()
        began = time.time()
        try:
            found = self.reading.answers.find(asked)
        except UNKEPT as error:
            return self._alone(error, send)
        if found is not None:
            return json.loads(found)
        answer = send()
        try:
            self.reading.answers.put(f"{self._service} {what}", asked, json.dumps(answer), began)
        except UNKEPT as error:
            self._alone(error)
        return answer

    def forget(self, what: str) -> None:
        """Ask again for what is known: it was, or may have been, changed."""
        key = f"{self._service} {what}"
        self.known.pop(key, None)
        if self.reading is not None and self.of_tick:
            try:
                self.reading.answers.forget(key, time.time())
            except UNKEPT as error:
                self._alone(error)

    def _alone(self, error: Exception, send: Callable[[], Any] = lambda: None) -> Any:
        log.warning("this run asks for itself what its tick could know together: %s", error)
        self.reading = None
        return send()
