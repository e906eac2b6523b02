"""A Medusa that is only read: writes are recorded, and later look-ups find what they would create.

Of Medusa's refusals, only those of keys that are taken already, and of prices for variants that are gone, can be
foreseen.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.http import HttpClient
from erp_medusa_pipelines.clients.medusa import Row
from erp_medusa_pipelines.plan import routes
from erp_medusa_pipelines.plan.changes import Change, ChangeLog, is_planned
from erp_medusa_pipelines.plan.options import PlannedOptions, chosen
from erp_medusa_pipelines.plan.recording import ReadingMedusa
from erp_medusa_pipelines.plan.routes import changes_of, route_of, singular_of
from erp_medusa_pipelines.product_fields import unsaid

Body = Mapping[str, Any]

_ENTRIES = re.compile(r"/admin/price-lists/(\w+)/prices")

PREFIXES = {"products": "prod_", "variants": "variant_", "inventory_items": "iitem_"}
"""Id prefixes by list."""

STOCKED = "id,sku,location_levels.location_id,location_levels.stocked_quantity,location_levels.reserved_quantity"
"""What readers of a variant ask of its inventory items."""

_BEHIND_ALL = 1_000_000
"""A rank that no category has."""

UNSAID_OF_PRODUCT: Mapping[str, Any] = {"handle": None, "metadata": None, **unsaid("product", "picture")}
UNSAID_OF_VARIANT: Mapping[str, Any] = {**unsaid("variant"), "prices": []}
UNSAID_OF_LIST: Mapping[str, Any] = {
    **{"rules_count": 0, "rules": {}},
    **dict.fromkeys(("metadata", "starts_at", "ends_at")),
}
"""Medusa's defaults for fields that a new product, variant or price list leaves out."""


