"""The Medusa client against the embedded Medusa: look-ups never miss or mistake, creates are not repeated."""

from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest

from erp_medusa_pipelines.clients import medusa_inventory
from erp_medusa_pipelines.clients.failures import (
    ApiError,
    ForeignAnswerError,
    PayloadTooLargeError,
    PermanentError,
    TransientError,
)
from erp_medusa_pipelines.clients.http import HttpClient, HttpOptions
from erp_medusa_pipelines.clients.medusa import LONGEST_REQUEST_LINE, MOST_VALUES, PRODUCTS_BATCH, UPLOADS, MedusaClient
from erp_medusa_pipelines.clients.medusa_inventory import LEVELS_BATCH, MedusaInventory
from erp_medusa_pipelines.clients.medusa_prices import PRICE_LISTS, MedusaPrices, batch_route
from erp_medusa_sandbox import way
from erp_medusa_sandbox.faults import Fault
from tests.support.servers import MedusaServer


@pytest.fixture
def client(medusa: MedusaServer) -> Iterator[MedusaClient]:
    http = HttpClient(
        "Medusa", medusa.url, {"Authorization": f"Basic {medusa.api_key}"}, secrets=(medusa.api_key,),
        sleep=lambda _seconds: None, options=HttpOptions(connect_timeout=2, read_timeout=10),
    )  # fmt: skip
    yield MedusaClient(http)
    http.close()


def product(number: int, **fields: object) -> dict[str, object]:
    return {
        "title": f"Product {number}",
        "handle": f"product-{number}",
        "external_id": f"WEB/{number} صنف",
        "options": [{"title": "Default", "values": ["Default"]}],
        "variants": [{"title": "Default", "sku": f"SKU {number}", "options": {"Default": "Default"}, "prices": []}],
        **fields,
    }


def create(client: MedusaClient, numbers: range) -> None:
    client.batch_products(create=[product(number) for number in numbers], fields="id")


@pytest.mark.parametrize("filler", ["x{}", "a very long name of an item that does not exist, صنف {}"])
def test_look_ups_of_many_values_miss_nothing(medusa: MedusaServer, client: MedusaClient, filler: str) -> None:
    create(client, range(30))
    values = [*(f"WEB/{number} صنف" for number in range(30)), *(filler.format(number) for number in range(1500))]
    found = client.products_by("external_id", values, "id")
    assert sorted(row["external_id"] for row in found) == sorted(values[:30])
    asked = [seen for seen in medusa.faults.requests if seen.method == "GET"]
    assert len(asked) >= 3
    for seen in asked:
        assert len(f"GET {seen.path}?{seen.query} HTTP/1.1") <= LONGEST_REQUEST_LINE < 7500
        parameters = [key for key, _ in parse_qsl(seen.query)]
        # Medusa reads 1,000 parameters; what comes after them is dropped, the limit among it.
        assert parameters.count("external_id") <= MOST_VALUES
        assert len(parameters) < 1000
        assert parameters.index("limit") < parameters.index("external_id")


def test_look_ups_are_halved_where_less_fits(medusa: MedusaServer, client: MedusaClient) -> None:
    create(client, range(40))
    medusa.faults.add(Fault("status", path=r"\?.{1500}", status=414, text="<h1>414 Request-URI Too Large</h1>"))
    values = [f"WEB/{number} صنف" for number in range(300)]
    found = client.products_by("external_id", values, "id")
    assert sorted(row["external_id"] for row in found) == sorted(values[:40])
    with pytest.raises(PayloadTooLargeError):
        client.products_by("external_id", ["x" * 2000], "id")


def test_a_write_that_something_else_answers_is_not_taken_for_done(medusa: MedusaServer, client: MedusaClient) -> None:
    medusa.faults.add(Fault("status", method="POST", status=200, json={"status": "ok"}))
    for write in (
        lambda: client.update_variant("prod_1", "variant_1", {"sku": "x"}),
        lambda: client.update_inventory_items([{"id": "iitem_1", "sku": "x"}]),
        lambda: client.update_collection("pcol_1", {"title": "x"}),
        lambda: client.batch_products(update=[{"id": "prod_1"}], fields="id"),
        lambda: client.upload([("a.png", b"x", "image/png")]),
        lambda: MedusaPrices(client).update_list("plist_1", {"status": "draft"}),
        lambda: MedusaInventory(client).write_levels(update=[{"inventory_item_id": "iitem_1"}]),
        lambda: MedusaInventory(client).note_on_location("sloc_1", {}),
        client.check_way,
    ):
        with pytest.raises(ForeignAnswerError, match=r"status.: .ok"):
            write()


