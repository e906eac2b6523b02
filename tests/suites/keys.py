"""Item codes and barcodes that move from one item to another. On any Medusa."""

from typing import Any

import pytest

from tests.suites.export import EXPORT, products
from tests.support.catalogue import Catalogue
from tests.support.runs import Runner
from tests.support.servers import MedusaServer
from tests.support.writes import medusa_writes


def recode(catalogue: Catalogue, name: str, code: str) -> None:
    """Rename the Item: ERPNext changes the code on its Website Item too."""
    catalogue.store.rename_item(catalogue.row(name)["item_code"], code)


def give_barcode(catalogue: Catalogue, name: str, barcode: str) -> None:
    code = catalogue.row(name)["item_code"]
    catalogue.store.insert(
        "Item Barcode", parent=code, parenttype="Item", parentfield="barcodes", idx=1, barcode=barcode
    )


def take_barcode(catalogue: Catalogue, name: str) -> None:
    for row in catalogue.store.rows("Item Barcode", parent=catalogue.row(name)["item_code"]):
        catalogue.store.delete("Item Barcode", row["name"])


def keys(medusa: MedusaServer, names: list[str]) -> dict[str, tuple[str | None, str | None, str | None]]:
    """(sku, barcode, inventory item's sku) by Website Item."""
    found: dict[str, tuple[str | None, str | None, str | None]] = {}
    for name, product in products(medusa, names).items():
        (variant,) = product["variants"]
        (link,) = variant["inventory_items"]
        path = f"/admin/inventory-items/{link['inventory_item_id']}"
        item: dict[str, Any] = medusa.admin("GET", path, params={"fields": "id,sku"})["inventory_item"]
        found[name] = (variant["sku"], variant["barcode"], item["sku"])
    return found


class KeysSuite:
    """Run by tests/sandbox against the embedded Medusa and by tests/live against a real one."""

    def test_swapped_item_codes_are_swapped_in_medusa(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(3, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        before = products(medusa, names)
        codes = [catalogue.row(name)["item_code"] for name in names]
        recode(catalogue, names[0], f"{codes[0]}-X")
        recode(catalogue, names[1], codes[0])
        recode(catalogue, names[0], codes[1])
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.check("medusa_product_updates").passed
        assert keys(medusa, names) == {
            names[0]: (codes[1], None, codes[1]),
            names[1]: (codes[0], None, codes[0]),
            names[2]: (codes[2], None, codes[2]),
        }
        assert {n: p["id"] for n, p in products(medusa, names).items()} == {n: p["id"] for n, p in before.items()}
        medusa.faults.forget_requests()
        assert runner.assets(EXPORT, "batch_0").success
        assert medusa_writes(medusa) == []

    def test_a_renamed_item_frees_its_old_code_for_a_new_one(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        group = catalogue.group("Files")
        old = catalogue.item(group)
        assert runner.assets(EXPORT, "batch_0").success
        code = catalogue.row(old)["item_code"]
        recode(catalogue, old, f"{code}-B")
        new = catalogue.item(group, code=code)
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.check("medusa_products").passed
        assert keys(medusa, [old, new]) == {old: (f"{code}-B", None, f"{code}-B"), new: (code, None, code)}

    def test_barcodes_move_between_items_old_and_new(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        group, one, two = catalogue.group("Files"), f"1{catalogue.tag}", f"2{catalogue.tag}"
        names = catalogue.items(3, group)
        give_barcode(catalogue, names[0], one)
        give_barcode(catalogue, names[1], two)
        assert runner.assets(EXPORT, "batch_0").success
        for name in names[:2]:
            take_barcode(catalogue, name)
        give_barcode(catalogue, names[2], one)
        new = catalogue.item(group)
        give_barcode(catalogue, new, two)
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert run.check("medusa_products").passed
        assert run.check("medusa_product_updates").passed
        found = {name: barcode for name, (_, barcode, _) in keys(medusa, [*names, new]).items()}
        assert found == {names[0]: None, names[1]: None, names[2]: one, new: two}

    @pytest.mark.embedded_erp("webshop refuses a second Website Item of one Item; older sites have some")
    def test_a_key_that_another_item_has_by_right_is_a_reject_that_names_it(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(3, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        first = catalogue.row(names[0])
        catalogue.store.set("Website Item", names[1], item_code=first["item_code"])
        catalogue.store.set("Website Item", names[2], web_item_name="New name")
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        (reject,) = run.rejects("medusa_product_updates")
        assert reject["document"] == f"Website Item {names[1]}"
        assert f"sku {first['item_code']} is already used" in reject["reason"]
        assert first["medusa_id"] in reject["reason"]
        found = products(medusa, names)
        assert found[names[0]]["variants"][0]["sku"] == first["item_code"]
        assert found[names[2]]["title"] == "New name"
