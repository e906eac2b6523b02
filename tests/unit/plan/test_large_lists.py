"""Reading a list of any length takes the memory of one page, and what notes changes remembers none of its rows."""

import weakref
from typing import Any, cast

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.http import HttpClient
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.clients.reading import Reading
from erp_medusa_pipelines.plan.changes import ChangeLog
from erp_medusa_pipelines.plan.recording import RecordingMedusa
from erp_medusa_pipelines.sync.catalogue import seen_products

PAGES = 3
PAGE = 4


class Row(dict[str, Any]):
    """A row that tells whether anybody still has it."""


class Server:
    """Answers lists of PAGES pages. Notes how many rows of earlier pages were still in memory at each request."""

    service = "server"

    def __init__(self) -> None:
        self.rows: list[weakref.ref[Row]] = []
        self.left: list[int] = []

    def request(self, _method: str, path: str, *, params: Any) -> Any:
        self.left.append(sum(1 for row in self.rows if row() is not None))
        size = PAGE if len(self.left) < PAGES else 1
        numbers = range(len(self.rows), len(self.rows) + size)
        page = [Row(id=f"id_{number}", name=f"n{number:05}", sku=f"sku-{number}") for number in numbers]
        self.rows += map(weakref.ref, page)
        return {"data": page, path.rpartition("/")[2].replace("-", "_"): page, "count": PAGE * (PAGES - 1) + 1}

    def part(self, answer: Any, key: str, _path: str) -> Any:
        return answer[key]


def test_no_page_is_in_memory_when_the_next_one_is_read() -> None:
    erp, medusa = Server(), Server()
    for _ in ErpNextClient(cast(HttpClient, erp)).rows("Website Item", ["name"], page_size=PAGE):
        pass
    client = RecordingMedusa(cast(HttpClient, medusa), ChangeLog())
    for _ in client.whole_list("/admin/products", "products", "id", page_size=PAGE):
        pass
    # The last row is the reader's own.
    assert [len(erp.left), len(medusa.left)] == [PAGES, PAGES]
    assert max(erp.left + medusa.left) <= 1


def test_nothing_is_remembered_of_the_lists_that_a_tick_reads_whole(tmp_path: Any) -> None:
    server = Server()
    client = RecordingMedusa(cast(HttpClient, server), ChangeLog())
    client.reading = Reading(tmp_path, 2, shared=True)
    assert [row["sku"] for row in MedusaInventory(client).seen(["sku-1"])] == ["sku-1"]
    assert len(server.left) == PAGES
    assert not client.known.names
    server.left.clear()
    server.rows.clear()
    assert [row["id"] for row in seen_products.seen_products(client, ["id_2"], "id")] == ["id_2"]
    assert len(server.left) == PAGES
    assert not client.known.names
    client.reading.close()