def test_the_way_is_open_when_medusa_itself_answers(medusa: MedusaServer, client: MedusaClient) -> None:
    for route in (PRODUCTS_BATCH, LEVELS_BATCH, PRICE_LISTS, UPLOADS, batch_route("plist_gone")):
        client.check_way(route)
    with pytest.raises(PermanentError, match="Cannot POST"):
        client.check_way("/admin/nope/batch")
    for fault in (way.login_redirect, way.firewall, way.another_express, way.health_answer, way.reset_before_headers):
        medusa.faults.add(fault(method="POST"))
        with pytest.raises(ApiError):
            client.check_way()
        medusa.faults.heal()


def test_all_products_that_share_an_external_id_are_found(client: MedusaClient) -> None:
    client.batch_products(create=[product(number, external_id="same") for number in range(130)], fields="id")
    found = client.products_by("external_id", ["same"], "id,handle")
    assert len({row["id"] for row in found}) == 130


def test_a_filter_that_is_ignored_is_not_taken_for_a_match(client: MedusaClient) -> None:
    create(client, range(12))
    # Products cannot be filtered by title: all of them come back.
    found = list(client.find("/admin/products", "products", "title", ["Product 3"], "id"))
    assert [row["title"] for row in found] == ["Product 3"]
    assert list(client.find("/admin/products", "products", "title", ["nothing"], "id")) == []


def test_nothing_is_asked_for_nothing(medusa: MedusaServer, client: MedusaClient) -> None:
    create(client, range(3))
    medusa.faults.forget_requests()
    assert client.products_by("external_id", []) == []
    assert client.variants_by_sku(["", ""], "id") == []
    assert medusa.faults.requests == []


@pytest.mark.parametrize("key", ["id", "handle", "external_id"])
def test_products_are_found_by_each_of_their_keys(client: MedusaClient, key: str) -> None:
    create(client, range(5))
    everything = list(client.all_of("/admin/products", "products", "id,handle,external_id"))
    wanted = everything[2]
    assert [row["id"] for row in client.products_by(key, [wanted[key], "other"], "id")] == [wanted["id"]]


def test_variants_and_inventory_items_are_found_by_sku(client: MedusaClient) -> None:
    create(client, range(5))
    assert [row["sku"] for row in client.variants_by_sku(["SKU 3", "SKU 9"], "id")] == ["SKU 3"]
    assert [row["sku"] for row in client.inventory_items_by_sku(["SKU 4"], "id")] == ["SKU 4"]


@pytest.mark.parametrize("page_size", [1, 4, 11, 12, 100])
def test_pages_neither_overlap_nor_skip(client: MedusaClient, page_size: int) -> None:
    create(client, range(12))
    ids = [row["id"] for row in client.all_of("/admin/products", "products", "id", page_size=page_size)]
    assert len(ids) == len(set(ids)) == 12


def test_rows_that_come_meanwhile_shift_no_page(client: MedusaClient) -> None:
    create(client, range(10))
    seen = []
    for row in client.all_of("/admin/products", "products", "id,handle", page_size=3):
        seen.append(row["handle"])
        if len(seen) == 4:
            create(client, range(20, 25))
    assert len(seen) == len(set(seen))
    assert {f"product-{number}" for number in range(10)} <= set(seen)


def test_created_products_are_recognised_in_any_order(client: MedusaClient) -> None:
    bodies = [product(number) for number in range(60)]
    created = client.batch_products(create=bodies, fields="id,external_id,variants.sku")["created"]
    by_external_id = {row["external_id"]: row["variants"][0]["sku"] for row in created}
    assert by_external_id == {f"WEB/{number} صنف": f"SKU {number}" for number in range(60)}


@pytest.mark.parametrize("action", ["drop_after", "truncate"])
def test_a_create_without_an_answer_is_looked_up_not_repeated(
    medusa: MedusaServer, client: MedusaClient, action: str
) -> None:
    medusa.faults.add(Fault(action, method="POST", times=1))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TransientError) as caught:
        create(client, range(3))
    assert caught.value.ambiguous
    assert sum(seen.method == "POST" for seen in medusa.faults.requests) == 1
    assert len(client.products_by("external_id", [f"WEB/{number} صنف" for number in range(3)])) == 3


