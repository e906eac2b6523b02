"""One row of the mapping that is ready to work: the columns that it reads, and the value that it makes of them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from erp_medusa_pipelines.product_fields import Empty, FieldPolicy
from erp_medusa_pipelines.sync.catalogue.mapping.places import Place
from erp_medusa_pipelines.sync.catalogue.mapping.targets import Kind, Target
from erp_medusa_pipelines.sync.catalogue.mapping.templates import ITEM, META, TextTemplate
from erp_medusa_pipelines.sync.catalogue.mapping.transforms import (
    Given,
    Transform,
    applied,
    as_number,
    as_yes_no,
    is_empty,
    plain,
    shown,
)
from erp_medusa_pipelines.sync.catalogue.plain_text import slug

BARCODES, SPECIFICATIONS = f"{ITEM}.barcodes", "website_specifications"
"""Tables of the documents that can be named like fields: the first barcode, and the list of specifications."""

OF_META = f"{META}."
"""Begins the name of a tag of the item's page, which Website Route Meta has by the page's route."""
ROUTE = "route"

_OF_ITEM = f"{ITEM}__"


def key_of(field: str) -> str:
    """Return the key in ERPNext's answer for a field that a mapping names."""
    return field.replace(f"{ITEM}.", _OF_ITEM) if field.startswith(f"{ITEM}.") else field


def column_of(field: str) -> str:
    """Return what is asked of a list of Website Items for a field that a mapping names."""
    return f"item_code.{field.partition('.')[2]} as {key_of(field)}" if field.startswith(f"{ITEM}.") else field


@dataclass(frozen=True, slots=True)
class MappedField:
    """A row. One of `sources`, `template` and `constant` says what its value begins with."""

    target: Target
    policy: FieldPolicy
    empty: Empty
    written: str
    """Its field as the file names it."""
    place_in_file: Place
    sources: tuple[str, ...] = ()
    is_list: bool = False
    """Whether it begins with a list, of all sources."""
    template: TextTemplate | None = None
    constant: Any = None
    steps: tuple[Transform, ...] = ()
    default: Any = None
    inherit: bool = False
    """Whether a variant without a value has its template's."""

    @property
    def name(self) -> str:
        """Its name in FIELD_POLICIES, notes and reports."""
        return self.target.name

    @property
    def fields(self) -> tuple[str, ...]:
        """All that it reads, as the mapping names it."""
        of_template = self.template.fields if self.template else ()
        return tuple(dict.fromkeys((*self.sources, *of_template, *(one for step in self.steps for one in step.fields))))

    @property
    def columns(self) -> tuple[str, ...]:
        """What is asked of a list of Website Items for it."""
        names = (ROUTE if field.startswith(OF_META) else field for field in self.fields)
        return tuple(dict.fromkeys(column_of(name) for name in names if name not in (BARCODES, SPECIFICATIONS)))

    def value(self, given: Given) -> Any:
        """Return the value, as Medusa takes it; None where ERPNext has nothing. Raises ValueError, with the reason."""
        if self.template:
            begun: Any = self.template.render({name: given.values.get(name) for name in self.template.fields})
        elif self.sources:
            found = [given.values.get(name) for name in self.sources]
            begun = found if self.is_list else found[0]
        else:
            begun = self.constant
        value = applied(self.steps, begun, given)
        if is_empty(value):
            value = self.default
        return None if is_empty(value) else self._fitting(value)

    def _fitting(self, value: Any) -> Any:
        match self.target.kind:
            case Kind.MEASURE:
                number = as_number(value)
                if number < 0:
                    raise ValueError(f"{shown(value)} is less than 0")
                # Medusa keeps them in four bytes, which give six digits back as they were.
                return plain(Decimal(f"{number:.6g}"))
            case Kind.HANDLE:
                return slug(str(value)) or None
            case Kind.YES_NO:
                return as_yes_no(value)
            case Kind.TAGS:
                texts = [str(one).strip() for one in (value if isinstance(value, list) else [value])]
                return list(dict.fromkeys(text for text in texts if text))
            case Kind.JSON:
                return value
            case _:
                return str(value)
