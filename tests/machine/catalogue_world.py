"""What people do to a catalogue: templates and variants, the tree of groups, prices for whom and how many, languages.

The actions on ERPNext's rows and on the settings.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.machine.world import WAREHOUSE, World
from tests.support.catalogue import PRICE_LIST
from tests.support.customers import Customers
from tests.support.priced_shop import PricedShop
from tests.support.pricing_rules import Rules
from tests.support.runs import JobRun

CUSTOMER_GROUPS = "sync_customer_groups"
LOCALE, TARIFF = "ar-OM", "tariff"
BRANDS = ("3M", "GC")
SETTINGS = {"PRICE_GROUPS": "true", "PRICE_PACKS": "true", "PRICING_RULES": "true", "VARIANTS": "options"}
MAPPING = f"""version: 1
fields:
  title:
    from: web_item_name
    transforms: [name]
  metadata.{TARIFF}: item.customs_tariff_number
"""
CHILD = "Item Variant Attribute"


class CatalogueWorld:
    """The actions. Website Items, Item Groups and Item Attributes are named by their document names."""

    def __init__(self, world: World, *, has_module: bool = False) -> None:
        self.has_module = has_module
        """Whether Medusa's Translation module is on."""
        self.world, self.store = world, world.erp.store
        self.priced = PricedShop(world.catalogue, world.erp, world.medusa)
        self.customers, self.rules = Customers(self.priced), Rules(self.priced)
        self.variants_as, self.categories, self.withdrawn = "options", "off", "draft"
        self.empty_groups, self.unused_values = "keep", "keep"
        self.mapped, self.translated = False, False
        self.options_left = False
        """Whether Medusa may have options that ERPNext has no more: it keeps those that variants use."""
        self.chosen: dict[str, list[str]] = {}
        """SHOP_ITEMS."""
        self.mapping = Path(mkdtemp()) / "catalogue.yaml"
        self.mapping.write_text(MAPPING, encoding="utf-8")
        self.attributes = [self._attribute(label, values) for label, values in (("Size", "SML"), ("Cut", "AB"))]
        for group in world.groups:
            self.store.set("Item Group", group, show_in_website=1, route=f"g-{next(world.numbers)}")
        self.store.insert("Brand", name=BRANDS[1], brand=BRANDS[1])
        self.trade_list = self.customers.price_list("Wholesale")
        self.trade, self.plain = self.customers.group("Trade", self.trade_list), self.customers.group("Plain")
        self.dealer = self.customers.customer("dealer", self.trade)
        self.account = self.customers.register("dealer")
        body = {"name": "Clinics"}
        self.second = world.medusa.admin("POST", "/admin/sales-channels", json=body)["sales_channel"]["id"]
        (key,) = world.medusa.admin("GET", "/admin/api-keys", params={"type": "publishable"})["api_keys"]
        for place in (f"api-keys/{key['id']}", f"stock-locations/{world.medusa.stock_location_id}"):
            world.medusa.admin("POST", f"/admin/{place}/sales-channels", json={"add": [self.second]})
        self.channels: dict[str, list[str]] = {}
        """The rule of the second sales channel."""

    # --- looking ----------------------------------------------------------------------------------------------

    def templates(self) -> list[str]:
        return [name for name in self.world.names() if self.item(name)["has_variants"]]

    def variants(self) -> list[str]:
        return [name for name in self.world.names() if self.item(name)["variant_of"]]

    def sellable(self) -> list[str]:
        return [name for name in self.world.names() if not self.item(name)["has_variants"]]

    def item(self, name: str) -> dict[str, Any]:
        found = self.store.get("Item", self.world.row(name)["item_code"])
        assert found is not None, name
        return found

    def values(self, code: str) -> list[dict[str, Any]]:
        """The rows of an Item's attributes, in their order."""
        return sorted(self.store.rows(CHILD, parent=code), key=lambda row: row["idx"])

    def groups(self) -> list[str]:
        return [row["name"] for row in self.store.rows("Item Group") if row["parent_item_group"]]

    # --- templates and variants ---------------------------------------------------------------------------------

    def _attribute(self, label: str, values: str) -> str:
        rows = [{"attribute_value": value, "abbr": value} for value in values]
        return self.store.insert("Item Attribute", name=label, attribute_name=label, item_attribute_values=rows)

    def add_item(self, group: int, rate: float) -> str:
        """An Item without variants, in stock."""
        return self._add(self._group(group), rate)

    def add_template(self, group: int, *attributes: int) -> str:
        rows = [{"attribute": self.attributes[number]} for number in attributes]
        return self._add(self._group(group), None, item={"has_variants": 1, "attributes": rows}, has_variants=1)

    def add_variant(self, template: str, values: tuple[int, int], rate: float | None) -> str:
        """With these values of its attributes; without a rate it costs what its template does."""
        code = self.world.row(template)["item_code"]
        rows = [
            {
                "attribute": row["attribute"],
                "attribute_value": self._value(row["attribute"], number),
                "variant_of": code,
            }
            for row, number in zip(self.values(code), values, strict=False)
        ]
        item = {"variant_of": code, "attributes": rows}
        return self._add(self.item(template)["item_group"], rate, item=item, variant_of=code)

    def _add(self, group: str, rate: float | None, **fields: Any) -> str:
        name = self.world.catalogue.item(group, stock_uom="Nos", website_warehouse=WAREHOUSE, **fields)
        if rate is not None:
            self.set_price(name, PRICE_LIST, rate)
        if not fields.get("has_variants"):
            self.world.set_stock(name, 50)
        return name

    def _value(self, attribute: str, number: int) -> str:
        rows = self.store.rows("Item Attribute Value", parent=attribute)
        known = [row["attribute_value"] for row in sorted(rows, key=lambda row: row["idx"])]
        return known[number % len(known)]

    def give(self, name: str, place: int, number: int) -> None:
        """Another value of one of its attributes; perhaps that of another variant."""
        rows = self.values(self.item(name)["name"])
        if rows:
            row = rows[place % len(rows)]
            self.store.set(CHILD, row["name"], attribute_value=self._value(row["attribute"], number))

    def rename_value(self, attribute: int, number: int) -> None:
        """A value has another text, wherever it stands."""
        label = self.attributes[attribute]
        old, new = self._value(label, number), f"V{next(self.world.numbers)}"
        for doctype, place in (("Item Attribute Value", {"parent": label}), (CHILD, {"attribute": label})):
            for row in self.store.rows(doctype, **place, attribute_value=old):
                self.store.set(doctype, row["name"], attribute_value=new)

    def rename_attribute(self, attribute: int) -> None:
        """ERPNext renames it wherever it stands."""
        old, new = self.attributes[attribute], f"Attribute {next(self.world.numbers)}"
        self.store.execute(
            'UPDATE "tabItem Attribute" SET name = ?, attribute_name = ? WHERE name = ?', (new, new, old)
        )
        for doctype, column in (("Item Attribute Value", "parent"), (CHILD, "attribute")):
            for row in self.store.rows(doctype, **{column: old}):
                self.store.set(doctype, row["name"], **{column: new})
        self.attributes[attribute] = new

    def add_attribute(self, template: str, attribute: int) -> None:
        """A template and all its variants get one more attribute."""
        code, label = self.world.row(template)["item_code"], self.attributes[attribute]
        if label in {row["attribute"] for row in self.values(code)}:
            return
        own = self.store.rows("Item", variant_of=code)
        for number, item in enumerate(({"name": code, "variant_of": None}, *own)):
            value = self._value(label, number) if item["variant_of"] else None
            place = {"parent": item["name"], "parenttype": "Item", "parentfield": "attributes", "idx": 9}
            row = {"attribute": label, "attribute_value": value, "variant_of": item["variant_of"]}
            self.store.insert(CHILD, name=f"iva-{next(self.world.numbers):05d}", **place, **row)

    def remove_attribute(self, template: str, place: int) -> None:
        """A template and all its variants lose one of their attributes, perhaps the last one."""
        code = self.world.row(template)["item_code"]
        rows = self.values(code)
        if rows:
            self.options_left = True
            label = rows[place % len(rows)]["attribute"]
            for item in (code, *(row["name"] for row in self.store.rows("Item", variant_of=code))):
                for row in self.store.rows(CHILD, parent=item, attribute=label):
                    self.store.delete(CHILD, row["name"])

    def set_parent(self, name: str, parent: str | None) -> None:
        """The Website Item that the Frappe app shows it with; any other one, its form does not mind."""
        self.world.save("Website Item", name, custom_parent_website_item=parent)

    def move(self, name: str, template: str) -> None:
        """A variant becomes one of another template, whose attributes it gets."""
        code, home = self.item(name)["name"], self.world.row(template)["item_code"]
        had = {row["attribute"]: row["attribute_value"] for row in self.values(code)}
        for row in self.values(code):
            self.store.delete(CHILD, row["name"])
        for idx, row in enumerate(self.values(home), start=1):
            value = had.get(row["attribute"]) or self._value(row["attribute"], idx)
            place = {"parent": code, "parenttype": "Item", "parentfield": "attributes", "idx": idx}
            own = {"attribute": row["attribute"], "attribute_value": value, "variant_of": home}
            self.store.insert(CHILD, name=f"iva-{next(self.world.numbers):05d}", **place, **own)
        self.store.set("Item", code, variant_of=home)
        self.store.set("Website Item", name, variant_of=home)

    # --- groups -------------------------------------------------------------------------------------------------

    def _group(self, number: int) -> str:
        names = self.groups()
        return names[number % len(names)]

    def add_group(self, parent: int, shown: bool, weight: int) -> None:
        number = next(self.world.numbers)
        fields = {"show_in_website": int(shown), "weightage": weight, "route": f"g-{number}"}
        self.world.catalogue.group(f"Group {number}", parent=self._group(parent), **fields)

    def change_group(self, number: int, **fields: Any) -> None:
        self.world.save("Item Group", self._group(number), **fields)

    def move_group(self, number: int, parent: int | None) -> None:
        """Under another group or to the top; by an import, so that it may lie below itself."""
        above = self.world.catalogue.root if parent is None else self._group(parent)
        if above != self._group(number):
            self.store.save("Item Group", self._group(number), parent_item_group=above)

    def rename_group(self, number: int) -> None:
        old, new = self._group(number), f"Renamed {next(self.world.numbers)}"
        self.store.rename_group(old, new)
        self.chosen = {key: [new if one == old else one for one in some] for key, some in self.chosen.items()}
        self._choose()

    def delete_group(self, number: int) -> None:
        """ERPNext deletes none that something names."""
        name = self._group(number)
        used = (("Item", "item_group"), ("Item Group", "parent_item_group"), ("Website Item Group", "item_group"))
        used = (*used, ("Pricing Rule Item Group", "item_group"))
        is_used = any(self.store.rows(doctype, **{column: name}) for doctype, column in used)
        if not is_used and name not in self.chosen.get("item_group", ()):
            self.store.trash("Item Group", name)

    def file_under(self, name: str, number: int) -> None:
        """The Item's group, which its variants have too."""
        group, code = self._group(number), self.item(name)["name"]
        for item in (code, *(row["name"] for row in self.store.rows("Item", variant_of=code))):
            self.store.set("Item", item, item_group=group)
            for row in self.store.rows("Website Item", item_code=item):
                self.store.save("Website Item", row["name"], item_group=group)

    def file_also_under(self, name: str, number: int) -> None:
        """One more group, by the table of the Website Item."""
        place = {"parent": name, "parenttype": "Website Item", "parentfield": "website_item_groups"}
        for row in self.store.rows("Website Item Group", parent=name):
            self.store.delete("Website Item Group", row["name"])
        key = f"wig-{next(self.world.numbers):05d}"
        self.store.insert("Website Item Group", name=key, item_group=self._group(number), **place)
        self.store.save("Website Item", name)

    # --- prices -------------------------------------------------------------------------------------------------

    def set_price(self, name: str, price_list: str, rate: float, pack: int = 0) -> None:
        """The one standing price of the Item on a list, or its price by packs of so many."""
        code = self.world.row(name)["item_code"]
        rows = self.store.rows("Item Price", item_code=code, price_list=price_list)
        if pack and not rows:
            return
        for row in rows:
            if (row["packing_unit"] or 0) == pack:
                self.world.save("Item Price", row["name"], price_list_rate=rate)
                return
        values = {"item_code": code, "price_list": price_list, "uom": "Nos", "currency": "OMR", "selling": 1}
        key = f"price-{next(self.world.numbers):05d}"
        self.store.insert("Item Price", name=key, price_list_rate=rate, packing_unit=pack, **values)

    def drop_prices(self, name: str, price_list: str) -> None:
        for row in self.store.rows("Item Price", item_code=self.item(name)["name"], price_list=price_list):
            self.store.trash("Item Price", row["name"])

    def join(self, group: str, own_list: str | None) -> None:
        """The dealer belongs to another Customer Group, or has a Price List of its own."""
        self.store.save("Customer", self.dealer, customer_group=group, default_price_list=own_list)

    def set_list_of_group(self, price_list: str | None) -> None:
        self.store.save("Customer Group", self.trade, default_price_list=price_list)

    def add_rule(self, apply_on: str, number: int, **fields: Any) -> None:
        """A Pricing Rule for an Item, a group or a brand."""
        names = self.world.names()
        target = {
            "Item Code": lambda: self.world.row(names[number % len(names)])["item_code"],
            "Item Group": lambda: self._group(number),
            "Brand": lambda: BRANDS[number % len(BRANDS)],
        }[apply_on]()
        self.rules.add(apply_on, target, **fields)

    def change_rule(self, number: int, **fields: Any) -> None:
        rows = self.store.rows("Pricing Rule")
        if rows:
            self.store.save("Pricing Rule", rows[number % len(rows)]["name"], **fields)

    def set_brand(self, name: str, brand: str | None) -> None:
        self.store.save("Item", self.item(name)["name"], brand=brand)
        self.store.save("Website Item", name, brand=brand)

    # --- texts ----------------------------------------------------------------------------------------------------

    def translate(self, source: str, text: str | None) -> None:
        """The one Translation of a title or a name; None: there is none any more."""
        for row in self.store.rows("Translation", source_text=source):
            self.store.trash("Translation", row["name"])
        if text:
            values = {"language": "ar", "source_text": source, "translated_text": text}
            self.store.insert("Translation", name=f"tr-{next(self.world.numbers):05d}", **values)

    def translate_option(self, attribute: int, number: int | None, text: str | None) -> None:
        """The Translation of an Item Attribute, or of one of its values."""
        label = self.attributes[attribute]
        self.translate(label if number is None else self._value(label, number), text)

    def switch_translations(self) -> None:
        """Medusa starts anew with its Translation module, or without it."""
        self.has_module = not self.has_module
        self.world.switch_translations(on=self.has_module)

    def title(self, name: str) -> str:
        return self.world.row(name)["web_item_name"]

    def translation(self, source: str) -> str | None:
        rows = self.store.rows("Translation", source_text=source)
        return rows[0]["translated_text"] if rows else None

    def set_tariff(self, name: str, tariff: str | None) -> None:
        self.store.save("Item", self.item(name)["name"], customs_tariff_number=tariff)

    # --- settings -------------------------------------------------------------------------------------------------

    def show_variants_as(self, how: str) -> None:
        self.variants_as = how
        # What items of one parent have in common differs from what their templates have.
        self.options_left |= how == "parents"
        self.world.environment.setenv("VARIANTS", how)

    def show_categories(self, which: str) -> None:
        self.categories = which
        self.world.environment.setenv("CATEGORIES", which)

    def keep_withdrawn(self, how: str, days: int) -> None:
        self.withdrawn = "draft" if how == "delete" and days else how
        self.world.environment.setenv("WITHDRAWN_ITEMS", how)
        self.world.environment.setenv("WITHDRAWN_DAYS", str(days))

    def keep_empty_groups(self, how: str) -> None:
        self.empty_groups = how
        self.world.environment.setenv("EMPTY_GROUPS", how)

    def keep_unused_values(self, how: str) -> None:
        self.unused_values = how
        self.world.environment.setenv("UNUSED_OPTION_VALUES", how)

    def use_mapping(self, on: bool) -> None:
        self.mapped = on
        if on:
            self.world.environment.setenv("MAPPING", str(self.mapping))
        else:
            self.world.environment.delenv("MAPPING", raising=False)

    def use_arabic(self, on: bool) -> None:
        self.translated = on
        self.world.environment.setenv("LANGUAGES", json.dumps({LOCALE: "ar"} if on else {}))

    def choose(self, group: int | None, brands: list[str]) -> None:
        """SHOP_ITEMS: a group with all below it, or brands, or everything."""
        self.chosen = {"item_group": [self._group(group)]} if group is not None else {"brand": brands} if brands else {}
        self._choose()

    def choose_channel(self, brand: str | None) -> None:
        """SALES_CHANNELS: what the second channel takes."""
        self.channels = {"brand": [brand]} if brand else {}
        self._choose()

    def _choose(self) -> None:
        self.world.environment.setenv("SHOP_ITEMS", json.dumps(self.chosen))
        rules = {self.second: self.channels} if self.channels else {}
        self.world.environment.setenv("SALES_CHANNELS", json.dumps(rules))

    # --- runs -----------------------------------------------------------------------------------------------------

    def night(self) -> Iterator[JobRun]:
        """What runs by the clock before the export, and the export."""
        yield self.world.meant_run(CUSTOMER_GROUPS, None)
        yield from self.world.night()
