"""Who owns which product, given the ids on both sides."""

from typing import Any

from erp_medusa_pipelines.sync.catalogue.bindings import Findings, judge


def row(name: str, product: str, variant: str = "v") -> dict[str, Any]:
    return {"name": name, "medusa_id": product, "medusa_variant_id": variant}


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
