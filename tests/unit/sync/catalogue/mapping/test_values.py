"""What a mapping makes of an item: transforms, templates, and the built-in table written as a file."""

from pathlib import Path
from typing import Any

import pytest

import erp_medusa_pipelines.sync.catalogue.mapping as package
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT, FieldTable
from erp_medusa_pipelines.sync.catalogue.mapping.loading import parse_mapping
from erp_medusa_pipelines.sync.catalogue.mapping.rows import BARCODES, SPECIFICATIONS, key_of
from erp_medusa_pipelines.sync.catalogue.mapping.safe_html import safe_html
from erp_medusa_pipelines.sync.catalogue.product_bodies import create_body, fingerprint_of, handle
from erp_medusa_pipelines.sync.catalogue.product_changes import OLD_HANDLES_KEY, Comparison, desired_values, update_body
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem, fields_of, shown_specifications
from erp_medusa_pipelines.sync.engine.names import ByName
from tests.unit.sync.catalogue.test_product_bodies import FILED, PLACEMENT, item

FOLDER = Path(package.__file__).parent
COUNTRIES = ByName[str]((("Oman", "om"), ("Norway", "no")))


def table(*rows: str, more: str = "") -> FieldTable:
    lines = ("title: {from: web_item_name, transforms: [name]}", *rows)
    text = more + "fields:\n" + "".join(f"  {line}\n" for line in lines)
    return FieldTable(parse_mapping(text.encode(), "m.yaml"))


def mapped(
    by: FieldTable, of: WebsiteItem | None = None, meta: dict[str, str] | None = None, **fields: Any
) -> WebsiteItem:
    """An item as its reader makes it; `fields` are columns, those of its Item as item__NAME."""
    one = of or item()
    row = {key_of(name): None for name in by.fields_read} | one.row | fields
    tables = {BARCODES: one.barcode, SPECIFICATIONS: shown_specifications(one.specifications), **(meta or {})}
    made = by.make(row, tables, COUNTRIES)
    return WebsiteItem(
        row=row,
        specifications=one.specifications,
        country_code=one.country_code,
        barcode=made.values.get("barcode"),
        table=by,
        made=made,
    )


def value(row: str, *, more: str = "", name: str = "metadata.x", **fields: Any) -> Any:
    found = mapped(table(row, more=more), **fields).made
    return found.problems.get(name, found.values.get(name, found.labels.get(name, "?")))


@pytest.mark.parametrize(
    "of",
    [
        item(),
        item(barcode="629", website_image="/files/a.png", website_image_alt="A &amp; B"),
        item(web_item_name="", brand=None, ranking=0, short_description=None, web_long_description="<p>x</p>"),
        item(country=None, stock_uom=" Box ", brand="3M &lt;x&gt;"),
    ],
    ids=["plain", "pictured", "empty", "encoded"],
)
def test_the_built_in_table_as_a_file_makes_the_same_product(of: WebsiteItem) -> None:
    by = FieldTable(parse_mapping((FOLDER / "default.yaml").read_bytes(), "default.yaml"))
    same = mapped(by, of, item__country_of_origin="Oman" if of.country_code else None)
    assert same.made.problems == {}
    assert create_body(same, FILED, PLACEMENT, {}, "draft") == create_body(of, FILED, PLACEMENT, {}, "draft")
    assert fingerprint_of(same, FILED) == fingerprint_of(of, FILED)
    assert desired_values(same, FILED, PLACEMENT, "draft") == desired_values(of, FILED, PLACEMENT, "draft")
    assert (by.policies, by.of_variant) == (DEFAULT.policies, DEFAULT.of_variant)


def test_only_what_the_mapping_names_is_read() -> None:
    by = table("weight: {from: item.weight_per_unit, transforms: [{unit: g, of: item.weight_uom}]}")
    read = set(fields_of(by))
    assert {
        "item_code.weight_per_unit as item__weight_per_unit",
        "item_code.weight_uom as item__weight_uom",
        "web_item_name",
    } <= read
    assert not read & {"short_description", "web_long_description", "brand", "stock_uom", "ranking"}
    assert (by.reads_barcodes, by.reads_specifications, by.reads_countries) == (False, False, False)


