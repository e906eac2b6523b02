"""Products of the embedded Medusa: what creating, changing and deleting one means.

The work. Fields and looks belong to `product_shapes.py`, routes to `product_routes.py`, single variants to
`variants.py`, what a customer sees to `storefront.py`.
"""

from __future__ import annotations

from collections.abc import Collection

from erp_medusa_sandbox.medusa.errors import invalid, no_such_relation
from erp_medusa_sandbox.medusa.handles import refuse_known_handle, to_handle
from erp_medusa_sandbox.medusa.http import merged_metadata
from erp_medusa_sandbox.medusa.product_shapes import PRODUCT_SCALARS
from erp_medusa_sandbox.medusa.store import Document, MedusaStore
from erp_medusa_sandbox.medusa.variants import (
    create_variants,
    delete_inventory,
    delete_variant,
    own_variant,
    update_variant,
)
from erp_medusa_sandbox.steps import step_done

_DEFAULTS = {"status": "draft", "is_giftcard": False, "discountable": True}


def create_products(store: MedusaStore, given: list[Document]) -> list[Document]:
    """Create all or none, in steps: every product, its channels, its profile, then the variants of all."""
    without_options = [product["title"] for product in given if product["title"] and not product.get("options")]
    if not all(product["title"] for product in given):
        raise invalid("Product title is required")
    if without_options:
        raise invalid(f"Product options are not provided for: [{', '.join(without_options)}].")
    if not given:
        return []
    products = [_create_bare_product(store, one) for one in given]
    step_done("products")
    products = [_link_channels(store, product, one) for product, one in zip(products, given, strict=True)]
    step_done("sales channels")
    products = [_link_profile(store, product, one) for product, one in zip(products, given, strict=True)]
    step_done("shipping profiles")
    create_variants(
        store,
        [
            (product, variant, rank)
            for product, one in zip(products, given, strict=True)
            for rank, variant in enumerate(one.get("variants", []))
        ],
    )
    return products


def _create_bare_product(store: MedusaStore, given: Document) -> Document:
    handle = given.get("handle") or to_handle(given["title"])
    _check_handle(handle)
    _check_relations(store, given)
    refuse_known_handle(store, "product", "Product", handle)
    images = given.get("images", [])
    scalars = {name: given.get(name, _DEFAULTS.get(name)) for name in PRODUCT_SCALARS}
    product = store.stamped("prod", **scalars)
    product |= {
        "handle": handle,
        "thumbnail": given.get("thumbnail") or (images[0]["url"] if images else None),
        "options": [_option(store, option) for option in given["options"]],
        "images": _images(store, product["id"], images),
        "sales_channel_ids": [],
        "category_ids": [category["id"] for category in given.get("categories", [])],
        "tag_ids": [tag["id"] for tag in given.get("tags", [])],
        "shipping_profile_id": None,
    }
    return store.put("product", product)


def update_products(store: MedusaStore, given: list[tuple[Document, Document]]) -> None:
    """Change products, all or none, in steps: fields and variants, the old links, the new links.

    A given list of variants is the whole set: the others are deleted, those without an id are new and get no stock.
    """
    if not given:
        return
    changed = [(_update_bare_product(store, product, one), one) for product, one in given]
    step_done("products")
    changed = [(_unlink(store, product, one), one) for product, one in changed]
    step_done("links removed")
    for product, one in changed:
        _link_profile(store, _link_channels(store, product, one), one)
    step_done("links made")


def _unlink(store: MedusaStore, product: Document, given: Document) -> Document:
    """Channels and profile that a request names are removed before they are linked."""
    removed: Document = {}
    if "sales_channels" in given:
        removed["sales_channel_ids"] = []
    if "shipping_profile_id" in given:
        removed["shipping_profile_id"] = None
    return store.put("product", {**product, **removed}) if removed else product


def _link_channels(store: MedusaStore, product: Document, given: Document) -> Document:
    if "sales_channels" not in given:
        return product
    return store.put("product", {**product, "sales_channel_ids": [one["id"] for one in given["sales_channels"]]})


