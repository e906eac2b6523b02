"""Which Medusa collection is an Item Group's own."""

from typing import Any

import pytest

from erp_medusa_pipelines.sync.catalogue.collections import plan


def group(name: str, medusa_id: str | None = None) -> dict[str, Any]:
    return {"name": name, "item_group_name": name, "parent_item_group": "All", "is_group": 0, "medusa_id": medusa_id}


def collection(number: int, handle: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"pcol_{number}", "title": handle, "handle": handle, "external_id": None, "metadata": None, **fields}


def test_a_collection_is_recognised_by_name_metadata_id_and_at_last_by_handle() -> None:
    collections = [
        collection(1, "gloves"),
        collection(2, "x", external_id="Gloves"),
        collection(3, "y", metadata={"item_group": "Gloves"}),
    ]
    for known, expected in ((collections, "pcol_2"), (collections[::2], "pcol_3"), (collections[:1], "pcol_1")):
        (one,) = plan([group("Gloves")], known)
        assert one.existing is not None
        assert one.existing["id"] == expected
    (one,) = plan([group("Gloves", medusa_id="pcol_1")], [collection(0, "gloves"), collections[0]])
    assert one.existing == collections[0]


def test_a_collection_of_another_group_is_not_taken_for_its_handle() -> None:
    (one,) = plan([group("Gloves")], [collection(1, "gloves", external_id="Old Gloves")])
    assert (one.existing, one.handle) == (None, "gloves-2")


def test_a_copied_group_does_not_take_the_collection_of_its_original() -> None:
    """The desk's Duplicate copies the id as well."""
    known = [collection(1, "gloves", external_id="Gloves")]
    plans = plan([group("Gloves 2", medusa_id="pcol_1"), group("Gloves", medusa_id="pcol_1")], known)
    assert [one.existing for one in plans] == [None, known[0]]
    # The original holds no items any more, or not yet.
    (one,) = plan([group("Gloves 2", medusa_id="pcol_1")], known, frozenset({"Gloves"}))
    assert (one.existing, one.handle) == (None, "gloves-2")


def test_a_renamed_group_keeps_its_collection_and_its_copy_does_not() -> None:
    known = [collection(1, "gloves", external_id="Gloves")]
    plans = plan([group("Hands", medusa_id="pcol_1"), group("Hands 2", medusa_id="pcol_1")], known)
    assert [one.existing for one in plans] == [known[0], None]


@pytest.mark.long
def test_thousands_of_groups_are_planned_without_looking_at_each_pair() -> None:
    groups, looks = [group(f"G{number % 10} {'-' * number}x") for number in range(4000)], 0

    class Counted(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            nonlocal looks
            looks += 1
            return super().__getitem__(key)

    plans = plan([Counted(one) for one in groups], [Counted(collection(n, f"c{n}")) for n in range(4000)])
    assert len({one.handle for one in plans}) == 4000
    assert looks < 4000 * 40


def test_groups_that_differ_in_punctuation_get_collections_of_their_own() -> None:
    plans = plan([group("A-B"), group("A B"), group("A/B"), group("قفازات")], [collection(1, "a-b")])
    assert plans[0].existing is not None
    assert [one.existing for one in plans[1:]] == [None, None, None]
    assert [one.handle for one in plans[1:]] == ["a-b-2", "a-b-3", "قفازات"]


def test_a_name_without_letters_still_has_a_handle() -> None:
    (one,) = plan([group("***")], [])
    assert one.handle == "item-group-2a2a2a"