@pytest.mark.parametrize(
    ("row", "fields", "expected"),
    [
        ("{from: brand}", {"brand": "3M"}, "3M"),
        ("{from: brand}", {"brand": "  "}, ""),
        ("{from: brand, default: none}", {"brand": None}, "none"),
        ("{from: n}", {"n": 0}, 0),
        ("{from: n, transforms: [yes_no]}", {"n": 1}, True),
        ("{from: n, transforms: [yes_no]}", {"n": "perhaps"}, "'perhaps' is neither yes nor no"),
        ("{from: n, transforms: [number]}", {"n": "2.50"}, 2.5),
        ("{from: n, transforms: [number]}", {"n": "two"}, "'two' is no number"),
        ("{from: n, transforms: [number]}", {"n": "nan"}, "'nan' is no number"),
        ("{from: brand, transforms: [name]}", {"brand": "A &lt;b&gt;  c"}, "A <b> c"),
        ("{from: text, transforms: [plain_text]}", {"text": "<p>a</p><p>b</p>"}, "a\n\nb"),
        ("{from: [a, b], transforms: [first_of]}", {"a": " ", "b": "2"}, "2"),
        ("{from: [a, b, c], transforms: [{join: ' - '}]}", {"a": "1", "b": None, "c": " 3"}, "1 - 3"),
        ("{from: a, transforms: [{split: ','}]}", {"a": "x, y,,z"}, ["x", "y", "z"]),
        ("{from: a, transforms: [country_code]}", {"a": "norway"}, "no"),
        ("{from: a, transforms: [country_code]}", {"a": "Atlantis"}, "ERPNext has no code for the country"),
        ("{from: a, transforms: [{lookup: t}]}", {"a": "ÁCME"}, "Acme Ltd"),
        ("{from: a, transforms: [{lookup: t}]}", {"a": "Other"}, "'Other' is not in the lookup t"),
        ("{from: a, transforms: [{lookup: t, else: null}]}", {"a": "Other"}, ""),
        ("{from: a, transforms: [{lookup: t, else: any}]}", {"a": "Other"}, "any"),
        ("{template: '{{ a }}-{{ item.b }}'}", {"a": "x", "item__b": 3}, "x-3"),
        ("{template: '{{ a }}'}", {"a": None}, ""),
        ("{template: '{{ a / 0 }}'}", {"a": 1}, "its template cannot be filled in"),
        ("{template: '{{ a.b.c }}'}", {"a": 1}, "its template cannot be filled in"),
        ("{template: \"{{ ''.__class__.__mro__ }}{{ a }}\"}", {"a": 1}, "its template cannot be filled in"),
        ("{template: \"{{ a * 999999 }}\"}", {"a": "x"}, "its template makes more than 100,000 characters"),
        ("{value: [1, two]}", {}, [1, "two"]),
        ("{value: ''}", {}, ""),
    ],
)  # fmt: skip
def test_a_value_is_made_or_the_reason_told(row: str, fields: dict[str, Any], expected: Any) -> None:
    made = value(f"metadata.x: {row}", more="lookups: {t: {acme: Acme Ltd}}\n", **fields)
    assert made.startswith(expected) if isinstance(expected, str) and expected else made == expected


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [
        (0.25, "Kg", 250), (1, "kg ", 1000), (2.5, "Gram", 2.5), (1, "Pound", 453.592), ("3", "OUNCE", 85.049),
        (1234567, "Gram", 1234570), (0, "Kg", None), (None, None, None), (0, None, None),
        (1, "Box", "its unit 'Box' is not known as one of weight: use Gram, Kg"),
        (1, None, "1 has no unit: set item.weight_uom"),
        (-1, "Kg", "-1 is less than 0"),
        ("heavy", "Kg", "'heavy' is no number"),
    ],
)  # fmt: skip
def test_weights_become_grams(number: Any, unit: str | None, expected: Any) -> None:
    row = "weight: {from: item.weight_per_unit, transforms: [{unit: g, of: item.weight_uom}]}"
    made = value(row, name="weight", item__weight_per_unit=number, item__weight_uom=unit)
    assert made.startswith(expected) if isinstance(expected, str) else made == expected


def test_tags_of_the_page_are_found_by_its_route() -> None:
    by = table(
        "metadata.t: {from: [meta.title, brand], transforms: [first_of]}", "subtitle: {template: '{{ meta.x }}!'}"
    )
    assert (by.reads_meta, "route" in fields_of(by)) == (True, True)
    desired = mapped(by, meta={"meta.title": "SEO"}, brand="3M").made.values
    assert (desired["metadata.t"], desired["subtitle"]) == ("SEO", "!")
    assert mapped(by, brand="3M").made.values["metadata.t"] == "3M"


