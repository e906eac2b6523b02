"""The embedded Medusa's documents on disk: the same answers as from memory."""

from pathlib import Path

import pytest

from erp_medusa_sandbox.medusa.disk_store import DiskMedusaStore
from erp_medusa_sandbox.medusa.store import MedusaStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that MedusaStore made, with three variants of two products."""
    store = MedusaStore(tmp_path / "medusa.db")
    with store.transaction():
        for number, product in enumerate(("prod_a", "prod_b", "prod_a")):
            row = {"id": f"variant_{number}", "sku": f"S-{number}", "product_id": product, "inventory_links": []}
            store.put("variant", row)
    store.close()
    return tmp_path / "medusa.db"


def test_documents_are_found_as_in_memory(path: Path) -> None:
    memory, disk = MedusaStore(path), DiskMedusaStore(path)
    for table in ("variant", "sales_channel", "product"):
        assert disk.ids(table) == memory.ids(table)
        assert list(disk.all(table)) == memory.all(table)
        assert disk.all(table)[1:3] == memory.all(table)[1:3]
    assert disk.find("variant", "product_id", ["prod_a"]) == memory.find("variant", "product_id", ["prod_a"])
    assert disk.get("variant", "variant_1") == memory.get("variant", "variant_1")
    assert disk.publishable_key == memory.publishable_key
    assert [disk.has("variant", "sku", sku) for sku in ("S-1", "S-9")] == [True, False]


def _write_half(store: DiskMedusaStore) -> None:
    with store.transaction():
        store.put("sales_channel", {"id": "sc_new"})
        store.remove("variant", "variant_0")
        assert store.ids("variant") == ["variant_1"]
        raise KeyError


def test_what_is_written_is_kept_and_what_fails_is_undone(path: Path) -> None:
    store = DiskMedusaStore(path)
    with store.transaction():
        store.put("variant", {"id": "variant_1", "sku": "NEW", "product_id": "prod_b", "inventory_links": []})
        store.remove("variant", "variant_2")
    with pytest.raises(KeyError):
        _write_half(store)
    for reopened in (store, DiskMedusaStore(path)):
        assert reopened.ids("variant") == ["variant_0", "variant_1"]
        assert [reopened.has("variant", "sku", sku) for sku in ("S-1", "NEW", "S-2")] == [False, True, False]
        assert reopened.get("sales_channel", "sc_new") is None