def _link_profile(store: MedusaStore, product: Document, given: Document) -> Document:
    if "shipping_profile_id" not in given:
        return product
    return store.put("product", {**product, "shipping_profile_id": given["shipping_profile_id"]})


def _update_bare_product(store: MedusaStore, product: Document, given: Document) -> Document:
    changed = {**product, **{name: given[name] for name in PRODUCT_SCALARS if name in given}}
    if changed["handle"] != product["handle"]:
        _check_handle(changed["handle"] or "")
        refuse_known_handle(store, "product", "Product", changed["handle"])
    _check_relations(store, given)
    if "metadata" in given:
        changed["metadata"] = merged_metadata(product["metadata"], given["metadata"])
    # Images, channels, categories and the profile do not move updated_at.
    if changed != product:
        changed["updated_at"] = store.now()
    changed |= _changed_relations(store, product, given)
    if changed != product:
        store.put("product", changed)
    if "variants" in given:
        _replace_variants(store, changed, given["variants"])
    return changed


def _changed_relations(store: MedusaStore, product: Document, given: Document) -> Document:
    changed: Document = {}
    if "images" in given:
        changed["images"] = _images(store, product["id"], given["images"], product["images"])
    if "categories" in given:
        changed["category_ids"] = [category["id"] for category in given["categories"]]
    if "tags" in given:
        changed["tag_ids"] = [tag["id"] for tag in given["tags"]]
    return changed


def _replace_variants(store: MedusaStore, product: Document, given: list[Document]) -> None:
    listed = {variant["id"] for variant in given if "id" in variant}
    # Checked against the variants that are about to go as well.
    for variant in given:
        if "id" not in variant and variant.get("sku") and store.has("variant", "sku", variant["sku"]):
            raise invalid(f"Product variant with sku: {variant['sku']}, already exists.")
    for variant in store.find("variant", "product_id", [product["id"]]):
        if variant["id"] not in listed:
            delete_variant(store, variant, with_inventory=False)
    for rank, variant in enumerate(given):
        if "id" in variant:
            known = own_variant(store, product["id"], variant["id"])
            update_variant(store, known, variant, with_inventory=False)
        else:
            if "title" not in variant:
                raise invalid("ProductVariant.title is required")
            create_variants(store, [(product, variant, rank)], with_inventory=False)


def delete_product(store: MedusaStore, identifier: str) -> None:
    """Delete a product with its variants and their stock, which goes first."""
    variants = store.find("variant", "product_id", [identifier])
    for variant in variants:
        delete_inventory(store, variant)
    step_done("inventory items removed")
    for variant in variants:
        delete_variant(store, variant, with_inventory=False)
    store.remove("product", identifier)


def _check_handle(handle: str) -> None:
    if to_handle(handle) != handle:
        raise invalid(f"Invalid product handle '{handle}'. It must contain URL safe characters")


def _check_relations(store: MedusaStore, given: Document) -> None:
    collection_id = given.get("collection_id")
    if collection_id and store.get("collection", collection_id) is None:
        raise no_such_relation("collection_id", collection_id)
    type_id = given.get("type_id")
    if type_id and store.get("product_type", type_id) is None:
        raise no_such_relation("type_id", type_id)
    for tag in given.get("tags", []):
        if store.get("product_tag", tag["id"]) is None:
            raise no_such_relation("product_tag_id", tag["id"])
    for category in given.get("categories", []):
        if store.get("category", category["id"]) is None:
            raise no_such_relation("product_category_id", category["id"])


def add_options(store: MedusaStore, product: Document, given: list[Document]) -> Document:
    """Add options to a product. Its variants keep what they have.

    Unlike one that comes with its product, an option is for all products unless it says so; their titles are unique.
    """
    for option in given:
        if not option.get("is_exclusive") and option["title"] in _titles_for_all(store):
            raise invalid(f"Product option with title: {option['title']}, already exists.")
    options = [*product["options"], *(_option(store, option, for_all=True) for option in given)]
    return store.put("product", {**product, "options": options})


