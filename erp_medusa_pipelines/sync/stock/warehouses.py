"""Roll Bins up a tree of warehouses, to quantities of an item at each stock location. Pure functions with pandas.

A Website Item is sold from its website_warehouse and everything below it, except warehouses that goods are not sold
from: disabled ones, those for rejected goods and those for goods in transit. A mapping assigns warehouses to stock
locations; an assignment also holds for everything below the warehouse, unless a lower one overrides it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from erp_medusa_pipelines.sync.engine.names import ByName

QUANTITY_DECIMALS = 6
"""Decimals that sums of Frappe's floats are rounded to: 30 times 0.1 is 3."""

TRANSIT = "Transit"
"""ERPNext's Warehouse Type for goods on their way between warehouses."""


class Warehouses:
    """The tree. `rows` has the columns `items.TREE` of every Warehouse.

    With `every_one`, warehouses that goods are not sold from count as well.
    """

    def __init__(
        self, rows: pd.DataFrame, locations: Mapping[str, str], default_location: str, *, every_one: bool = False
    ) -> None:
        self._names = ByName((name, name) for name in rows["name"])
        own: dict[str, str] = {}
        unknown: list[str] = []
        for typed, location_id in locations.items():
            if name := self.find(typed):
                own[name] = location_id
            else:
                unknown.append(typed)
        if unknown:
            raise KeyError(", ".join(sorted(unknown)))
        # Any: pandas types its results as unions that fit no annotation.
        self._rows: Any = rows.set_index("name", drop=False)
        is_closed = rows["disabled"].fillna(0).astype(bool) | rows["is_rejected_warehouse"].fillna(0).astype(bool)
        self._rows["sold_from"] = (every_one | ~(is_closed | (rows["warehouse_type"] == TRANSIT))).to_numpy()
        # Ascending lft: a lower warehouse comes later and overrides those above it.
        self._rows["location_id"] = default_location
        for name in sorted(own, key=lambda one: self._rows.at[one, "lft"]):
            inside = self._rows["lft"].between(self._rows.at[name, "lft"], self._rows.at[name, "rgt"])
            self._rows.loc[inside, "location_id"] = own[name]

    def find(self, warehouse: str) -> str | None:
        """Return the name as the Warehouse itself has it, or None if there is none. Every other method wants that."""
        return self._names.find(warehouse)

    def locations_of(self, warehouse: str) -> list[str]:
        """Return the stock locations at which an item sold from this warehouse can be stored."""
        node = self._rows.loc[warehouse]
        below = self._rows[self._rows["lft"].between(node["lft"], node["rgt"])]
        leaves = below[below["is_group"] == 0]
        return sorted(set((leaves if len(leaves) else below)["location_id"]))

    def roll_up(
        self, items: pd.DataFrame, quantities: pd.DataFrame, columns: Sequence[str]
    ) -> dict[tuple[str, str], dict[str, float]]:
        """Return sums of `columns` by (name, location_id), with zeros at possible locations without a quantity.

        Columns of `items`: name, item_code, warehouse; of `quantities`: item_code, warehouse and `columns`.
        """
        tree = self._rows[["name", "lft", "rgt", "location_id", "sold_from"]].rename(columns={"name": "warehouse"})
        sold_from = items.merge(tree[["warehouse", "lft", "rgt"]], on="warehouse")
        open_ones = tree[tree["sold_from"]][["warehouse", "lft", "location_id"]].rename(columns={"lft": "at"})
        stocked = quantities.merge(open_ones, on="warehouse")
        pairs: Any = sold_from[["name", "item_code", "lft", "rgt"]].merge(stocked, on="item_code")
        inside = pairs[pairs["at"].between(pairs["lft"], pairs["rgt"])]
        summed = inside.groupby(["name", "location_id"])[list(columns)].sum().round(QUANTITY_DECIMALS)
        places = {warehouse: self.locations_of(warehouse) for warehouse in items["warehouse"].unique()}
        nothing = {
            (name, location): dict.fromkeys(columns, 0.0)
            for name, warehouse in zip(items["name"], items["warehouse"], strict=True)
            for location in places[warehouse]
        }
        return {**nothing, **summed.to_dict(orient="index")}
