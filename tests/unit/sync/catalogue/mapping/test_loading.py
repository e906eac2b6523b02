"""What is wrong with a mapping file is told with its line, its column and what to do."""

from pathlib import Path

import pytest

import erp_medusa_pipelines.sync.catalogue.mapping as package
from erp_medusa_pipelines.sync.catalogue.mapping.loading import MOST_SHOWN, MappingError, content_of, parse_mapping
from erp_medusa_pipelines.sync.catalogue.mapping.places import LARGEST_BYTES
from erp_medusa_pipelines.sync.catalogue.mapping.transforms import TRANSFORMS

FOLDER = Path(package.__file__).parent


def faults(text: str | bytes) -> list[str]:
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(MappingError) as told:
        parse_mapping(content, "m.yaml")
    return [f"{fault.place.line}:{fault.place.column} {fault.text}" for fault in told.value.faults]


def row(text: str) -> str:
    return f"fields:\n  title: web_item_name\n  hs_code: {text}\n"


WRONG = {
    "tab": ("fields:\n\ttitle: a\n", "2:1 there is a tab"),
    "tab in a line": ("fields:\n  title:\n    from: a\n\t  policy: keep\n", "4:1 there is a tab"),
    "twice": (row("a\n  hs_code: b"), "4:3 'hs_code' is here a second time, line 3 has it already"),
    "cycle": ("fields: &a\n  title: x\n  y: *a\n", "1:9 an alias (*) here leads back into itself"),
    "no document": ("", "1:1 the file is empty"),
    "comment alone": ("# later\n", "1:1 the file is empty"),
    "a list": ("- title\n", "1:1 the file must be a table"),
    "two documents": ("fields:\n  title: a\n---\nx: 1\n", "3:1 a second document begins here"),
    "not UTF-8": (b"fields:\n  title: w\xe9\n", "2:1 this is not UTF-8"),
    "an unseen sign": ("fields:\n  title: 'a\x00'\n", "2:12 there is a character here that cannot be seen"),
    "deep": ("fields: " + "[" * 50 + "]" * 50, "1:29 lists and tables are inside each other"),
    "very deep": ("fields: " + "[" * 5000, "1:1 lists and tables are inside each other"),
    "a colon": ("fields:\n  title: a: b\n", "2:11 this is not YAML"),
    "merge": ("fields:\n  title: &t {from: a}\n  hs_code: {<<: *t}\n", "3:13 << is not read"),
    "python": ("fields:\n  title: !!python/name:os.system\n", "2:10 '' is read as a python"),
    "a date": (row("{value: 2024-01-01}"), "3:20 '2024-01-01' is read as a timestamp: put it into quotes"),
    "half a character": (row('{value: "\\ud800"}'), "3:20 there is half a character here"),
    "no real number": (row("{value: .inf}"), "3:20 '.inf' is no number that a shop has"),
    "no fields": ("version: 1\n", "1:1 there is no `fields:`"),
    "no title": ("fields:\n  hs_code: a\n", "1:1 there is no row `title`"),
    "version": ("version: 2\nfields: {title: a}\n", "1:10 version must be 1, not 2"),
    "misspelt": (row("{from: a, polcy: keep}"), "3:22 'polcy' is not known here: is policy meant?"),
    "policy": (row("{from: a, policy: never}"), "3:30 policy must be overwrite, until_erp_changes or keep, not never"),
    "a number for a field": (row("{from: 7}"), "3:19 from must be the name of a field, or a list of names, not 7"),
    "no field's name": (row("Item Name"), "3:12 'Item Name' is no name of a field"),
    "an Item's Item": (row("item.item.x"), "3:12 'item.item.x' is no name of a field"),
    "nothing to begin with": (row("{policy: keep}"), "3:12 hs_code begins with nothing"),
    "two beginnings": (row("{from: a, value: 3}"), "3:12 hs_code begins with from and value"),
    "no names": (row("{from: [], transforms: [first_of]}"), "3:19 from names no field"),
    "unknown transform": (row("{from: a, transforms: [nam]}"), "3:35 nam is no transform: use one of plain_text"),
    "transforms as a word": (row("{from: a, transforms: name}"), "3:34 transforms must be a list"),
    "join without text": (row("{from: [a], transforms: [join]}"), "3:37 join is written `join: ', '`"),
    "join of one": (row("{from: a, transforms: [{join: ','}]}"), "3:35 join takes a list"),
    "a list in a text": (row("[a, b]"), "3:12 hs_code must be the name of a field, or a table of from"),
    "a list for a text": (row("{from: [a, b]}"), "3:12 hs_code takes one value, not a list"),
    "unknown lookup": (row("{from: a, transforms: [{lookup: x}]}"), "3:35 lookups has no table 'x'"),
    "unit": (row("{from: a, transforms: [{unit: kg, of: b}]}"), "3:35 unit takes g (grams) or mm"),
    "unit of nothing": (row("{from: a, transforms: [{unit: g}]}"), "3:35 unit needs `of:`"),
    "unit unknown": (row("{from: a, transforms: [{unit: mm, in: ell}]}"), "3:35 'ell' is not known as a unit"),
    "split": (row("{from: a, transforms: [{split: ''}]}"), "3:35 split takes the text between"),
    "more in a transform": (row("{from: a, transforms: [{split: ',', x: 1}]}"), "3:35 split takes no x"),
    "template": (row("{template: '{{ a '}"), "3:23 the template has an error"),
    "template, third line": (
        "fields:\n  title:\n    template: |\n      {{ a }}\n      {% if %}\n", "5:1 the template has an error",
    ),
    "template without fields": (row("{template: 'always'}"), "3:23 the template names no field: use `value:`"),
    "item alone": (row("{template: '{{ item }}'}"), "3:23 `item` is used alone"),
    "another template": (row("{template: '{% include x %}'}"), "3:23 a template cannot use others"),
    "sku": ("fields:\n  title: a\n  sku: b\n", "3:3 the sku is always the item_code"),
    "status": ("fields:\n  title: a\n  status: b\n", "3:3 'status' follows ERPNext's own rules"),
    "brand": ("fields:\n  title: a\n  brand: b\n", "3:3 'brand' is written metadata.brand here"),
    "our notes": ("fields:\n  title: a\n  metadata.erp_hash: b\n", "3:3 metadata.erp_hash is kept by the export"),
    "unknown": ("fields:\n  title: a\n  colour: b\n", "3:3 Medusa has no field 'colour'"),
    "specifications": (row("website_specifications"), "3:12 website_specifications is a table"),
    "a lookup of lists": ("lookups: {a: [1]}\nfields: {title: a}\n", "1:14 a lookup is a table of single values"),
    "inherited barcode": (
        "fields:\n  title: a\n  variant.barcode: {from: item.barcodes, inherit: true}\n",
        "3:51 barcodes are not inherited",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_each_mistake_is_told_where_it_is_with_what_to_do(name: str) -> None:
    text, expected = WRONG[name]
    told = faults(text)
    assert any(line.startswith(expected) for line in told), told


def test_all_mistakes_are_told_at_once() -> None:
    told = faults(row("{from: 7, polcy: keep, empty: x}"))
    assert [line.partition(" ")[0] for line in told] == ["3:19", "3:22", "3:42"]


def test_a_huge_file_is_not_read_and_a_small_one_does_not_become_one() -> None:
    assert faults(b"#" * (LARGEST_BYTES + 1))[0].startswith("1:1 the file has more than 256 kB")
    nines = "".join(f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcde", "bcdef", strict=True))
    assert "more than 20,000 values" in faults(f"a: &a [x]\n{nines}")[0]


def test_a_message_names_the_file_and_does_not_become_endless(tmp_path: Path) -> None:
    rows = "".join(f"  field_{number}: x\n" for number in range(50))
    with pytest.raises(MappingError, match=r"m\.yaml:2:3: Medusa has no field 'field_0'") as told:
        parse_mapping(f"fields:\n{rows}".encode(), "m.yaml")
    assert str(told.value).count("\n") == MOST_SHOWN + 1
    with pytest.raises(MappingError, match="cannot be read"):
        content_of(tmp_path / "none.yaml")
    with pytest.raises(MappingError, match="cannot be read"):
        content_of(tmp_path)


def test_only_true_and_false_are_yes_and_no() -> None:
    (_, code) = parse_mapping(
        b"lookups: {codes: {Norge: NO, Oman: om}}\n"
        b"fields:\n  title: a\n  hs_code: {from: b, transforms: [{lookup: codes}]}\n",
        "m",
    )
    assert code.steps[0].step("norge", None) == "NO"  # pyright: ignore[reportArgumentType]  # looks at nothing else


@pytest.mark.parametrize("name", ["default.yaml", "example.yaml"])
def test_what_is_shipped_can_be_used(name: str) -> None:
    assert parse_mapping((FOLDER / name).read_bytes(), name)


def test_every_transform_is_written_as_it_says() -> None:
    for name, way in TRANSFORMS.items():
        assert way.example.startswith(name)
