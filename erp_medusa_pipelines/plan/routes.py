"""The routes by which Medusa is written to: what a plan answers, and which documents a request changes."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.plan.changes import Action, Change, Known, named_list

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Route:
    """One row: `answer` names the method of PlannedMedusa, `changes` reads a request and its answer.

    Both get the groups of `pattern` last.
    """

    pattern: re.Pattern[str]
    answer: str
    changes: Callable[..., Iterator[Change]]


def route_of(path: str) -> tuple[Route, tuple[str | None, ...]] | None:
    """Return the row of a path, whose query does not matter, with the names in the path."""
    address = path.partition("?")[0]
    return next(((row, match.groups()) for row in ROUTES if (match := row.pattern.fullmatch(address))), None)


def changes_of(method: str, path: str, body: Any, answer: Any, known: Known) -> Iterator[Change]:
    """Return the changes of one request. A route that is not in the table changes the document that it names."""
    if found := route_of(path):
        row, names = found
        yield from row.changes(method, body or {}, answer or {}, known, *names)
        return
    address = path.partition("?")[0]
    action: Action = "delete" if method == "DELETE" else "update"
    values = dict(body) if isinstance(body, Mapping) else {}
    yield Change("Medusa", action, address.removeprefix("/admin/"), address, values)


def _collection(method: str, body: Body, answer: Body, known: Known, identifier: str | None) -> Iterator[Change]:
    action: Action = "delete" if method == "DELETE" else "update" if identifier else "create"
    key = identifier or answer["collection"]["id"]
    name = str(body.get("title") or known.name(key))
    yield Change("Medusa", action, "collection", key, dict(body), name)


def _products(_method: str, body: Body, answer: Body, known: Known) -> Iterator[Change]:
    made = {row.get("external_id"): row for row in answer.get("created") or ()}
    for product in body.get("create") or ():
        row = made.get(product.get("external_id")) or {}
        # Options in a body have values without ids.
        known.learn("products", {**product, "options": (), **row})
        name = str(product.get("external_id") or product.get("title") or "")
        yield Change("Medusa", "create", "product", row.get("id") or name, dict(product), name)
    for product in body.get("update") or ():
        values = {key: value for key, value in product.items() if key != "id"}
        yield Change("Medusa", "update", "product", product["id"], values, known.name(product["id"]))
    for one in body.get("delete") or ():
        yield Change("Medusa", "delete", "product", one, {}, known.name(one))


def _variant(_method: str, body: Body, _answer: Body, known: Known, product_id: str) -> Iterator[Change]:
    yield Change("Medusa", "create", "variant", product_id, dict(body), str(body.get("sku") or known.name(product_id)))


def _options(_method: str, body: Body, _answer: Body, known: Known, product_id: str) -> Iterator[Change]:
    added = {f"option {option['title']}": ", ".join(option["values"]) for option in body.get("add") or ()}
    for change in body.get("update") or ():
        option = known.name(change["product_option_id"])
        if new := change.get("add"):
            added[f"option {option}"] = ", ".join(value["value"] for value in new)
        if old := change.get("remove"):
            added[f"option {option} without"] = ", ".join(map(known.name, old))
    yield Change("Medusa", "update", "product", product_id, added, known.name(product_id))


def _renamed(_method: str, body: Body, _answer: Body, known: Known, option: str, value: str | None) -> Iterator[Change]:
    key = value or option
    values = {"order": ", ".join(sorted(ranks, key=ranks.get))} if (ranks := body.get("ranks")) else dict(body)
    yield Change("Medusa", "update", "option value" if value else "option", key, values, known.name(key))


def _variants(_method: str, body: Body, _answer: Body, known: Known, product_id: str) -> Iterator[Change]:
    for one in body.get("create") or ():
        yield Change(
            "Medusa", "create", "variant", product_id, dict(one), str(one.get("sku") or known.name(product_id))
        )
    for one in body.get("update") or ():
        values = {key: value for key, value in one.items() if key != "id"}
        yield Change("Medusa", "update", "variant", one["id"], values, known.name(one["id"]))
    for one in body.get("delete") or ():
        yield Change("Medusa", "delete", "variant", one, {}, known.name(one))


def _price_sets(_method: str, body: Body, _answer: Body, known: Known) -> Iterator[Change]:
    for one in body["input"]["variantPrices"]:
        variant = one["variant_id"]
        yield Change("Medusa", "update", "variant", variant, {"price set": "a new one"}, known.name(variant))


def _link(_method: str, body: Body, _answer: Body, known: Known, _product: str, variant_id: str) -> Iterator[Change]:
    yield Change("Medusa", "update", "variant", variant_id, dict(body), known.name(variant_id))


def _translations(_method: str, body: Body, _answer: Body, known: Known) -> Iterator[Change]:
    for action in ("create", "update"):
        for one in body.get(action) or ():
            known_row = known.translations.get(one.get("id", ""))
            row = known_row or one
            values = {f"{field} ({row['locale_code']})": text for field, text in one["translations"].items()}
            there = known_row["translations"] if known_row else {}
            before = {
                f"{field} ({row['locale_code']})": there[field] for field in one["translations"] if field in there
            }
            key = row["reference_id"]
            yield Change("Medusa", action, "translation", key, values, known.name(key), before)


def _relink(_method: str, body: Body, _answer: Body, known: Known, _product: str) -> Iterator[Change]:
    """Yield a change for each variant: pieces by inventory item that it is stocked by, 0 for those detached."""
    pieces: dict[str, dict[str, int]] = {}
    for action in ("create", "update", "delete"):
        for link in body.get(action) or ():
            number = 0 if action == "delete" else link["required_quantity"]
            pieces.setdefault(link["variant_id"], {})[link["inventory_item_id"]] = number
    for variant_id, links in pieces.items():
        yield Change("Medusa", "update", "variant", variant_id, {"inventory_items": links}, known.name(variant_id))


def _inventory_item(_method: str, body: Body, answer: Body, known: Known, identifier: str | None) -> Iterator[Change]:
    key = identifier or answer["inventory_item"]["id"]
    name = str(body.get("sku") or known.name(key))
    yield Change("Medusa", "update" if identifier else "create", "inventory item", key, dict(body), name)


def _inventory_items(_method: str, body: Body, _answer: Body, known: Known) -> Iterator[Change]:
    for one in body["input"]["updates"]:
        values = {field: value for field, value in one.items() if field != "id"}
        name = str(one.get("sku") or known.name(one["id"]))
        yield Change("Medusa", "update", "inventory item", one["id"], values, name)


def _cart(_method: str, body: Body, _answer: Body, _known: Known) -> Iterator[Change]:
    cart = body["input"]
    yield Change("Medusa", "update", "cart", cart["id"], dict(cart.get("metadata") or {}), cart["id"])


def _deleted_carts(_method: str, _body: Body, answer: Body, _known: Known) -> Iterator[Change]:
    for identifier in answer.get("deleted") or ():
        yield Change("Medusa", "delete", "cart", identifier, {}, identifier)


def _levels(_method: str, body: Body, _answer: Body, known: Known) -> Iterator[Change]:
    for action in ("create", "update", "delete"):
        for level in body.get(action) or ():
            # A deletion has only the level's id.
            if not isinstance(level, Mapping):
                yield Change("Medusa", "delete", "inventory level", level)
                continue
            item, location = level["inventory_item_id"], level["location_id"]
            field = f"stocked at {known.place(location)}"
            before = {field: known.levels[item, location]} if (item, location) in known.levels else {}
            values = {field: level.get("stocked_quantity")}
            yield Change("Medusa", action, "inventory level", item, values, known.name(item), before)


def singular_of(plural: str) -> str:
    """Return the key of one document in Medusa's answers: `stock_location` for the list `stock-locations`."""
    word = plural.replace("-", "_")
    return f"{word.removesuffix('ies')}y" if word.endswith("ies") else word.removesuffix("s")