@pytest.mark.parametrize(("stored", "expected"), [(0, False), ("1", True), ("0", False), ("x", "'x' is neither")])
def test_yes_and_no_are_what_a_check_says(stored: Any, expected: Any) -> None:
    made = value("discountable: {from: n}", name="discountable", n=stored)
    assert made.startswith(expected) if isinstance(expected, str) else made is expected


def test_lengths_in_a_unit_of_the_file_become_millimetres() -> None:
    row = "length: {from: item.custom_length, transforms: [{unit: mm, in: cm}]}"
    assert value(row, name="length", item__custom_length=2.54) == 25.4


def test_a_reason_names_the_row_and_its_line() -> None:
    desired = value("weight: {from: n}", name="weight", n="x")
    assert desired == "'x' is no number (row `weight` of the mapping, line 3)"


def test_a_field_without_a_value_follows_its_row() -> None:
    by = table(
        "material: {from: a}", "mid_code: {from: a, empty: keep}", "metadata.x: {from: a}",
        "metadata.y: {from: a, empty: keep}", "discountable: {from: b, empty: keep}", "handle: {from: a}",
    )  # fmt: skip
    one = mapped(by, a=None, b=0)
    desired = desired_values(one, FILED, PLACEMENT, "draft")
    assert (desired["material"], desired["metadata.x"], desired["discountable"]) == (None, "", False)
    assert not {"mid_code", "metadata.y", "handle"} & desired.keys()
    body = create_body(one, FILED, PLACEMENT, {}, "draft")
    assert body["handle"] == handle(item())
    assert "y" not in body["metadata"]


def test_without_a_name_the_item_code_is_the_title() -> None:
    one = mapped(table(), item(web_item_name=None))
    assert create_body(one, FILED, PLACEMENT, {}, "draft")["title"] == one.item_code


def test_a_problem_leaves_the_field_as_it_is_and_the_fingerprint_tells_when_it_is_over() -> None:
    by = table("weight: {from: n}", "material: {from: m}")
    bad, good = mapped(by, n=-1, m="Steel"), mapped(by, n=1, m="Steel")
    assert "weight" not in desired_values(bad, FILED, PLACEMENT, "draft")
    assert desired_values(bad, FILED, PLACEMENT, "draft")["material"] == "Steel"
    assert fingerprint_of(bad, FILED) != fingerprint_of(good, FILED)


def test_tags_and_types_are_texts_until_medusa_has_ids_for_them() -> None:
    by = table("type: {from: brand}", "tags: {from: [a, b], transforms: [name]}")
    made = mapped(by, brand="3M", a="x", b="x ").made
    assert dict(made.labels) == {"type": "3M", "tags": ["x"]}
    assert not {"type", "tags"} & made.values.keys()


def test_old_addresses_are_kept_in_order_and_none_is_the_present_one() -> None:
    product = {"id": "prod_1", "handle": "c", "metadata": {OLD_HANDLES_KEY: ["a", "b"]}, "variants": []}
    body = update_body(product, "variant_1", Comparison({"handle": "a"}, {}, {}))
    assert (body["handle"], body["metadata"][OLD_HANDLES_KEY]) == ("a", ["b", "c"])
    damaged = {**product, "metadata": {OLD_HANDLES_KEY: "nothing of ours"}}
    assert update_body(damaged, "v", Comparison({"handle": "d"}, {}, {}))["metadata"][OLD_HANDLES_KEY] == ["c"]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ('<div class="ql-editor"><p style="x">a &amp; b</p></div>', "<p>a &amp; b</p>"),
        ("a<script>alert(1)</script>b<style>x</style>", "ab"),
        ("<p onclick='x'>a<img src=x onerror=y>", "<p>a</p>"),
        ('<a href="javascript:alert(1)">a</a>', "<a>a</a>"),
        ('<a href="java\nscript:alert(1)">a</a>', "<a>a</a>"),
        ('<a href="https://x.example/?a=1&b=2" target=_blank>a</a>', '<a href="https://x.example/?a=1&amp;b=2">a</a>'),
        ("<ul><li>a<li>b</ul>c", "<ul><li>a<li>b</li></li></ul>c"),
        ("<b>a</i></b></p>", "<b>a</b>"),
        ("<p/>a", "<p>a</p>"),
        ("<script/>alert(1)", ""),
        ('<td colspan="2" rowspan="x">a', '<td colspan="2">a</td>'),
        ("a &lt;b&gt; <!-- c --> d", "a &lt;b&gt;  d"),
    ],
)  # fmt: skip
def test_html_keeps_what_arranges_text_and_nothing_that_acts(markup: str, expected: str) -> None:
    assert safe_html(markup) == expected
