"""Which Website Items go to a shop and into which of its sales channels, as customers of each see it. On any Medusa."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.suites.export import EXPORT, products
from tests.support.catalogue import Catalogue
from tests.support.runs import JobRun, Runner
from tests.support.servers import MedusaServer
from tests.support.site import AnyErp
from tests.support.writes import erp_writes, medusa_writes

CHANNELS = "/admin/sales-channels"
KEYS = "/admin/api-keys"


def seen(medusa: MedusaServer, name: str, channel: str = "") -> bool:
    """Return whether a customer finds a Website Item's product, in one channel or in any of the storefront's."""
    found = products(medusa, [name])
    if not found:
        return False
    query = {"sales_channel_id": channel} if channel else {}
    answer = medusa.store("GET", "/store/products", params={"id": found[name]["id"], "fields": "id", **query})
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["products"])


def night(runner: Runner) -> JobRun:
    run = runner.assets(EXPORT, "batch_0")
    assert run.success, run.reasons()
    return run


def writes_nothing(
    runner: Runner, medusa: MedusaServer, erp: AnyErp, again: Callable[[Runner], JobRun] = night
) -> None:
    medusa.faults.forget_requests()
    erp.faults.forget_requests()
    again(runner)
    assert medusa_writes(medusa) == []
    assert erp_writes(erp) == []


class Groups:
    """Dental above Implants, beside Medical."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.dental = catalogue.group("Dental")
        self.implants = catalogue.group("Implants", parent=self.dental)
        self.medical = catalogue.group("Medical")


@pytest.fixture
def groups(catalogue: Catalogue) -> Groups:
    return Groups(catalogue)


@pytest.fixture
def second(medusa: MedusaServer, catalogue: Catalogue) -> Iterator[str]:
    """Another sales channel, which the storefront's key opens as well."""
    made = medusa.admin("POST", CHANNELS, json={"name": f"Clinics {catalogue.tag}"})["sales_channel"]["id"]
    keys = medusa.admin("GET", KEYS, params={"type": "publishable", "fields": "id,token"})["api_keys"]
    (key,) = [one["id"] for one in keys if one["token"] == medusa.publishable_key]
    medusa.admin("POST", f"{KEYS}/{key}/sales-channels", json={"add": [made]})
    yield made
    medusa.admin("DELETE", f"{CHANNELS}/{made}")


class ChosenSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_an_item_group_goes_to_the_shop_with_all_below_it(
        self, shop_env: pytest.MonkeyPatch, groups: Groups, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        shop_env.setenv("SHOP_ITEMS", json.dumps({"item_group": groups.dental}))
        inside, outside = catalogue.item(groups.implants), catalogue.item(groups.medical)
        night(runner)
        assert (seen(medusa, inside), seen(medusa, outside)) == (True, False)
        assert products(medusa, [outside]) == {}
        collections = medusa.admin("GET", "/admin/collections", params={"limit": 1000, "fields": "id,external_id"})
        made = {one["external_id"] for one in collections["collections"]}
        assert groups.implants in made
        # One that holds nothing of this shop would be an empty page.
        assert groups.medical not in made
        writes_nothing(runner, medusa, erp)

    def test_what_moves_out_of_the_choice_is_hidden_and_comes_back(
        self, shop_env: pytest.MonkeyPatch, groups: Groups, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        shop_env.setenv("SHOP_ITEMS", json.dumps({"item_group": [groups.dental]}))
        moved, stays = catalogue.item(groups.implants), catalogue.item(groups.dental)
        night(runner)
        before = products(medusa, [moved])[moved]["id"]
        move(catalogue, moved, groups.medical)
        night(runner)
        assert (seen(medusa, moved), seen(medusa, stays)) == (False, True)
        writes_nothing(runner, medusa, erp)
        move(catalogue, moved, groups.dental)
        night(runner)
        assert seen(medusa, moved)
        assert products(medusa, [moved])[moved]["id"] == before
        writes_nothing(runner, medusa, erp)

    def test_what_is_not_for_sale_any_more_stays_where_the_setting_says_so(
        self, shop_env: pytest.MonkeyPatch, groups: Groups, catalogue: Catalogue, erp: AnyErp, medusa: MedusaServer,
        runner: Runner,
    ) -> None:  # fmt: skip
        shop_env.setenv("SHOP_ITEMS", json.dumps({"item_group": groups.dental}))
        shop_env.setenv("WITHDRAWN_ITEMS", "keep")
        moved, unpublished, deleted = names = [catalogue.item(groups.dental) for _ in range(3)]
        never = catalogue.item(groups.medical)
        night(runner)
        move(catalogue, moved, groups.medical)
        catalogue.store.set("Website Item", unpublished, published=0)
        catalogue.store.trash("Website Item", deleted)
        night(runner)
        assert runner.asset("orphaned_products").success
        assert [seen(medusa, name) for name in (*names, never)] == [True, True, True, False]
        writes_nothing(runner, medusa, erp)
        shop_env.delenv("WITHDRAWN_ITEMS")
        # All that the shop has at once: somebody must say that it is meant.
        stopped = runner.assets(EXPORT, "batch_0")
        assert "3 of 3 products would be hidden" in stopped.reasons()[0]
        assert [seen(medusa, name) for name in names] == [True, True, True]
        meant = {"ops": {"medusa_product_updates": {"config": {"allow_hiding": True}}}}
        assert runner.assets(EXPORT, "batch_0", run_config=meant).success
        assert [seen(medusa, name) for name in names] == [False, False, False]

    def test_each_of_several_fields_must_fit(
        self, shop_env: pytest.MonkeyPatch, groups: Groups, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        rule = {"brand": ["3M", "GC"], "on_backorder": 1, "item_code.country_of_origin": "oman"}
        shop_env.setenv("SHOP_ITEMS", json.dumps(rule))
        right = {"brand": "3M", "on_backorder": 1}
        fits = catalogue.item(groups.dental, **right)
        others = [
            catalogue.item(groups.dental, **{**right, "brand": None}),
            catalogue.item(groups.dental, **{**right, "on_backorder": 0}),
            catalogue.item(groups.dental, **right),
        ]
        catalogue.store.set("Item", catalogue.row(others[2])["item_code"], country_of_origin=None)
        night(runner)
        assert seen(medusa, fits)
        assert products(medusa, others) == {}

    def test_rules_put_products_into_sales_channels(
        self, shop_env: pytest.MonkeyPatch, second: str, groups: Groups, catalogue: Catalogue, erp: AnyErp,
        medusa: MedusaServer, runner: Runner,
    ) -> None:  # fmt: skip
        own = medusa.sales_channel_id
        rules = {second: {"item_group": groups.dental}, own: {"brand": "3M"}}
        shop_env.setenv("SALES_CHANNELS", json.dumps(rules))
        clinics, both = catalogue.item(groups.implants), catalogue.item(groups.dental, brand="3M")
        # None of the rules is met.
        neither = catalogue.item(groups.medical)
        night(runner)
        places = {name: (seen(medusa, name, own), seen(medusa, name, second)) for name in (clinics, both, neither)}
        assert places == {clinics: (False, True), both: (True, True), neither: (True, False)}
        writes_nothing(runner, medusa, erp)
        move(catalogue, clinics, groups.medical)
        move(catalogue, neither, groups.implants)
        run = night(runner)
        assert run.metadata("medusa_product_updates")["updated"] == 2
        assert (seen(medusa, clinics, own), seen(medusa, clinics, second)) == (True, False)
        assert (seen(medusa, neither, own), seen(medusa, neither, second)) == (False, True)
        writes_nothing(runner, medusa, erp)

    def test_a_group_that_does_not_exist_stops_the_run_before_anything_is_hidden(
        self, shop_env: pytest.MonkeyPatch, groups: Groups, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        item = catalogue.item(groups.dental)
        night(runner)
        shop_env.setenv("SHOP_ITEMS", json.dumps({"item_group": [groups.dental, "Dentul"]}))
        run = runner.assets(EXPORT, "batch_0")
        assert not run.success
        assert any("SHOP_ITEMS names Dentul, which ERPNext has no Item Group for" in one for one in run.reasons())
        assert seen(medusa, item)

    def test_a_channel_that_does_not_exist_stops_the_run(
        self, shop_env: pytest.MonkeyPatch, groups: Groups, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        item = catalogue.item(groups.dental)
        shop_env.setenv("SALES_CHANNELS", json.dumps({"sc_gone": {"item_group": groups.dental}}))
        run = runner.assets(EXPORT, "batch_0")
        assert any("SALES_CHANNELS names sc_gone, which does not exist" in one for one in run.reasons())
        assert products(medusa, [item]) == {}


def move(catalogue: Catalogue, name: str, group: str) -> None:
    """Move an Item to another Item Group, as the desk does: its Website Item fetches it."""
    code = catalogue.row(name)["item_code"]
    catalogue.store.set("Item", code, item_group=group)
    catalogue.store.set("Website Item", name, item_group=group)
