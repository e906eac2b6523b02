"""Best sellers and clearance against the ERPNext that ERPNEXT_URL and its keys name; without them, the embedded one.

The site should be a test site: the documents that the jobs write are put back, but visitors would see them meanwhile.
"""

import os
from collections.abc import Iterator

import pytest

from erp_medusa_sandbox.shop.seed import seed_shop
from tests.suites.merchandising import MerchandisingSuite, Site, kept_documents, site_runner
from tests.support.servers import embedded_erpnext

__all__ = ["TestMerchandising", "kept_documents", "site_runner"]


@pytest.fixture
def site() -> Iterator[Site]:
    """The site of the environment."""
    if url := os.environ.get("ERPNEXT_URL"):
        yield Site(url.rstrip("/"), os.environ["ERPNEXT_API_KEY"], os.environ["ERPNEXT_API_SECRET"])
        return
    with embedded_erpnext() as erp:
        seed_shop(erp.store, items=120, images=0)
        yield Site(erp.url, erp.key, erp.secret)


class TestMerchandising(MerchandisingSuite):
    pass
