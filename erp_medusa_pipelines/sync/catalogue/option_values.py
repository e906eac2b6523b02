"""Attributes of Items and their values, read from ERPNext for the options of products."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.sync.catalogue.option_sets import OptionSet, Variant, option_set
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.engine.names import folded


@dataclass(frozen=True, slots=True)
class OptionReader:
    """Reads the options of templates: one request for their attributes, and one a run for the order of all values."""

    erp: ErpNextClient

    def read(self, families: Mapping[str, tuple[WebsiteItem, Sequence[WebsiteItem]]]) -> dict[str, OptionSet]:
        """Return the options of each template, given with its variants, by its name."""
        codes = [item.item_code for template, variants in families.values() for item in (template, *variants)]
        values = self._values(codes)
        attributes = {folded(code): list(found) for code, found in values.items()}
        order = self._order()
        return {
            name: option_set(
                attributes.get(folded(template.item_code), []),
                [Variant(one.name, one.item_code, values.get(folded(one.item_code), {})) for one in variants],
                order,
            )
            for name, (template, variants) in families.items()
        }

    def _values(self, codes: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return {attribute: value} of each Item by its folded code, in the order of its rows; "" for a template's."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for row in self.erp.rows_in(
            "Item Variant Attribute",
            ["parent", "attribute", "attribute_value"],
            codes,
            key="parent",
            order_by="parent asc, idx asc",
            parent="Item",
        ):
            found[folded(row["parent"])][str(row["attribute"] or "")] = str(row["attribute_value"] or "")
        return found

    def _order(self) -> dict[str, list[str]]:
        return self.erp.http.once("values of Item Attributes", self._ask_order)

    def _ask_order(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for row in self.erp.get_list(
            "Item Attribute Value",
            ["parent", "attribute_value"],
            order_by="parent asc, idx asc",
            parent="Item Attribute",
        ):
            found[row["parent"]].append(str(row["attribute_value"] or ""))
        return found
