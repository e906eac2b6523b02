"""Website Items as people name them."""

from collections.abc import Sequence

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient


def website_items(erp: ErpNextClient, named: Sequence[str]) -> list[str]:
    """Return Website Item names for names or item_codes. Raises ValueError for unknown ones."""
    by_name = {row["name"]: row["name"] for row in erp.rows_in(WEBSITE_ITEM, ["name"], named)}
    others = [name for name in named if name not in by_name]
    fields = ["name", "item_code"]
    by_code = {row["item_code"]: row["name"] for row in erp.rows_in(WEBSITE_ITEM, fields, others, key="item_code")}
    unknown = [name for name in others if name not in by_code]
    if unknown:
        raise ValueError(f"ERPNext has no Website Item with this name or item_code: {', '.join(unknown)}")
    return list(dict.fromkeys(by_name.get(name) or by_code[name] for name in named))
