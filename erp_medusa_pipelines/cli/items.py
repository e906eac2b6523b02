"""Website Items named on the command line.

Belongs here: finding them by name or item_code, and the documents that belong to them.
"""

from collections.abc import Sequence

from erp_medusa_pipelines.cli.frame import CommandError
from erp_medusa_pipelines.cli.output import ExitCode
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient


def website_items(erp: ErpNextClient, named: Sequence[str]) -> list[str]:
    """Return Website Item names for names or item_codes. Raises CommandError for unknown ones."""
    by_name = {row["name"]: row["name"] for row in erp.rows_in(WEBSITE_ITEM, ["name"], named)}
    others = [name for name in named if name not in by_name]
    fields = ["name", "item_code"]
    by_code = {row["item_code"]: row["name"] for row in erp.rows_in(WEBSITE_ITEM, fields, others, key="item_code")}
    unknown = [name for name in others if name not in by_code]
    if unknown:
        text = f"ERPNext has no Website Item with this name or item_code: {', '.join(unknown)}"
        raise CommandError(text, ExitCode.TO_DO)
    return list(dict.fromkeys(by_name.get(name) or by_code[name] for name in named))


def documents_of(erp: ErpNextClient, website_item: str) -> list[str]:
    """Return all names under which the history may have this item: its own, its Item's, Item Prices, Files, and ids."""
    row = erp.get(WEBSITE_ITEM, website_item)
    code = row.get("item_code") or ""
    prices = erp.get_list("Item Price", ["name"], filters=[["item_code", "=", code]]) if code else []
    attached = [["attached_to_doctype", "=", WEBSITE_ITEM], ["attached_to_name", "=", website_item]]
    files = erp.get_list("File", ["name"], filters=attached)
    own = [website_item, code, row.get("medusa_id"), row.get("medusa_variant_id")]
    return [name for name in (*own, *(one["name"] for one in (*prices, *files))) if name]
