"""Product Bundles: Items without stock of their own that are sold as a set of others."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from erp_medusa_pipelines.clients.erpnext import ErpNextClient

BUNDLE = "Product Bundle"


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a bundle: so many pieces of an Item, in its stock unit, are in each bundle."""

    item_code: str
    quantity: float


def bundle_codes(erp: ErpNextClient, item_codes: Iterable[str]) -> frozenset[str]:
    """Return which of these Items are Product Bundles that are in use. No request without item codes."""
    rows = erp.rows_in(BUNDLE, ["new_item_code"], item_codes, key="new_item_code", filters=[["disabled", "=", 0]])
    return frozenset(row["new_item_code"] for row in rows)


def read_bundles(erp: ErpNextClient, item_codes: Iterable[str]) -> dict[str, list[Part]]:
    """Return the parts of those of these Items that are bundles in use, by item code. The same Item twice adds up."""
    codes = bundle_codes(erp, item_codes)
    quantities: dict[str, dict[str, float]] = {code: defaultdict(float) for code in sorted(codes)}
    rows = erp.rows_in(
        "Product Bundle Item",
        ["parent", "item_code", "qty"],
        sorted(codes),
        key="parent",
        order_by="parent asc, idx asc",
        parent=BUNDLE,
    )
    for row in rows:
        if row["parent"] in quantities and row["item_code"]:
            quantities[row["parent"]][row["item_code"]] += row["qty"] or 0.0
    return {code: [Part(item, quantity) for item, quantity in parts.items()] for code, parts in quantities.items()}
