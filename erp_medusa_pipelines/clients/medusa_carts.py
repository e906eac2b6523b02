"""Carts of Medusa by way of their customers: the only way in which a stock Medusa lists carts.

A guest who gave an address is a customer too, so this finds every cart that a mail can be sent about. Carts cannot be
filtered: all of a customer's come. Customers are looked up by id: servers write addresses of requests into their logs.
"""

from collections.abc import Iterable, Iterator, Mapping

from erp_medusa_pipelines.clients.medusa import MedusaClient, Row

CUSTOMERS = "/admin/customers"
UPDATE_CART = "/admin/workflows-executions/update-cart/run"
PAGE = 500
"""Customers a request: more answer no faster per customer, and hold Medusa's one thread for longer."""


class MedusaCarts:
    """Customers with their carts, of one Medusa."""

    def __init__(self, medusa: MedusaClient) -> None:
        self._medusa = medusa
        self._http = medusa.http

    def pages(self, fields: str) -> Iterator[list[Row]]:
        """All customers in pages by id; who comes meanwhile is met last and shifts no page."""
        after: dict[str, str] = {}
        while True:
            query = {"fields": fields, "limit": PAGE, "order": "id", **after}
            answer = self._http.request("GET", CUSTOMERS, params=query)
            rows = self._http.part(answer, "customers", f"GET {CUSTOMERS}")
            if rows:
                yield rows
            # It counts those after the last page alone.
            if not rows or self._http.part(answer, "count", f"GET {CUSTOMERS}") <= len(rows):
                return
            after = {"id[$gt]": rows[-1]["id"]}

    def customers(self, ids: Iterable[str], fields: str) -> list[Row]:
        """Return customers by id."""
        return list(self._medusa.find(CUSTOMERS, "customers", "id", ids, fields))

    def note_on_cart(self, cart_id: str, metadata: Mapping[str, str]) -> None:
        """Set metadata of a cart; other keys stay, and "" takes one away. Moves its updated_at."""
        body = {"input": {"id": cart_id, "metadata": dict(metadata)}}
        self._medusa.send("POST", UPDATE_CART, body, gives="acknowledgement", repeatable=True)

    def products(self, ids: Iterable[str]) -> dict[str, Row]:
        """Return products by id; deleted ones are missing."""
        return {row["id"]: row for row in self._medusa.products_by("id", ids, "id,status,handle,thumbnail")}
