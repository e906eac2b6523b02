"""Nights in which something stands between us and Medusa, judged by what a customer sees afterwards."""

from collections.abc import Callable
from typing import Any

import pytest

from erp_medusa_sandbox import way
from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import Catalogue
from tests.support.priced_shop import PricedShop
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer

NIGHT = ["medusa_collections", "medusa_products", "medusa_product_updates", "medusa_prices"]
PRODUCTS = ["medusa_collections", "medusa_products", "medusa_product_updates"]
Trouble = Callable[..., Fault]


@pytest.fixture
def shop(erp: ErpServer, medusa: MedusaServer) -> PricedShop:
    return PricedShop(Catalogue(erp.store), erp, medusa)


def on_sale(medusa: MedusaServer) -> dict[str, str]:
    """Titles that a customer sees, by Website Item."""
    answer = medusa.store("GET", "/store/products?fields=external_id,title&limit=1000").json()
    return {row["external_id"]: row["title"] for row in answer["products"]}


def rejected(run: Any, asset: str) -> dict[str, str]:
    """Reasons by document."""
    return {row["document"].split()[-1]: row["reason"] for row in run.rejects(asset)}


class Changed:
    """A shop that was exported, and what staff changed since."""

    def __init__(self, shop: PricedShop, runner: Runner) -> None:
        self.shop = shop
        self.kept, self.hidden, self.retitled, self.raised = (shop.item() for _ in range(4))
        price = shop.price(self.raised, 5)
        assert runner.assets(NIGHT, "batch_0").success
        store = shop.catalogue.store
        store.set("Website Item", self.hidden, published=0)
        store.set("Website Item", self.retitled, web_item_name="Better title")
        shop.change(price, price_list_rate=7)
        self.new = shop.item()

    def is_as_before(self) -> bool:
        shown = on_sale(self.shop.medusa)
        return set(shown) == {self.kept, self.hidden, self.retitled, self.raised}

    def is_right(self) -> bool:
        shown = on_sale(self.shop.medusa)
        everything = {self.kept, self.retitled, self.raised, self.new}
        return set(shown) == everything and shown[self.retitled] == "Better title" and self.shop.shown(self.raised) == 7


@pytest.mark.parametrize("method", ["POST", None])
@pytest.mark.long
def test_a_closed_way_is_a_red_night_and_nothing_is_held(
    shop: PricedShop, medusa: MedusaServer, runner: Runner, method: str | None
) -> None:
    changed = Changed(shop, runner)
    for trouble in way.CLOSED:
        medusa.faults.add(trouble(method=method, path="^/admin"))
        medusa.faults.forget_requests()
        assert not runner.assets(NIGHT, "batch_0").success, trouble
        assert len(medusa.faults.requests) < 40, trouble
        medusa.faults.heal()
        assert changed.is_as_before(), trouble
    after = runner.assets(NIGHT, "batch_0")
    assert after.success
    assert all(not after.rejects(asset) for asset in ("medusa_products", "medusa_product_updates", "medusa_prices"))
    assert changed.is_right()


@pytest.mark.parametrize("trouble", [way.reset_before_headers, way.answer_withheld, way.login_redirect])
def test_what_was_carried_out_without_a_good_answer_is_not_done_twice(
    shop: PricedShop, medusa: MedusaServer, runner: Runner, trouble: Trouble
) -> None:
    changed = Changed(shop, runner)
    medusa.faults.add(trouble(method="POST", path="^/admin", times=4))
    runner.assets(NIGHT, "batch_0")
    medusa.faults.heal()
    assert runner.assets(NIGHT, "batch_0").success
    assert changed.is_right()
    titles = [row["title"] for row in medusa.admin("GET", "/admin/products?limit=100")["products"]]
    assert len(titles) == 5
    prices = medusa.admin("GET", "/admin/price-lists?fields=prices.id,status&limit=50")["price_lists"]
    assert sum(len(one["prices"]) for one in prices) == 1


@pytest.mark.parametrize("status", [200, 302, 403, 413])
@pytest.mark.long
def test_a_firewall_that_refuses_one_description_costs_one_item(
    shop: PricedShop, medusa: MedusaServer, runner: Runner, status: int
) -> None:
    names = [shop.item() for _ in range(30)]
    shop.catalogue.store.set("Website Item", names[11], web_long_description="<p>SELECT * FROM users; DROP TABLE</p>")
    medusa.faults.add(way.firewall(status, method="POST", body="DROP TABLE"))
    for _ in range(2):
        # In the second night nothing else is at work.
        night = runner.assets(PRODUCTS, "batch_0")
        assert night.success
        reasons = rejected(night, "medusa_products")
        assert list(reasons) == [names[11]]
        assert "blocked" in next(iter(reasons.values()))
        assert set(on_sale(medusa)) == {*names} - {names[11]}
    medusa.faults.heal()
    assert runner.assets(PRODUCTS, "batch_0").success
    assert set(on_sale(medusa)) == set(names)


