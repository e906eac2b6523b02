"""What the embedded Medusa needs between the recorded pairs: state that the real server had and no pair makes."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import requests

from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.medusa.product_shapes import base_prices
from tests.sandbox.servers.medusa_replay import Replay

RETAIL = "plist_01M80BME0A1S8BXKKPJJPSE03B"
COLLECTION = "pcol_01M80B8242A8Y9T22WKSCG17YM"
CHANNEL = "sc_01M80AZ0ZZK6YNMMAV3Q7Z250F"
BOOKS, KIDS = "pcat_01M85QGBA5K18WDJ0ZAF30GB47", "pcat_01M85QGBC1P33BDTH477FA5YMR"


def known_from_the_start(replay: Replay) -> None:
    for recorded, table in (
        (CHANNEL, "sales_channel"),
        ("store_01M80AZ10M8MP223GQH232XR85", "store"),
        ("sp_01M80B4H5AJNVWZ2HXYV6RQFS2", "shipping_profile"),
        ("reg_01M80B4GNN6Y4PBTZKABWV7YDA", "region"),
        ("sloc_01M80B4GS6S9PGPXX3S5KD914A", "stock_location"),
    ):
        replay.ids[recorded] = replay.store.all(table)[0]["id"]


def many_collections(replay: Replay) -> None:
    for number in range(120):
        given = {"title": f"Coll {number}", "handle": f"coll-{number}", "external_id": f"cat:{1000 + number}"}
        replay.made("/admin/collections", given)


def a_collection_to_delete(replay: Replay) -> None:
    made = replay.made("/admin/collections", {"title": "Short lived"})
    replay.ids["pcol_01M80B8A4X32RBH81P3M10DDB1"] = made["collection"]["id"]


def product(name: str, **changed: object) -> dict:
    sku = {"sku": f"SKU-{name}", "title": "Default", "options": {"Default": "Default"}, "manage_inventory": True}
    return {
        "title": f"Product {name}",
        "handle": f"p-{name}",
        "external_id": f"erp-{name}",
        "status": "published",
        "description": "A fine product.",
        "options": [{"title": "Default", "values": ["Default"]}],
        "variants": [{**sku, "prices": [{"currency_code": "omr", "amount": 12.345}]}],
        **changed,
    }


def the_catalogue(replay: Replay) -> None:
    """As many products as the real server had at this point, by then 1280."""
    shared = {"collection_id": replay.live(COLLECTION), "sales_channels": [{"id": replay.live(CHANNEL)}]}
    missing = 1280 - len(replay.store.all("product"))
    starts = [*range(0, missing - 40, 100), missing - 40]
    for start, end in zip(starts, [*starts[1:], missing], strict=True):
        made = [product(f"l{n}", **shared) for n in range(start, end)]
        replay.made("/admin/products/batch?fields=id", {"create": made})
    first, last = (replay.store.find("product", "handle", [f"p-l{n}"])[0] for n in (0, missing - 40))
    replay.ids["prod_01M80BDHDP5EVT1YNWF8HCWM77"] = first["id"]
    replay.texts[quote("2026-11-22T00:45:15.136Z")] = quote(last["updated_at"])


def the_base_price_by_its_id(replay: Replay) -> None:
    variant = replay.store.find("variant", "sku", ["SKU-l0"])[0]
    (price,) = base_prices(replay.store, variant["price_set_id"])
    replay.ids["price_01M80BNCK1G6ADFPA3D7QK1NPM"] = price["id"]


def a_product_deleted_again(replay: Replay) -> None:
    made = replay.made("/admin/products", product("delme"))
    replay.send("DELETE", f"/admin/products/{made['product']['id']}")


def entry(replay: Replay, price_list: str, name: str, amount: float) -> None:
    variant = replay.store.find("variant", "sku", [f"SKU-{name}"])[0]
    given = {"variant_id": variant["id"], "currency_code": "omr", "amount": amount}
    replay.made(f"/admin/price-lists/{replay.live(price_list)}/prices/batch", {"create": [given]})


def price_list(replay: Replay, recorded: str, **given: object) -> None:
    made = replay.made("/admin/price-lists", {"title": "x", "description": "d", "status": "active", **given})
    replay.ids[recorded] = made["price_list"]["id"]


def a_product_without_prices(replay: Replay) -> None:
    bare = product("plonly")
    bare["variants"][0]["prices"] = []
    replay.made("/admin/products", bare)


def prices_for_the_store(replay: Replay) -> None:
    price_list(replay, "plist_01M80BW1BN7X7XG1X00FFNP7G8", type="sale")
    price_list(replay, "plist_01M80BW25F5NQ72ESXAHSHJE4V", type="override")
    price_list(replay, "plist_01M80BW2BZZHGMT4BE6YX8RCE7", type="override", status="draft")
    price_list(replay, "expired", type="override", ends_at="2021-01-01T00:00:00Z")
    price_list(replay, "group", type="override", rules={"customer.groups.id": ["cusgroup_1"]})
    for name, list_id, amount in (
        ("plonly", RETAIL, 4.321),
        ("l100", RETAIL, 15.5),
        ("l102", "plist_01M80BW1BN7X7XG1X00FFNP7G8", 10),
        ("l103", "plist_01M80BW1BN7X7XG1X00FFNP7G8", 20),
        ("l104", RETAIL, 15),
        ("l104", "plist_01M80BW1BN7X7XG1X00FFNP7G8", 10),
        ("l105", RETAIL, 15),
        ("l105", RETAIL, 18),
        ("l106", RETAIL, 18),
        ("l106", RETAIL, 15),
        ("l107", RETAIL, 15),
        ("l107", "plist_01M80BW25F5NQ72ESXAHSHJE4V", 11),
        ("l108", RETAIL, 15),
        ("l108", "plist_01M80BW25F5NQ72ESXAHSHJE4V", 19),
        ("l109", "plist_01M80BW2BZZHGMT4BE6YX8RCE7", 1),
        ("l110", "expired", 1),
        ("l111", "group", 1),
    ):
        entry(replay, list_id, name, amount)


def the_draft_list_becomes_active(replay: Replay) -> None:
    replay.made(f"/admin/price-lists/{replay.live('plist_01M80BW2BZZHGMT4BE6YX8RCE7')}", {"status": "active"})


def stock_for_the_cart(replay: Replay) -> None:
    for name in ("l100", "l101"):
        variant = replay.store.find("variant", "sku", [f"SKU-{name}"])[0]
        item = variant["inventory_links"][0]["inventory_item_id"]
        location = replay.store.all("stock_location")[0]["id"]
        replay.made(f"/admin/inventory-items/{item}/location-levels", {"location_id": location, "stocked_quantity": 10})


def a_medusa_killed_in_a_batch(replay: Replay) -> None:
    """Leaves products without variants, as a killed server does."""
    replay.injector.add(Fault("kill", path="/admin/products/batch", steps=2, times=1))
    orphans = []
    for number in (231, 204, 290, 271):
        name = f"47e25d-{number}"
        image = {"url": f"http://127.0.0.1:8069/web/image/{name}"}
        channel = {"id": replay.live(CHANNEL)}
        changed = {"handle": f"b-{name}", "external_id": f"bx-{name}", "images": [image], "sales_channels": [channel]}
        orphans.append(product(name, **changed))
    with pytest.raises(requests.ConnectionError):
        replay.send("POST", "/admin/products/batch", {"create": orphans})
    orphan = replay.store.find("product", "handle", ["b-47e25d-271"])[0]
    replay.ids["prod_01M80E3RWH1V50RY5GGDS2CE63"] = orphan["id"]


def a_product_with_two_variants(replay: Replay) -> None:
    sizes = [
        {"title": size, "sku": f"VV-{size}", "options": {"Size": size}, "prices": [], "manage_inventory": False}
        for size in ("S", "M")
    ]
    made = replay.made(
        "/admin/products", product("vv", options=[{"title": "Size", "values": ["S", "M"]}], variants=sizes)
    )
    replay.ids["prod_01M80E72QXFSF1074Z0RWKRWS2"] = made["product"]["id"]


def products_half_made(replay: Replay) -> None:
    """Products as a Medusa that was killed in its create workflow leaves them: no variant, or one without price set."""
    for recorded, table in (
        ("sc_01M8KFRMV1P8QJJVVQAXYDJY43", "sales_channel"),
        ("sp_01M8KFRWCVM94W5C7MJS1XQ8Z1", "shipping_profile"),
    ):
        replay.ids[recorded] = replay.store.all(table)[0]["id"]
    placed = {
        "sales_channels": [{"id": replay.live("sc_01M8KFRMV1P8QJJVVQAXYDJY43")}],
        "shipping_profile_id": replay.live("sp_01M8KFRWCVM94W5C7MJS1XQ8Z1"),
    }
    bare = {"description": None, "variants": []}
    for name, recorded, more in (
        ("hk39005-16", "prod_01M8KK4JHJ136DB6TPFFWF6EC0", {}),
        ("hk390011-0", "prod_01M8KK5YP5X0V4GYKN3CXN4CJB", placed),
        ("hk390011-2", "prod_01M8KK5YP56Q9Q7HVJ5NZKPWTB", placed),
        ("hk390011-4", "prod_01M8KK5YP5QRSPC542A4J6GFMZ", placed),
        ("hk390011-6", "prod_01M8M0T9W3MD1Q33E45XDG7763", placed),
    ):
        named = {"title": name.replace("-", " "), "handle": name, "external_id": name}
        made = replay.made("/admin/products", product(name, **named, **bare, **more))
        replay.ids[recorded] = made["product"]["id"]
    for number, variant_id, item_id in (
        (0, "variant_01M8KK5Z5H1YGSWY948FV7V5PK", "iitem_01M8KK5Z8WD5CBRV50SP0Y2TA9"),
        (2, "variant_01M8KK5Z5HVE2RN128QZE8VNM7", "iitem_01M8KK5Z8WJ1GXKF122ZR1MZ29"),
        (4, "variant_01M8KK5Z5JZF5DV75H6MQ2TWS4", "iitem_01M8KK5Z8WT5P86BW62S1V6BCN"),
        (6, "variant_01M8M0T9YKXW28AS0N713M5NRK", "iitem_01M8M0T9YZDYBF2NM4QCGBTNNH"),
    ):
        owner = replay.store.find("product", "handle", [f"hk390011-{number}"])[0]
        given = {"title": "Default", "sku": f"hk390011-SKU-{number}", "options": {"Default": "Default"}, "prices": []}
        replay.made(f"/admin/products/{owner['id']}/variants", given)
        variant = replay.store.find("variant", "sku", [given["sku"]])[0]
        replay.store.put("variant", {**variant, "price_set_id": None})
        replay.ids[variant_id] = variant["id"]
        replay.ids[item_id] = variant["inventory_links"][0]["inventory_item_id"]


def a_customer_with_an_account(replay: Replay) -> None:
    """As the store's pages make one: an identity, and with its token the customer."""
    headers, email = {"x-publishable-api-key": replay.store.publishable_key}, "buyer@example.com"
    credentials = {"email": email, "password": "correct horse"}  # pragma: allowlist secret
    register = f"{replay.url}/auth/customer/emailpass/register"
    token = requests.post(register, json=credentials, headers=headers, timeout=10).json()["token"]
    headers["authorization"] = f"Bearer {token}"
    made = requests.post(f"{replay.url}/store/customers", json={"email": email}, headers=headers, timeout=10).json()
    replay.ids["cus_01M85QM7Z127PATP6CXCK0GWVY"] = made["customer"]["id"]


