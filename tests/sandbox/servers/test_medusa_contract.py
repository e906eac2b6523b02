"""The embedded Medusa answers as a real Medusa 2.21 did: its request and response pairs, replayed over a socket.

`contract/medusa/*.json` hold one request and the real answer each. They are replayed in the order of `SCENARIO`, so
that each meets the state that it needs; the steps between the pairs make what the pairs themselves do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
import requests

from erp_medusa_sandbox.faults import Fault, FaultInjector
from erp_medusa_sandbox.medusa.app import create_app
from erp_medusa_sandbox.medusa.product_shapes import base_prices
from erp_medusa_sandbox.medusa.store import MedusaStore
from erp_medusa_sandbox.server import running
from tests.sandbox.servers.medusa_replay import KEY, PAIRS, Replay

RETAIL = "plist_01M80BME0A1S8BXKKPJJPSE03B"
COLLECTION = "pcol_01M80B8242A8Y9T22WKSCG17YM"
CHANNEL = "sc_01M80AZ0ZZK6YNMMAV3Q7Z250F"


# -- what the pairs do not make themselves ----------------------------------------------------------------------


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
    replay.injector.add(Fault("orphans", path="/admin/products/batch", times=1))
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


# -- the order --------------------------------------------------------------------------------------------------

SCENARIO: list[str | Callable[[Replay], None]] = [
    known_from_the_start,
    *[
        "health",
        "auth_missing",
        "auth_bad_jwt",
        "auth_wrong_key",
        "auth_wrong_key_garbage",
        "auth_x_medusa_access_token",
        "auth_basic_base64_nocolon",
        "auth_basic_base64_user",
        "auth_basic_base64_with_password",
        "auth_basic_raw_key",
        "auth_key_as_bearer",
        "auth_unknown_route",
        "auth_unknown_route_noauth",
        "admin_carts_get",
        "admin_carts_list",
        "admin_draft_orders_list",
        "admin_orders_list",
        "admin_orders_updated_since",
        "admin_payment_collections_list",
        "collections_create",
        "collections_create_arabic",
        "collections_create_dup_title_nohandle",
        "collections_create_dup_title_nohandle2",
        "collections_create_duplicate_handle",
        "collections_create_missing_title",
        "collections_create_unknown_field",
    ],
    many_collections,
    *[
        "collections_list_default",
        "collections_list_page",
        "collections_list_big_limit",
        "collections_fields_invalid",
        "collections_filter_external_id_many",
        "collections_filter_handle",
        "collections_filter_handle_many",
        "collections_filter_q",
        "collections_get_notfound",
        "collections_unknown_query_param",
        "collections_update",
        "collections_update_notfound",
    ],
    a_collection_to_delete,
    *[
        "collections_delete",
        "collections_delete_again",
        "categories_create",
        "categories_create_child",
        "categories_create_duplicate_handle",
        "categories_create_unknown_field",
        "categories_filter_external_id",
        "categories_list",
        "categories_list_big_limit",
        "products_create",
        "products_create_fields_selector",
        "products_create_duplicate_handle",
        "products_create_duplicate_sku",
        "products_after_duplicate_sku_leftovers",
        "products_create_duplicate_external_id",
        "products_create_missing_title",
        "products_create_empty_title",
        "products_create_empty_options",
        "products_create_no_options",
        "products_create_no_options_no_variants",
        "products_create_option_no_values",
        "products_create_variant_without_options",
        "products_create_variant_without_prices",
        "products_create_variant_empty_prices",
        "products_create_long_title",
        "products_create_unknown_field",
        "products_create_unknown_variant_field",
        "products_create_arabic",
        "products_create_arabic_again",
        "products_create_symbols_only_title",
        "products_create_bad_handle_chars",
        "products_create_uppercase_handle",
        "products_create_empty_handle",
        "products_create_bad_status",
        "products_create_bad_currency",
        "products_create_currency_not_in_store",
        "products_create_negative_price",
        "products_create_price_as_string",
        "products_create_bad_collection",
        "products_create_bad_sales_channel",
        "products_create_bad_category",
        "products_create_null_title_status",
        "products_create_false_values",
        "products_create_dup_price_same_currency",
        "products_create_bad_shipping_profile",
        "products_leftovers_all",
        "malformed_json",
        "empty_body",
        "json_array_body",
        "not_json_content_type",
        "payload_too_large_single",
        "payload_too_large_batch",
        "products_batch_create",
        "products_batch_create_fields",
        "products_batch_one_bad_collection",
        "products_batch_one_dup_handle",
        "products_batch_one_dup_sku",
        "products_batch_one_missing_title",
        "products_batch_three_bad",
        "products_batch_dup_handle_within",
        "products_batch_dup_sku_within",
        "products_batch_mixed",
        "products_batch_update_nonexistent_plus_create",
        "products_batch_update_one_dup_handle",
        "products_batch_update_missing_id",
        "products_batch_unknown_key",
        "products_batch_empty",
        "products_get_deleted",
        "products_create_after_delete_same_handle_sku",
        "products_update",
        "products_update_options_rejected",
        "products_update_notfound",
        "products_batch_delete_nonexistent",
        "products_delete",
        "products_delete_again",
        "products_get_notfound",
    ],
    the_catalogue,
    *[
        "products_unknown_query_param",
        "lookup_products_metadata_filter",
        "lookup_products_external_id_one",
        "lookup_products_external_id_many",
        "lookup_products_external_id_comma",
        "lookup_products_handle_many",
        "lookup_products_sku_via_variants_filter",
        "lookup_products_q_sku",
        "lookup_variants_sku_many",
        "products_list_limit_0",
        "products_list_limit_huge",
        "products_list_limit_nan",
        "products_list_limit_negative",
        "products_list_page",
        "products_filter_status",
        "products_filter_status_scalar",
        "products_filter_updated_at_baddate",
        "products_filter_updated_at_gt_none",
        "products_filter_updated_at_gte",
        "products_filter_updated_at_gte_bare",
        "products_star_variants_inventory_items",
        "metadata_merge",
        "metadata_delete_key_empty_string",
        "metadata_null",
        "variant_price_update_3_decimals",
        "variant_price_update_many_decimals",
        "variant_price_update_float_noise",
        "variant_price_update_huge",
        "variant_price_update_back",
        "variant_price_raw_amount",
        "variant_prices_add_currency_replaces",
        "variant_prices_both",
        "variants_batch_update",
        "payload_variants_batch_limit",
        "products_batch_update_variant_prices",
        "variant_create_same_option_combination",
        "products_update_variant_without_id",
        "price_list_create_draft_default",
        "price_list_create_override",
        "price_list_create_sale_dated",
        "price_list_create_rules_customer_group",
        "price_list_create_missing_description",
        "price_list_create_badtype",
        "price_list_create_baddate",
        "price_list_create_unknown_field",
        "price_list_create_same_title_twice",
        "price_lists_list",
        "price_lists_filter_q",
        "price_list_get",
        "price_list_get_notfound",
        "price_list_prices_batch_create",
        "price_list_get_with_prices",
        "price_list_prices_list",
        "price_list_prices_list_fields",
        "price_list_prices_list_raw",
        "variant_prices_after_price_list",
        "price_list_prices_create_duplicate",
        "price_list_prices_after_duplicate",
        "price_list_prices_dup_within_batch",
        "price_list_prices_after_dup_within",
        "price_list_prices_batch_update",
        "price_list_prices_batch_update_bad_id",
        "price_list_prices_batch_update_no_variant",
        "price_list_prices_after_bad_update",
        "price_list_prices_batch_create_bad_variant",
        "price_list_prices_after_bad_variant",
        "price_list_prices_batch_bad_currency",
        "price_list_prices_batch_string_amount",
        "price_list_prices_batch_no_such_list",
        "price_list_prices_batch_precision",
        "price_list_prices_batch_min_quantity",
        "price_list_prices_batch_rules_region",
        "price_list_prices_batch_delete",
        "products_filter_price_list_id",
        "price_list_prices_batch_delete_nonexistent",
        "price_list_prices_filter_variant",
        "price_list_update",
        "variant_base_price_update_keeps_price_list_prices",
    ],
    the_base_price_by_its_id,
    "variant_base_price_update_with_id",
    *[
        "inventory_items_by_sku",
        "inventory_items_by_sku_slim",
        "inventory_level_create",
        "inventory_level_create_again",
        "inventory_level_create_bad_location",
        "inventory_level_update",
        "inventory_level_update_negative",
        "inventory_level_update_null",
        "inventory_level_update_decimal",
        "inventory_level_update_missing_level",
        "inventory_levels_get",
        "inventory_item_levels_batch_create",
        "inventory_item_levels_batch_update",
        "inventory_levels_bulk_create",
        "inventory_levels_bulk_update",
        "inventory_levels_bulk_create_existing",
        "inventory_levels_bulk_update_missing",
        "inventory_levels_bulk_mixed",
        "inventory_levels_bulk_bad_item",
        "inventory_levels_bulk_bad_location",
        "inventory_levels_bulk_create_dup_within",
        "inventory_levels_bulk_dup_within",
        "inventory_levels_bulk_negative",
        "inventory_levels_bulk_unknown_field",
        "inventory_levels_bulk_with_id",
        "inventory_levels_bulk_empty",
        "inventory_levels_bulk_decimal",
        "inventory_levels_bulk_failing_create_good_update",
        "inventory_items_batch_route",
        "variants_inventory_quantity_fields",
        "products_create_manage_inventory_false",
        "variant_switch_manage_inventory_true",
    ],
    a_product_deleted_again,
    *[
        "inventory_item_after_product_delete",
        "products_create_same_sku_after_delete",
        "uploads_two_files",
        "uploads_get",
        "uploads_delete",
        "uploads_8mb",
        "uploads_none",
        "uploads_wrong_field_name",
        "products_set_images",
        "products_set_images_again_same",
        "products_update_nulls",
        "store_no_publishable_key",
        "store_bad_publishable_key",
        "store_regions",
        "store_carts_list",
    ],
    a_product_without_prices,
    "store_price_no_prices_at_all",
    prices_for_the_store,
    *[
        "store_price_override_only",
        "store_price_base_12_345_override_15_5",
        "store_price_base_only",
        "store_price_base_12_345_sale_10",
        "store_price_base_12_345_sale_20",
        "store_price_base_override15_sale10",
        "store_price_dup_15_then_18",
        "store_price_dup_18_then_15",
        "store_price_two_overrides_15_and_11",
        "store_price_two_overrides_15_and_19",
        "store_price_draft_list",
        "store_price_expired_list",
        "store_price_group_rule_anonymous",
        "store_price_no_region",
        "store_price_no_region_no_calc",
        "store_price_currency_code",
        "store_filter_external_id",
    ],
    the_draft_list_becomes_active,
    "store_price_draft_then_active",
    stock_for_the_cart,
    *["store_cart_create", "store_cart_get", "store_cart_add_no_level", "store_cart_add_over_stock"],
    a_medusa_killed_in_a_batch,
    *[
        "crash_orphan_product_without_variants",
        "crash_orphan_repair_sales_channel",
        "crash_orphan_repair_via_batch_update",
        "crash_orphan_repair_via_variant_route",
    ],
    a_product_with_two_variants,
    "products_update_variants_subset",
    *[
        "products_batch_create_multi_variant",
        "variant_update_duplicate_sku",
        "variant_update_duplicate_barcode",
        "variant_create_unknown_option_value",
        "inventory_item_create_without_variant",
        "inventory_items_filter_updated_at_refused",
        "price_lists_filter_updated_at_refused",
        "variant_update_sku",
        "variant_after_sku_update_inventory",
        "inventory_item_update_duplicate_sku",
        "inventory_item_update_sku",
        "sales_channel_create",
        "products_filter_sales_channel",
        "sales_channel_products_unknown",
    ],
]
REPLAYED = [step for step in SCENARIO if isinstance(step, str)]


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    store = MedusaStore()
    injector = FaultInjector(create_app(store, api_key=KEY), name="medusa")
    with running(injector) as url:
        replay = Replay(url, store, injector)
        for step in SCENARIO:
            if isinstance(step, str):
                replay.pair(step)
            else:
                step(replay)
        yield replay


@pytest.mark.parametrize("name", REPLAYED)
def test_answers_as_the_real_medusa_did(replay: Replay, name: str) -> None:
    assert replay.differences[name] == []


def test_every_kept_pair_is_replayed() -> None:
    assert sorted(REPLAYED) == sorted(PAIRS)
