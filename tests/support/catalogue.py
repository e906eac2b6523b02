"""A small catalogue of a test's own in any ERPNext, under names that no other test uses."""

from typing import Any
from uuid import uuid4

from erp_medusa_pipelines.clients.writable import SERVER_SCRIPT_METHOD, server_script_text
from tests.support.site import Site

PRICE_LIST = "Standard Selling"
HARD_CODES = ("ITM/{}", "ITM {} 50%", "ITM#{}?x=1&y", "ITM+{}.html", "صنف-{}", "ITM-{}")
DESCRIPTION = (
    '<div class="ql-editor read-mode"><p>Syringe &amp; accessories &ndash; 100&nbsp;% sterile</p>'
    "<ul><li>ISO 13485</li><li>كمامات</li></ul></div>"
)


class Catalogue:
    """Adds documents to a site; `tag` makes names and codes unique, also on real servers that outlive the test."""

    def __init__(self, store: Site) -> None:
        self.store = store
        self.tag = uuid4().hex[:8]
        self.names: list[str] = []
        store.insert("Country", name="Oman", country_name="Oman", code="om")
        store.insert(
            "Price List", name=PRICE_LIST, price_list_name=PRICE_LIST, enabled=1, selling=1, buying=0, currency="OMR"
        )
        store.insert("Brand", name="3M", brand="3M")
        store.insert("UOM", name="Box", uom_name="Box")
        self.root = self.group("All", parent="")

    def group(self, label: str, *, parent: str | None = None, **fields: Any) -> str:
        """Add an Item Group and return its name."""
        name = f"{label} {self.tag}"
        above = self.root if parent is None else parent
        self.store.insert(
            "Item Group", name=name, item_group_name=name, parent_item_group=above, is_group=1, lft=1, rgt=99, **fields
        )
        return name

    def item(self, group: str, *, code: str | None = None, item: dict[str, Any] | None = None, **fields: Any) -> str:
        """Add an Item and its published Website Item; returns the Website Item's name."""
        number = len(self.names)
        code = code or f"{HARD_CODES[number % len(HARD_CODES)].format(number)}-{self.tag}"
        name = f"WEB-{self.tag}-{number:04d}"
        title = fields.pop("web_item_name", f"Syringe قفاز {number}")
        values = {"item_code": code, "item_name": title, "item_group": group, "country_of_origin": "Oman"}
        # A save of the Website Item fetches these from its Item again.
        fetched = {key: fields[key] for key in ("brand", "stock_uom") if key in fields}
        self.store.insert("Item", name=code, **values, **fetched, **(item or {}))
        defaults = {
            "published": 1,
            "item_code": code,
            "item_name": title,
            "item_group": group,
            "web_item_name": title,
            "web_long_description": DESCRIPTION,
            "short_description": f"Short {number}",
            "ranking": number % 10,
        }
        name = self.store.insert("Website Item", name=name, **{**defaults, **fields})
        self.names.append(name)
        return name

    def items(self, number: int, group: str, **fields: Any) -> list[str]:
        """Add several."""
        return [self.item(group, **fields) for _ in range(number)]

    def row(self, name: str) -> dict[str, Any]:
        """The Website Item as the site holds it."""
        found = self.store.get("Website Item", name)
        assert found is not None, name
        return found

    def install_server_script(self) -> None:
        """What an administrator does in the desk, after docs/rights.md."""
        self.store.insert(
            "Server Script",
            name=SERVER_SCRIPT_METHOD,
            script_type="API",
            api_method=SERVER_SCRIPT_METHOD,
            script=server_script_text(),
        )
