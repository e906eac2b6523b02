"""Attributes as options: order, places, and what is renamed instead of made anew."""

from typing import Any

from erp_medusa_pipelines.sync.catalogue.option_sets import (
    OptionSet,
    Variant,
    option_changes,
    option_set,
    options_of_items,
    taken_values,
    unused_values,
)

ORDER = {"Size": ["S", "M", "L"], "Colour": ["Red", "Blue"]}


def variant(name: str, **values: str) -> Variant:
    return Variant(name, f"I-{name}", values)


def test_values_stand_in_erpnexts_order_and_numbers_by_size() -> None:
    found = option_set(
        ["Size", "Length"],
        [variant("a", Size="L", Length="10"), variant("b", size="S", Length="9.5"), variant("c", Size="?", Length="x")],
        ORDER,
    )
    assert found.options == {"Size": ["S", "L", "?"], "Length": ["9.5", "10", "x"]}
    assert found.of["b"] == {"Size": "S", "Length": "9.5"}


def test_a_variant_without_a_value_or_with_anothers_has_no_place() -> None:
    found = option_set(["Size"], [variant("a", Size="S"), variant("b", Size="s "), variant("c")], ORDER)
    assert list(found.of) == ["a"]
    assert "same values as I-a (s)" in found.refused["b"]
    assert found.refused["c"] == "its Item I-c has no value of Size"


def test_without_attributes_item_codes_are_chosen_among() -> None:
    assert option_set([], [variant("a"), variant("b")], {}).options == {"Variant": ["I-a", "I-b"]}


def product(options: dict[str, list[str]], *variants: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": "prod",
        "options": [
            {
                "id": title,
                "title": title,
                "values": [
                    {"id": f"{title}{value}", "value": value, "rank": rank} for rank, value in enumerate(values)
                ],
            }
            for title, values in options.items()
        ],
        "variants": [
            {
                "id": f"v{number}",
                "options": [{"id": f"{title}{value}"} for title, value in zip(options, of, strict=True)],
            }
            for number, of in enumerate(variants)
        ],
    }


def changes(there: dict[str, Any], **wanted: dict[str, str]) -> Any:
    options: dict[str, list[str]] = {}
    for values in wanted.values():
        for title, value in values.items():
            if value not in options.setdefault(title, []):
                options[title].append(value)
    return option_changes(there, OptionSet(options, wanted), {f"v{number}": name for number, name in enumerate(wanted)})


def test_nothing_changes_where_all_is_there_and_more() -> None:
    there = product({"Size": ["S", "M", "By hand"]}, ("S",), ("M",))
    found = changes(there, a={"Size": "S"}, b={"Size": "M"})
    assert not found.writes
    assert not found.stale


def test_an_attribute_whose_values_stay_was_renamed() -> None:
    there = product({"Size": ["S", "M"], "Colour": ["Red"]}, ("S", "Red"), ("M", "Red"))
    found = changes(there, a={"Width": "S", "Colour": "Red"}, b={"Width": "M", "Colour": "Red"})
    assert (found.titles, found.new_options, found.stale) == ({"Size": "Width"}, {}, {})
    assert found.held(there)["v1"] == {"Width": "M", "Colour": "Red"}


def test_attributes_of_which_a_value_was_renamed_too_are_still_renamed() -> None:
    there = product({"Size": ["S", "M"], "Cut": ["A", "B"]}, ("S", "A"), ("M", "B"))
    found = changes(there, a={"Width": "S", "Form": "Long"}, b={"Width": "M", "Form": "B"})
    assert found.titles == {"Size": "Width", "Cut": "Form"}
    assert (found.values, found.new_options, found.stale) == ({("Cut", "CutA"): "Long"}, {}, {})


def test_an_attribute_that_took_the_place_of_another_takes_its_option() -> None:
    there = product({"Size": ["S"]}, ("S",), ("S",))
    found = changes(there, a={"Colour": "Red"}, b={"Colour": "Blue"})
    assert (found.titles, found.new_values) == ({"Size": "Colour"}, {"Size": ["Red", "Blue"]})
    assert (found.new_options, found.stale) == ({}, {})


