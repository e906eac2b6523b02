"""explain: one item from both sides, with the reason in one sentence."""

import pytest
from typer.testing import CliRunner

from erp_medusa_pipelines.cli.main import app
from tests.sandbox.cli.conftest import Command
from tests.sandbox.plan.test_plans import Shop
from tests.support.catalogue import Catalogue
from tests.support.customers import Customers
from tests.support.plain_runs import quick_runner
from tests.support.servers import ErpServer, MedusaServer
from tests.support.writes import erp_writes, medusa_writes

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def shop(erp: ErpServer, medusa: MedusaServer) -> Shop:
    """An empty shop."""
    return Shop(Catalogue(erp.store), erp, medusa)


@pytest.mark.long
def test_an_item_that_is_right_says_so_with_both_sides(
    erp_medusa: Command, shop: Shop, erp: ErpServer, medusa: MedusaServer
) -> None:
    name = shop.item(rate=2.5, quantity=7)
    assert erp_medusa("sync", name).code == 0
    medusa.faults.forget_requests()
    erp.faults.forget_requests()
    output = erp_medusa("explain", shop.catalogue.row(name)["item_code"])
    assert (output.code, output.data["why"]) == (0, "The shop shows what ERPNext says.")
    assert [price["price_list_rate"] for price in output.data["erpnext"]["prices"]] == [2.5]
    assert [one["actual_qty"] for one in output.data["erpnext"]["bins"]] == [7]
    assert [one["id"] for one in output.data["medusa"]["products"]] == [shop.product_of(name)]
    assert [(one["amount"], one["status"]) for one in output.data["medusa"]["prices"]] == [(2.5, "active")]
    assert [one["stocked_quantity"] for one in output.data["medusa"]["stock"]] == [7]
    assert output.data["log"]
    assert medusa_writes(medusa) == []
    assert erp_writes(erp) == []


@pytest.mark.long
def test_each_trouble_has_its_sentence(erp_medusa: Command, shop: Shop, erp: ErpServer, medusa: MedusaServer) -> None:
    new, free, retitled, hidden = shop.item(), shop.item(rate=0), shop.item(), shop.item()
    assert erp_medusa("sync", free, retitled, hidden).code == 1
    erp.store.set("Website Item", retitled, web_item_name="Another name")
    erp.store.set("Website Item", hidden, published=0)
    missing = erp_medusa("explain", new)
    assert (missing.code, missing.data["why"].partition(".")[0]) == (1, f"Medusa has no product with external_id {new}")
    refused = erp_medusa("explain", free)
    assert refused.code == 1
    assert f"{shop.catalogue.row(free)['item_code']} in Standard Selling: the rate is 0" in refused.data["why"]
    assert [one["asset"] for one in refused.data["held"]] == ["medusa_prices"]
    assert erp_medusa("explain", retitled).data["why"].startswith("Medusa differs in: title.")
    erp_medusa("sync", retitled)
    assert erp_medusa("explain", retitled).data["why"] == "The shop shows what ERPNext says."
    assert erp_medusa("explain", hidden).data["why"].startswith("It is not published in ERPNext")


@pytest.mark.long
def test_the_first_line_says_whether_a_customer_can_buy_it(
    erp_medusa: Command, shop: Shop, erp: ErpServer, medusa: MedusaServer
) -> None:
    """An item without a price looked as if all was well."""
    right, unpriced, sold_out, halfmade = shop.item(), shop.item(rate=None), shop.item(quantity=0), shop.item()
    erp_medusa("sync", right, unpriced, sold_out, halfmade)
    medusa.admin("POST", f"/admin/products/{shop.product_of(halfmade)}", json={"sales_channels": []})
    output = {name: erp_medusa("explain", name) for name in (right, unpriced, sold_out, halfmade)}
    assert {name: (one.code, one.data["can_be_bought"]) for name, one in output.items()} == {
        right: (0, True),
        unpriced: (1, False),
        sold_out: (0, False),
        halfmade: (1, False),
    }
    assert output[unpriced].data["cannot_be_bought"] == ["ERPNext has no price for it today in Standard Selling"]
    assert output[sold_out].data["cannot_be_bought"] == ["it is sold out"]
    assert output[halfmade].data["cannot_be_bought"][0].startswith("it is not in the sales channel")


@pytest.mark.long
def test_collections_of_other_items_are_neither_reported_nor_made(
    erp_medusa: Command, shop: Shop, erp: ErpServer
) -> None:
    """On a first day every group of the shop lacks its collection: that is no difference of this item."""
    gloves, chairs = shop.catalogue.group("Gloves"), shop.catalogue.group("Chairs")
    name = shop.catalogue.item(gloves)
    shop.catalogue.item(chairs)
    output = erp_medusa("explain", name)
    assert {one["document"] for one in output.data["differences"] if one["what"] == "collection"} == {gloves}
    erp_medusa("sync", name)
    assert {row["name"] for row in erp.store.rows("Item Group") if row["medusa_id"]} == {gloves}