def test_an_update_without_an_answer_is_repeated(medusa: MedusaServer, client: MedusaClient) -> None:
    create(client, range(1))
    (row,) = client.products_by("handle", ["product-0"])
    medusa.faults.add(Fault("drop_after", method="POST", times=1))
    client.batch_products(update=[{"id": row["id"], "title": "New"}], fields="id")
    (found,) = client.find("/admin/products", "products", "id", [row["id"]], "title")
    assert found["title"] == "New"


def test_too_large_a_body_says_so(client: MedusaClient) -> None:
    with pytest.raises(PayloadTooLargeError):
        client.batch_products(create=[product(1, description="x" * 2_200_000)], fields="id")


def test_uploads_come_back_in_their_order(client: MedusaClient) -> None:
    names = ["b.png", "a.png", "c.jpg"]
    stored = client.upload([(name, name.encode(), "image/png") for name in names])
    assert [row["url"].rpartition("-")[2] for row in stored] == names


def test_an_upload_without_an_answer_is_not_repeated(medusa: MedusaServer, client: MedusaClient) -> None:
    medusa.faults.add(Fault("drop_after", path="/admin/uploads"))
    with pytest.raises(TransientError):
        client.upload([("a.png", b"x", "image/png")])
    assert len(medusa.faults.requests) == 1


def test_fewer_stored_files_than_sent_are_not_mixed_up(medusa: MedusaServer, client: MedusaClient) -> None:
    medusa.faults.add(Fault("status", path="/admin/uploads", status=200, json={"files": [{"id": "a", "url": "b"}]}))
    with pytest.raises(PermanentError, match="stored 1 of 2 files"):
        client.upload([("a.png", b"x", "image/png"), ("b.png", b"y", "image/png")])


def test_the_only_sales_channel_needs_no_setting(medusa: MedusaServer, client: MedusaClient) -> None:
    assert client.sales_channel_id(None) == medusa.sales_channel_id
    assert client.sales_channel_id(medusa.sales_channel_id) == medusa.sales_channel_id
    with pytest.raises(
        PermanentError, match=f"MEDUSA_SALES_CHANNEL_ID=sc_nope does not exist; there are: {medusa.sales_channel_id}"
    ):
        client.sales_channel_id("sc_nope")


def test_of_several_sales_channels_one_must_be_named(medusa: MedusaServer, client: MedusaClient) -> None:
    second = "sc_second"
    both = [{"id": medusa.sales_channel_id, "name": "Default"}, {"id": second, "name": "Wholesale"}]
    answer = {"sales_channels": both, "count": 2, "offset": 0, "limit": 1000}
    medusa.faults.add(Fault("status", path="/admin/sales-channels", status=200, json=answer))
    with pytest.raises(PermanentError, match="set MEDUSA_SALES_CHANNEL_ID") as caught:
        client.sales_channel_id(None)
    assert medusa.sales_channel_id in str(caught.value)
    assert f"{second} (Wholesale)" in str(caught.value)


def test_another_server_at_the_address_is_named(medusa: MedusaServer, client: MedusaClient) -> None:
    medusa.faults.add(Fault("status", status=200, json={"message": "pong"}))
    with pytest.raises(ForeignAnswerError, match="something else answered in its place"):
        client.products_by("handle", ["x"])
    with pytest.raises(ForeignAnswerError, match="something else answered in its place"):
        client.collections()


@pytest.mark.parametrize(("of", "page", "by_sku"), [(4, 4, False), (5, 4, True), (4, 5, True)])
def test_a_batch_that_is_half_of_the_shop_reads_its_stock_in_pages_unless_it_is_small(
    medusa: MedusaServer, client: MedusaClient, monkeypatch: pytest.MonkeyPatch, of: int, page: int, by_sku: bool
) -> None:
    monkeypatch.setattr(medusa_inventory, "FEWEST", page / 2)
    create(client, range(5))
    found = {row["sku"]: row["variant_link"] for row in MedusaInventory(client).stocked(["SKU 1", "SKU 3"], of)}
    assert {"SKU 1", "SKU 3"} <= found.keys()
    assert all(links[0]["variant_id"].startswith("variant_") for links in found.values())
    assert ("sku=" in medusa.faults.requests[-1].query) is by_sku
