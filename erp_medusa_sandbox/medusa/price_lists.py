"""Price lists of the embedded Medusa and their entries.

`/admin/price-lists` and everything below. Base prices are set with their variants, in `variants.py`; the price that a
customer sees is chosen in `calculated_prices.py`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import (
    METADATA,
    NUMBER,
    STRING,
    TEXT,
    Check,
    amount,
    array,
    fields,
    invalid,
    not_found,
    one_of,
)
from erp_medusa_sandbox.medusa.fields import KINDS, Context, Kind, missing
from erp_medusa_sandbox.medusa.http import (
    Resource,
    deleted,
    deleted_many,
    js_number,
    json_body,
    merged_metadata,
    raw_number,
    shown,
)
from erp_medusa_sandbox.medusa.lists import ListRoute, page, parse_date
from erp_medusa_sandbox.medusa.store import Document, MedusaStore, iso
from erp_medusa_sandbox.medusa.variants import new_price, price_key
from erp_medusa_sandbox.steps import step_done


def _entries(store: MedusaStore, price_list: Document) -> list[Document]:
    return store.find("price", "price_list_id", [price_list["id"]])


def _entries_with_variant(store: MedusaStore, price_list: Document) -> list[Document | None]:
    return [{**price, "variant_id": _variant_id(store, price)} for price in _entries(store, price_list)]


def _variant_id(store: MedusaStore, price: Document) -> str | None:
    variants = store.find("variant", "price_set_id", [price["price_set_id"]])
    return variants[0]["id"] if variants else None


def _variant_of_set(store: MedusaStore, price_set: Document) -> Document | None:
    return next(iter(store.find("variant", "price_set_id", [price_set["id"]])), None)


_PRICE_STAR = (
    "id",
    "currency_code",
    "amount",
    "min_quantity",
    "max_quantity",
    "created_at",
    "deleted_at",
    "updated_at",
)


def _price_set(_store: MedusaStore, price: Document) -> Document:
    return {"id": price["price_set_id"]}


def _price_rules(_store: MedusaStore, price: Document) -> list[Document | None]:
    return [{"value": value, "attribute": attribute} for attribute, value in price["rules"].items()]


def _rules_count(_store: MedusaStore, document: Document, _context: Context) -> int:
    return len(document["rules"])


def _raw_amount(_store: MedusaStore, price: Document, _context: Context) -> Document:
    return raw_number(price["amount"])


KINDS["price"] = Kind(
    star=_PRICE_STAR,
    named=("raw_amount", "rules_count", "price_set_id", "price_list_id"),
    implied={"price_set": ("price_set_id",)},
    relations={
        "price_set": ("price_set", _price_set),
        "price_rules": ("price_rule", _price_rules),
    },
    computed={"raw_amount": _raw_amount, "rules_count": _rules_count},
)
# Below a price list, entries name their variant directly instead of showing the price set.
KINDS["price_list_entry"] = Kind(
    star=_PRICE_STAR,
    named=("raw_amount", "rules_count", "price_set_id", "variant_id"),
    # Rules are asked for as rows and shown as one object, as those of the list are.
    implied={"price_set": ("price_set_id", "variant_id"), "price_rules": ("rules",)},
    relations={
        "price_set": ("price_set", missing),
        "price_rules": ("price_rule", missing),
    },
    computed={"raw_amount": _raw_amount, "rules_count": _rules_count},
    hidden=frozenset({"price_set", "price_rules"}),
)
KINDS["price_set"] = Kind(star=("id",), always=("id",), relations={"variant": ("variant", _variant_of_set)})
KINDS["price_rule"] = Kind(star=("value", "attribute"))
KINDS["price_list"] = Kind(
    star=(
        "id",
        "type",
        "description",
        "title",
        "status",
        "starts_at",
        "ends_at",
        "created_at",
        "updated_at",
        "deleted_at",
        "metadata",
        "rules",
    ),
    named=("rules_count",),
    # Rules are asked for as rows and shown as one object.
    implied={"price_list_rules": ("rules",)},
    relations={"prices": ("price_list_entry", _entries_with_variant)},
    computed={"rules_count": _rules_count},
)
_LIST_FIELDS = ("*",)
_ENTRY_FIELDS = ("*", "price_set_id", "price_set.variant.id", "*price_rules")
_LISTS = ListRoute(
    table="price_list",
    plural="price_lists",
    defaults=_LIST_FIELDS,
    dated=False,
    equals=("id", "status", "type"),
    search=("title", "description"),
    parameters=("starts_at", "ends_at", "rules_count"),
)
_ENTRIES = ListRoute(table="price", plural="prices", defaults=_ENTRY_FIELDS)

_ENTRY_SHAPE: dict[str, Check] = {
    "currency_code": STRING,
    "amount": amount,
    "variant_id": STRING,
    "min_quantity": NUMBER,
    "max_quantity": NUMBER,
    "rules": METADATA,
}
_NEW_ENTRY = fields(_ENTRY_SHAPE, required=("currency_code", "amount", "variant_id"))
_LIST_SHAPE: dict[str, Check] = {
    "title": STRING,
    "description": STRING,
    "starts_at": TEXT,
    "ends_at": TEXT,
    "status": one_of("draft", "active"),
    "type": one_of("sale", "override"),
    "rules": METADATA,
    "prices": array(_NEW_ENTRY),
    "metadata": METADATA,
}
_NEW_LIST = fields(_LIST_SHAPE, required=("title", "description"))
_CHANGED_LIST = fields({name: check for name, check in _LIST_SHAPE.items() if name != "prices"})
_ENTRY_BATCH = fields(
    {
        "create": array(_NEW_ENTRY),
        "update": array(fields({"id": STRING, **_ENTRY_SHAPE}, required=("id", "variant_id"))),
        "delete": array(STRING),
    }
)


def _create_entries(store: MedusaStore, price_list_id: str, given: list[Document]) -> list[Document]:
    """Not idempotent: a variant and currency that has an entry gets another one. Within one call the last one wins."""
    sets: dict[str, str] = {}
    for one in given:
        variant = store.get("variant", one["variant_id"])
        if variant is not None and variant["price_set_id"] is not None:
            sets[variant["id"]] = variant["price_set_id"]
    unknown = list(dict.fromkeys(one["variant_id"] for one in given if one["variant_id"] not in sets))
    if unknown:
        raise invalid(f"No price set exist for variants: {', '.join(unknown)}")
    wanted = {price_key(one): one for one in given}
    return [
        store.put("price", new_price(store, sets[one["variant_id"]], price_list_id, one)) for one in wanted.values()
    ]


def _update_entries(store: MedusaStore, price_list_id: str, given: list[Document]) -> list[Document]:
    """Silently skip ids that are not in this list. Of entries that look alike in the request the last one counts."""
    updated = []
    for one in {price_key(one): one for one in given}.values():
        price = store.get("price", one["id"])
        if price is None or price["price_list_id"] != price_list_id:
            continue
        changed = {**price, "updated_at": store.now()}
        changed |= {name: one[name] for name in ("min_quantity", "max_quantity", "rules") if name in one}
        if "amount" in one:
            changed["amount"] = js_number(one["amount"])
        if "currency_code" in one:
            changed["currency_code"] = one["currency_code"].lower()
        updated.append(store.put("price", changed))
    return updated


def _delete_entries(store: MedusaStore, price_list_id: str, identifiers: list[str]) -> None:
    for identifier in identifiers:
        price = store.get("price", identifier)
        if price is not None and price["price_list_id"] == price_list_id:
            store.remove("price", identifier)


def _dates(given: Document) -> Document:
    dates = {}
    for name in ("starts_at", "ends_at"):
        value = given.get(name)
        moment = parse_date(value) if value else None
        if value and moment is None:
            raise invalid(f"Cannot set price list {name.replace('_', ' ')} with with invalid date string: {value}")
        if name in given:
            dates[name] = iso(moment) if moment else None
    return dates


class PriceLists(Resource):
    """Handlers of price lists and their entries."""

    def routes(self) -> list[Route]:
        """List the routes with their handlers."""
        lists = "/admin/price-lists"
        return [
            Route(lists, self._list_lists, methods=["GET"]),
            Route(lists, self._create_list, methods=["POST"]),
            Route(f"{lists}/{{id}}", self._get_list, methods=["GET"]),
            Route(f"{lists}/{{id}}", self._update_list, methods=["POST"]),
            Route(f"{lists}/{{id}}", self._delete_list, methods=["DELETE"]),
            Route(f"{lists}/{{id}}/prices", self._list_entries, methods=["GET"]),
            Route(f"{lists}/{{id}}/prices/batch", self._batch_entries, methods=["POST"]),
        ]

    async def _list_lists(self, request: Request) -> Response:
        return page(request, _LISTS, self.store)

    async def _create_list(self, request: Request) -> Response:
        given = await json_body(request, _NEW_LIST)
        dates = {"starts_at": None, "ends_at": None, **_dates(given)}
        with self.store.transaction():
            price_list = self.store.put(
                "price_list",
                self.store.stamped(
                    "plist",
                    title=given["title"],
                    description=given["description"],
                    type=given.get("type", "sale"),
                    status=given.get("status", "draft"),
                    rules=given.get("rules") or {},
                    metadata=given.get("metadata"),
                    **dates,
                ),
            )
            _create_entries(self.store, price_list["id"], given.get("prices", []))
        return self._answer(request, price_list)

    async def _get_list(self, request: Request) -> Response:
        return self._answer(request, self._known(request))

    async def _update_list(self, request: Request) -> Response:
        given = await json_body(request, _CHANGED_LIST)
        price_list = self._known(request)
        changed = {**price_list, **given, **_dates(given)}
        changed["rules"] = changed["rules"] or {}
        if "metadata" in given:
            changed["metadata"] = merged_metadata(price_list["metadata"], given["metadata"])
        if changed != price_list:
            changed["updated_at"] = self.store.now()
        with self.store.transaction():
            self.store.put("price_list", changed)
        return self._answer(request, changed)

    async def _delete_list(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        with self.store.transaction():
            for price in self.store.find("price", "price_list_id", [identifier]):
                self.store.remove("price", price["id"])
            self.store.remove("price_list", identifier)
        return deleted(identifier, "price_list")

    async def _list_entries(self, request: Request) -> Response:
        price_list = self._known(request)
        return page(request, _ENTRIES, self.store, among=_entries(self.store, price_list))

    async def _batch_entries(self, request: Request) -> Response:
        given = await json_body(request, _ENTRY_BATCH)
        identifier = request.path_params["id"]
        if self.store.get("price_list", identifier) is None:
            raise not_found(f"Price lists with id: {identifier} was not found")
        with self.store.transaction():
            created = _create_entries(self.store, identifier, given.get("create", []))
            if created:
                step_done("entries created")
            updated = _update_entries(self.store, identifier, given.get("update", []))
            if updated:
                step_done("entries updated")
            _delete_entries(self.store, identifier, given.get("delete", []))
        return JSONResponse(
            {
                "created": self._several(request, created),
                "updated": self._several(request, updated),
                "deleted": deleted_many(given.get("delete", []), "price"),
            }
        )

    def _known(self, request: Request) -> Document:
        identifier = request.path_params["id"]
        price_list = self.store.get("price_list", identifier)
        if price_list is None:
            raise not_found(f"Price list with id: {identifier} was not found")
        return price_list

    def _answer(self, request: Request, price_list: Document) -> Response:
        return JSONResponse({"price_list": shown(request, self.store, "price_list", price_list, _LIST_FIELDS)})

    def _several(self, request: Request, prices: list[Document]) -> list[Document]:
        """By id, which is not the order of the request."""
        ordered = sorted(prices, key=lambda price: price["id"])
        return [shown(request, self.store, "price", price, _ENTRY_FIELDS) for price in ordered]
