"""Medusa 2 over its Admin API: look-ups by key, batch routes, uploads.

Prices and inventory routes are beside the products' because they share the batch shape.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from erp_medusa_pipelines.clients.failures import (
    OLDEST_MEDUSA,
    AccessError,
    ApiError,
    PayloadTooLargeError,
    PermanentError,
    is_blocked,
)
from erp_medusa_pipelines.clients.http import HttpClient
from erp_medusa_pipelines.clients.origin import is_unknown_route
from erp_medusa_pipelines.clients.reading import Reading
from erp_medusa_pipelines.settings import variable_name

Row = dict[str, Any]

LONGEST_REQUEST_LINE = 7_400
"""Bytes of "GET path?query HTTP/1.1". nginx and Apache refuse more than 8 KiB with 414, whatever is behind them; Node
refuses headers of more than 16 kB with an empty 431."""

UPLOADS = "/admin/uploads"
CATEGORIES = "/admin/product-categories"
PRODUCTS_BATCH = "/admin/products/batch"
INVENTORY_WORKFLOW = "/admin/workflows-executions/update-inventory-items-workflow/run"

MOST_VALUES = 900
"""Values per look-up. Medusa reads the first 1,000 parameters of an address and ignores the others without a word."""

PRODUCT_FIELDS = (
    "id,external_id,handle,status,thumbnail,metadata,images.url,"
    "variants.id,variants.sku,variants.manage_inventory,variants.inventory_items.inventory_item_id"
)


PRODUCTS = "products"
"""The list of products that a run has seen, by id."""

PRICE_ENTRIES = "entries of price lists"
"""The entries that the runs of a tick have seen, by the id of their list."""

_ID = re.compile(r"\w{1,100}")
_OF_PRODUCT = re.compile(r"/admin/products/(prod_\w+)")
_OF_PRICE_LIST = re.compile(r"^/admin/price-lists/(plist_\w+)")
_INTO = re.compile(r"/admin/[a-z-]+/\w+/products$")


class PriceEntry(NamedTuple):
    """A price entry as Medusa has it."""

    variant_id: str
    amount: float
    currency: str
    group: str = ""
    """The customer group that alone is asked it."""


class MedusaClient:
    """One Medusa backend, spoken to with a secret API key."""

    def __init__(self, http: HttpClient) -> None:
        self.http = http
        self.reading: Reading | None = None
        """Where a run keeps the products that it has seen; None where each part of the work reads for itself."""
        self.fields_of_mapping = ""
        """What the shop's mapping compares of a product, in one list for all that a run sees of it."""

    def name_documents(self, names: Mapping[str, str]) -> None:
        """Tell names by id, for clients that note down what they change. This one needs none."""

    def tell_prices(self, entries: Mapping[str, PriceEntry]) -> None:
        """Tell by id what price entries are that will be changed or deleted, for such clients too."""

    # --- look-ups ---------------------------------------------------------------------------------------------

    def find(
        self,
        path: str,
        plural: str,
        key: str,
        values: Iterable[str],
        fields: str,
        *,
        more: Mapping[str, Any] | None = None,
    ) -> Iterator[Row]:
        """All rows of a list route whose `key` is one of `values`, in as few requests as addresses allow.

        Each request is sent when the rows of the one before are taken. Every answer is checked against what was asked:
        some list routes ignore filters they do not know and return everything, which must never be taken for matches.
        """
        wanted = {value for value in values if value and (key != "id" or _is_id(value))}
        named = fields if key in fields.split(",") else f"{key},{fields}"
        fixed = {"fields": named, "order": "id", **(more or {})}
        waiting = list(_chunks_by_length(sorted(wanted), key, self._room_for_values(path, fixed)))
        while waiting:
            some = waiting.pop(0)
            try:
                pages = self._pages_of(path, plural, key, some, fixed)
                first = next(pages)
            except PayloadTooLargeError:
                # Something in between takes less than is usual.
                if len(some) == 1:
                    raise
                waiting[:0] = [some[: len(some) // 2], some[len(some) // 2 :]]
                continue
            for rows in chain([first], pages):
                yield from (row for row in rows if row[key] in wanted)

    def _pages_of(
        self, path: str, plural: str, key: str, values: Sequence[str], fixed: Mapping[str, Any]
    ) -> Iterator[list[Row]]:
        """One value may match several rows (external_id is not unique), hence pages until all are there."""
        page_size, offset = max(2 * len(values), 100), 0
        while True:
            query = urlencode(
                [*fixed.items(), ("limit", page_size), ("offset", offset), *((key, value) for value in values)]
            )
            page = self.http.request("GET", path, params=query)
            rows = self.http.part(page, plural, f"GET {path}")
            yield rows
            offset += len(rows)
            if not rows or offset >= self.http.part(page, "count", f"GET {path}"):
                return

    def _room_for_values(self, path: str, fixed: Mapping[str, Any]) -> int:
        """Return the bytes that are left for values in the longest request line."""
        around = len(f"GET {urlsplit(self.http.base_url).path}{path}? HTTP/1.1")
        return LONGEST_REQUEST_LINE - around - len(urlencode(fixed)) - len("&limit=00000&offset=00000&")

    def products_by(self, key: str, values: Iterable[str], fields: str = PRODUCT_FIELDS) -> list[Row]:
        """Products by `external_id`, `handle` or `id`. `external_id` is not unique in Medusa: several may come."""
        return list(self.find("/admin/products", "products", key, values, fields))

    def variants_by_sku(self, skus: Iterable[str], fields: str) -> list[Row]:
        """Variants by sku (unique in Medusa)."""
        return list(self.find("/admin/product-variants", "variants", "sku", skus, fields))

    def shown_variants(self, ids: Iterable[str]) -> set[str]:
        """Return which of these variants belong to a published product. One without sku rests: its item has another."""
        found = self.find("/admin/product-variants", "variants", "id", ids, "id,sku,product.id,product.status")
        return {row["id"] for row in found if row["sku"] and (row["product"] or {}).get("status") == "published"}

    def inventory_items_by_sku(self, skus: Iterable[str], fields: str) -> list[Row]:
        """Inventory items by sku (unique in Medusa)."""
        return list(self.find("/admin/inventory-items", "inventory_items", "sku", skus, fields))

    def try_longest_address(self) -> None:
        """Look for a product that does not exist, with an address as long as look-ups use. Raises ApiError."""
        path, fixed = "/admin/products", {"fields": "id", "external_id": ""}
        fixed["external_id"] = "x" * self._room_for_values(path, fixed)
        self.http.part(self.http.request("GET", path, params=urlencode(fixed)), "products", f"GET {path}")

    def all_of(self, path: str, plural: str, fields: str, *, page_size: int = 1000) -> Iterator[Row]:
        """Every row of a list route. Paged by id: rows that come meanwhile are met last and shift no page."""
        return self.whole_list(path, plural, fields, page_size=page_size)

    def whole_list(self, path: str, plural: str, fields: str, *, page_size: int) -> Iterator[Row]:
        """Like `all_of`, for lists that grow with the shop: what notes changes does not remember their rows."""
        offset = 0
        while True:
            query = {"fields": fields, "limit": page_size, "offset": offset, "order": "id"}
            page = self.http.request("GET", path, params=query)
            rows = self.http.part(page, plural, f"GET {path}")
            offset += len(rows)
            is_last = not rows or offset >= self.http.part(page, "count", f"GET {path}")
            yield from rows
            if is_last:
                return
            # Not in memory together with the next one.
            del page, rows

    def collections(self) -> list[Row]:
        """All collections: id, title, handle, external_id, metadata."""
        return list(self.all_of("/admin/collections", "collections", "id,title,handle,external_id,metadata"))

    def categories(self) -> list[Row]:
        """All product categories, with their place in the tree."""
        fields = "id,name,description,handle,external_id,metadata,is_active,rank,parent_category_id"
        return list(self.all_of(CATEGORIES, "product_categories", fields))

    def collections_shown(self, ids: Iterable[str]) -> set[str]:
        """Return which of these collections have a published product."""
        published = {"status[]": "published"}
        found = self.find("/admin/products", "products", "collection_id", ids, "id,collection_id", more=published)
        return {row["collection_id"] for row in found}

    def categories_shown(self, ids: Iterable[str]) -> set[str]:
        """Return which of these categories have a published product."""
        path, key, wanted = "/admin/products", "category_id", set(ids)
        fixed = {"fields": "id,categories.id", "order": "id", "status[]": "published"}
        # No field of a product, so `find` could not check the answer.
        chunks = _chunks_by_length(sorted(wanted), key, self._room_for_values(path, fixed))
        rows = (row for some in chunks for page in self._pages_of(path, "products", key, some, fixed) for row in page)
        return wanted & {category["id"] for row in rows for category in row["categories"] or ()}

    # --- writes -----------------------------------------------------------------------------------------------

    def send(self, method: str, path: str, body: Any = None, *, gives: str, repeatable: bool | None = None) -> Any:
        """Send any write but an upload, so that one place can record writes.

        `gives` is a key that Medusa's answer has; one without it is something else's (ForeignAnswerError).
        """
        try:
            answer = self.http.request(method, path, json=body, repeatable=repeatable)
            self.http.part(answer, gives, f"{method} {path.partition('?')[0]}")
        finally:
            # Whatever the answer was: it may have been carried out.
            if self.reading is not None:
                self.reading.drop(PRODUCTS, products_written(path, body))
                self.reading.drop(PRICE_ENTRIES, _OF_PRICE_LIST.findall(path))
        return answer

    def check_way(self, path: str = PRODUCTS_BATCH) -> None:
        """Send an empty body to a batch route, which changes nothing. Returns when Medusa itself answers.

        Raises what stands between us and Medusa: then what it answered to other bodies was not about them.
        """
        where = f"POST {path}"
        try:
            answer = self.http.request("POST", path, json={}, repeatable=True, attempts=1)
        except ApiError as error:
            # Medusa's own words about an empty body are an answer as well.
            if isinstance(error, AccessError) or is_blocked(error) or error.exc_type is None:
                raise
        else:
            self.http.part(answer, "created", where)

    def check_reading(self, path: str) -> None:
        """Ask a list route for any one row. Raises ApiError when that is not answered either."""
        page = self.http.request("GET", path, params={"limit": 1, "fields": "id"}, attempts=1)
        self.http.part(page, "count", f"GET {path}")

    def refuse_old(self) -> None:
        """Raise AccessError when Medusa is older than OLDEST_MEDUSA. It does not say its version; its routes do."""
        self.http.once("product options", self._ask_for_options, of_tick=True)

    def _ask_for_options(self) -> None:
        try:
            self.http.request("GET", "/admin/product-options", params={"limit": 1, "fields": "id"})
        except PermanentError as error:
            if not is_unknown_route(error.service, error.status, error.exc_type):
                raise
            said = f"this Medusa is older than {OLDEST_MEDUSA}, it has no product options of its own: upgrade it"
            raise AccessError(error.service, error.where, said, status=error.status) from error

    def refused_alone(self, error: ApiError) -> bool:
        """Return whether a write was stopped for what is in it, since a harmless one gets through.

        Raises AccessError when the key may write nothing.
        """
        if not is_blocked(error):
            return False
        try:
            self.check_way()
        except AccessError:
            raise
        except ApiError:
            return False
        return True

    def create_collection(self, body: Mapping[str, Any]) -> Row:
        """Create one collection (there is no batch route). Handles are unique."""
        return self.send("POST", "/admin/collections", dict(body), gives="collection")["collection"]

    def update_collection(self, collection_id: str, body: Mapping[str, Any]) -> Row:
        """Update one collection; metadata is merged."""
        path = f"/admin/collections/{collection_id}"
        return self.send("POST", path, dict(body), gives="collection", repeatable=True)["collection"]

    def delete_collection(self, collection_id: str) -> None:
        """Delete a collection. Products that are in it stay, in none."""
        self.send("DELETE", f"/admin/collections/{collection_id}", gives="deleted", repeatable=True)

    def create_label(self, route: str, value: str) -> Row:
        """Create a product type or tag (`product-types`, `product-tags`; no batch route). Values are unique."""
        singular = route.removesuffix("s").replace("-", "_")
        return self.send("POST", f"/admin/{route}", {"value": value}, gives=singular)[singular]

    def create_category(self, body: Mapping[str, Any]) -> Row:
        """Create one category (there is no batch route). Handles are unique; without `is_active` nobody sees it."""
        return self.send("POST", CATEGORIES, dict(body), gives="product_category")["product_category"]

    def update_category(self, category_id: str, body: Mapping[str, Any]) -> Row:
        """Update one category. Its siblings make room for a new rank; nothing keeps it from being put below itself."""
        path = f"{CATEGORIES}/{category_id}"
        return self.send("POST", path, dict(body), gives="product_category", repeatable=True)["product_category"]

    def batch_products(
        self, *, create: Sequence[Mapping[str, Any]] = (), update: Sequence[Mapping[str, Any]] = (), fields: str
    ) -> dict[str, list[Row]]:
        """Create and update products, all or nothing. `created` comes in any order: match it by external_id.

        Updates alone may be repeated; a create whose answer was lost is `ambiguous` and must be looked up.
        """
        body = {key: list(rows) for key, rows in (("create", create), ("update", update)) if rows}
        path = f"{PRODUCTS_BATCH}?{urlencode({'fields': fields})}"
        return self.send("POST", path, body, gives="created", repeatable=not create)

    def delete_products(self, ids: Sequence[str]) -> None:
        """Delete products, all or none, with variants, price list entries and inventory items that are only theirs.

        Refused while an order has reserved stock of one. Ids that Medusa does not know are no trouble.
        """
        path = f"{PRODUCTS_BATCH}?fields=id"
        self.send("POST", path, {"delete": list(ids)}, gives="deleted", repeatable=True)

    def create_variant(self, product_id: str, body: Mapping[str, Any], fields: str) -> Row:
        """Add a variant, with its inventory item, and return the product."""
        path = f"/admin/products/{product_id}/variants?{urlencode({'fields': fields})}"
        return self.send("POST", path, dict(body), gives="product")["product"]

    def update_variant(self, product_id: str, variant_id: str, body: Mapping[str, Any]) -> None:
        """Update some fields of one variant; the others of its product stay."""
        path = f"/admin/products/{product_id}/variants/{variant_id}?fields=id"
        self.send("POST", path, dict(body), gives="product", repeatable=True)

    def batch_variants(
        self,
        product_id: str,
        *,
        create: Sequence[Mapping[str, Any]] = (),
        update: Sequence[Mapping[str, Any]] = (),
        delete: Sequence[str] = (),
    ) -> dict[str, list[Row]]:
        """Create, update or delete variants of one product, all or nothing; those that are not named stay."""
        named = (("create", create), ("update", update), ("delete", delete))
        body = {key: list(rows) for key, rows in named if rows}
        path = f"/admin/products/{product_id}/variants/batch?fields=id,sku"
        return self.send("POST", path, body, gives="created", repeatable=not create)

    def give_price_sets(self, variants: Sequence[tuple[str, str]]) -> None:
        """Give price sets, without prices, to variants (variant, its product) that have none, all or nothing.

        Medusa refuses it for one that has a price set, so a call may be repeated, but the second is refused.
        """
        prices = [{"variant_id": variant, "product_id": product, "prices": []} for variant, product in variants]
        body = {"input": {"variantPrices": prices, "previousVariantIds": []}}
        self.send("POST", "/admin/workflows-executions/upsert-variant-prices/run", body, gives="acknowledgement")

    def update_inventory_items(self, updates: Sequence[Mapping[str, Any]]) -> None:
        """Update some fields of inventory items {id, ...}, all or nothing. Their skus do not follow their variants'.

        There is no batch route; this is the workflow that the route for one of them runs.
        """
        body = {"input": {"updates": [dict(one) for one in updates]}}
        self.send("POST", INVENTORY_WORKFLOW, body, gives="acknowledgement", repeatable=True)

    def upload(self, uploads: Sequence[tuple[str, bytes, str]]) -> list[Row]:
        """Store files (name, content, MIME type); returns {id, url} in the same order. Names must be ASCII.

        Medusa neither deduplicates nor lists uploads, so a lost answer is not repeated here.
        """
        parts = [("files", upload) for upload in uploads]
        path = UPLOADS
        stored = self.http.part(self.http.request("POST", path, files=parts), "files", path)
        if len(stored) != len(uploads):
            raise PermanentError(
                self.http.service, "POST /admin/uploads", f"stored {len(stored)} of {len(uploads)} files"
            )
        return stored

    # --- the shop ---------------------------------------------------------------------------------------------

    def sales_channel_id(self, configured: str | None) -> str:
        """Return the configured sales channel, checked; without one, the only one that exists."""
        return self._the_one("/admin/sales-channels", "sales_channels", configured, "medusa_sales_channel_id")

    def check_sales_channels(self, named: Iterable[str], variable: str) -> None:
        """Raise PermanentError for sales channels, named by a setting, that do not exist."""
        wanted = sorted(named)
        if not wanted:
            return
        path = "/admin/sales-channels"
        rows = self.http.once(path, lambda: list(self.all_of(path, "sales_channels", "id,name")), of_tick=True)
        if unknown := [one for one in wanted if one not in {row["id"] for row in rows}]:
            names = ", ".join(f"{row['id']} ({row.get('name')})" for row in rows) or "none"
            reason = f"{variable} names {', '.join(unknown)}, which does not exist; there are: {names}"
            raise PermanentError(self.http.service, f"GET {path}", reason)

    def stock_location_id(self, configured: str | None) -> str:
        """Return the configured stock location, checked; without one, the only one that exists."""
        return self._chosen(
            "GET /admin/stock-locations",
            "stock locations",
            self.stock_locations(),
            configured,
            "medusa_stock_location_id",
        )

    def stock_locations(self) -> list[Row]:
        """All stock locations {id, name, metadata, sales_channels: [{id}]}."""
        fields = "id,name,metadata,sales_channels.id"
        path = "/admin/stock-locations"
        return self.http.once(path, lambda: list(self.all_of(path, "stock_locations", fields)), of_tick=True)

    def shipping_profile_id(self, configured: str | None) -> str | None:
        """The configured shipping profile, checked; else the shop's default; None where a shop ships nothing."""
        path, plural = "/admin/shipping-profiles", "shipping_profiles"
        if configured:
            return self._the_one(path, plural, configured, "medusa_shipping_profile_id")
        return self.http.once(plural, lambda: self._default_of(path, plural), of_tick=True)

    def _default_of(self, path: str, plural: str) -> str | None:
        query = {"type": "default", "fields": "id", "limit": 1}
        rows = self.http.part(self.http.request("GET", path, params=query), plural, f"GET {path}")
        return rows[0]["id"] if rows else None

    def _the_one(self, path: str, plural: str, configured: str | None, setting: str) -> str:
        rows = self.http.once(path, lambda: list(self.all_of(path, plural, "id,name")), of_tick=True)
        return self._chosen(f"GET {path}", plural.replace("_", " "), rows, configured, setting)

    def _chosen(self, where: str, things: str, rows: Sequence[Row], configured: str | None, setting: str) -> str:
        variable = variable_name(setting)
        names = ", ".join(f"{row['id']} ({row.get('name')})" for row in rows) or "none"
        if configured:
            if any(row["id"] == configured for row in rows):
                return configured
            raise PermanentError(
                self.http.service, where, f"{variable}={configured} does not exist; there are: {names}"
            )
        if len(rows) == 1:
            return rows[0]["id"]
        raise PermanentError(self.http.service, where, f"set {variable}: the shop's {things} are: {names}")


def metadata_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document's metadata. People can edit it, so any value may be of any type."""
    found = row.get("metadata")
    return found if isinstance(found, Mapping) else {}


def _is_id(value: object) -> bool:
    """Return whether Medusa may have given this id: a field of ERPNext may hold any text."""
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def products_written(path: str, body: Any) -> set[str]:
    """Return the ids of the products that a write may change, where it names any."""
    if found := _OF_PRODUCT.match(path):
        return {found[1]}
    path = path.partition("?")[0]
    if path == PRODUCTS_BATCH:
        return {*(row["id"] for row in body.get("update") or ()), *(body.get("delete") or ())}
    return {*(body.get("add") or ()), *(body.get("remove") or ())} if _INTO.match(path) else set()


def _chunks_by_length(values: Sequence[str], key: str, budget: int) -> Iterator[list[str]]:
    """Split values so that `key=value&...` stays within `budget` bytes once encoded, and few enough to be read."""
    chunk: list[str] = []
    used = 0
    for value in values:
        size = len(urlencode({key: value})) + 1
        if chunk and (used + size > budget or len(chunk) >= MOST_VALUES):
            yield chunk
            chunk, used = [], 0
        chunk.append(value)
        used += size
    if chunk:
        yield chunk
