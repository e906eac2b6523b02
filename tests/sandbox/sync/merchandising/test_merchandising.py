"""Best sellers and clearance against the embedded ERPNext with the sample shop."""

from collections.abc import Iterator

import pytest

from erp_medusa_sandbox.shop.seed import seed_shop
from tests.suites.merchandising import MerchandisingSuite, Site, kept_documents, site_runner
from tests.support.servers import embedded_erpnext

__all__ = ["TestMerchandising", "kept_documents", "site_runner"]


@pytest.fixture
def site() -> Iterator[Site]:
    """A sample shop of its own."""
    with embedded_erpnext() as erp:
        seed_shop(erp.store, items=120, images=0)
        yield Site(erp.url, erp.key, erp.secret)


class TestMerchandising(MerchandisingSuite):
    pass
