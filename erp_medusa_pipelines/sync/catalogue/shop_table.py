"""The fields of a product in a shop whose settings may name a mapping: read from its file, and tried on its site."""

from functools import lru_cache
from pathlib import Path

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT, FieldTable
from erp_medusa_pipelines.sync.catalogue.mapping.loading import MappingError, content_of, parse_mapping
from erp_medusa_pipelines.sync.catalogue.mapping.site import missing_fields


def read_table(mapping: Path | None) -> FieldTable:
    """Return the table of a mapping file, or of a shop without one. Raises MappingError."""
    return DEFAULT if mapping is None else _parsed(content_of(mapping), str(mapping))


def table_for(mapping: Path | None, erp: ErpNextClient) -> FieldTable:
    """Return the table of a shop, whose site must have all fields of it. Raises MappingError, ApiError.

    The site is asked once a run; without a mapping not at all.
    """
    table = read_table(mapping)
    if table.mapped is not None:
        faults = erp.http.once("fields of the mapping", lambda: missing_fields(erp, table.mapped or ()), of_tick=True)
        if faults:
            raise MappingError(str(mapping), faults)
    return table


# Four assets of a run read the same file.
@lru_cache(maxsize=4)
def _parsed(content: bytes, file: str) -> FieldTable:
    return FieldTable(parse_mapping(content, file))
