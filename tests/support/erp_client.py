"""Clients for the embedded ERPNext, and documents that tests of clients start from."""

from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.http import HttpClient, HttpOptions
from tests.support.servers import ErpServer


def client_of(erp: ErpServer, *, key: str | None = None, secret: str | None = None, **options: Any) -> ErpNextClient:
    token = f"{key or erp.key}:{secret or erp.secret}"
    http = HttpClient(
        "ERPNext", erp.url, {"Authorization": f"token {token}"}, secrets=(token,), sleep=lambda _seconds: None,
        options=HttpOptions(connect_timeout=2, read_timeout=10),
    )  # fmt: skip
    return ErpNextClient(http, **options)


def website_items(erp: ErpServer, number: int) -> list[str]:
    names = [f"WEB-{index:03d}" for index in range(number)]
    erp.store.insert("Item Group", name="G", item_group_name="G", is_group=0, lft=1, rgt=2)
    for name in names:
        erp.store.insert("Item", name=name, item_code=name, item_name=name, item_group="G")
        erp.store.insert(
            "Website Item", name=name, item_code=name, item_name=name, web_item_name=name, item_group="G", published=1
        )
    return names


def stored(erp: ErpServer, doctype: str, name: str) -> dict[str, Any]:
    row = erp.store.get(doctype, name)
    assert row is not None
    return row
