"""An admin who logs in with e-mail and password, and the tokens that this gave."""

import secrets
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass
class Admin:
    """The one user of the Admin API. `tokens` are those that are accepted: a real Medusa's expire after 24 hours."""

    email: str = "admin@sandbox.example"
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    tokens: set[str] = field(default_factory=set, repr=False)

    def routes(self) -> list[Route]:
        """The log-in."""
        return [Route("/auth/user/emailpass", self._log_in, methods=["POST"])]

    async def _log_in(self, request: Request) -> Response:
        asked = await request.json()
        if (asked.get("email"), asked.get("password")) != (self.email, self.password):
            return JSONResponse({"type": "unauthorized", "message": "Invalid email or password"}, status_code=401)
        token = f"eyJ{secrets.token_urlsafe(48)}"
        self.tokens.add(token)
        return JSONResponse({"token": token})
