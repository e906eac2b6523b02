"""What staff change during the day is in the shop after one run, as a customer sees it. On any servers."""

import time

import pytest

from erp_medusa_pipelines.tasks import CHANGES_SENSOR as SENSOR
from tests.suites import languages
from tests.suites.for_sale import EXPORT, Market, Offer
from tests.support.operations import Daemon
from tests.support.runs import Runner


@pytest.fixture
def daemon(shop_env: pytest.MonkeyPatch) -> Daemon:
    """Its runs are Dagster's, also where the other suites do without: the sensor asks the instance for them."""
    return Daemon(Runner())


class ChangesSuite:
    """Run by tests/sandbox against the embedded servers and by tests/live against real ones."""

    @pytest.mark.long
    def test_title_price_and_stock_follow_and_what_is_deleted_is_gone(self, market: Market, daemon: Daemon) -> None:
        store = market.erp.store
        # After a take-over: the sensor starts nothing beside Frappe's own export.
        for job in store.rows("Scheduled Job Type", method=f"medusa_integration.api.{EXPORT}"):
            store.save("Scheduled Job Type", job["name"], stopped=1)
        changed = market.offer(stock=5, web_item_name="Mask")
        price = market.price(changed, 10)
        deleted, quiet = (market.offer(price=1, stock=1) for _ in range(2))
        assert daemon.runner.job(EXPORT, "batch_0").success
        assert market.seen(changed) == Offer("Mask", 10, 5)
        product = market.catalogue.row(deleted)["medusa_id"]
        # The sensor begins with a whole second of the ERP's clock, and that is known to a second only.
        time.sleep(2.5)
        requests, why = daemon.sensor(SENSOR)
        assert not requests
        assert "from now on" in why
        store.save("Website Item", changed, web_item_name="Mask, new")
        store.save("Item Price", price, price_list_rate=12)
        store.book(market.code(changed), market.places["Shop"], 3)
        store.trash("Website Item", deleted)
        requests, why = daemon.sensor(SENSOR)
        assert len(requests) == 1, why
        (request,) = requests
        parts = request.run_config["ops"]["export_items"]["config"]["parts"]
        assert {changed, deleted} <= parts.keys()
        assert quiet not in parts
        assert daemon.run(request).success
        assert market.seen(changed) == Offer("Mask, new", 12, 3)
        assert market.medusa.store("GET", f"/store/products/{product}").status_code == 404

    def test_a_translation_follows_as_it_is_changed_and_deleted(
        self, market: Market, daemon: Daemon, shop_env: pytest.MonkeyPatch
    ) -> None:
        shop_env.setenv("LANGUAGES", f'{{"{languages.LOCALE}": "ar"}}')
        store = market.erp.store
        for job in store.rows("Scheduled Job Type", method=f"medusa_integration.api.{EXPORT}"):
            store.save("Scheduled Job Type", job["name"], stopped=1)
        title = f"Mask {market.catalogue.tag}"
        name, quiet = market.offer(price=1, stock=5, web_item_name=title), market.offer(price=1, stock=5)
        assert daemon.runner.job(EXPORT, "batch_0").success
        assert languages.shown(market.medusa, name) == {}
        time.sleep(2.5)
        daemon.sensor(SENSOR)
        made = languages.translate(market.catalogue, title, "قناع")
        store.save("Translation", made, translated_text="كمامة")
        assert self._followed(daemon) == {name}
        assert languages.shown(market.medusa, name) == {languages.LOCALE: {"title": "كمامة"}}
        store.trash("Translation", made)
        assert self._followed(daemon) == {name}
        assert languages.shown(market.medusa, name) == {}
        assert quiet

    def _followed(self, daemon: Daemon) -> set[str]:
        """Run what the sensor asks for, and return the items of it."""
        requests, why = daemon.sensor(SENSOR)
        assert len(requests) == 1, why
        assert daemon.run(requests[0]).success
        return set(requests[0].run_config["ops"]["export_items"]["config"]["parts"])
