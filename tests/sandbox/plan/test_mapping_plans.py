"""A plan shows what a mapping would change, field by field, before it is switched on."""

from pathlib import Path

import pytest

from tests.sandbox.plan.test_plans import plan
from tests.suites.mapping import MappedShop
from tests.suites.variants import Shop as OptionShop
from tests.support.catalogue import Catalogue
from tests.support.plans import unlike
from tests.support.runs import Runner
from tests.support.servers import ErpServer, MedusaServer
from tests.support.writes import medusa_writes

ROWS = (
    "weight: {from: item.weight_per_unit, transforms: [{unit: g, of: item.weight_uom}]}",
    "variant.weight: {from: item.weight_per_unit, transforms: [{unit: g, of: item.weight_uom}]}",
    "type: {from: item_group}",
    "tags: {from: [brand]}",
    "metadata.maker: {from: brand}",
)
HANDLE = "handle: {template: \"{{ route.split('/') | last }}\"}"
WEIGHT = {"weight_per_unit": 250, "weight_uom": "Gram"}


@pytest.fixture
def shop(
    catalogue: Catalogue,
    medusa: MedusaServer,
    erp: ErpServer,
    runner: Runner,
    shop_env: pytest.MonkeyPatch,
    tmp_path: Path,
) -> MappedShop:
    return MappedShop(catalogue, medusa, erp, runner, shop_env, tmp_path)


@pytest.mark.long
def test_a_mapping_is_seen_before_it_is_switched_on(shop: MappedShop, runner: Runner) -> None:
    name = shop.catalogue.item(shop.group, item=WEIGHT, brand="3M", route="shop/k-file")
    shop.night()
    own = shop.seen(name)["handle"]
    made = shop.medusa.admin("POST", "/admin/product-tags", json={"value": "3M"})
    shop.write(*ROWS, HANDLE)
    shop.medusa.faults.forget_requests()
    planned = plan(runner)
    assert medusa_writes(shop.medusa) == []
    rows = {(row.kind, row.document, row.field): (row.old, row.new) for row in planned.rows if row.system == "Medusa"}
    assert ("product type", shop.group, "value") in rows, "it is made"
    assert not [row for row in rows if row[0] == "product tag"], made
    noted = {field: values for (kind, _, field), values in rows.items() if kind == "product"}
    assert noted["weight"] == ("", "250")
    assert noted["variant.weight"] == ("", "250")
    assert noted["type_id"] == ("", shop.group)
    assert noted["tags"] == ("[]", '["3M"]')
    assert noted["handle"] == (own, "k-file")
    assert noted["metadata.old_handles"] == ("", f'["{own}"]')
    assert noted["metadata.maker"] == ("", "3M")
    assert unlike(planned, runner.job("export_items_and_images_custom", "batch_0")) == []
    # The type has its id now, and the plan of another one names both.
    shop.write(*(row.replace("item_group", "brand") for row in ROWS), HANDLE)
    again = {row.field: (row.old, row.new) for row in plan(runner).rows if row.kind == "product"}
    assert again["type_id"] == (shop.group, "3M")


@pytest.mark.long
def test_variants_as_options_have_the_rows_of_their_own_items(
    catalogue: Catalogue,
    medusa: MedusaServer,
    erp: ErpServer,
    runner: Runner,
    shop_env: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    shop_env.setenv("VARIANTS", "options")
    family = OptionShop(catalogue, erp, medusa, runner)
    shop = MappedShop(catalogue, medusa, erp, runner, shop_env, tmp_path)
    family.variant("S", "Red", item=WEIGHT)
    heavy = family.variant("M", "Red", item={"weight_per_unit": 1, "weight_uom": "Kg"})
    wrong = family.variant("L", "Red", item={"weight_per_unit": 1, "weight_uom": "Box"})
    shop.write(*ROWS)
    planned = plan(runner)
    run = runner.job("export_items_and_images_custom", "batch_0")
    assert unlike(planned, run) == []
    answer = shop.medusa.admin("GET", "/admin/products", params={"fields": "id,weight,variants.sku,variants.weight"})
    (product,) = answer["products"]
    by_sku = {variant["sku"]: variant["weight"] for variant in product["variants"]}
    assert sorted(by_sku.values(), key=str) == [1000, 250, None]
    assert by_sku[shop.catalogue.row(heavy)["item_code"]] == 1000
    assert [row["document"] for row in run.rejects("medusa_product_updates")] == [f"Website Item {wrong}"]
    assert plan(runner).rows == []
    shop.catalogue.store.set("Item", shop.catalogue.row(heavy)["item_code"], weight_per_unit=2)
    noted = [(row.kind, row.field, row.new) for row in plan(runner).rows if row.field == "weight"]
    assert noted == [("variant", "weight", "2000")]
