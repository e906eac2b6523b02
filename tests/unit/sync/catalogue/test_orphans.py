"""Which products nobody owns."""

from typing import Any

from erp_medusa_pipelines.sync.catalogue.orphans import GONE, SECOND, UNKNOWN, SharedId, find_orphans, find_shared_ids


def row(name: str, medusa_id: str | None, published: int = 1) -> dict[str, Any]:
    return {"name": name, "medusa_id": medusa_id, "published": published}


def product(identity: str, owner: str) -> dict[str, Any]:
    return {"id": identity, "title": identity, "status": "published", "external_id": owner}


def reasons(products: list[dict[str, Any]], rows: list[dict[str, Any]]) -> dict[str, str]:
    sold = {row["name"] for row in rows if row["published"]}
    return {orphan.product_id: orphan.reason for orphan in find_orphans(products, rows, sold)}


def test_a_product_that_its_item_knows_is_no_orphan() -> None:
    assert reasons([product("p", "a"), product("q", "b")], [row("a", "p"), row("b", "q", published=0)]) == {}


def test_a_product_of_an_item_that_is_gone_is_one_unless_the_item_was_renamed() -> None:
    assert reasons([product("p", "old"), product("q", "other")], [row("new", "p")]) == {"q": GONE}


def test_a_product_whose_ids_were_lost_is_one_unless_the_export_will_find_it() -> None:
    products = [product("p", "a"), product("q", "b")]
    assert reasons(products, [row("a", None), row("b", None, published=0)]) == {"q": UNKNOWN}


def test_the_second_product_of_an_item_is_one_and_a_copy_with_foreign_ids_makes_none() -> None:
    assert reasons([product("p", "a"), product("q", "a")], [row("a", "q")]) == {"p": SECOND}
    assert reasons([product("p", "a"), product("q", "b")], [row("a", "q"), row("b", "q")]) == {}


def test_ids_that_several_items_have_are_named() -> None:
    rows = [row("a", "p"), row("b", "p"), row("c", "q"), row("d", None), row("e", None)]
    assert find_shared_ids(rows) == [SharedId("p", ("a", "b"))]