def _document(
    method: str, body: Body, answer: Body, known: Known, plural: str, identifier: str | None
) -> Iterator[Change]:
    singular = singular_of(plural)
    made = answer.get(singular) or {}
    key = identifier or made.get("id") or plural
    action: Action = "delete" if method == "DELETE" else "update" if identifier else "create"
    named = body.get("external_id") or body.get("email") or body.get("name")
    if plural in ("product-types", "product-tags"):
        named = body.get("value")
    name = known.names[key] = known.name(key) if identifier else str(named or key)
    yield Change("Medusa", action, singular.replace("_", " "), key, dict(body), name)


def _members(_method: str, body: Body, _answer: Body, known: Known, group_id: str) -> Iterator[Change]:
    """Yield how many customers come and go; addresses are nobody's business here."""
    counted = {f"members to {key}": len(body[key]) for key in ("add", "remove") if body.get(key)}
    yield Change("Medusa", "update", "customer group", group_id, counted, known.name(group_id))


def _price_list(method: str, body: Body, answer: Body, known: Known, identifier: str | None) -> Iterator[Change]:
    if identifier:
        action: Action = "delete" if method == "DELETE" else "update"
        yield Change("Medusa", action, "price list", identifier, dict(body), known.name(identifier))
        return
    key = answer["price_list"]["id"]
    known.names[key] = named_list(body)
    own = {field: value for field, value in body.items() if field != "prices"}
    yield Change("Medusa", "create", "price list", key, own, str(body.get("title") or key))
    for entry in body.get("prices") or ():
        yield _new_price(entry, key, known)