class PlannedMedusa(ReadingMedusa):
    """Read one Medusa; planned writes are merged into what is read."""

    def __init__(self, http: HttpClient, log: ChangeLog) -> None:
        super().__init__(http)
        self._log = log
        self._made: dict[str, dict[str, Row]] = {}
        self._changed: dict[str, Row] = {}
        self._gone: set[str] = set()
        self._entries: dict[str, list[Row]] = {}
        """New entries of price lists that Medusa has."""
        self._links: dict[str, dict[str, int]] = {}
        """Pieces by inventory item, by variant: 0 where the variant is stocked by it no longer."""
        self._options = PlannedOptions(log.new_id)
        self._joined: dict[str, list[Row]] = {}
        """New variants of products that Medusa has."""
        self._detached: set[str] = set()
        """Variants that Medusa takes every inventory item from, because it does not manage them any more."""

    # --- reading ----------------------------------------------------------------------------------------------

    def find(
        self, path: str, plural: str, key: str, values: Iterable[str], fields: str, *, more: Body | None = None
    ) -> Iterator[Row]:
        """As Medusa answers, and what the plan has made."""
        wanted = {value for value in values if value}
        made = [row for row in self._new(plural) if row.get(key) in wanted]
        there = [value for value in wanted if not is_planned(value)]
        seen: set[str] = set()
        for row in super().find(path, plural, key, there, fields, more=more) if there else ():
            seen.add(row["id"])
            laid = self._laid_over(row)
            if row["id"] not in self._gone and laid.get(key) in wanted:
                yield laid
        moved = self._moved_to(plural, key, wanted) - seen
        for row in super().find(path, plural, "id", moved, fields) if moved else ():
            yield self._laid_over(row)
        yield from made

    def _moved_to(self, plural: str, key: str, wanted: set[str]) -> set[str]:
        """Return ids of documents that match only with planned values, such as a product that gets another handle."""
        prefix = PREFIXES.get(plural)
        if key == "id" or prefix is None:
            return set()
        changed = list(self._changed.items())
        return {one for one, values in changed if one.startswith(prefix) and values.get(key) in wanted}

    def all_of(self, path: str, plural: str, fields: str, *, page_size: int = 1000) -> Iterator[Row]:
        """As Medusa answers, and what the plan has made."""
        for row in super().all_of(path, plural, fields, page_size=page_size):
            if row["id"] not in self._gone:
                yield self._laid_over(row)
        yield from self._new(plural)
        if of_list := _ENTRIES.fullmatch(path):
            yield from self._new_entries(of_list[1])

    def _new_entries(self, list_id: str) -> list[Row]:
        return [dict(entry) for entry in self._entries.get(list_id, ()) if entry["id"] not in self._gone]

    def _new(self, plural: str) -> list[Row]:
        """Return copies, because readers modify rows."""
        return [self._relinked(dict(row)) for row in self._made.get(plural, {}).values()]

    def _laid_over(self, row: Row) -> Row:
        changed = self._changed.get(row["id"])
        laid = _merged(row, {key: value for key, value in changed.items() if key in row}) if changed else row
        if "prices" in laid:
            kept = [self._laid_over(entry) for entry in laid["prices"] or () if entry["id"] not in self._gone]
            laid = {**laid, "prices": [*kept, *self._new_entries(laid["id"])]}
        if isinstance(product := laid.get("product"), Mapping) and product.get("id") in self._changed:
            laid = {**laid, "product": self._laid_over(dict(product))}
        if "options" in laid and laid["id"].startswith(PREFIXES["products"]):
            laid = {**laid, "options": self._options.laid_over(laid["id"], laid["options"] or ())}
        variants = [one for one in laid.get("variants") or () if one["id"] not in self._gone]
        variants += self._joined.get(laid["id"], ()) if "variants" in laid else ()
        if variants != (laid.get("variants") or []) or any(variant["id"] in self._changed for variant in variants):
            laid = {**laid, "variants": [self._laid_over(variant) for variant in variants]}
        return self._relinked(laid)

    def _relinked(self, row: Row) -> Row:
        """Return a variant, or an inventory item, with what the plan has linked to it and taken from it."""
        if row["id"] in self._links or row["id"] in self._detached:
            row = {**row, **({"inventory_items": self._stocked_by(row)} if "inventory_items" in row else {})}
        elif row.get("inventory_items"):
            row = {**row, "inventory_items": [self._link_laid_over(link) for link in row["inventory_items"]]}
        for key, name in (("variant_link", "variant_id"), ("variants", "id")):
            if key in row and (pieces := self._pieces_of(row["id"])):
                kept = [one for one in row[key] or () if pieces.get(one[name], 1)]
                there = {one[name] for one in kept}
                row = {
                    **row,
                    key: [*kept, *({name: one} for one, number in pieces.items() if number and one not in there)],
                }
        return row

    def _stocked_by(self, variant: Row) -> list[Row]:
        there = () if variant["id"] in self._detached else variant["inventory_items"] or ()
        pieces = self._links.get(variant["id"], {})
        found = [
            self._link_laid_over(
                {**link, "required_quantity": pieces.get(link["inventory_item_id"]) or link.get("required_quantity", 1)}
            )
            for link in there
            if pieces.get(link["inventory_item_id"], 1)
        ]
        known = {link["inventory_item_id"] for link in there}
        new = {one: number for one, number in pieces.items() if number and one not in known}
        items = (
            self._made.get("inventory_items", {})
            | {
                row["id"]: row
                for row in super().find(
                    "/admin/inventory-items",
                    "inventory_items",
                    "id",
                    [one for one in new if not is_planned(one)],
                    STOCKED,
                )
            }
            if new
            else {}
        )
        return [
            *found,
            *(
                {"inventory_item_id": one, "required_quantity": number, "inventory": items.get(one)}
                for one, number in new.items()
            ),
        ]

    def _link_laid_over(self, link: Row) -> Row:
        inventory, changed = link.get("inventory"), self._changed.get(link["inventory_item_id"], {})
        return (
            {**link, "inventory": {**inventory, **{key: changed[key] for key in changed if key in inventory}}}
            if inventory
            else link
        )

    def _pieces_of(self, inventory_item_id: str) -> dict[str, int]:
        """Return the planned pieces by variant of what is linked to this inventory item, or is no longer."""
        found = {one: pieces[inventory_item_id] for one, pieces in self._links.items() if inventory_item_id in pieces}
        return {**dict.fromkeys(self._detached - found.keys(), 0), **found}

    # --- writing ----------------------------------------------------------------------------------------------

    def send(self, method: str, path: str, body: Any = None, **_options: Any) -> Any:
        """Record a write and return what Medusa would answer."""
        found = route_of(path)
        if found is None:
            raise LookupError(f"a plan cannot simulate {method} {path.partition('?')[0]}: add it to {routes.__name__}")
        row, names = found
        answer = getattr(self, f"_{row.answer}")(method, body, *names)
        self._log.add(*changes_of(method, path, body, answer, self.known))
        return answer

    def upload(self, uploads: Any) -> list[Row]:
        """Record uploads, with addresses that do not exist."""
        self._log.add(
            *(Change("Medusa", "create", "file", name, {"bytes": len(content)}, name) for name, content, _ in uploads)
        )
        # Threads upload in any order, and an address goes into a hash: it must be the same in the next plan.
        addresses = [f"planned://{sha256(content).hexdigest()}/{name}" for name, content, _ in uploads]
        return [{"id": name, "url": url} for (name, _, _), url in zip(uploads, addresses, strict=True)]

    def _make(self, plural: str, prefix: str, row: Body) -> Row:
        made = {"id": self._log.new_id(prefix), **row}
        self._made.setdefault(plural, {})[made["id"]] = made
        return made

    def _change(self, identifier: str, body: Body) -> Row:
        values = {key: value for key, value in body.items() if key != "id"}
        self._changed[identifier] = _merged(self._changed.get(identifier, {}), values)
        for rows in self._made.values():
            if identifier in rows:
                rows[identifier] = _merged(rows[identifier], values)
        return {"id": identifier, **values}

    def _nothing(self, _method: str, _body: Body, *_names: str) -> Row:
        """Answer a write that nothing reads in the same run."""
        return {}

    def _collection(self, method: str, body: Body, identifier: str | None) -> Row:
        if method == "DELETE":
            self._gone.add(str(identifier))
            return {"deleted": True}
        if identifier:
            return {"collection": self._change(identifier, body)}
        row = {"handle": None, "external_id": None, "metadata": None, **body}
        return {"collection": self._make("collections", "pcol", row)}

    def _category(self, _method: str, body: Body, _plural: str, identifier: str | None) -> Row:
        # Behind all siblings that are there, as Medusa places what is new or moves to another parent.
        last = {"rank": _BEHIND_ALL + len(self._made.get("product_categories", {})) + len(self._changed)}
        if identifier:
            moved = last if "parent_category_id" in body else {}
            return {"product_category": self._change(identifier, {**moved, **body})}
        row = {"description": "", "parent_category_id": None, "metadata": None, **last, **body}
        return {"product_category": self._make("product_categories", "pcat", row)}

    def _products(self, _method: str, body: Body) -> Row:
        self._refuse_taken_keys(body.get("create") or ())
        created = [self._product(product) for product in body.get("create") or ()]
        updated = [self._change(product["id"], product) for product in body.get("update") or ()]
        for variant in (one for product in body.get("update") or () for one in product.get("variants") or ()):
            self._change_variant(variant["id"], variant)
        gone = set(body.get("delete") or ())
        self._gone |= gone
        return {"created": created, "updated": updated, "deleted": {"ids": sorted(gone)}}

    def _refuse_taken_keys(self, products: Iterable[Body]) -> None:
        """Refuse as Medusa does: sku, barcode and handle are unique, and the sku of inventory items without variant."""
        skus, barcodes, handles, own_items = set(), set(), set(), set()
        for product in products:
            handles.add(product.get("handle") or "")
            for variant in product.get("variants") or ():
                skus.add(variant.get("sku") or "")
                barcodes.add(variant.get("barcode") or "")
                own_items |= {variant.get("sku")} if not variant.get("inventory_items") else set()
        taken = [("Product with handle", row["handle"]) for row in self.products_by("handle", handles, "id,handle")]
        taken += [("Product variant with sku", row["sku"]) for row in self.variants_by_sku(skus, "id,sku")]
        found = self.find("/admin/product-variants", "variants", "barcode", barcodes, "id,barcode")
        taken += [("Product variant with barcode", row["barcode"]) for row in found]
        if not taken:
            items = self.inventory_items_by_sku(own_items - {None}, "id,sku")
            taken = [("Inventory item with sku", row["sku"]) for row in items]
        if taken:
            what, value = taken[0]
            text = f"{what}: {value}, already exists."
            raise PermanentError(self.http.service, "POST /admin/products/batch", text, status=400)

    def _product(self, body: Body) -> Row:
        images = _with_ranks([{"id": self._log.new_id("img"), **image} for image in body.get("images") or ()])
        made = self._make("products", "prod", {**UNSAID_OF_PRODUCT, **body, "images": images, "variants": []})
        made["sales_channels"] = body.get("sales_channels") or []
        made["shipping_profile"] = {"id": body.get("shipping_profile_id")}
        made["options"] = self._options.made(body.get("options") or ())
        made["variants"] = [
            self._new_variant(made["id"], {**one, "options": chosen(made["options"], one.get("options") or {})})
            for one in body.get("variants") or ()
        ]
        return made

    def _new_variant(self, product_id: str, body: Body) -> Row:
        identifier = self._log.new_id("variant")
        links = [one["inventory_item_id"] for one in body.get("inventory_items") or ()]
        for taken in links:
            # The adopted inventory item now belongs to this variant.
            self._changed.setdefault(taken, {})["variant_link"] = [{"variant_id": identifier}]
        if not links and body.get("manage_inventory"):
            links = [self._stocked(body.get("sku"), identifier)]
        items = self._made.setdefault("inventory_items", {})
        made = [{"inventory_item_id": one, "inventory": items.get(one)} for one in links]
        variant = {**UNSAID_OF_VARIANT, **body, "id": identifier, "product_id": product_id, "inventory_items": made}
        self._made.setdefault("variants", {})[identifier] = variant
        return variant

    def _stocked(self, sku: Any, variant_id: str | None) -> str:
        identifier = self._log.new_id("iitem")
        variants = [{"id": variant_id}] if variant_id else []
        link = [{"variant_id": variant_id}] if variant_id else []
        row = {"id": identifier, "sku": sku, "variants": variants, "variant_link": link, "location_levels": []}
        self._made.setdefault("inventory_items", {})[identifier] = row
        self.known.learn("inventory_items", row)
        return identifier

    def _variant(self, _method: str, body: Body, product_id: str) -> Row:
        variant = self._new_variant(product_id, body)
        self.known.learn("variants", variant)
        return {"product": {"id": product_id, "variants": [variant]}}

    def _updated_variant(self, _method: str, body: Body, _product_id: str, variant_id: str) -> Row:
        self._change_variant(variant_id, body)
        return {}

    def _change_variant(self, variant_id: str, body: Body) -> None:
        if body.get("manage_inventory") is False:
            self._detached.add(variant_id)
            self._links.pop(variant_id, None)
        self._change(variant_id, body)

    def _changed_options(self, _method: str, body: Body, product_id: str) -> Row:
        self._options.change(product_id, body)
        return {}

    def _renamed_option(self, _method: str, body: Body, option_id: str, value_id: str | None) -> Row:
        if ranks := body.get("ranks"):
            self._options.rank(option_id, ranks)
        else:
            self._options.rename(value_id or option_id, body["value"] if value_id else body["title"])
        return {}

    def _variants(self, _method: str, body: Body, product_id: str) -> Row:
        for one in body.get("update") or ():
            self._change_variant(one["id"], {**one, **self._values_chosen(product_id, one)})
        given = body.get("create") or ()
        created = [self._new_variant(product_id, {**one, **self._values_chosen(product_id, one)}) for one in given]
        if product_id not in self._made.get("products", {}):
            self._joined.setdefault(product_id, []).extend(created)
        self._gone |= set(body.get("delete") or ())
        return {"created": created, "updated": [], "deleted": {"ids": list(body.get("delete") or ())}}

    def _values_chosen(self, product_id: str, variant: Body) -> Row:
        """Return a variant's options, by their titles in the request, as Medusa shows them."""
        if "options" not in variant:
            return {}
        fields = "id,options.id,options.title,options.values.id,options.values.value"
        found = self.find("/admin/products", "products", "id", [product_id], fields)
        options = next((row.get("options") or [] for row in found), [])
        return {"options": chosen(options, variant["options"])}

    def _translations(self, _method: str, body: Body) -> Row:
        made = [self._make("translations", "trans", {**one}) for one in body.get("create") or ()]
        for one in body.get("update") or ():
            self._change(one["id"], one)
        return {"created": made, "updated": []}

    def _link(self, _method: str, body: Body, _product_id: str, variant_id: str) -> Row:
        self._links.setdefault(variant_id, {})[body["inventory_item_id"]] = body["required_quantity"]
        return {}

    def _relink(self, _method: str, body: Body, _product_id: str) -> Row:
        for one in (*body["create"], *body["update"], *body["delete"]):
            pieces = self._links.setdefault(one["variant_id"], {})
            pieces[one["inventory_item_id"]] = one.get("required_quantity", 0)
        return {"created": [], "updated": [], "deleted": []}

    def _inventory_item(self, _method: str, body: Body, identifier: str | None) -> Row:
        if identifier:
            return {"inventory_item": self._change(identifier, body)}
        return {"inventory_item": {"id": self._stocked(body.get("sku"), None)}}

    def _inventory_items(self, _method: str, body: Body) -> Row:
        for one in body["input"]["updates"]:
            self._change(one["id"], one)
        return {}

    def _deleted_carts(self, _method: str, body: Body) -> Row:
        return {"deleted": [cart["id"] for cart in body["carts"]], "kept": []}

    def _document(self, method: str, body: Body, plural: str, identifier: str | None) -> Row:
        """Answer a write to a list that needs no care of its own, such as customers or stock locations."""
        singular = singular_of(plural)
        if identifier and method == "DELETE":
            self._gone.add(identifier)
            return {}
        if identifier:
            return {singular: self._change(identifier, body)}
        return {singular: self._make(plural.replace("-", "_"), singular, dict(body))}

    def _price_list(self, method: str, body: Body, identifier: str | None) -> Row:
        if identifier and method == "DELETE":
            self._gone.add(identifier)
            return {}
        if "rules" in body:
            body = {**body, "rules_count": len(body["rules"])}
        if identifier:
            return {"price_list": self._change(identifier, body)}
        self._refuse_unknown_variants(f"{method} /admin/price-lists", body.get("prices") or ())
        own = {key: value for key, value in body.items() if key != "prices"}
        made = self._make("price_lists", "plist", {**UNSAID_OF_LIST, **own, "prices": []})
        made["prices"] += [self._price(entry) for entry in body.get("prices") or ()]
        return {"price_list": {"id": made["id"], "prices": list(made["prices"])}}

    def _price(self, entry: Body) -> Row:
        variant_id = entry["variant_id"]
        row = {"id": self._log.new_id("price"), "amount": entry["amount"], "currency_code": entry["currency_code"]}
        pieces = {key: entry.get(key) for key in ("min_quantity", "max_quantity")}
        of_variant = {"variant_id": variant_id, "price_set": {"variant": {"id": variant_id}}}
        rules = entry.get("rules") or {}
        return {**row, **pieces, "rules": rules, "rules_count": len(rules), **of_variant}

    def _refuse_unknown_variants(self, request: str, entries: Iterable[Body]) -> None:
        """Refuse as Medusa does: a price is for a variant that exists."""
        wanted = {entry["variant_id"] for entry in entries if not is_planned(entry["variant_id"])}
        found = self.find("/admin/product-variants", "variants", "id", wanted, "id") if wanted else ()
        unknown = sorted(wanted - {row["id"] for row in found})
        if unknown:
            text = f"No price set exist for variants: {', '.join(unknown)}"
            raise PermanentError(self.http.service, request, text, status=400)

    def _prices(self, method: str, body: Body, list_id: str) -> Row:
        self._refuse_unknown_variants(f"{method} /admin/price-lists/{list_id}/prices/batch", body.get("create") or ())
        created = [self._price(entry) for entry in body.get("create") or ()]
        if list_id in self._made.get("price_lists", {}):
            self._made["price_lists"][list_id]["prices"] += created
        else:
            self._entries.setdefault(list_id, []).extend(created)
        updated = [{"id": self._change(entry["id"], entry)["id"]} for entry in body.get("update") or ()]
        self._gone |= set(body.get("delete") or ())
        return {"created": created, "updated": updated, "deleted": {"ids": list(body.get("delete") or ())}}


def _merged(row: Row, values: Body) -> Row:
    """Apply an update as Medusa does: it merges metadata and texts, updates variants, and replaces everything else."""
    merged = {**row, **values}
    for key in ("metadata", "translations"):
        if isinstance(values.get(key), Mapping):
            merged[key] = {**(row.get(key) or {}), **values[key]}
    if "variants" in values:
        new = {variant.get("id"): variant for variant in values["variants"]}
        kept = [{**variant, **new.pop(variant["id"], {})} for variant in row.get("variants") or ()]
        merged["variants"] = [*kept, *new.values()]
    if "images" in values:
        merged["images"] = _with_ranks(values["images"])
    return merged


def _with_ranks(images: Iterable[Body]) -> list[Row]:
    return [{"id": image.get("url"), "rank": rank, **image} for rank, image in enumerate(images)]
