"""Types and tags are found by their values, and made once, whoever else makes them at the same time."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import pytest

from erp_medusa_pipelines.clients.failures import PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.sync.catalogue.field_table import Made
from erp_medusa_pipelines.sync.catalogue.filing import Labels
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem


class Medusa:
    """Types and tags by value; `rival` are made by another batch between our look-up and our create."""

    def __init__(self, *there: str, rival: tuple[str, ...] = (), broken: bool = False) -> None:
        self.ids = {value: f"id of {value}" for value in there}
        self.rival, self.broken = rival, broken
        self.asked: list[tuple[str, list[str]]] = []

    def find(self, path: str, _plural: str, _key: str, values: Iterable[str], _fields: str) -> Iterator[dict[str, str]]:
        wanted = list(values)
        self.asked.append((path, wanted))
        yield from ({"id": self.ids[value], "value": value} for value in wanted if value in self.ids)

    def create_label(self, route: str, value: str) -> dict[str, str]:
        if self.broken:
            raise TransientError("Medusa", "POST", "it is down")
        if value in self.rival or not value.isascii():
            self.ids |= {value: f"id of {value}"} if value in self.rival else {}
            raise PermanentError("Medusa", f"POST {route}", f"{value}, already exists.", status=400)
        self.ids[value] = f"id of {value}"
        return {"id": self.ids[value]}


def item(**labels: Any) -> WebsiteItem:
    return WebsiteItem({"name": "W"}, (), None, None, made=Made({}, labels, {}))


def labels(medusa: Medusa) -> Labels:
    return Labels(cast("MedusaClient", medusa))


def test_all_new_values_of_a_window_take_one_look_up_and_known_ones_none() -> None:
    medusa = Medusa("A")
    found = labels(medusa)
    items = [item(type="A", tags=["x", "y"]), item(type="B", tags=["x"]), item(type="A", tags=None), item()]
    found.prepare(items)
    assert medusa.asked == [("/admin/product-types", ["A", "B"]), ("/admin/product-tags", ["x", "y"])]
    found.prepare(items)
    assert len(medusa.asked) == 2
    assert [found.of(one) for one in items] == [
        {"type": "id of A", "tags": ["id of x", "id of y"]}, {"type": "id of B", "tags": ["id of x"]},
        {"type": "id of A", "tags": []}, {},
    ]  # fmt: skip


def test_what_another_batch_made_in_between_is_used() -> None:
    found = labels(Medusa(rival=("A",)))
    found.prepare([item(type="A")])
    assert found.of(item(type="A")) == {"type": "id of A"}
    assert found.problems(item(type="A")) == {}


def test_what_medusa_refuses_is_left_out_and_told() -> None:
    medusa = Medusa()
    found = labels(medusa)
    refused = item(type="é", tags=["x", "é"])
    found.prepare([refused])
    assert found.of(refused) == {}
    assert found.problems(refused) == {
        "type": "Medusa did not make the product type: é, already exists.",
        "tags": "Medusa did not make the product tag: é, already exists.",
    }
    assert found.of(item(type=None, tags=["x"])) == {"type": None, "tags": ["id of x"]}
    asked = len(medusa.asked)
    found.prepare([refused])
    assert len(medusa.asked) == asked, "it is not asked again in this run"


def test_an_outage_is_the_callers() -> None:
    with pytest.raises(TransientError):
        labels(Medusa(broken=True)).prepare([item(type="A")])
