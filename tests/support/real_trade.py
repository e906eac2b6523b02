"""A few items, sales and batches of a test's own on a real ERPNext, for the merchandising suite.

What has to be there before something is sold or kept in batches. Not here: how documents are made and removed
(`real_site.py`).
"""

from datetime import timedelta
from uuid import uuid4

from erp_medusa_pipelines.setting_sections import TOP_SELLER_CATEGORIES
from tests.suites.merchandising import Site
from tests.support.catalogue import Catalogue
from tests.support.real_site import RealSite

BATCHED_DAYS = (3, 20, 45, 75)


def trade(store: RealSite, site: Site) -> None:
    """Sell items of every category, some twice, and receive batches that expire soon, later and late."""
    catalogue = Catalogue(store)
    for category in TOP_SELLER_CATEGORIES:
        if store.get("Item Group", category) is None:
            store.insert("Item Group", name=category, item_group_name=category, is_group=1)
    customer = store.insert("Customer", name=f"Clinic {catalogue.tag}", customer_name=f"Clinic {catalogue.tag}")
    sold: list[str] = []
    parts: list[str] = []
    for category in TOP_SELLER_CATEGORIES:
        parts.append(catalogue.group(f"{category} part", parent=category))
        names = [catalogue.item(group) for group in (category, parts[-1], parts[-1])]
        sold += [catalogue.row(name)["item_code"] for name in names]
    hidden = catalogue.row(catalogue.item(parts[0], published=0))["item_code"]
    store.sell(customer, [(code, 1 + 2 * number) for number, code in enumerate(sold)])
    store.sell(customer, [(code, 40) for code in (sold[0], sold[4], hidden)])
    store.sell(customer, [(sold[1], 500)], submitted=False)
    (place, *_) = store.rows("Warehouse", is_group=0, disabled=0)
    for days in BATCHED_DAYS:
        batched = {"has_batch_no": 1, "create_new_batch": 0}
        code = catalogue.row(catalogue.item(parts[0], item=batched))["item_code"]
        expiry = (site.today() + timedelta(days=days)).isoformat()
        store.receive(code, place["name"], f"B-{uuid4().hex[:8]}", 5, expiry)
