"""The fields of a product in one shop: the rows of product_fields.py, and those of its mapping in place of some.

What is read, asked, compared and noted follows from the rows. How a value is made is in fields.py for the one and in
mapping/ for the other.

With a mapping, ERPNext's own rules stay as they are (status, sku, links to other documents), and every row that a
mapping can have comes from it: one that it does not have is not sent, and Medusa keeps what is there.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from erp_medusa_pipelines.product_fields import FIELDS, Empty, FieldPolicy, How, ProductField, key_of
from erp_medusa_pipelines.sync.catalogue.mapping.rows import BARCODES, OF_META, SPECIFICATIONS, MappedField
from erp_medusa_pipelines.sync.catalogue.mapping.rows import key_of as key_of_field
from erp_medusa_pipelines.sync.catalogue.mapping.targets import OUR_KEYS, TARGETS, Kind
from erp_medusa_pipelines.sync.catalogue.mapping.transforms import Given
from erp_medusa_pipelines.sync.engine.names import ByName

Row = Mapping[str, Any]

_ALWAYS_READ = ("web_item_name",)
"""Columns that more than the fields of a product are made of: its address."""

_TABLES = (BARCODES, SPECIFICATIONS)
_LABELS = (Kind.TYPE, Kind.TAGS)


def _can_be_mapped(field: ProductField) -> bool:
    if field.place == "metadata":
        return field.key not in OUR_KEYS
    return any((target.place, target.key) == (field.place, field.key) for target in TARGETS.values())


@dataclass(frozen=True, slots=True)
class Made:
    """What a mapping makes of one Website Item."""

    values: Mapping[str, Any]
    """Under the names of the table, but for type and tags."""
    labels: Mapping[str, Any]
    """The text of its type and those of its tags, under `type` and `tags`, where the mapping has them."""
    problems: Mapping[str, str]
    """Why a field has no value, by its name: it is left as it is."""


NOTHING_MADE = Made({}, {}, {})


@dataclass(frozen=True)
class FieldTable:
    """All fields of a product. Without `mapped` rows it is the table of product_fields.py."""

    mapped: tuple[MappedField, ...] | None = None

    @cached_property
    def fixed(self) -> tuple[ProductField, ...]:
        """The rows that follow product_fields.py."""
        return FIELDS if self.mapped is None else tuple(field for field in FIELDS if not _can_be_mapped(field))

    @cached_property
    def empties(self) -> Mapping[str, Empty]:
        """What becomes of each field that has a policy where ERPNext has nothing."""
        fixed = {field.name: field.empty for field in self.fixed if field.policy}
        return {**fixed, **{row.name: row.empty for row in self.mapped or ()}}

    @cached_property
    def policies(self) -> Mapping[str, FieldPolicy]:
        """What becomes of each field that somebody changed in Medusa."""
        found: dict[str, FieldPolicy] = {field.name: field.policy for field in self.fixed if field.policy}
        found.update((row.name, row.policy) for row in self.mapped or ())
        return found

    @cached_property
    def of_variant(self) -> Mapping[str, str]:
        """Medusa's names of a variant's fields, by those of the table."""
        fixed = {field.name: field.key for field in self.fixed if field.place == "variant" and field.policy}
        return {**fixed, **{row.name: row.target.key for row in self.mapped or () if row.target.place == "variant"}}

    @cached_property
    def compared(self) -> tuple[tuple[str, str, str], ...]:
        """(name, place, Medusa's name) of the fields that have a policy, whose value is not an id elsewhere."""
        fixed = ((field.name, field.place, field.key) for field in self.fixed if field.policy)
        mapped = ((row.name, row.target.place, row.target.key) for row in self.mapped or ())
        return tuple(one for one in (*fixed, *mapped) if one[1] not in ("link", "picture"))

    @cached_property
    def shown(self) -> str:
        """What Medusa is asked for to see all fields, but the categories, which not every shop has."""
        fixed = (field.asked for field in self.fixed if field.how != How.CATEGORIES)
        of_handle = ("metadata",) if self.has("handle") else ()
        asked = (*fixed, *(row.target.asked for row in self.mapped or ()), *of_handle, "variants.id")
        return ",".join(dict.fromkeys(("id", *asked)))

    def has(self, name: str) -> bool:
        """Return whether the mapping has a row of this name."""
        return any(row.name == name for row in self.mapped or ())

    @cached_property
    def from_the_document(self) -> frozenset[str]:
        """Paths of fields whose values follow from the document alone, where ERPNext's rules do not decide."""
        return frozenset(row.target.path for row in self.mapped or () if row.target.kind not in _LABELS)

    # --- reading ------------------------------------------------------------------------------------------------

    def columns(self, hows: Collection[How] = How) -> tuple[str, ...]:
        """Return what is read of a Website Item for all fields, or for those that are made in these ways."""
        fixed = (column for field in self.fixed if field.how in hows for column in field.columns)
        mapped = (column for row in self.mapped or () for column in row.columns)
        return tuple(dict.fromkeys((*fixed, *(() if hows is not How else (*mapped, *_ALWAYS_READ)))))

    @cached_property
    def inherited(self) -> tuple[str, ...]:
        """The columns of which a variant that leaves them empty has its template's."""
        mapped = (column for row in self.mapped or () if row.inherit for column in row.columns)
        return tuple(dict.fromkeys((*self.columns({How.TEXT}), *mapped)))

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Keys of what is read and must be a text, whatever the site has made of the field."""
        textual = {How.NAME, How.NAME_OR_CODE, How.TEXT, How.COLLECTION, How.COUNTRY, How.IMAGE}
        return tuple(dict.fromkeys((*map(key_of, self.columns(textual)), *_ALWAYS_READ)))

    @cached_property
    def fields_read(self) -> Mapping[str, MappedField]:
        """Every field that the mapping reads, as it names it, and the first row that does."""
        found: dict[str, MappedField] = {}
        for row in self.mapped or ():
            for field in row.fields:
                found.setdefault(field, row)
        return found

    @property
    def reads_barcodes(self) -> bool:
        """Return whether the barcodes of Items are read."""
        return self.mapped is None or BARCODES in self.fields_read

    @property
    def reads_specifications(self) -> bool:
        """Return whether the table of specifications is read."""
        return self.mapped is None or SPECIFICATIONS in self.fields_read

    @property
    def reads_meta(self) -> bool:
        """Return whether the tags of the items' pages are read."""
        return any(name.startswith(OF_META) for name in self.fields_read)

    @property
    def reads_countries(self) -> bool:
        """Return whether the codes of countries are read."""
        return self.mapped is None or any(step.needs_countries for row in self.mapped for step in row.steps)

    # --- making values ------------------------------------------------------------------------------------------

    def make(self, row: Row, tables: Mapping[str, Any], countries: ByName[str]) -> Made:
        """Return what the mapping makes of a Website Item.

        `row` has its columns, `tables` what is read of child tables, by the names that a mapping has for it.
        """
        if self.mapped is None:
            return NOTHING_MADE
        values = {
            name: tables.get(name) if name in _TABLES or name.startswith(OF_META) else row[key_of_field(name)]
            for name in self.fields_read
        }
        seen = Given(values, countries)
        made: dict[str, Any] = {}
        labels: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for one in self.mapped:
            try:
                value = one.value(seen)
            except ValueError as error:
                problems[one.name] = f"{error} (row `{one.written}` of the mapping, line {one.place_in_file.line})"
                continue
            if value is None and one.name == "title":
                value = row["item_code"]
            if value is None and one.target.place == "metadata":
                # Medusa merges metadata: only an empty text removes a key.
                value = ""
            (labels if one.target.kind in _LABELS else made)[one.name] = value
        return Made(made, labels, problems)


DEFAULT = FieldTable()
"""The table of a shop without a mapping."""