@pytest.mark.long
def test_what_a_policy_leaves_to_medusa_is_reported(
    erp_medusa: Command, shop: Shop, erp: ErpServer, medusa: MedusaServer
) -> None:
    name = shop.item()
    erp_medusa("sync", name)
    medusa.admin("POST", f"/admin/products/{shop.product_of(name)}", json={"title": "Edited by hand"})
    output = erp_medusa("explain", name)
    assert (output.code, output.data["differences"]) == (0, [])
    assert output.data["why"] == "Somebody changed it in Medusa, and FIELD_POLICIES lets that stand: title."
    assert [(row["field"], row["medusa"]) for row in output.data["kept"]] == [("title", "Edited by hand")]
    drift = erp_medusa("drift")
    assert (drift.code, [row["website_item"] for row in drift.data["kept"]]) == (0, [name])


def test_an_unknown_item_is_an_error_in_one_sentence(erp_medusa: Command) -> None:
    output = erp_medusa("explain", "WEB-NOBODY")
    assert output.code == 1
    assert "no Website Item" in output.data["error"]


@pytest.mark.long
def test_the_number_and_the_price_are_given_with_their_parts(erp_medusa: Command, shop: Shop, erp: ErpServer) -> None:
    name = shop.item(rate=12.5, quantity=30)
    code, (price,) = shop.catalogue.row(name)["item_code"], erp.store.rows("Item Price")
    (place,) = [row["warehouse"] for row in erp.store.rows("Bin", item_code=code)]
    erp.store.order(code, place, 29)
    erp_medusa("sync", name)
    output = erp_medusa("explain", name)
    (quantity,) = output.data["quantity"]
    parts = ("actual", "expired", "reserved", "safety", "for_sale")
    assert [quantity[part] for part in parts] == [30, 0, 29, 0, 1]
    assert output.data["price"] == {
        "item_price": price["name"], "price_list": "Standard Selling", "rate": "12.5", "currency": "OMR",
        "unit": "Nos", "is_of_template": False,
    }  # fmt: skip
    shown = " ".join(CliRunner().invoke(app, ["explain", name], env={"COLUMNS": "200"}).stdout.split())
    assert "30 actual - 0 expired - 29 reserved elsewhere - 0 safety stock = 1 for sale" in shown
    assert f"Price: 12.5 OMR per Nos: Item Price {price['name']} in Standard Selling" in shown


@pytest.mark.long
def test_the_number_of_a_bundle_is_given_with_that_of_each_part(
    erp_medusa: Command, shop: Shop, erp: ErpServer
) -> None:
    part = shop.item(quantity=10)
    code = shop.catalogue.row(part)["item_code"]
    bundle = shop.item(quantity=0, item={"is_stock_item": 0})
    own = shop.catalogue.row(bundle)["item_code"]
    erp.store.insert("Product Bundle", name=own, new_item_code=own, items=[{"item_code": code, "qty": 4}])
    output = erp_medusa("explain", bundle).data["quantity"]
    assert [(one["item_code"], one["in_each_bundle"], one["for_sale"]) for one in output] == [
        (code, 4, 10),
        (own, None, 2),
    ]


def test_the_first_line_says_why_an_item_is_not_in_this_shop(
    erp_medusa: Command, shop: Shop, shop_env: pytest.MonkeyPatch
) -> None:
    item, other = shop.item(), shop.item()
    assert erp_medusa("sync", other).code == 0
    shop_env.setenv("SHOP_ITEMS", '{"item_code.country_of_origin": ["Germany"]}')
    output = erp_medusa("explain", item)
    assert output.data["differences"] == []
    assert output.data["why"] == (
        "It is not in this shop: its item_code.country_of_origin is Oman, and SHOP_ITEMS takes Germany alone."
    )
    assert output.code == 0


def test_each_price_says_for_which_customers_it_is(
    erp_medusa: Command, shop: Shop, shop_env: pytest.MonkeyPatch
) -> None:
    """Of entries of one list, each for one Customer, nobody could tell whose they were."""
    name = shop.item(rate=10)
    customers = Customers(shop.priced)
    wholesale = customers.price_list("Wholesale")
    customers.customer("dealer", customers.group("Trade", wholesale))
    clinic, friend = (customers.customer(who, customers.group(f"Group of {who}")) for who in ("clinic", "friend"))
    customers.shop.price(name, 8, price_list=wholesale)
    customers.shop.price(name, 7, customer=clinic)
    customers.shop.price(name, 6, customer=friend)
    runner = quick_runner()

    def told() -> dict[float, str]:
        output = erp_medusa("explain", name)
        return {one["amount"]: one["customers"] for one in output.data["medusa"]["prices"]}

    shop_env.setenv("PRICE_GROUPS", "true")
    assert runner.job("export_items_and_images_custom", "batch_0").success
    assert told() == {10: "", 8: "customers whose Price List it is"}
    shop_env.setenv("CUSTOMER_PRICES", "true")
    assert runner.job("export_items_and_images_custom", "batch_0").success
    of_one = {7: f"Customer {clinic}", 6: f"Customer {friend}"}
    assert told() == {10: "", 8: "customers whose Price List it is", **of_one}
