"""ERPNext's DocTypes as external assets, so that the UI's lineage begins where the data does.

Belongs here: the DocTypes and what the shop uses them for. Each asset names those that it reads in `deps`.
"""

import dagster as dg

GROUP = "erpnext"

DOCTYPES = {
    "Website Item": "What the website shows of an Item: published or not, texts, warehouse, and ids of its product.",
    "Item Group": "The tree of groups; one that holds Website Items becomes a collection.",
    "File": "Attachments; the image files of Website Items become product images.",
    "Item": "Barcodes, country of origin and state of a Website Item's Item.",
    "Item Price": "Rates by Price List, unit and time.",
    "Price List": "The Price List that the shop shows, and its currency.",
    "Bin": "Stock of an Item in a Warehouse.",
    "Warehouse": "The tree of warehouses.",
    "Sales Invoice": "Submitted invoices and their lines.",
    "Batch": "Batches with their expiry dates.",
    "Email Queue": "Mails that wait to be sent.",
    "Email OTP": "One-time passwords of the storefront's sign-in.",
}


def doctype(name: str) -> dg.AssetKey:
    """Return the key of a DocType's external asset. Raises KeyError for a DocType that is not in the table."""
    if name not in DOCTYPES:
        raise KeyError(f"{name!r} is not in DOCTYPES")
    return dg.AssetKey(["erpnext", name.lower().replace(" ", "_")])


DOCTYPE_ASSETS = [
    dg.AssetSpec(
        doctype(name),
        group_name=GROUP,
        kinds={"erpnext"},
        description=text,
        metadata={"doctype": name},
    )
    for name, text in DOCTYPES.items()
]
