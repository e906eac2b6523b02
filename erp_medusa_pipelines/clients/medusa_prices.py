"""Price lists of Medusa and their entries.

Creating an entry is not idempotent: the same variant and currency again is a second entry, and the shop shows the
lowest.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from erp_medusa_pipelines.clients.batched import batched
from erp_medusa_pipelines.clients.medusa import PRICE_ENTRIES, MedusaClient, Row
from erp_medusa_pipelines.clients.reading import UNKEPT, KeptRows

LIST_FIELDS = (
    "id,description,status,type,starts_at,ends_at,rules_count,metadata,"
    "price_list_rules.attribute,price_list_rules.value"
)
"""The rules come as `rules`: attribute -> values."""
STORE_FIELDS = (
    "id,default_region_id,supported_currencies.currency_code,supported_currencies.is_default,"
    "supported_currencies.currency.decimal_digits"
)
ENTRY_FIELDS = "id,amount,currency_code,min_quantity,max_quantity,price_set.variant.id"
ENTRIES_IN_LIST = ",".join(f"prices.{field}" for field in (*ENTRY_FIELDS.split(","), "rules_count"))
MADE_ENTRIES = "prices.id,prices.currency_code,prices.min_quantity,prices.max_quantity,prices.price_set.variant.id"
ENTRY_RULES = "price_rules.attribute,price_rules.value"
"""They come as `rules`, attribute -> value, below a list, and as `price_rules` elsewhere."""
RULES_IN_LIST = ",".join(f"prices.{field}" for field in ENTRY_RULES.split(","))
PRICE_LISTS = "/admin/price-lists"
PREFERENCES = "/admin/price-preferences"
LISTS = "price lists"
ENTRIES_PER_PAGE = 5000
"""A list's entries can only be read all together: there is no filter by variant."""
LISTS_READ_AT_ONCE = 15
"""Lists per request for their entries: 7,500 entries are 1.8 MB and keep Medusa busy for 1.2 seconds."""
log = logging.getLogger(__name__)


