"""The routes that our plugin adds to a Medusa (medusa_plugin/): carts in pages, and their deletion.

A Medusa without it answers 404 without a type.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient, Row
from erp_medusa_pipelines.clients.origin import is_unknown_route

ABOUT = "/admin/erp-pipelines"
CARTS = f"{ABOUT}/carts"
DELETE_CARTS = f"{CARTS}/delete"
PAGE = 500
BLOCK = 50
"""Carts deleted by one call. Twice as many take four times as long, and Medusa serves no customer meanwhile."""


class MedusaPlugin:
    """The plugin of one Medusa."""

    def __init__(self, medusa: MedusaClient) -> None:
        self._medusa = medusa
        self._http = medusa.http

    def about(self) -> Row | None:
        """Return {version, medusa, tested_medusa, works}; None where it is not installed."""
        try:
            answer = self._http.request("GET", ABOUT)
        except PermanentError as error:
            if isinstance(error, AccessError) or not is_unknown_route(error.service, error.status, error.exc_type):
                raise
            return None
        return self._http.part(answer, "plugin", f"GET {ABOUT}")

    def untouched_carts(self, since: datetime) -> Iterator[list[Row]]:
        """Carts that are not completed and that nobody touched since (UTC), in pages by id, with their lines."""
        query = {"limit": PAGE, "completed": "false", "untouched_since": since.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
        while True:
            page = self._http.request("GET", CARTS, params=query)
            yield self._http.part(page, "carts", f"GET {CARTS}")
            after = self._http.part(page, "next", f"GET {CARTS}")
            if not after:
                return
            query["after"] = after

    def delete_carts(self, carts: Sequence[Row]) -> tuple[list[str], dict[str, str]]:
        """Delete carts {id, touched_at} that are still as they were listed; returns ids, and why others stay, by id."""
        seen = [{"id": cart["id"], "touched_at": cart["touched_at"]} for cart in carts]
        # What a lost answer deleted is "not found" the next time.
        answer = self._medusa.send("POST", DELETE_CARTS, {"carts": seen}, gives="deleted", repeatable=True)
        return answer["deleted"], {one["id"]: one["reason"] for one in answer["kept"]}