def test_a_firewall_that_refuses_one_group_costs_one_collection(
    erp: ErpServer, medusa: MedusaServer, runner: Runner
) -> None:
    catalogue = Catalogue(erp.store)
    good, bad = catalogue.group("Gloves"), catalogue.group("<script>")
    names = [catalogue.item(good), catalogue.item(bad)]
    medusa.faults.add(way.firewall(path="/admin/collections", method="POST", body="script"))
    night = runner.assets(PRODUCTS, "batch_0")
    assert night.success
    assert len(night.rejects("medusa_collections")) == 1
    assert set(on_sale(medusa)) == set(names)


@pytest.mark.long
def test_a_proxy_of_8_kilobytes_stops_nobody(erp: ErpServer, medusa: MedusaServer, runner: Runner) -> None:
    catalogue = Catalogue(erp.store)
    names = catalogue.items(520, catalogue.group("Gloves"))
    for server in (erp, medusa):
        server.faults.add(way.longest_line())
        server.faults.add(way.largest_body())
    for _ in range(2):
        assert runner.assets(PRODUCTS, "batch_0").success
    assert set(on_sale(medusa)) == set(names)
    refused = [seen for server in (erp, medusa) for seen in server.faults.requests if seen.status in (413, 414)]
    assert refused == []


@pytest.mark.parametrize("number", [1, 3, 8])
@pytest.mark.long
def test_a_medusa_that_fails_on_every_write_is_never_the_documents_fault(
    shop: PricedShop, medusa: MedusaServer, runner: Runner, number: int
) -> None:
    names = [shop.item() for _ in range(number)]
    assert runner.assets(PRODUCTS, "batch_0").success
    for name in names:
        shop.catalogue.store.set("Website Item", name, web_item_name=f"New {name}")
    broken = {"code": "unknown_error", "type": "unknown_error", "message": "An unknown error occurred."}
    medusa.faults.add(Fault("status", method="POST", status=500, json=broken))
    for _ in range(5):
        night = runner.assets(PRODUCTS, "batch_0")
        assert not night.success
        assert night.failure("medusa_product_updates")
    medusa.faults.heal()
    assert runner.assets(PRODUCTS, "batch_0").success
    assert on_sale(medusa) == {name: f"New {name}" for name in names}


@pytest.mark.long
def test_a_document_that_fails_alone_becomes_a_reject_when_others_pass(
    shop: PricedShop, medusa: MedusaServer, runner: Runner
) -> None:
    names = [shop.item() for _ in range(6)]
    assert runner.assets(PRODUCTS, "batch_0").success
    for name in names:
        shop.catalogue.store.set("Website Item", name, web_item_name=f"New {name}")
    broken = {"type": "unknown_error", "message": "An unknown error occurred."}
    medusa.faults.add(Fault("status", method="POST", body=f"New {names[0]}", status=500, json=broken))
    nights = [runner.assets(PRODUCTS, "batch_0").success for _ in range(4)]
    assert nights == [False, False, True, True]
    assert on_sale(medusa)[names[1]] == f"New {names[1]}"


def test_a_look_up_that_fails_while_a_refusal_is_read_puts_off_its_chunk_only(
    erp: ErpServer, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
) -> None:
    shop_env.setenv("MEDUSA_CHUNK", "5")
    catalogue = Catalogue(erp.store)
    group = catalogue.group("Gloves")
    names = catalogue.items(25, group)
    # The third chunk has a sku that another product has, and what is asked about it is never answered.
    code = catalogue.row(names[12])["item_code"]
    hand_made = {"title": "By hand", "handle": "by-hand", "options": [{"title": "Size", "values": ["S"]}]}
    variant = {"title": "S", "sku": code, "options": {"Size": "S"}, "prices": []}
    medusa.admin("POST", "/admin/products", json={**hand_made, "variants": [variant]})
    catalogue.store.set("Website Item", names[2], web_item_name="x")
    medusa.faults.add(Fault("status", method="GET", path=r"/admin/product-variants\?", status=503))
    night = runner.assets(PRODUCTS, "batch_0")
    assert not night.success
    assert len(on_sale(medusa)) >= 20
    medusa.faults.heal()
    again = runner.assets(PRODUCTS, "batch_0")
    assert set(on_sale(medusa)) >= {*names} - {names[12]}
    assert again.success


