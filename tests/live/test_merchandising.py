"""Best sellers and clearance against the ERPNext that ERPNEXT_URL names; without it, the embedded one."""

from collections.abc import Iterator

import pytest

from erp_medusa_sandbox.shop.seed import seed_shop
from tests.suites.merchandising import MerchandisingSuite, Site, kept_documents, site_runner
from tests.support.real_site import RealSite
from tests.support.real_trade import trade
from tests.support.servers import embedded_erpnext

__all__ = ["TestMerchandising", "kept_documents", "site_runner"]


@pytest.fixture(scope="module")
def site(real_site: RealSite | None, real_keys: tuple[str, str]) -> Iterator[Site]:
    """A site with sales and batches."""
    if real_site is None:
        with embedded_erpnext() as erp:
            seed_shop(erp.store, items=120, images=0)
            yield Site(erp.url, erp.key, erp.secret)
        return
    made = Site(real_site.url, *real_keys)
    try:
        trade(real_site, made)
        yield made
    finally:
        real_site.clean_up()


class TestMerchandising(MerchandisingSuite):
    pass