def change_options(store: MedusaStore, product: Document, given: Document) -> Document:
    """Add and remove options and values of a product. What a variant uses stays; a value is there only once."""
    product = add_options(store, product, given.get("add", []))
    options = {option["id"]: option for option in product["options"]}
    used = {
        value: variant["title"]
        for variant in store.find("variant", "product_id", [product["id"]])
        for value in variant["option_value_ids"]
    }
    for change in given.get("update", []):
        option = options.get(change["product_option_id"])
        if option is None:
            raise invalid(f"Product option with id: {change['product_option_id']} was not found")
        known = {value["value"] for value in option["values"]}
        new = list(dict.fromkeys(value["value"] for value in change.get("add", []) if value["value"] not in known))
        gone = change.get("remove", [])
        _refuse_used(used, gone, "option values")
        # A value that is taken from a product stays in the option, and is the same when it is added again.
        apart = {one["value"]: one for one in option.get("apart", [])}
        apart |= {one["value"]: one for one in option["values"] if one["id"] in gone}
        kept = [value for value in option["values"] if value["id"] not in gone]
        added = [apart.pop(one, None) or _value(store, option["id"], one) for one in new]
        options[option["id"]] = {**option, "values": [*kept, *added], "apart": list(apart.values())}
    for identifier in given.get("remove", []):
        _refuse_used(used, [value["id"] for value in options[identifier]["values"]], "options")
        options.pop(identifier)
    return store.put("product", {**product, "options": list(options.values())})


def _refuse_used(used: Document, values: list[str], what: str) -> None:
    titles = [title for value, title in used.items() if value in values]
    if titles:
        raise invalid(
            f"Cannot unassign {what} from product because the following variant(s) are using it: {', '.join(titles)}"
        )


def rename_option(
    store: MedusaStore, identifier: str, title: str | None, values: dict[str, str], ranks: Document | None = None
) -> Document | None:
    """Rename an option or its values (new texts by id), or rank these; variants keep them. None for an unknown one."""
    for product in store.all("product"):
        for option in product["options"]:
            if option["id"] == identifier:
                everything = [*option["values"], *option.get("apart", [])]
                _refuse_unknown_ranks(ranks or {}, {value["value"] for value in everything})
                named = [{**value, "value": values.get(value["id"], value["value"])} for value in option["values"]]
                named = [{**value, "rank": (ranks or {}).get(value["value"], value["rank"])} for value in named]
                changed = {**option, "title": title or option["title"], "values": named}
                options = [changed if one["id"] == identifier else one for one in product["options"]]
                store.put("product", {**product, "options": options})
                return changed
    return None


def _titles_for_all(store: MedusaStore) -> set[str]:
    options = (option for product in store.all("product") for option in product["options"])
    return {option["title"] for option in options if not option["is_exclusive"]}


def _option(store: MedusaStore, given: Document, *, for_all: bool = False) -> Document:
    is_exclusive = given.get("is_exclusive", not for_all)
    option = store.stamped("opt", title=given["title"], is_exclusive=is_exclusive, metadata=None)
    ranks = given.get("ranks") or {}
    _refuse_unknown_ranks(ranks, given["values"])
    return {**option, "values": [_value(store, option["id"], value, ranks.get(value)) for value in given["values"]]}


def _value(store: MedusaStore, option_id: str, value: str, rank: int | None = None) -> Document:
    return store.stamped("optval", value=value, rank=rank, metadata=None, option_id=option_id)


def _refuse_unknown_ranks(ranks: Document, values: Collection[str]) -> None:
    if unknown := next((value for value in ranks if value not in values), None):
        raise invalid(f'Value "{unknown}" is assigned a rank but is not defined in the list of values.')


def _images(
    store: MedusaStore, product_id: str, given: list[Document], known: list[Document] | None = None
) -> list[Document]:
    """The same url again is a new image; only one that names its id stays the same."""
    before = {image["id"]: image for image in known or []}
    return [
        {
            **(before.get(image.get("id", "")) or store.stamped("img", metadata=None, product_id=product_id)),
            "url": image["url"],
            "rank": rank,
        }
        for rank, image in enumerate(given)
    ]
