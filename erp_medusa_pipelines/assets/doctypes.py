"""ERPNext's DocTypes as external assets, so that the UI's lineage begins where the data does.

Each asset names those that it reads in `deps`.
"""

from collections.abc import Sequence

import dagster as dg

from erp_medusa_pipelines.tasks import TASKS

GROUP = "erpnext"

DESCRIPTIONS = {
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
    "Pricing Rule": "Discounts and rates by item, group, brand, customer, quantity and date.",
    "Customer Group": "Groups of customers, with the Price List of each.",
    "Customer": "Customers, with their group, Price List and addresses.",
    "Email OTP": "One-time passwords of the storefront's sign-in.",
}
"""What the UI says of a DocType. One that is not here is described by its name."""

_NAMED = {name for task in TASKS for rights in (task.rights, *task.rights_if.values()) for name in rights}
DOCTYPES = (*DESCRIPTIONS, *sorted(_NAMED - set(DESCRIPTIONS)))
"""All that assets may name: the above, and those that a task of tasks.py has a right to."""


def doctype(name: str) -> dg.AssetKey:
    """Return the key of a DocType's external asset. Raises KeyError for a DocType that no task has a right to."""
    if name not in DOCTYPES:
        raise KeyError(f"no task has a right to {name!r}: add it to the task's row in tasks.py")
    return dg.AssetKey(["erpnext", name.lower().replace(" ", "_")])


def doctypes_read(assets: Sequence[dg.AssetsDefinition]) -> dict[dg.AssetKey, str]:
    """Return the DocTypes that these assets read, by key."""
    read = {key for asset in assets for key in asset.dependency_keys}
    return {doctype(name): name for name in DOCTYPES if doctype(name) in read}


def doctype_assets(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetSpec]:
    """Build the external assets of the DocTypes that these assets read."""
    return [
        dg.AssetSpec(
            key,
            group_name=GROUP,
            kinds={"erpnext"},
            description=DESCRIPTIONS.get(name, f"Documents of the DocType {name}."),
            metadata={"doctype": name},
        )
        for key, name in doctypes_read(assets).items()
    ]