def test_where_none_of_the_variants_stays_options_are_taken_all_the_same() -> None:
    found = option_changes(product({"Size": ["S"]}, ("S",)), OptionSet({"Width": ["M"]}, {"b": {"Width": "M"}}), {})
    assert (found.titles, found.stale) == ({"Size": "Width"}, {})


def test_a_value_that_all_its_variants_leave_for_a_new_one_was_renamed() -> None:
    there = product({"Colour": ["Red", "Blue"]}, ("Blue",), ("Red",))
    found = changes(there, a={"Colour": "Navy"}, b={"Colour": "Red"})
    assert (found.values, found.new_values) == ({("Colour", "ColourBlue"): "Navy"}, {})


def test_a_value_that_one_of_two_variants_gets_is_new() -> None:
    there = product({"Colour": ["Blue"], "Size": ["S", "M"]}, ("Blue", "S"), ("Blue", "M"))
    found = changes(there, a={"Colour": "Navy", "Size": "S"}, b={"Colour": "Blue", "Size": "M"})
    assert (found.values, found.new_values) == ({}, {"Colour": ["Navy"]})


def test_an_attribute_that_is_gone_stays_with_a_value_for_new_variants() -> None:
    there = product({"Size": ["S", "M"], "Colour": ["Red"]}, ("S", "Red"), ("M", "Red"))
    found = changes(there, a={"Size": "S"}, b={"Size": "M"})
    assert (found.stale, found.writes) == ({"Colour": "Red"}, False)


def test_values_out_of_order_are_ranked_those_of_others_last() -> None:
    there = product({"Size": ["By hand", "S", "M"], "Colour": ["Red"]}, ("S", "Red"), ("M", "Red"))
    assert not changes(there, a={"Size": "S", "Colour": "Red"}, b={"Size": "M", "Colour": "Red"}).order
    found = changes(there, b={"Size": "M", "Colour": "Red"}, a={"Size": "S", "Colour": "Red"})
    assert found.order == {"Size": ["M", "S", "By hand"]}
    there["options"][1]["values"][0]["rank"] = None
    found = changes(there, a={"Size": "S", "Colour": "Red"}, b={"Size": "M", "Colour": "Blue"})
    assert found.order == {"Colour": ["Red", "Blue"]}


def test_a_value_is_unused_once_the_variants_that_have_it_are_gone() -> None:
    there = product({"Size": ["S", "M", "L", "XL"]}, ("S",), ("M",), ("L",))
    wanted = OptionSet({"Size": ["S"]}, {"a": {"Size": "S"}})
    found = option_changes(there, wanted, {"v0": "a"})
    assert unused_values(there, wanted, found, {"v0", "v1"}) == {
        "SizeM": ("Size", frozenset()), "SizeL": ("Size", frozenset({"v2"})), "SizeXL": ("Size", frozenset()),
    }  # fmt: skip
    assert unused_values(there, OptionSet({"Size": []}, {}), found, set()) == {}, "an option keeps its last values"


def test_items_of_a_parent_have_the_attributes_that_all_of_them_have() -> None:
    titles = {"a": "Small", "b": "Large", "c": "Small"}
    some = [variant("a", Size="S", Colour="Red"), variant("b", Size="L")]
    assert options_of_items(some, titles, ORDER).options == {"Size": ["S", "L"]}
    same = [*some, variant("c", Size="L")]
    found = options_of_items(same, titles, ORDER)
    assert (found.options, found.refused) == ({"Variant": ["Large", "Small (I-a)", "Small (I-c)"]}, {})
    assert options_of_items([], {}, ORDER).options == {"Variant": []}


def test_what_another_variant_has_and_keeps_is_taken() -> None:
    wanted = OptionSet({"Size": ["S", "M", "L"]}, {"a": {"Size": "M"}, "b": {"Size": "S"}, "c": {"Size": "L"}})
    held = {"v0": {"Size": "S"}, "v1": {"Size": "M"}, "v2": {"Size": "L"}}
    assert taken_values(wanted, held, {"v0": "a", "v1": "b", "v2": "c"}) == {}, "two that change places"
    # What a may not have keeps b from what a has.
    assert taken_values(wanted, held, {"v0": "a", "v2": "c"}) == {"a": "v1", "b": "v0"}
