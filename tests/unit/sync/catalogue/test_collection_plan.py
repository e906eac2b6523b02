"""Which Medusa collection is an Item Group's own."""

from typing import Any

from erp_medusa_pipelines.sync.catalogue.collections import plan


def group(name: str, medusa_id: str | None = None) -> dict[str, Any]:
    return {"name": name, "item_group_name": name, "parent_item_group": "All", "is_group": 0, "medusa_id": medusa_id}


def collection(number: int, handle: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"pcol_{number}", "title": handle, "handle": handle, "external_id": None, "metadata": None, **fields}


def test_a_collection_is_recognised_by_id_name_metadata_and_at_last_by_handle() -> None:
    collections = [
        collection(1, "gloves"),
        collection(2, "x", external_id="Gloves"),
        collection(3, "y", metadata={"item_group": "Gloves"}),
    ]
    for known, expected in ((collections, "pcol_2"), (collections[::2], "pcol_3"), (collections[:1], "pcol_1")):
        (one,) = plan([group("Gloves")], known)
        assert one.existing is not None
        assert one.existing["id"] == expected
    (one,) = plan([group("Gloves", medusa_id="pcol_1")], collections)
    assert one.existing == collections[0]


def test_a_collection_of_another_group_is_not_taken_for_its_handle() -> None:
    (one,) = plan([group("Gloves")], [collection(1, "gloves", external_id="Old Gloves")])
    assert (one.existing, one.handle) == (None, "gloves-2")


def test_groups_that_differ_in_punctuation_get_collections_of_their_own() -> None:
    plans = plan([group("A-B"), group("A B"), group("A/B"), group("قفازات")], [collection(1, "a-b")])
    assert plans[0].existing is not None
    assert [one.existing for one in plans[1:]] == [None, None, None]
    assert [one.handle for one in plans[1:]] == ["a-b-2", "a-b-3", "قفازات"]


def test_a_name_without_letters_still_has_a_handle() -> None:
    (one,) = plan([group("***")], [])
    assert one.handle == "item-group-2a2a2a"