class MedusaPrices:
    """Price lists of one Medusa."""

    def __init__(self, medusa: MedusaClient) -> None:
        self._medusa = medusa
        self._http = medusa.http

    def currencies(self) -> dict[str, int]:
        """Decimal digits of the currencies that the store supports, by code in capitals as ERPNext writes it."""
        return {
            each["currency_code"].upper(): int(each["currency"]["decimal_digits"])
            for store in self._stores()
            for each in store["supported_currencies"]
        }

    def currency_sold_in(self) -> str:
        """Currency of the store's default region, in capitals as ERPNext writes it; without one, its default one."""
        return self._http.once("currency sold in", self._ask_currency_sold_in, of_tick=True)

    def _ask_currency_sold_in(self) -> str:
        [store, *_] = self._stores()
        wanted = [store["default_region_id"] or ""]
        for region in self._medusa.find("/admin/regions", "regions", "id", wanted, "id,currency_code"):
            return region["currency_code"].upper()
        defaults = (one["currency_code"] for one in store["supported_currencies"] if one["is_default"])
        return next(defaults, "").upper()

    def _stores(self) -> list[Row]:
        path, plural = "/admin/stores", "stores"
        return self._http.once(plural, lambda: list(self._medusa.all_of(path, plural, STORE_FIELDS)), of_tick=True)

    def now(self) -> datetime:
        """Medusa's clock, by which it decides which list is in force."""
        return self._http.server_clock or datetime.now(UTC)

    def regions(self) -> list[Row]:
        """Every region: id, name, currency_code."""
        return list(self._medusa.all_of("/admin/regions", "regions", "id,name,currency_code"))

    def preferences(self) -> list[Row]:
        """Which prices include taxes: id, attribute (currency_code or region_id), value, is_tax_inclusive."""
        return list(self._medusa.all_of(PREFERENCES, "price_preferences", "id,attribute,value,is_tax_inclusive"))

    def set_preference(self, preference_id: str | None, currency: str, *, includes: bool) -> None:
        """Say whether prices in a currency include taxes; without an id Medusa has no word about it yet."""
        if preference_id:
            path, body = f"{PREFERENCES}/{preference_id}", {"is_tax_inclusive": includes}
        else:
            path = PREFERENCES
            body = {"attribute": "currency_code", "value": currency.lower(), "is_tax_inclusive": includes}
        self._medusa.send("POST", path, body, gives="price_preference", repeatable=bool(preference_id))

    def lists(self) -> list[Row]:
        """Every price list, without its entries. Metadata cannot be filtered by. Asked again after one was changed."""
        plural = "price_lists"
        return self._http.once(LISTS, lambda: list(self._medusa.all_of(PRICE_LISTS, plural, LIST_FIELDS)), of_tick=True)

    @contextmanager
    def _changing_lists(self) -> Iterator[None]:
        """Around a change: whatever its answer is, and whoever asks meanwhile, lists are asked for anew."""
        self._http.forget(LISTS)
        try:
            yield
        finally:
            self._http.forget(LISTS)

    def create_list(self, body: Mapping[str, Any]) -> tuple[str, list[Row]]:
        """Create one list with the entries in its `prices`, all or nothing: its id, and the entries in any order.

        They come back as `entries` has them, without their amounts.

        Nothing about a list is unique: after a lost answer it must be looked for.
        """
        fields = f"{MADE_ENTRIES},{RULES_IN_LIST}" if _have_rules(body["prices"]) else MADE_ENTRIES
        path = f"{PRICE_LISTS}?fields=id,{fields}"
        with self._changing_lists():
            made = self._medusa.send("POST", path, dict(body), gives="price_list")["price_list"]
        return made["id"], list(_entries_below(made))

    def update_list(self, list_id: str, body: Mapping[str, Any]) -> None:
        """Change a list; its entries stay."""
        path = f"{PRICE_LISTS}/{list_id}"
        with self._changing_lists():
            self._medusa.send("POST", path, dict(body), gives="price_list", repeatable=True)

    def delete_empty_list(self, list_id: str) -> None:
        """Delete a list that has no entries. Never one that has: that takes minutes and blocks the shop meanwhile."""
        with self._changing_lists():
            self._medusa.send("DELETE", f"{PRICE_LISTS}/{list_id}", gives="deleted")

    def count(self, list_id: str) -> int:
        """How many entries a list has."""
        query = {"fields": "id", "limit": 0}
        path = f"{PRICE_LISTS}/{list_id}/prices"
        return self._http.part(self._http.request("GET", path, params=query), "count", f"GET {path}")

    def entries(self, list_id: str, *, ruled: bool = False) -> Iterator[Row]:
        """All entries of a list: id, amount, currency_code, min_quantity, max_quantity, price_set.variant.id.

        `ruled`: with their rules.
        """
        path, fields = f"{PRICE_LISTS}/{list_id}/prices", f"{ENTRY_FIELDS},{ENTRY_RULES}" if ruled else ENTRY_FIELDS
        return self._medusa.all_of(path, "prices", fields, page_size=ENTRIES_PER_PAGE)

    def entries_of(self, list_ids: Iterable[str], *, seen: bool = False) -> Iterator[tuple[str, Row]]:
        """(list, entry) of several lists in few requests, as `entries` has them: not for tens of thousands in a list.

        Entries that have rules come with these.

        With `seen` they may be as another run of this tick saw them: to learn what needs no work. Lists that are gone
        are left out.
        """
        kept = self._kept_entries()
        for some in batched(list_ids, LISTS_READ_AT_ONCE):
            wanted = set(some)
            if kept is not None and seen:
                for row in kept.find(some):
                    wanted.discard(row["id"])
                    yield from ((row["id"], entry) for entry in row["prices"])
            for row in self._read_entries(wanted):
                entries = list(_entries_below(row))
                if kept is not None:
                    try:
                        kept.put([(row["id"], {"id": row["id"], "prices": entries})])
                    except UNKEPT as error:
                        log.warning("entries of price lists are read where they are needed: %s", error)
                        kept = None
                yield from ((row["id"], entry) for entry in entries)

    def _read_entries(self, list_ids: Iterable[str]) -> Iterator[Row]:
        """Lists with their entries. To ask for rules costs a query for all of them, so only those with some are."""
        ruled: list[str] = []
        for row in self._medusa.find(PRICE_LISTS, "price_lists", "id", list_ids, ENTRIES_IN_LIST):
            if any(entry["rules_count"] for entry in row["prices"] or ()):
                ruled.append(row["id"])
            else:
                yield row
        if ruled:
            yield from self._medusa.find(PRICE_LISTS, "price_lists", "id", ruled, f"{ENTRIES_IN_LIST},{RULES_IN_LIST}")

    def all_seen(self, list_ids: Iterable[str]) -> bool:
        """Return whether the entries of all these lists were read in this tick, and not written since."""
        kept = self._kept_entries()
        return kept is not None and not kept.lacking(list_ids)

    def _kept_entries(self) -> KeptRows | None:
        """Return what the runs of a tick share; None for a run that reads by itself."""
        reading = self._medusa.reading
        if reading is None or not reading.shared:
            return None
        try:
            return reading.kept(PRICE_ENTRIES, ENTRIES_IN_LIST, lambda: ())
        except UNKEPT as error:
            log.warning("entries of price lists are read where they are needed: %s", error)
            return None

    def sold_in(self, list_ids: Iterable[str], currency: str, *, seen: bool) -> Iterator[str]:
        """Variants with an entry of these lists that a customer of no group gets for one piece, in this currency."""
        for _, entry in self.entries_of(list_ids, seen=seen):
            for_anybody = not entry["rules_count"] and (entry["min_quantity"] or 0) <= 1
            if for_anybody and entry["currency_code"].upper() == currency and (variant := entry_variant(entry)):
                yield variant

    def variants(self, ids: Iterable[str]) -> Iterator[Row]:
        """Those of these variants that exist."""
        return self._medusa.find("/admin/product-variants", "variants", "id", ids, "id")

    def create(self, list_id: str, entries: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Create entries {variant_id, currency_code, amount}, all or nothing; they come back in any order.

        With min_quantity and max_quantity an entry is for so many pieces.

        After a lost answer the error is `ambiguous`: the list must be read to learn what was created.
        """
        return self._batch(list_id, {"create": list(entries)}, repeatable=False)["created"]

    def update(self, list_id: str, entries: Sequence[Mapping[str, Any]]) -> set[str]:
        """Update entries {id, variant_id, amount}; returns the ids that were: unknown ones are skipped in silence."""
        return {row["id"] for row in self._batch(list_id, {"update": list(entries)}, repeatable=True)["updated"]}

    def delete(self, list_id: str, ids: Sequence[str]) -> None:
        """Delete entries; those already gone are fine."""
        self._batch(list_id, {"delete": list(ids)}, repeatable=True)

    def _batch(self, list_id: str, body: Mapping[str, Any], *, repeatable: bool) -> dict[str, Any]:
        fields = f"{ENTRY_FIELDS},{ENTRY_RULES}" if _have_rules(body.get("create", ())) else ENTRY_FIELDS
        path = f"{batch_route(list_id)}?fields={fields}"
        return self._medusa.send("POST", path, dict(body), gives="created", repeatable=repeatable)


def batch_route(list_id: str) -> str:
    """Return the path of the route that changes entries of a list."""
    return f"{PRICE_LISTS}/{list_id}/prices/batch"


def _have_rules(entries: Iterable[Mapping[str, Any]]) -> bool:
    return any("rules" in entry for entry in entries)


def _entries_below(price_list: Row) -> Iterator[Row]:
    """Takes the entries out of a list, in the shape that they have by themselves.

    Below a list Medusa names the variant at the entry itself, once it is asked for.
    """
    for entry in price_list.pop("prices", None) or ():
        yield {**entry, "price_set": {"variant": {"id": entry.get("variant_id")}}}


def entry_variant(entry: Mapping[str, Any]) -> str | None:
    """Id of the variant that an entry is for; None when that variant is gone."""
    variant = (entry.get("price_set") or {}).get("variant") or {}
    return variant.get("id")


def decimal_of(number: float) -> Decimal:
    """A JSON number as the decimal that was written: both servers keep such numbers as doubles, so none is lost."""
    return Decimal(repr(number))


def number_of(amount: Decimal) -> float:
    """The JSON number that is written with exactly these digits; ValueError where a double cannot hold them."""
    number = float(amount)
    if decimal_of(number) != amount:
        raise ValueError(f"{amount} has more digits than Medusa can store")
    return number
