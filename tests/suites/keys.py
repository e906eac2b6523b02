"""Item codes and barcodes that move from one item to another. On any Medusa."""

from typing import Any

import pytest

from erp_medusa_sandbox.faults import Fault
from tests.suites.export import BATCH_ROUTE, EXPORT, products
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


def by_hand(medusa: MedusaServer, catalogue: Catalogue, number: int, **values: Any) -> dict[str, Any]:
    """Make a product in Medusa's admin; `sku` and `barcode` are its variant's."""
    variant = {"title": "One", "sku": f"HAND-{number}-{catalogue.tag}", "options": {"Kind": "One"}, "prices": []}
    variant |= {key: values.pop(key) for key in ("sku", "barcode") if key in values}
    options = [{"title": "Kind", "values": ["One"]}]
    body = {"title": f"By hand {number} {catalogue.tag}", "options": options, "variants": [variant], **values}
    return medusa.admin("POST", "/admin/products", json=body)["product"]


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

    def test_a_barcode_that_a_product_made_by_hand_has_keeps_nothing_else_back(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        """Neither the change of status or title, nor the product of a new item; and it follows once it is free."""
        group, barcodes = catalogue.group("Files"), [f"{number}{catalogue.tag}" for number in range(3)]
        hidden, renamed = catalogue.items(2, group)
        assert runner.assets(EXPORT, "batch_0").success
        made = [by_hand(medusa, catalogue, number, barcode=barcode) for number, barcode in enumerate(barcodes)]
        new = catalogue.item(group)
        for name, barcode in zip((hidden, renamed, new), barcodes, strict=True):
            give_barcode(catalogue, name, barcode)
        catalogue.store.set("Website Item", hidden, published=0)
        catalogue.store.set("Website Item", renamed, web_item_name="New name")
        names = [hidden, renamed, new]
        for _ in range(2):
            run = runner.assets(EXPORT, "batch_0")
            assert run.success
            found = products(medusa, names)
            assert [found[name]["status"] for name in names] == ["draft", "published", "published"]
            assert found[renamed]["title"] == "New name"
            assert [keys(medusa, [name])[name][1] for name in names] == [None, None, None]
            rejects = {row["document"]: row for row in run.rejects("medusa_product_updates")}
            assert set(rejects) == {f"Website Item {name}" for name in names}
            for row, product in zip(rejects.values(), made, strict=True):
                assert row["field"] == "barcode"
                assert product["id"] in row["reason"]
        medusa.faults.forget_requests()
        assert runner.assets(EXPORT, "batch_0").success
        assert medusa_writes(medusa) == []
        for product in made:
            medusa.admin("DELETE", f"/admin/products/{product['id']}")
        run = runner.assets(EXPORT, "batch_0")
        assert run.check("medusa_product_updates").passed
        assert [keys(medusa, [name])[name][1] for name in names] == barcodes

    def test_a_code_that_a_product_made_by_hand_has_keeps_its_item_neither_on_sale_nor_under_an_old_name(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        name = catalogue.item(catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        before, code = catalogue.row(name)["item_code"], f"{catalogue.tag}-HAND"
        made = by_hand(medusa, catalogue, 0, sku=code)
        recode(catalogue, name, code)
        catalogue.store.set("Website Item", name, published=0, web_item_name="New name")
        run = runner.assets(EXPORT, "batch_0")
        (reject,) = run.rejects("medusa_product_updates")
        assert (reject["field"], made["id"] in reject["reason"]) == ("sku", True)
        product = products(medusa, [name])[name]
        assert (product["status"], product["title"]) == ("draft", "New name")
        assert keys(medusa, [name])[name] == (before, None, before)
        medusa.admin("DELETE", f"/admin/products/{made['id']}")
        assert runner.assets(EXPORT, "batch_0").check("medusa_product_updates").passed
        assert keys(medusa, [name])[name] == (code, None, code)

    def test_a_handle_that_a_product_made_by_hand_has_is_left_to_it(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        name = catalogue.item(catalogue.group("Files"), web_item_name="Probe")
        handle = f"probe-{name.lower()}"
        made = by_hand(medusa, catalogue, 0, handle=handle, title="Somebody else's")
        run = runner.assets(EXPORT, "batch_0")
        assert run.check("medusa_products").passed
        product = products(medusa, [name])[name]
        assert (product["title"], product["handle"].startswith(f"{handle}-")) == ("Probe", True)
        theirs = medusa.admin("GET", f"/admin/products/{made['id']}")["product"]
        assert (theirs["title"], theirs["handle"], theirs["external_id"]) == ("Somebody else's", handle, None)

    @pytest.mark.parametrize(
        "reason",
        [
            "Invalid request: Value for field 'update, {number}, title' too long, expected at most: '10'",
            "Invalid request: Expected type: 'string' for field 'update, {number}, title', got: 'number'",
            "the title is too long for this shop",
            "nothing that anybody has seen before",
        ],
    )
    def test_a_refused_field_keeps_no_item_on_sale(
        self, reason: str, catalogue: Catalogue, medusa: MedusaServer, runner: Runner, shop_env: pytest.MonkeyPatch
    ) -> None:
        # One to a call, so that its number is known.
        shop_env.setenv("MEDUSA_CHUNK", "1")
        names = catalogue.items(3, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        catalogue.store.set("Website Item", names[1], published=0, web_item_name="Refused")
        for name in (names[0], names[2]):
            catalogue.store.set("Website Item", name, web_item_name=f"Fine {name}")
        body = {"type": "invalid_data", "message": reason.format(number=0)}
        medusa.faults.add(Fault("status", method="POST", path=BATCH_ROUTE, body='"Refused"', status=400, json=body))
        run = runner.assets(EXPORT, "batch_0")
        assert run.success
        assert {row["document"] for row in run.rejects("medusa_product_updates")} == {f"Website Item {names[1]}"}
        found = products(medusa, names)
        assert [found[name]["status"] for name in names] == ["published", "draft", "published"]
        assert [found[name]["title"] for name in (names[0], names[2])] == [f"Fine {n}" for n in (names[0], names[2])]
        assert found[names[1]]["title"] != "Refused"
        medusa.faults.heal()
        config = {"ops": {"medusa_product_updates": {"config": {"retry_rejected": True}}}}
        runner.assets(EXPORT, "batch_0", run_config=config)
        assert products(medusa, names)[names[1]]["title"] == "Refused"

    def test_a_collection_that_medusa_does_not_have_keeps_nothing_else_back(
        self, catalogue: Catalogue, medusa: MedusaServer, runner: Runner
    ) -> None:
        names = catalogue.items(3, catalogue.group("Files"))
        assert runner.assets(EXPORT, "batch_0").success
        elsewhere = catalogue.group("B", medusa_id="pcol_no")
        # ERPNext takes the group from the Item when a Website Item is saved.
        (row,) = catalogue.store.rows("Website Item", name=names[0])
        catalogue.store.set("Item", row["item_code"], item_group=elsewhere)
        catalogue.store.set("Website Item", names[0], published=0, item_group=elsewhere)
        catalogue.store.set("Website Item", names[1], web_item_name="New name")
        run = runner.asset("medusa_product_updates", "batch_0")
        (reject,) = run.rejects("medusa_product_updates")
        assert (reject["document"], reject["field"]) == (f"Website Item {names[0]}", "collection")
        found = products(medusa, names)
        assert (found[names[0]]["status"], found[names[1]]["title"]) == ("draft", "New name")
        # The collections come first in a whole night, and put the id right.
        assert runner.assets(EXPORT, "batch_0").check("medusa_product_updates").passed
