"""The weekly newsletter against the embedded servers, and what only they can show."""

import resource
from collections.abc import Iterator

import pytest

from erp_medusa_pipelines.assets.newsletter import ASSET
from erp_medusa_pipelines.sync.storefront.newsletter_items import PER_SECTION
from erp_medusa_sandbox.faults import Fault
from erp_medusa_sandbox.medusa.store import MedusaStore
from tests.suites.newsletter import REST, SUBSCRIBED, Letters, NewsletterSuite, letters, runs
from tests.support.runs import Runner
from tests.support.servers import ErpServer, embedded_medusa
from tests.support.trade import Trade

__all__ = ["TestNewsletter", "letters", "runs"]


class TestNewsletter(NewsletterSuite):
    pass


@pytest.fixture
def store(letters: Letters) -> Iterator[MedusaStore]:
    """What the Medusa of `letters` holds, for what no route can make."""
    inside = MedusaStore(None)
    with embedded_medusa(store=inside) as server:
        letters.carts.medusa = server
        letters.env.setenv("MEDUSA_URL", server.url)
        letters.env.setenv("MEDUSA_SALES_CHANNEL_ID", server.sales_channel_id)
        letters.env.setenv("MEDUSA_STOCK_LOCATION_ID", server.stock_location_id)
        yield inside


def sold_here(letters: Letters, erp: Trade, title: str) -> str:
    """An Item of ERPNext whose product was exported long ago; returns its code."""
    code = letters.carts.product(title)["variants"][0]["sku"]
    erp.item(code)
    return code


def test_clearance_is_what_staff_ticked_and_best_sellers_what_product_collection_shows(
    letters: Letters, runs: Runner, erp: ErpServer
) -> None:
    trade = Trade(erp.store)
    ticked, unticked, both = (sold_here(letters, trade, name) for name in ("Ticked", "Not ticked", "Ticked too"))
    rows = [{"website_item": f"WEB-{code}", "show": int(code != unticked)} for code in (ticked, unticked, both)]
    trade.list_by_hand(*rows)
    best = [sold_here(letters, trade, f"Best {place}") for place in range(PER_SECTION + 2)]
    for idx, code in enumerate([*best, ticked], start=1):
        where = {"parent": "Product Collection", "parenttype": "Product Collection", "parentfield": "dental_items"}
        erp.store.insert("Product Collection Item", **where, idx=idx, item_code=code, sales_count=100 - idx)
    text = letters.sent(runs)["preview_en"]
    clearance, best_sellers = text.split("Best sellers")
    assert "New\n" not in text, "nothing was exported this week"
    assert "Ticked:" in clearance
    assert "Not ticked" not in text
    assert text.count("Ticked:") == 1, "each product once"
    assert [f"Best {place}:" in best_sellers for place in range(PER_SECTION + 2)] == [True] * PER_SECTION + [False] * 2


def test_a_site_without_those_doctypes_still_has_news(letters: Letters, runs: Runner, erp: ErpServer) -> None:
    for doctype in ("Product Collection", "Expiring Items"):
        erp.faults.add(Fault("status", status=404, path=f"/api/resource/{doctype.replace(' ', '%20')}", times=9))
    letters.product("Nitrile gloves")
    assert "Nitrile gloves" in letters.sent(runs)["preview_en"]


def test_customers_of_one_address_in_many_letters_are_one_line_and_get_nothing(
    letters: Letters, runs: Runner, store: MedusaStore
) -> None:
    letters.product("Nitrile gloves")
    address = letters.carts.address()
    for email in (address, address.upper(), address.title(), address.capitalize()):
        letters.subscriber(email=email)
    row = store.stamped("cus", email=None, has_account=False, metadata={SUBSCRIBED: True})
    with store.transaction():
        nobody = store.put("customer", row)
    letters.approved(runs)
    run = letters.run(runs)
    reasons = {row["document"]: row["reason"] for row in run.rejects(ASSET)}
    assert "has no address" in reasons[f"Customer {nobody['id']}"]
    assert sum("in other letters" in reason for reason in reasons.values()) == 1
    assert len(reasons) == 2
    assert not letters.sink.messages


@pytest.mark.parametrize("name", ["PRODUCT_URL", "MEDUSA_PLUGIN_SECRET"])
def test_without_links_nobody_is_written_to(letters: Letters, runs: Runner, name: str) -> None:
    letters.product("Nitrile gloves")
    letters.env.delenv(name)
    assert f"{name} not set" in letters.run(runs).failure_text(ASSET)


def test_without_a_publishable_key_the_run_says_which_is_missing(
    letters: Letters, runs: Runner, store: MedusaStore
) -> None:
    with store.transaction():
        for key in store.all("api_key"):
            store.put("api_key", {**key, "revoked_at": "2026-11-30T00:00:00.000Z"})
    letters.product("Nitrile gloves")
    letters.subscriber()
    assert "no publishable API key for the sales channel" in letters.run(runs).failure_text(ASSET)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_of_100_000_customers_each_500_are_one_request_and_few_are_in_memory(
    letters: Letters, runs: Runner, store: MedusaStore
) -> None:
    letters.product("Nitrile gloves")
    with store.transaction():
        for number in range(100_000):
            about = {"email": f"c{number}@customers.example", "has_account": True, "metadata": {SUBSCRIBED: True}}
            store.put("customer", store.stamped("cus", **about))
    letters.approved(runs)
    letters.env.setenv("NEWSLETTER_PER_RUN", "20")
    letters.carts.medusa.faults.forget_requests()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = letters.sent(runs)
    asked = [one for one in letters.carts.medusa.faults.requests if one.path == "/admin/customers"]
    assert len(asked) == 200
    assert (answer["sent"], answer["postponed"]) == (20, 99_980)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000, "kilobytes"
    assert letters.sent(runs, REST)["sent"] == 20
    assert len(letters.sink.times_received) == 40