def a_tree_of_categories(replay: Replay) -> None:
    """Books above Kids, with Comics, and Novels; beside it Toys: all that there is."""
    for category in reversed(replay.store.all("category")):
        assert replay.send("DELETE", f"/admin/product-categories/{category['id']}").status_code == 200

    def made(recorded: str, name: str, parent: str | None = None) -> None:
        above = {"parent_category_id": replay.ids[parent]} if parent else {}
        answer = replay.made("/admin/product-categories", {"name": name, "is_active": True, **above})
        replay.ids[recorded] = answer["product_category"]["id"]

    made(BOOKS, "Books")
    made(KIDS, "Kids", BOOKS)
    made("pcat_01M85QGBDQK4QSAW5VEX41QVSB", "Comics", KIDS)
    made("pcat_01M85QGBFH1AEAKDERY98XGGNT", "Novels", BOOKS)
    made("pcat_01M85QGBH7AREAW1BDESR0G2B1", "Toys")
    replay.ids["prod_01M85QGCFN4VXEJ2NWVT2B6ME1"] = replay.store.all("product")[0]["id"]


def the_same_after_it_was_moved_to_the_root(replay: Replay) -> None:
    replay.ids["pcat_01M85QJ40DVPMVB778ZDB7VDS4"] = replay.ids[KIDS]
    replay.ids["pcat_01M85QJ446WDY6ZBGCW135PS77"] = replay.ids[BOOKS]
