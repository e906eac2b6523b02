"""Who owns which product, given the ids on both sides."""

from typing import Any

from erp_medusa_pipelines.sync.catalogue.bindings import Findings, judge


def row(name: str, product: str, variant: str = "v") -> dict[str, Any]:
    return {"name": name, "item_code": f"code-{name}", "medusa_id": product, "medusa_variant_id": variant}


def product(identity: str, owner: str | None, *variants: str) -> dict[str, Any]:
    return {"id": identity, "external_id": owner, "variants": [{"id": variant} for variant in variants or ("v",)]}


def look(rows: list[dict[str, Any]], *products: dict[str, Any], existing: frozenset[str] = frozenset()) -> Findings:
    return judge(rows, {each["id"]: each for each in products}, existing)


def test_what_both_sides_agree_on_is_left_alone() -> None:
    assert look([row("a", "p")], product("p", "a")) == Findings()


def test_a_product_without_a_name_is_whose_id_it_is() -> None:
    assert look([row("a", "p")], product("p", None)) == Findings()


def test_a_product_without_a_name_belongs_to_one_of_those_that_have_its_id() -> None:
    copy = row("b", "p")
    assert look([row("a", "p"), copy], product("p", None)) == Findings(copied=[copy])


def test_a_copy_is_told_from_its_original() -> None:
    copy = row("b", "p")
    assert look([row("a", "p"), copy], product("p", "a"), existing=frozenset({"a"})) == Findings(copied=[copy])
    # The original lies in another batch.
    assert look([copy], product("p", "a"), existing=frozenset({"a"})) == Findings(copied=[copy])


def test_a_product_or_variant_that_is_not_there_is_missing() -> None:
    gone, other_variant = row("a", "p"), row("b", "q", "w")
    assert look([gone, other_variant], product("q", "b", "v")) == Findings(missing=[gone, other_variant])


def test_a_renamed_item_keeps_its_product_and_its_copy_does_not() -> None:
    renamed, copy = row("new", "p"), row("new copy", "p")
    assert look([renamed, copy], product("p", "old")) == Findings(renamed=[renamed], copied=[copy])


def whole(identity: str, owner: str | None, **changed: Any) -> dict[str, Any]:
    variants = [{"id": "v", "sku": f"code-{owner}", "prices": []}]
    return {"id": identity, "external_id": owner, "options": [{"id": "opt"}], "variants": variants, **changed}


def test_half_made_products_of_right_ids_are_found_where_their_parts_were_looked_up() -> None:
    rows = [row("a", "p"), row("b", "q"), row("c", "r"), row("d", "s"), row("e", "t", "w")]
    products = {
        "p": whole("p", "a"),
        "q": whole("q", "b", variants=[{"id": "v", "sku": "code-b"}]),
        "r": whole("r", "c", variants=[]),
        "s": whole("s", "d", options=[]),
        "t": whole("t", "e"),
    }
    found = judge(rows, products, frozenset(), whole=True)
    assert [half["name"] for half, _ in found.halves] == ["b", "c", "d"]
    # Another variant than the one that ERPNext knows is no half-made product.
    assert [missing["name"] for missing in found.missing] == ["e"]
