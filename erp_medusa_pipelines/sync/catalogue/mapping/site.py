"""Whether a site has the fields that a mapping reads: asked once a run, before anything is written."""

from collections.abc import Iterable, Mapping
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError
from erp_medusa_pipelines.sync.catalogue.mapping.places import Fault
from erp_medusa_pipelines.sync.catalogue.mapping.rows import BARCODES, OF_META, SPECIFICATIONS, MappedField
from erp_medusa_pipelines.sync.catalogue.mapping.templates import ITEM

ITEM_DOCTYPE = "Item"


def missing_fields(erp: ErpNextClient, rows: Iterable[MappedField]) -> list[Fault]:
    """Return a fault for each field that the site has not, or does not show. One request per DocType if it has all.

    Raises ApiError.
    """
    read: dict[str, dict[str, MappedField]] = {WEBSITE_ITEM: {}, ITEM_DOCTYPE: {}}
    of_meta: MappedField | None = None
    for row in rows:
        for field in row.fields:
            if field.startswith(OF_META):
                of_meta = of_meta or row
            elif field not in (BARCODES, SPECIFICATIONS):
                of_item = field.startswith(f"{ITEM}.")
                read[ITEM_DOCTYPE if of_item else WEBSITE_ITEM].setdefault(field.rpartition(".")[2], row)
    faults = [
        Fault(row.place_in_file, _text(doctype, name, row))
        for doctype in read
        for name, row in _missing(erp, doctype, read[doctype])
    ]
    return [*faults, Fault(of_meta.place_in_file, _NO_META)] if of_meta and not _reads_meta(erp) else faults


_NO_META = (
    "the pipelines' user may not read Website Route Meta, which has the tags of pages: give it the right with"
    " `erp-medusa setup`, or take what begins with meta. out"
)


def _reads_meta(erp: ErpNextClient) -> bool:
    try:
        erp.get_list("Website Meta Tag", ["name"], limit=1, parent="Website Route Meta")
    except AccessError:
        return False
    return True


def _missing(erp: ErpNextClient, doctype: str, fields: Mapping[str, MappedField]) -> list[tuple[str, MappedField]]:
    if not fields or not _lacking(erp, doctype, fields):
        return []
    return [(name, row) for name, row in fields.items() if _lacking(erp, doctype, [name])]


def _lacking(erp: ErpNextClient, doctype: str, fields: Iterable[str]) -> bool:
    """Return whether any of the fields is not in the answer: of one that the user may not read, ERPNext is silent."""
    wanted = list(fields)
    try:
        found: list[dict[str, Any]] = erp.get_list(doctype, list(dict.fromkeys(["name", *wanted])), limit=1)
    except AccessError:
        raise
    except PermanentError as error:
        if error.status == 417 or error.exc_type in ("DataError", "OperationalError"):
            return True
        raise
    return bool(found) and any(name not in found[0] for name in wanted)


def _text(doctype: str, name: str, row: MappedField) -> str:
    return (
        f"{row.written}: the site's {doctype} has no field {name!r} that the pipelines' user may read: correct the"
        f" name, or add the field in ERPNext (Customize Form, {doctype})"
    )
