"""Inventory of the embedded Medusa: items, and their levels at stock locations, one by one and in bulk.

Belongs here: `/admin/inventory-items` and everything below. Items are made and removed with variants, in
`variants.py`.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erp_medusa_sandbox.medusa.errors import (
    BOOLEAN,
    METADATA,
    NUMBER,
    STRING,
    TEXT,
    Check,
    array,
    fields,
    invalid,
    no_such_relation,
    not_found,
    quantity,
)
from erp_medusa_sandbox.medusa.fields import KINDS, Computed, Context, Kind, render
from erp_medusa_sandbox.medusa.http import js_number, json_body, raw_number, shown
from erp_medusa_sandbox.medusa.lists import ListRoute, page
from erp_medusa_sandbox.medusa.store import Document, MedusaStore

_DATES = ("created_at", "updated_at", "deleted_at")
_LINKS = "inventory_links"
_QUANTITIES = ("stocked_quantity", "reserved_quantity", "incoming_quantity")


def _levels(store: MedusaStore, item: Document) -> list[Document]:
    return store.find("inventory_level", "inventory_item_id", [item["id"]])


def _variants(store: MedusaStore, item: Document) -> list[Document]:
    """Variants that are stocked by this item."""
    return [*store.find("variant", _LINKS, [item["id"]])]


def _variant_links(store: MedusaStore, item: Document) -> list[Document]:
    found = ({**link, "variant_id": variant["id"]} for variant in _variants(store, item) for link in variant[_LINKS])
    return [link for link in found if link["inventory_item_id"] == item["id"]]


def _item(store: MedusaStore, level: Document) -> Document | None:
    return store.get("inventory_item", level["inventory_item_id"])


def _total(name: str) -> Computed:
    def total(store: MedusaStore, item: Document, context: Context) -> float:
        return js_number(sum(level[name] for level in _levels(store, item)))

    return total


def _available(store: MedusaStore, level: Document, context: Context) -> float:
    return js_number(level["stocked_quantity"] - level["reserved_quantity"])


def _raw(name: str) -> Computed:
    def raw(store: MedusaStore, level: Document, context: Context) -> Document:
        return raw_number(level[name])

    return raw


KINDS["inventory_item"] = Kind(
    star=(
        "id",
        "sku",
        "title",
        "description",
        "thumbnail",
        "origin_country",
        "hs_code",
        "requires_shipping",
        "mid_code",
        "material",
        "unit_of_measure",
        "weight",
        "length",
        "height",
        "width",
        "metadata",
        "reserved_quantity",
        "stocked_quantity",
        "created_at",
        "updated_at",
    ),
    named=("deleted_at",),
    always=("id",),
    relations={
        "location_levels": ("inventory_level", lambda store, item: [*_levels(store, item)]),
        "variants": ("variant", _variants),
        "variant_link": ("inventory_item_variant", _variant_links),
    },
    computed={name: _total(name) for name in ("reserved_quantity", "stocked_quantity")},
)
KINDS["inventory_item_variant"] = Kind(
    star=("variant_id", "inventory_item_id", "id", "required_quantity", *_DATES),
    always=("inventory_item_id",),
    implied={"variant": ("variant_id",)},
    relations={"variant": ("variant", lambda store, link: store.get("variant", link["variant_id"]))},
)
KINDS["inventory_level"] = Kind(
    star=(
        "id",
        "location_id",
        "metadata",
        "inventory_item_id",
        *(f"raw_{name}" for name in _QUANTITIES),
        *_DATES,
        "available_quantity",
        *_QUANTITIES,
    ),
    relations={
        "inventory_item": (
            "inventory_item",
            lambda store, level: store.get("inventory_item", level["inventory_item_id"]),
        )
    },
    computed={"available_quantity": _available, **{f"raw_{name}": _raw(name) for name in _QUANTITIES}},
)
_ITEM_FIELDS = ("*", "*location_levels")
_ITEMS = ListRoute(
    table="inventory_item",
    plural="inventory_items",
    defaults=_ITEM_FIELDS,
    limit=20,
    equals=("id", "sku", "title", "hs_code", "material", "mid_code", "origin_country"),
    search=("sku", "title", "description"),
    parameters=("location_levels", "requires_shipping", "weight", "length", "height", "width"),
)
_LEVELS = ListRoute(
    table="inventory_level",
    plural="inventory_levels",
    defaults=(
        "id",
        "inventory_item_id",
        "location_id",
        *_QUANTITIES,
        "available_quantity",
        "metadata",
        "created_at",
        "updated_at",
    ),
    equals=("id", "location_id", "inventory_item_id"),
)

_LEVEL_SHAPE: dict[str, Check] = {
    "location_id": STRING,
    "stocked_quantity": quantity,
    "incoming_quantity": quantity,
}
_BULK_LEVEL = {"inventory_item_id": STRING, **_LEVEL_SHAPE}
_NEW_LEVEL = fields(_LEVEL_SHAPE, required=("location_id",))
_CHANGED_LEVEL = fields(_LEVEL_SHAPE)
# Unknown fields inside the items of the bulk route are dropped without a word.
_BULK = fields(
    {
        "create": array(fields(_BULK_LEVEL, required=("inventory_item_id", "location_id"), strict=False)),
        "update": array(fields(_BULK_LEVEL, required=("inventory_item_id", "location_id"), strict=False)),
        "delete": array(STRING),
        "force": BOOLEAN,
    }
)
_BATCH = fields(
    {
        "create": array(fields(_LEVEL_SHAPE, required=("location_id",), strict=False)),
        "update": array(fields(_LEVEL_SHAPE, required=("location_id",), strict=False)),
        "delete": array(STRING),
        "force": BOOLEAN,
    }
)
_CHANGED_ITEM = fields(
    {
        **dict.fromkeys(("sku", "title", "description", "thumbnail", "hs_code", "origin_country"), TEXT),
        **dict.fromkeys(("mid_code", "material"), TEXT),
        **dict.fromkeys(("weight", "length", "height", "width"), NUMBER),
        "requires_shipping": BOOLEAN,
        "metadata": METADATA,
    }
)


# -- the work ---------------------------------------------------------------------------------------------------


def _find_level(store: MedusaStore, item_id: str, location_id: str) -> Document | None:
    levels = store.find("inventory_level", "inventory_item_id", [item_id])
    return next((level for level in levels if level["location_id"] == location_id), None)


def _create_level(store: MedusaStore, item_id: str, given: Document) -> Document:
    if store.get("inventory_item", item_id) is None:
        raise no_such_relation("inventory_item_id", item_id)
    if _find_level(store, item_id, given["location_id"]) is not None:
        where = f"inventory_item_id: {item_id}, location_id: {given['location_id']}"
        raise invalid(f"Inventory level with {where}, already exists.")
    return store.put(
        "inventory_level",
        store.stamped(
            "ilev",
            location_id=given["location_id"],
            metadata=None,
            inventory_item_id=item_id,
            stocked_quantity=js_number(given.get("stocked_quantity", 0)),
            reserved_quantity=0,
            incoming_quantity=js_number(given.get("incoming_quantity", 0)),
        ),
    )


def _update_level(store: MedusaStore, item_id: str, given: Document) -> Document:
    level = _find_level(store, item_id, given["location_id"])
    if level is None:
        raise not_found(f"Item {item_id} is not stocked at location {given['location_id']}")
    quantities = {name: js_number(given[name]) for name in _QUANTITIES if name in given}
    return store.put("inventory_level", {**level, **quantities, "updated_at": store.now()})


def _apply(store: MedusaStore, given: Document) -> tuple[list[Document], list[Document]]:
    """Creates and updates levels, all or none. Returns what Medusa shows of both."""
    with store.transaction():
        created = [_create_level(store, one["inventory_item_id"], one) for one in given.get("create", [])]
        before = {
            level["id"]: level
            for one in given.get("update", [])
            if (level := _find_level(store, one["inventory_item_id"], one["location_id"])) is not None
        }
        updated = {}
        for one in given.get("update", []):
            level = _update_level(store, one["inventory_item_id"], one)
            updated[level["id"]] = level
        for identifier in given.get("delete", []):
            store.remove("inventory_level", identifier)
    return (
        [_shown_created(store, level) for level in created],
        [_shown_updated(store, level, before[level["id"]]) for level in updated.values()],
    )


def _shown_created(store: MedusaStore, level: Document) -> Document:
    out = render(store, "inventory_level", level, {"*": {}})
    del out["available_quantity"]
    return out


def _shown_updated(store: MedusaStore, level: Document, before: Document) -> Document:
    """With an item that is only half loaded, and with what was available before the update."""
    item = {"id": level["inventory_item_id"], "reserved_quantity": None, "stocked_quantity": None}
    available = _available(store, before, {})
    return {
        **render(store, "inventory_level", level, {"*": {}}),
        "inventory_item": item,
        "available_quantity": available,
    }


# -- routes -----------------------------------------------------------------------------------------------------


def routes(store: MedusaStore) -> list[Route]:
    async def list_items(request: Request) -> Response:
        return page(request, _ITEMS, store)

    async def get_item(request: Request) -> Response:
        return answer(request, known(request.path_params["id"]))

    async def update_item(request: Request) -> Response:
        given = await json_body(request, _CHANGED_ITEM)
        with store.transaction():
            item = store.put("inventory_item", {**known(request.path_params["id"]), **given, "updated_at": store.now()})
        return answer(request, item)

    async def list_levels(request: Request) -> Response:
        item = known(request.path_params["id"])
        return page(request, _LEVELS, store, among=_levels(store, item))

    async def create_level(request: Request) -> Response:
        given = await json_body(request, _NEW_LEVEL)
        item = known(request.path_params["id"])
        # The bulk route below does not look.
        if store.get("stock_location", given["location_id"]) is None:
            raise not_found(f"Stock locations with ids: {given['location_id']} was not found")
        with store.transaction():
            _create_level(store, item["id"], given)
        return answer(request, item)

    async def update_level(request: Request) -> Response:
        given = await json_body(request, _CHANGED_LEVEL)
        item_id, location_id = request.path_params["id"], request.path_params["location_id"]
        with store.transaction():
            _update_level(store, item_id, {**given, "location_id": location_id})
        return answer(request, known(item_id))

    async def delete_level(request: Request) -> Response:
        item_id, location_id = request.path_params["id"], request.path_params["location_id"]
        level = _find_level(store, item_id, location_id)
        if level is None:
            raise not_found(f"Item {item_id} is not stocked at location {location_id}")
        with store.transaction():
            store.remove("inventory_level", level["id"])
        parent = shown(request, store, "inventory_item", known(item_id), _ITEM_FIELDS)
        return JSONResponse({"id": level["id"], "object": "inventory-level", "deleted": True, "parent": parent})

    async def batch_of_item(request: Request) -> Response:
        given = await json_body(request, _BATCH)
        item_id = request.path_params["id"]
        for name in ("create", "update"):
            given[name] = [{**one, "inventory_item_id": item_id} for one in given.get(name, [])]
        created, updated = _apply(store, given)
        return JSONResponse({"created": created, "updated": updated, "deleted": given.get("delete", [])})

    async def bulk(request: Request) -> Response:
        given = await json_body(request, _BULK)
        created, updated = _apply(store, given)
        return JSONResponse({"created": created, "updated": updated})

    def known(identifier: str) -> Document:
        item = store.get("inventory_item", identifier)
        if item is None:
            raise not_found(f"Inventory item with id: {identifier} was not found")
        return item

    def answer(request: Request, item: Document) -> Response:
        return JSONResponse({"inventory_item": shown(request, store, "inventory_item", item, _ITEM_FIELDS)})

    items, levels = "/admin/inventory-items", "/admin/inventory-items/{id}/location-levels"
    return [
        Route(items, list_items, methods=["GET"]),
        Route(f"{items}/location-levels/batch", bulk, methods=["POST"]),
        Route(f"{items}/{{id}}", get_item, methods=["GET"]),
        Route(f"{items}/{{id}}", update_item, methods=["POST"]),
        Route(levels, list_levels, methods=["GET"]),
        Route(levels, create_level, methods=["POST"]),
        Route(f"{levels}/batch", batch_of_item, methods=["POST"]),
        Route(f"{levels}/{{location_id}}", update_level, methods=["POST"]),
        Route(f"{levels}/{{location_id}}", delete_level, methods=["DELETE"]),
    ]
