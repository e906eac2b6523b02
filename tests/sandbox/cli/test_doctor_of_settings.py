"""`erp-medusa doctor` finds which settings of prices and of the catalogue do not fit the two servers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.cli.conftest import Command
from tests.support.catalogue import PRICE_LIST, Catalogue
from tests.support.runs import Runner
from tests.support.servers import ErpServer, embedded_medusa


@pytest.mark.long
def test_price_lists_of_customers_are_checked_where_the_shop_shows_them(
    erp: ErpServer, erp_medusa: Command, shop_env: pytest.MonkeyPatch, runner: Runner
) -> None:
    erp.store.insert("Price List", name="Wholesale", price_list_name="Wholesale", selling=1, currency="OMR")
    erp.store.insert("Price List", name="Export", price_list_name="Export", selling=1, currency="CHF")
    erp.store.insert("Price List", name="Buying", price_list_name="Buying", selling=0, currency="OMR")
    for group, price_list in (("Trade", "Wholesale"), ("Abroad", "Export"), ("Suppliers", "Buying")):
        erp.store.insert("Customer Group", customer_group_name=group, default_price_list=price_list)
    assert [row for row in erp_medusa("doctor").data["findings"] if row["area"] == "prices"] == []
    shop_env.setenv("PRICE_GROUPS", "true")
    output = erp_medusa("doctor")
    assert "Medusa has no group for it yet" in output.finding("prices", "Trade")["found"]
    assert "Export is in CHF, and Medusa's regions sell in OMR" in output.finding("prices", "Abroad")["found"]
    assert "Buying is not for selling" in output.finding("prices", "Suppliers")["found"]
    assert output.finding("rights", "Contact")["level"] == "ok"
    erp.store.set("Customer Group", "Suppliers", default_price_list="Wholesale")
    runner.job("sync_customer_groups")
    levels = {row["name"]: row["level"] for row in erp_medusa("doctor").data["findings"] if row["area"] == "prices"}
    assert levels == {"Abroad": "warn", "Suppliers": "ok", "Trade": "ok"}


@pytest.mark.long
def test_further_price_lists_are_named_until_the_setting_is_right(
    erp: ErpServer, erp_medusa: Command, shop_env: pytest.MonkeyPatch
) -> None:
    erp.store.insert("Price List", name=PRICE_LIST, price_list_name=PRICE_LIST, selling=1, currency="OMR")
    erp.store.insert("Price List", name="Euro", price_list_name="Euro", selling=1, currency="EUR")
    shop_env.setenv("FURTHER_PRICE_LISTS", '{"Nowhere": ""}')
    output = erp_medusa("doctor").finding("prices", "Price Lists")
    assert (output["level"], output["fix"]) == ("fail", "correct FURTHER_PRICE_LISTS")
    shop_env.setenv("FURTHER_PRICE_LISTS", '{"Euro": "reg_of_nobody"}')
    assert erp_medusa("doctor").finding("prices", "Euro")["fix"] == "correct FURTHER_PRICE_LISTS"
    shop_env.setenv("FURTHER_PRICE_LISTS", '{"Euro": ""}')
    levels = {row["name"]: row["level"] for row in erp_medusa("doctor").data["findings"] if row["area"] == "prices"}
    assert levels == {"Euro": "warn"}, "no region sells in euros"


def test_pricing_rules_that_the_shop_does_not_apply_are_named(
    erp: ErpServer, erp_medusa: Command, shop_env: pytest.MonkeyPatch
) -> None:
    common = {"selling": 1, "apply_on": "Item Code", "rate_or_discount": "Discount Percentage"}
    erp.store.insert("Pricing Rule", name="PRLE-1", title="Code", coupon_code_based=1, **common)
    erp.store.insert("Pricing Rule", name="PRLE-2", title="Winter", **common)
    shop_env.setenv("PRICING_RULES", "true")
    output = erp_medusa("doctor")
    assert output.finding("prices", "Pricing Rule PRLE-1")["found"] == "it needs a coupon"
    assert output.finding("prices", "Pricing Rules")["found"] == "1 are applied in the shop"
    assert output.finding("rights", "Pricing Rule")["level"] == "ok"


def test_a_mapping_is_named_by_its_lines_until_it_is_right(
    erp_medusa: Command, shop_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not [row for row in erp_medusa("doctor").data["findings"] if row["name"] == "mapping"]
    file = tmp_path / "catalogue.yaml"
    shop_env.setenv("MAPPING", str(file))
    file.write_text("fields:\n  title: web_item_name\n  hs_code: {from: [a]}\n", encoding="utf-8")
    output = erp_medusa("doctor").finding("fields", "mapping")
    assert (output["level"], output["fix"]) == ("fail", "correct the mapping")
    assert output["found"].startswith(f"{file}:3:12: hs_code takes one value")
    file.write_text("fields:\n  title: web_item_name\n  material: item.custom_steel\n", encoding="utf-8")
    output = erp_medusa("doctor").finding("fields", "mapping")
    assert output["found"].startswith(f"{file}:3:3: material: the site's Item has no field 'custom_steel'")
    file.write_text("fields:\n  title: web_item_name\n  material: item.brand\n", encoding="utf-8")
    output = erp_medusa("doctor").finding("fields", "mapping")
    assert (output["level"], output["found"]) == ("ok", f"{file}: 2 rows")


def test_a_mapping_that_reads_tags_of_pages_needs_a_right_and_another_one_does_not(
    erp: ErpServer, erp_medusa: Command, shop_env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "catalogue.yaml"
    shop_env.setenv("MAPPING", str(file))
    erp.add_user("stock", "Item Manager", "Stock User", "Sales Master Manager", "Accounts User")
    shop_env.setenv("ERPNEXT_API_KEY", "stock")
    file.write_text("fields:\n  title: web_item_name\n", encoding="utf-8")
    output = erp_medusa("doctor")
    assert not [row for row in output.data["findings"] if row["name"] == "Website Route Meta"]
    file.write_text("fields:\n  title: web_item_name\n  subtitle: meta.title\n", encoding="utf-8")
    output = erp_medusa("doctor")
    assert output.finding("rights", "Website Route Meta")["level"] == "fail"
    assert "may not read Website Route Meta" in output.finding("fields", "mapping")["found"]


def test_rules_of_what_goes_where_that_name_nothing_are_named_until_they_are_right(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    group = Catalogue(erp.store).group("Dental")
    rule = {"item_group": [group, "Dentul"], "brand": "Nobody", "custom_no_such_field": 1}
    shop_env.setenv("SHOP_ITEMS", json.dumps(rule))
    shop_env.setenv("SALES_CHANNELS", json.dumps({"sc_gone": {"item_group": group}}))
    output = erp_medusa("doctor")
    found = [
        (one["name"], one["level"], one["found"]) for one in output.data["findings"] if one["area"] == "what goes where"
    ]
    assert [one[:2] for one in found] == [
        ("SALES_CHANNELS", "fail"), ("SHOP_ITEMS", "fail"), ("SHOP_ITEMS", "warn"), ("SHOP_ITEMS", "fail"),
        ("SALES_CHANNELS", "ok"),
    ]  # fmt: skip
    said = [one[2] for one in found]
    assert said[0].startswith("SALES_CHANNELS names sc_gone, which does not exist")
    assert said[1] == "ERPNext has no Item Group Dentul"
    assert said[2] == "no Website Item has brand Nobody"
    assert said[3].startswith("Website Item has no field custom_no_such_field")
    assert said[4] == f"Item Group {group}"
    shop_env.setenv("SHOP_ITEMS", json.dumps({"item_group": group}))
    shop_env.delenv("SALES_CHANNELS")
    output = erp_medusa("doctor").finding("what goes where", "SHOP_ITEMS")
    assert (output["level"], output["found"]) == ("ok", f"Item Group {group}")


def test_a_language_without_texts_is_named_until_it_has_some(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("LANGUAGES", '{"ar-OM": "ar"}')
    output = erp_medusa("doctor").finding("fields", "languages")
    assert (output["level"], output["found"]) == ("warn", "ERPNext has no Translation into ar")
    erp.store.insert("Translation", name="one", language="ar", source_text="Gloves", translated_text="قفازات")
    output = erp_medusa("doctor").finding("fields", "languages")
    assert (output["level"], output["found"]) == ("ok", "1 Translations into ar")
    shop_env.setenv("LANGUAGE_FIELDS", '{"title": "custom_no_such_name_{language}"}')
    output = erp_medusa("doctor").finding("fields", "languages")
    assert (output["level"], output["found"]) == ("fail", "Website Item has no field custom_no_such_name_ar")
    shop_env.setenv("LANGUAGE_FIELDS", '{"title": "custom_web_item_name_{language}"}')
    assert erp_medusa("doctor").finding("fields", "languages")["level"] == "ok"


def test_it_is_said_where_texts_are_kept_and_which_locales_medusa_does_not_name(
    erp_medusa: Command, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("LANGUAGES", '{"ar-OM": "ar"}')
    said = erp_medusa("doctor").finding("Medusa shop", "languages")
    assert (said["level"], said["found"]) == ("ok", "Medusa's Translation module is off: texts are in the metadata")
    with embedded_medusa(translations=True) as medusa:
        shop_env.setenv("MEDUSA_URL", medusa.url)
        said = erp_medusa("doctor").finding("Medusa shop", "languages")
        assert (said["level"], said["found"]) == (
            "ok",
            "ar-OM is in Medusa's own translations, which has no such locale",
        )
        shop_env.setenv("LANGUAGES", '{"ar-ae": "ar"}')
        said = erp_medusa("doctor").finding("Medusa shop", "languages")
        assert said["level"] == "warn"
        assert said["found"] == "ar-AE is in Medusa's own translations, not among the store's locales"


def test_a_setting_without_the_one_that_it_refines_is_named(erp_medusa: Command, shop_env: pytest.MonkeyPatch) -> None:
    shop_env.setenv("UNUSED_OPTION_VALUES", "remove")
    shop_env.setenv("EMPTY_GROUPS", "hide")
    assert erp_medusa("doctor").finding("catalogue", "EMPTY_GROUPS=hide")["level"] == "warn"
    shop_env.setenv("CATEGORIES", "used")
    assert erp_medusa("doctor").finding("catalogue", "UNUSED_OPTION_VALUES")["level"] == "warn"
    shop_env.setenv("VARIANTS", "options")
    shop_env.setenv("CUSTOMER_PRICES", "true")
    assert erp_medusa("doctor").finding("catalogue", "CUSTOMER_PRICES")["level"] == "warn"
    shop_env.setenv("PRICE_GROUPS", "true")
    assert not [one for one in erp_medusa("doctor").data["findings"] if one["area"] == "catalogue"]


def test_parents_that_are_no_templates_are_named(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    catalogue = Catalogue(erp.store)
    group = catalogue.group("Files")
    parent, plain = catalogue.item(group, item={"has_variants": 1}, has_variants=1), catalogue.item(group)
    catalogue.item(group, custom_parent_website_item=parent)
    shop_env.setenv("VARIANTS", "parents")
    assert erp_medusa("doctor").finding("catalogue", "VARIANTS")["found"] == "1 Website Items name 1 parents"
    lost = catalogue.item(group, custom_parent_website_item=plain)
    output = erp_medusa("doctor").finding("catalogue", "VARIANTS")
    assert (output["level"], output["found"]) == (
        "warn", f"1 of 2 Website Items name a parent that is no template ({lost})",
    )  # fmt: skip
    erp.store.set("Website Item", lost, custom_parent_website_item=parent)
    assert erp_medusa("doctor").finding("catalogue", "VARIANTS")["level"] == "ok"


def test_prices_of_one_customer_are_named_until_it_has_a_price_list(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    def named() -> list[str]:
        rows = erp_medusa("doctor").data["findings"]
        return [row["found"] for row in rows if row["name"] == "prices of one Customer"]

    catalogue = Catalogue(erp.store)
    code = catalogue.row(catalogue.item(catalogue.group("Files")))["item_code"]
    row = {"item_code": code, "price_list": PRICE_LIST, "price_list_rate": 4, "currency": "OMR", "selling": 1}
    price = erp.store.insert("Item Price", customer="Al Noor Clinic", **row)
    assert named() == []
    shop_env.setenv("PRICE_GROUPS", "true")
    assert named() == ["1 Item Prices are for one Customer alone, of 1 (Al Noor Clinic)"]
    erp.store.delete("Item Price", price)
    assert named() == []


def test_own_prices_that_no_customer_is_asked_are_named(
    erp_medusa: Command, erp: ErpServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    def named() -> list[tuple[str, str]]:
        rows = erp_medusa("doctor").data["findings"]
        return [
            (row["level"], row["found"]) for row in rows if row["name"] in ("prices of one Customer", f"Customer {vip}")
        ]

    catalogue = Catalogue(erp.store)
    code = catalogue.row(catalogue.item(catalogue.group("Files")))["item_code"]
    clinic, vip = (
        erp.store.insert("Customer", customer_name=name, customer_group="All Customer Groups", default_price_list=its)
        for name, its in (("Al Noor", None), ("Royal", "VIP"))
    )
    erp.store.insert("Price List", price_list_name="VIP", enabled=1, selling=1, currency="OMR")
    row = {"item_code": code, "price_list": PRICE_LIST, "price_list_rate": 4, "currency": "OMR", "selling": 1}
    for customer in (clinic, vip):
        erp.store.insert("Item Price", customer=customer, **row)
    shop_env.setenv("PRICE_GROUPS", "true")
    shop_env.setenv("CUSTOMER_PRICES", "true")
    assert named() == [
        ("warn", f"it has Item Prices of its own in {PRICE_LIST}, and its Price List is VIP"),
        ("warn", "1 (Al Noor) have Item Prices of their own and no e-mail address"),
        ("warn", "Medusa has no group yet for 1 (Al Noor)"),
        ("ok", "1 Customers have Item Prices of their own"),
    ]
    erp.store.set("Customer", clinic, email_id="buyer@example.com")
    runner.job("sync_customer_groups")
    assert [level for level, _ in named()] == ["warn", "ok"]
    erp.store.set("Customer", vip, default_price_list=None)
    runner.job("sync_customer_groups")
    assert [level for level, _ in named()] == ["warn", "ok"]
    assert named()[0] == ("warn", "1 (Royal) have Item Prices of their own and no e-mail address")


def test_packs_of_one_customer_are_named_because_erpnext_asks_them_for_whole_packs_only(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    def named() -> list[tuple[str, str, str]]:
        rows = erp_medusa("doctor").data["findings"]
        return [(row["level"], row["found"], row["means"]) for row in rows if row["name"] == "packs of one Customer"]

    catalogue = Catalogue(erp.store)
    code = catalogue.row(catalogue.item(catalogue.group("Files")))["item_code"]
    clinic = erp.store.insert("Customer", customer_name="Al Noor", customer_group="All Customer Groups")
    row = {"item_code": code, "price_list": PRICE_LIST, "currency": "OMR", "selling": 1, "customer": clinic}
    erp.store.insert("Item Price", price_list_rate=4, **row)
    shop_env.setenv("PRICE_GROUPS", "true")
    shop_env.setenv("CUSTOMER_PRICES", "true")
    assert named() == []
    pack = erp.store.insert("Item Price", price_list_rate=3, packing_unit=6, **row)
    means = "ERPNext asks them for whole packs only, and has no price for other quantities; the shop"
    found = ("warn", f"1 ({code} in packs of 6 for {clinic})")
    assert named() == [(*found, f"{means} never asks them")]
    shop_env.setenv("PRICE_PACKS", "true")
    assert named() == [(*found, f"{means} asks them from so many pieces on")]
    erp.store.set("Item Price", pack, packing_unit=0, valid_from="2021-01-01")
    assert named() == []


def test_items_that_the_price_list_of_a_group_lacks_are_named(
    erp_medusa: Command, erp: ErpServer, shop_env: pytest.MonkeyPatch
) -> None:
    def named() -> list[tuple[str, str]]:
        rows = erp_medusa("doctor").data["findings"]
        return [(row["level"], row["found"]) for row in rows if row["name"] == "Price List Wholesale"]

    catalogue = Catalogue(erp.store)
    group = catalogue.group("Files")
    erp.store.insert("Price List", name="Wholesale", price_list_name="Wholesale", enabled=1, selling=1, currency="OMR")
    trade = {"customer_group_name": "Trade", "default_price_list": "Wholesale"}
    template = catalogue.item(group, item={"has_variants": 1}, has_variants=1)
    of_template = {"variant_of": catalogue.row(template)["item_code"]}
    variant = catalogue.item(group, item=of_template, **of_template)
    both, only_old, lacking, priceless, withdrawn = (catalogue.item(group) for _ in range(5))
    catalogue.store.set("Website Item", withdrawn, published=0)

    def price(item: str, price_list: str, **fields: Any) -> None:
        row = {"price_list": price_list, "price_list_rate": 4, "currency": "OMR", "selling": 1, **fields}
        erp.store.insert("Item Price", item_code=catalogue.row(item)["item_code"], **row)

    for item in (both, only_old, lacking, withdrawn, variant):
        price(item, PRICE_LIST)
    price(both, "Wholesale")
    price(priceless, "Wholesale")
    price(only_old, "Wholesale", valid_upto="2020-12-31")
    # ERPNext takes a template's row for a variant.
    erp.store.force(
        "Item Price",
        erp.store.insert(
            "Item Price",
            item_code=catalogue.row(both)["item_code"],
            price_list="Wholesale",
            price_list_rate=4,
            selling=1,
            valid_from="2021-01-01",
        ),
        item_code=of_template["variant_of"],
    )
    shop_env.setenv("PRICE_GROUPS", "true")
    assert named() == []
    erp.store.insert("Customer Group", name="Trade", **trade)
    codes = [catalogue.row(item)["item_code"] for item in (only_old, lacking)]
    lacks = f"it has no price today for 2 ({', '.join(codes)}) of the items that have one in {PRICE_LIST}"
    assert named() == [("warn", lacks)]
    for item in (only_old, lacking):
        price(item, "Wholesale")
    assert named() == []
