"""An admin's log-in at Medusa, shared by the clients of a run.

A token costs Medusa a sixth of the CPU time that it takes to check a secret key, which it does anew for each request.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import SecretStr

LOGIN = "/auth/user/emailpass"
ADMIN = "/admin/"
"""What a log-in is for. Whether Medusa is up at all is asked without one."""


@dataclass
class Login:
    """E-mail and password of an admin, and the token of the last log-in. Thread-safe."""

    email: str
    password: SecretStr
    _token: str | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def token(self, ask: Callable[["Login"], str], *, stale: str | None = None) -> str:
        """Return a token; `ask` logs in where there is none, or only the `stale` one that was not accepted."""
        with self._lock:
            if self._token is None or self._token == stale:
                self._token = ask(self)
            return self._token