def _prices(_method: str, body: Body, _answer: Body, known: Known, list_id: str) -> Iterator[Change]:
    for entry in body.get("create") or ():
        yield _new_price(entry, list_id, known)
    for entry in body.get("update") or ():
        old = known.entries.get(entry["id"])
        field = _price_field(old.currency if old else "", list_id, known, old.group if old else "")
        before = {field: old.amount} if old else {}
        name = known.name(entry["variant_id"])
        yield Change("Medusa", "update", "price", entry["id"], {field: entry.get("amount")}, name, before)
    for identifier in body.get("delete") or ():
        old = known.entries.get(identifier)
        if old is None:
            yield Change("Medusa", "delete", "price", identifier)
            continue
        before = {_price_field(old.currency, list_id, known, old.group): old.amount}
        yield Change("Medusa", "delete", "price", identifier, {}, known.name(old.variant_id), before)


def _new_price(entry: Body, list_id: str, known: Known) -> Change:
    group = next(iter((entry.get("rules") or {}).values()), "")
    field = _price_field(entry["currency_code"], list_id, known, group)
    return Change(
        "Medusa", "create", "price", entry["variant_id"], {field: entry["amount"]}, known.name(entry["variant_id"])
    )


def _price_field(currency: str, list_id: str, known: Known, group: str) -> str:
    whose = f"{known.name(group)}, " if group else ""
    return f"{currency.upper()} {whose}{known.names.get(list_id, list_id)}".strip()


ROUTES: tuple[Route, ...] = tuple(
    Route(re.compile(pattern), answer, changes)
    for pattern, answer, changes in (
        (r"/admin/collections(?:/(\w+))?", "collection", _collection),
        (r"/admin/(product-categories)(?:/(\w+))?", "category", _document),
        (r"/admin/products/batch", "products", _products),
        (r"/admin/products/(\w+)/options/batch", "changed_options", _options),
        (r"/admin/product-options/(\w+)(?:/values/(\w+))?", "renamed_option", _renamed),
        (r"/admin/products/(\w+)/variants", "variant", _variant),
        (r"/admin/products/(\w+)/variants/batch", "variants", _variants),
        (r"/admin/products/(\w+)/variants/(\w+)", "updated_variant", _link),
        (r"/admin/products/(\w+)/variants/(\w+)/inventory-items", "link", _link),
        (r"/admin/products/(\w+)/variants/inventory-items/batch", "relink", _relink),
        (r"/admin/translations/batch", "translations", _translations),
        (r"/admin/price-lists(?:/(\w+))?", "price_list", _price_list),
        (r"/admin/price-lists/(\w+)/prices/batch", "prices", _prices),
        (r"/admin/customer-groups/(\w+)/customers", "nothing", _members),
        (r"/admin/inventory-items/location-levels/batch", "nothing", _levels),
        (r"/admin/inventory-items(?:/(\w+))?", "inventory_item", _inventory_item),
        (r"/admin/workflows-executions/upsert-variant-prices/run", "nothing", _price_sets),
        (r"/admin/workflows-executions/update-inventory-items-workflow/run", "inventory_items", _inventory_items),
        (r"/admin/workflows-executions/update-cart/run", "nothing", _cart),
        (r"/admin/erp-pipelines/carts/delete", "deleted_carts", _deleted_carts),
        # Last: most lists of Medusa's are written to in the same way.
        (r"/admin/([a-z-]+)(?:/(\w+))?", "document", _document),
    )
)
