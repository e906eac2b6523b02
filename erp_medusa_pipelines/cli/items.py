"""Website Items named on the command line.

Finding them by name or item_code, and the documents that belong to them.
"""

from collections.abc import Sequence

from erp_medusa_pipelines.cli.frame import CommandError
from erp_medusa_pipelines.cli.output import ExitCode
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.planning import items


def website_items(erp: ErpNextClient, named: Sequence[str]) -> list[str]:
    """Return Website Item names for names or item_codes. Raises CommandError for unknown ones."""
    try:
        return items.website_items(erp, named)
    except ValueError as error:
        raise CommandError(str(error), ExitCode.TO_DO) from None


def documents_of(erp: ErpNextClient, website_item: str) -> list[str]:
    """Return all names under which the history may have this item: its own, its Item's, Item Prices, Files, and ids."""
    row = erp.get(WEBSITE_ITEM, website_item)
    code = row.get("item_code") or ""
    prices = erp.get_list("Item Price", ["name"], filters=[["item_code", "=", code]]) if code else []
    attached = [["attached_to_doctype", "=", WEBSITE_ITEM], ["attached_to_name", "=", website_item]]
    files = erp.get_list("File", ["name"], filters=attached)
    own = [website_item, code, row.get("medusa_id"), row.get("medusa_variant_id")]
    return [name for name in (*own, *(one["name"] for one in (*prices, *files))) if name]
