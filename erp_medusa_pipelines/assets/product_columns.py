"""The fields of a product as columns of its assets, and the fields of ERPNext that each is made of, for the UI.

Both follow from the table of fields, so from the shop's mapping where it has one. An unusable mapping is named there:
runs refuse it, and the code still loads.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from erp_medusa_pipelines.assets.doctypes import doctype
from erp_medusa_pipelines.orchestration.shops import LINEAGE
from erp_medusa_pipelines.product_fields import ProductField
from erp_medusa_pipelines.settings import Settings
from erp_medusa_pipelines.sync.catalogue.field_table import FieldTable
from erp_medusa_pipelines.sync.catalogue.mapping.loading import MappingError
from erp_medusa_pipelines.sync.catalogue.mapping.rows import BARCODES, OF_META, MappedField, column_of
from erp_medusa_pipelines.sync.catalogue.shop_table import read_table

WRITE_PRODUCTS = frozenset({"medusa_products", "medusa_product_updates"})
"""Those that write products."""

SCHEMA, WRONG = "dagster/column_schema", "mapping_cannot_be_used"
_OF_ITEM = "item_code."
_BUILT_IN_TABLES = {
    "barcode": ("Item", "barcodes.barcode"),
    "specifications": ("Website Item", "website_specifications"),
}


def product_columns(settings: Settings) -> Mapping[str, Any]:
    """Return the metadata of the assets that write products."""
    try:
        table = read_table(settings.mapping)
    except MappingError as error:
        return {WRONG: str(error)}
    rows = list(_rows(table))
    return {
        SCHEMA: dg.TableSchema(columns=[dg.TableColumn(name, description=said) for name, said, _ in rows]),
        LINEAGE: dg.TableColumnLineage(
            {
                name: [dg.TableColumnDep(doctype(source), column) for source, column in sources]
                for name, _, sources in rows
                if sources
            }
        ),
    }


def _rows(table: FieldTable) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Yield (Medusa's field, how it is made, (DocType, field) that it is made of)."""
    for field in table.fixed:
        yield field.path, str(field.how), _of_fixed(field)
    for row in table.mapped or ():
        yield row.target.path, _said(row), [_of_mapped(name) for name in row.fields]


def _of_fixed(field: ProductField) -> list[tuple[str, str]]:
    if field.name in _BUILT_IN_TABLES:
        return [_BUILT_IN_TABLES[field.name]]
    return [_source(column) for column in field.columns]


def _of_mapped(name: str) -> tuple[str, str]:
    if name == BARCODES:
        return _BUILT_IN_TABLES["barcode"]
    if name.startswith(OF_META):
        return "Website Route Meta", f"meta_tags.{name.removeprefix(OF_META)}"
    return _source(column_of(name))


def _source(column: str) -> tuple[str, str]:
    asked = column.partition(" as ")[0]
    return ("Item", asked.removeprefix(_OF_ITEM)) if asked.startswith(_OF_ITEM) else ("Website Item", asked)


def _said(row: MappedField) -> str:
    made = "a template" if row.template else "" if row.sources else f"always {row.constant!r}"
    steps = ", ".join(step.name for step in row.steps)
    return "; ".join(part for part in (f"line {row.place_in_file.line} of the mapping", made, steps) if part)
