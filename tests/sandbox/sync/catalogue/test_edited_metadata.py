"""Metadata that somebody edited in Medusa's admin, or through its API: whatever stands there stops nothing."""

from typing import Any

import pytest

from erp_medusa_pipelines.product_fields import IMAGE_KEY
from erp_medusa_pipelines.sync.catalogue.arrangement import PICTURES_KEY, THUMBNAIL_KEY
from erp_medusa_pipelines.sync.catalogue.product_bodies import HASH_KEY
from erp_medusa_pipelines.sync.catalogue.product_changes import SENT_KEY
from erp_medusa_sandbox.shop.images import image
from tests.suites.export import EXPORT, catalogue, products
from tests.support.catalogue import Catalogue
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.writes import medusa_writes

__all__ = ["catalogue"]

NIGHT = "export_items_and_images_custom"
ODD: list[Any] = ["text", "", 7, True, ["a", 1], {"a": {"b": 1}}, "9" * 5000]
KEYS = (HASH_KEY, SENT_KEY, IMAGE_KEY, THUMBNAIL_KEY, PICTURES_KEY, "item_code")


@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:20])
@pytest.mark.long
def test_a_products_metadata_stops_nobodys_update(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner, value: Any
) -> None:
    items = catalogue.items(len(KEYS) + 1, catalogue.group("Files"), brand="3M")
    for number, item in enumerate(items):
        catalogue.store.attach(item, f"{number}.png", image("png", number))
    assert runner.job(NIGHT, "batch_0").success
    there = products(medusa, items)
    for item, key in zip(items, KEYS, strict=False):
        medusa.admin("POST", f"/admin/products/{there[item]['id']}", json={"metadata": {key: value}})
    for item in items:
        catalogue.store.set("Website Item", item, web_item_name=f"New {item}")
    assert runner.job(NIGHT, "batch_0").success
    assert [products(medusa, items)[item]["title"] for item in items] == [f"New {item}" for item in items]
    medusa.faults.forget_requests()
    assert runner.job(NIGHT, "batch_0").success
    assert medusa_writes(medusa) == []


@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:20])
def test_a_collections_metadata_stops_no_export(
    catalogue: Catalogue, medusa: MedusaServer, runner: Runner, value: Any
) -> None:
    groups = [catalogue.group("Files"), catalogue.group("Burs")]
    items = [catalogue.item(group) for group in groups]
    assert runner.assets(EXPORT, "batch_0").success
    found = medusa.admin("GET", "/admin/collections", params={"limit": 100})["collections"]
    one = next(each for each in found if each["title"] == groups[0])
    medusa.admin("POST", f"/admin/collections/{one['id']}", json={"metadata": {"item_group": value}})
    medusa.admin("POST", "/admin/collections", json={"title": "Spring", "metadata": {"item_group": value}})
    assert runner.assets(EXPORT, "batch_0").success
    titles = {each["id"]: each["title"] for each in medusa.admin("GET", "/admin/collections")["collections"]}
    assert [titles[products(medusa, items)[item]["collection_id"]] for item in items] == groups