@pytest.mark.parametrize("status", [200, 302, 403])
@pytest.mark.parametrize("where", ["medusa", "erp"])
@pytest.mark.long
def test_a_firewall_that_refuses_one_look_up_costs_one_item(
    shop: PricedShop, erp: ErpServer, medusa: MedusaServer, runner: Runner, status: int, where: str
) -> None:
    """What it refuses is the item's name, in an address or in the body of a list that is asked for with POST."""
    names = [shop.item() for _ in range(12)]
    for name in names:
        shop.price(name, 5)
    refused, others = names[7], {*names} - {names[7]}
    server = medusa if where == "medusa" else erp
    server.faults.add(way.firewall(status, method="GET", path=refused))
    server.faults.add(way.firewall(status, method="POST", path="get_list", body=refused))
    for _ in range(2):
        night = runner.assets(NIGHT, "batch_0")
        assert night.success, night.reasons()
        assert set(on_sale(medusa)) == others
        assert all(shop.shown(name) == 5 for name in others)
        reasons = rejected(night, "medusa_products")
        assert list(reasons) == [refused]
        assert "cannot be looked up" in reasons[refused]
    server.faults.heal()
    assert runner.assets(NIGHT, "batch_0").success
    assert set(on_sale(medusa)) == set(names)
    assert shop.shown(refused) == 5


@pytest.mark.long
def test_a_refused_look_up_of_a_key_keeps_nothing_else_of_its_item_back(
    shop: PricedShop, medusa: MedusaServer, runner: Runner
) -> None:
    names = [shop.item() for _ in range(8)]
    assert runner.assets(PRODUCTS, "batch_0").success
    store = shop.catalogue.store
    for number, name in enumerate(names):
        store.rename_item(shop.catalogue.row(name)["item_code"], f"NEW-{number}")
    store.set("Website Item", names[2], published=0)
    store.set("Website Item", names[3], web_item_name="Better title")
    medusa.faults.add(way.firewall(method="GET", path="(NEW-2|NEW-3)"))
    night = runner.assets(PRODUCTS, "batch_0")
    assert night.success
    assert sorted(rejected(night, "medusa_product_updates")) == [names[2], names[3]]
    shown = on_sale(medusa)
    assert set(shown) == {*names} - {names[2]}
    assert shown[names[3]] == "Better title"
    medusa.faults.heal()
    night = runner.assets(PRODUCTS, "batch_0")
    assert night.check("medusa_product_updates").passed
    skus = {row["sku"] for row in medusa.admin("GET", "/admin/product-variants?fields=sku&limit=100")["variants"]}
    assert skus == {f"NEW-{number}" for number in range(8)}


def test_a_look_up_that_is_refused_while_a_refusal_is_read_costs_one_item(
    erp: ErpServer, medusa: MedusaServer, runner: Runner
) -> None:
    catalogue = Catalogue(erp.store)
    names = catalogue.items(12, catalogue.group("Gloves"))
    code = catalogue.row(names[5])["item_code"]
    hand_made = {"title": "By hand", "handle": "by-hand", "options": [{"title": "Size", "values": ["S"]}]}
    variant = {"title": "S", "sku": code, "options": {"Size": "S"}, "prices": []}
    medusa.admin("POST", "/admin/products", json={**hand_made, "variants": [variant]})
    catalogue.store.rename_item(catalogue.row(names[2])["item_code"], "BAD-2")
    medusa.faults.add(way.firewall(method="GET", path="BAD-2"))
    night = runner.assets(PRODUCTS, "batch_0")
    assert night.success, night.reasons()
    assert {*names} - {names[2], names[5]} <= set(on_sale(medusa))
    medusa.faults.heal()
    assert runner.assets(PRODUCTS, "batch_0").success
    assert set(names) - {names[5]} <= set(on_sale(medusa))


@pytest.mark.long
def test_a_closed_way_of_look_ups_is_no_documents_fault(shop: PricedShop, medusa: MedusaServer, runner: Runner) -> None:
    """Any look-up by a value is refused, also of items that were never refused alone: soon it is the way."""
    names = [shop.item() for _ in range(60)]
    medusa.faults.add(way.firewall(method="GET", path="external_id=WEB"))
    medusa.faults.forget_requests()
    assert not runner.assets(PRODUCTS, "batch_0").success
    assert len(medusa.faults.requests) < 400
    assert on_sale(medusa) == {}
    medusa.faults.heal()
    assert runner.assets(PRODUCTS, "batch_0").success
    assert set(on_sale(medusa)) == set(names)


def test_a_right_to_read_is_judged_by_what_else_the_key_may_read(
    shop: PricedShop, medusa: MedusaServer, runner: Runner
) -> None:
    names = [shop.item() for _ in range(6)]
    forbidden = {"type": "forbidden", "message": "Forbidden"}
    medusa.faults.add(Fault("status", method="GET", path=names[1], status=403, json=forbidden))
    night = runner.assets(PRODUCTS, "batch_0")
    assert night.success
    assert list(rejected(night, "medusa_products")) == [names[1]]
    medusa.faults.heal()
    shop.item()
    medusa.faults.add(Fault("status", method="GET", path=r"/admin/products\?", status=403, json=forbidden))
    night = runner.assets(PRODUCTS, "batch_0")
    assert not night.success
    assert "check the user's roles and the key" in night.failure_text("medusa_products")
