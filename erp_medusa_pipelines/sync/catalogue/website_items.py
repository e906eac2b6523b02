"""Website Items as the tasks need them: the row, its specifications, and fields of its Item."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from erp_medusa_pipelines.clients.batched import even_size
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Filters
from erp_medusa_pipelines.clients.reading import Reading
from erp_medusa_pipelines.product_fields import key_of
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT, NOTHING_MADE, FieldTable, Made
from erp_medusa_pipelines.sync.catalogue.mapping.rows import BARCODES, OF_META, SPECIFICATIONS
from erp_medusa_pipelines.sync.catalogue.plain_text import clean_name, plain_text
from erp_medusa_pipelines.sync.engine.batches import Batch
from erp_medusa_pipelines.sync.engine.names import ByName, folded, same_name
from erp_medusa_pipelines.sync.shop.bundles import has_stock, read_bundles
from erp_medusa_pipelines.sync.shop.families import NONE
from erp_medusa_pipelines.sync.shop.for_sale import FIELDS as FOR_SALE_FIELDS
from erp_medusa_pipelines.sync.shop.for_sale import ForSale, for_sale_in
from erp_medusa_pipelines.sync.shop.listing import listed, seen_rows

PICTURE_FIELDS = (
    "website_image", "website_image_alt", "slideshow", "item_code.image as item_image",
    "item_code.variant_of as item_variant_of",
)  # fmt: skip

Row = dict[str, Any]

ROWS_AHEAD, CHILDREN_AHEAD = 5_000, 10_000
"""Website Items whose texts, and whose few short child rows, are read in one request."""
BARCODE_ROWS = ("Item Barcode", ("parent", "barcode"))
OF_BARCODES: dict[str, Any] = {"key": "parent", "order_by": "parent asc, idx asc", "parent": "Item"}
SPECIFICATION_ROWS = ("Item Website Specification", ("parent", "label", "description"))
OF_SPECIFICATIONS: dict[str, Any] = {
    **OF_BARCODES,
    "filters": [["parenttype", "=", WEBSITE_ITEM]],
    "parent": WEBSITE_ITEM,
}


def fields_of(table: FieldTable) -> tuple[str, ...]:
    """Return what is read of a Website Item: its ids, the fields of its product, and what is decided by."""
    own = ("name", "modified", "medusa_id", "medusa_variant_id")
    return tuple(dict.fromkeys((*own, *table.columns(), *PICTURE_FIELDS, *FOR_SALE_FIELDS)))


@dataclass(frozen=True, slots=True)
class WebsiteItem:
    """One Website Item with its related data. `row` holds fields_of(table); texts may be None.

    Pictures and texts that it leaves empty are its Item's or its template's.
    """

    row: dict[str, Any]
    specifications: tuple[tuple[str, str], ...]
    """(label, description as HTML), in their order."""
    country_code: str | None
    barcode: str | None
    not_for_sale: str | None = None
    """Why ERPNext would not sell it, or None if it would."""
    is_stocked: bool = True
    """Whether there is a quantity of it: not of a service."""
    is_bundle: bool = False
    """Whether its Item is a Product Bundle."""
    further_groups: tuple[str, ...] = ()
    """Item Groups that it is shown in besides its own, where the reader was asked for them."""
    table: FieldTable = DEFAULT
    """The fields of its product."""
    made: Made = NOTHING_MADE
    """What the shop's mapping makes of it."""
    channels: tuple[str, ...] = ()
    """Sales channels that take it by a rule of SALES_CHANNELS; without one it is in the shop's own."""

    @property
    def name(self) -> str:
        """Name of the Website Item."""
        return self.row["name"]

    @property
    def item_code(self) -> str:
        """Its Item."""
        return self.row["item_code"] or ""

    @property
    def is_bound(self) -> bool:
        """Return whether it has the ids of a Medusa product."""
        return bool(self.row["medusa_id"] and self.row["medusa_variant_id"])


class WebsiteItemReader:
    """Read Website Items of one site. Three requests per `ErpNextClient.read_chunk` items."""

    def __init__(self, erp: ErpNextClient, table: FieldTable = DEFAULT) -> None:
        self._erp = erp
        self.table = table
        self.with_groups = False
        """Whether to read the further Item Groups too, in one more request."""
        self.columns: tuple[str, ...] = ()
        """What to read besides."""
        self.families = NONE
        """Templates that are one product with their variants, and so for sale as these are."""
        self.with_texts = True
        """Whether to read what the texts of a product are made of; a variant among options has none of its own."""

    def names(self, batch: Batch, *, filters: Filters = (), or_filters: Filters = ()) -> Iterator[str]:
        """Return the names of the batch's matching Website Items, in order. Only names are read, so it is cheap."""
        yield from (row["name"] for row in listed(self._erp, batch, ["name"], filters=filters, or_filters=or_filters))

    def read(self, names: Sequence[str]) -> list[WebsiteItem]:
        """Return the Website Items with these names, ordered by name; those deleted meanwhile are missing."""
        rows = self._erp.rows_in(WEBSITE_ITEM, self._wanted, names)
        codes = [row["item_code"] for row in rows if row["item_code"]] if self.table.reads_barcodes else []
        barcodes = self._erp.rows_in(*BARCODE_ROWS, codes, **OF_BARCODES)
        specified = [row["name"] for row in rows] if self._reads_specifications else ()
        return self._items(rows, barcodes, self._erp.rows_in(*SPECIFICATION_ROWS, specified, **OF_SPECIFICATIONS))

    @contextmanager
    def reading_ahead(
        self, names: Sequence[str], batch: Batch, reading: Reading
    ) -> Iterator[Callable[[Sequence[str]], list[WebsiteItem]]]:
        """Read these Website Items in few large requests into a file. Yields what reads some of them from there.

        What the runs of this tick have listed together is not read again. Raises ApiError.
        """
        erp, codes = self._erp, dict[str, str]()
        seen = seen_rows(erp, batch, self._wanted)
        rows = self._rows_ahead(seen(names) if seen else None, names, codes)

        def barcodes() -> Iterator[tuple[str, dict[str, Any]]]:
            asked = codes.values() if self.table.reads_barcodes else ()
            for row in erp.each_in(*BARCODE_ROWS, asked, even_size(len(asked), CHILDREN_AHEAD), **OF_BARCODES):
                yield folded(row["parent"]), row

        def specifications() -> Iterator[tuple[str, dict[str, Any]]]:
            asked = names if self._reads_specifications else ()
            at_once = even_size(len(asked), CHILDREN_AHEAD)
            for row in erp.each_in(*SPECIFICATION_ROWS, asked, at_once, **OF_SPECIFICATIONS):
                yield row["parent"], row

        with ExitStack() as files:
            if seen:
                # Of these only the codes are needed now.
                deque(rows, maxlen=0)
                find = seen
            else:
                find = files.enter_context(reading.own(rows)).find
            coded = files.enter_context(reading.own(barcodes()))
            specified = files.enter_context(reading.own(specifications()))

            def items(some: Sequence[str]) -> list[WebsiteItem]:
                found = list(find(some))
                of = sorted({folded(row["item_code"]) for row in found if row["item_code"]})
                return self._items(found, list(coded.find(of)), list(specified.find([row["name"] for row in found])))

            yield items

    def _rows_ahead(
        self, seen: Iterable[Row] | None, names: Sequence[str], codes: dict[str, str]
    ) -> Iterator[tuple[str, Row]]:
        """Yield rows by name, those that were seen or else from ERPNext, and note their `codes` as they are spelled."""
        found = self._erp.each_in(WEBSITE_ITEM, self._wanted, names, ROWS_AHEAD, order_by="name asc")
        for row in found if seen is None else seen:
            if row["item_code"]:
                codes[folded(row["item_code"])] = row["item_code"]
            yield row["name"], row

    @property
    def _wanted(self) -> list[str]:
        return [*fields_of(self.table), *self._further_columns]

    @property
    def _reads_specifications(self) -> bool:
        return self.with_texts and self.table.reads_specifications

    def _items(
        self,
        read: Iterable[dict[str, Any]],
        barcodes: Iterable[Mapping[str, Any]],
        specification_rows: Iterable[Mapping[str, Any]],
    ) -> list[WebsiteItem]:
        texts = (*self.table.texts, "slideshow", "item_image")
        rows = [_with_texts(row, texts) for row in read]
        fall_back(self._erp, rows, self.table.inherited if self.with_texts else ())
        barcode_of = ByName((child["parent"], child["barcode"] and str(child["barcode"])) for child in barcodes)
        today = self._erp.clock().date()
        without_stock = [row["item_code"] for row in rows if row["item_code"] and not row["item_is_stock_item"]]
        bundles = read_bundles(self._erp, without_stock, today)
        specifications: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for child in specification_rows:
            specifications[child["parent"]].append((str(child["label"] or ""), str(child["description"] or "")))
        further = self._further_groups(rows)
        meta = self._meta(rows) if self.table.reads_meta else {}
        countries = self._country_codes if self.table.reads_countries else ByName[str]()
        found: list[WebsiteItem] = []
        for row in rows:
            own, barcode = tuple(specifications[row["name"]]), barcode_of.find(row["item_code"] or "")
            of_page = meta.get(folded(row.get("route")), {})
            tables = {BARCODES: barcode, SPECIFICATIONS: shown_specifications(own), **of_page}
            made = self.table.make(row, tables, countries)
            item = WebsiteItem(
                row=row,
                specifications=own,
                country_code=countries.find(row.get("country_of_origin") or ""),
                barcode=barcode if self.table.mapped is None else made.values.get("barcode"),
                not_for_sale=self._reason_against(row, today),
                is_bundle=row["item_code"] in bundles,
                is_stocked=bool(row["item_is_stock_item"]) or has_stock(bundles.get(row["item_code"], ())),
                further_groups=tuple(further[row["name"]]),
                table=self.table,
                made=made,
                channels=self._for_sale.choice.channels_of(row),
            )
            found.append(item)
        return found

    def _meta(self, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Mapping[str, str]]:
        """Return the tags of these items' pages by route, under the names that a mapping has for them."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for tag in self._erp.rows_in(
            "Website Meta Tag",
            ["parent", "key", "value"],
            [row["route"] for row in rows if row["route"]],
            key="parent",
            order_by="parent asc, idx asc",
            parent="Website Route Meta",
        ):
            found[folded(tag["parent"])].setdefault(f"{OF_META}{tag['key']}", str(tag["value"] or ""))
        return found

    def _reason_against(self, row: Mapping[str, Any], today: date) -> str | None:
        if row["name"] not in self.families.variants:
            return self._for_sale.reason_against(row, today)
        return None if row["name"] in self.families.sold else "none of its variants is for sale"

    def _further_groups(self, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for child in self._erp.rows_in(
            "Website Item Group",
            ["parent", "item_group"],
            [row["name"] for row in rows] if self.with_groups else (),
            key="parent",
            filters=[["parenttype", "=", WEBSITE_ITEM]],
            order_by="parent asc, idx asc",
            parent=WEBSITE_ITEM,
        ):
            found[child["parent"]].append(str(child["item_group"] or ""))
        return found

    @cached_property
    def _for_sale(self) -> ForSale:
        return for_sale_in(self._erp)

    @cached_property
    def _further_columns(self) -> list[str]:
        """Return what the shop's rules and the further languages read besides."""
        further = dict.fromkeys((*self._for_sale.fields, *self.columns))
        return [column for column in further if column not in fields_of(self.table)]

    @cached_property
    def _country_codes(self) -> ByName[str]:
        """Return ISO 3166 codes by ERPNext's country names."""
        rows = self._erp.http.once("countries", lambda: list(self._erp.rows("Country", ["name", "code"])), of_tick=True)
        return ByName((row["name"], row["code"].lower()) for row in rows if row["code"])


def shown_specifications(rows: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return rows of (label, description as HTML) for people."""
    return [{"label": clean_name(label), "description": plain_text(description)} for label, description in rows]


def _with_texts(row: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The row with texts as texts: a site may have made such a field a number, which would stop the whole batch."""
    return row | {name: str(row[name]) for name in names if row.get(name) is not None}


def fall_back(erp: ErpNextClient, rows: Iterable[Row], texts: Iterable[str] = ()) -> None:
    """Fill what these Website Items (PICTURE_FIELDS and `texts`) leave empty, in place, as ERPNext's own shop does.

    The picture comes from the item, then its Item, then its template. One request per `read_chunk` templates that are
    not among these, and none where no variant leaves anything empty.
    """
    rows = list(rows)
    filled = ("slideshow", *map(key_of, texts))
    wanted = ("website_image", *filled)
    incomplete: dict[str, list[Row]] = {}
    for row in rows:
        _take(row, {"website_image": row["item_image"], "website_image_alt": None})
        template = row["item_variant_of"]
        if template and not same_name(template, row["item_code"]) and any(_is_empty(row[name]) for name in wanted):
            incomplete.setdefault(folded(template), []).append(row)
    there = [row for row in rows if folded(row["item_code"]) in incomplete]
    missing = incomplete.keys() - {folded(row["item_code"]) for row in there}
    fields = ["name", "item_code", *PICTURE_FIELDS, *texts]
    read = erp.rows_in(
        WEBSITE_ITEM, fields, sorted(incomplete[code][0]["item_variant_of"] for code in missing), key="item_code"
    )
    for template in read:
        _take(template, {"website_image": template["item_image"], "website_image_alt": None})
    for template in (*there, *read):
        for row in incomplete.get(folded(template["item_code"]), ()):
            _take(row, template)
            for name in filled:
                if _is_empty(row[name]):
                    row[name] = template[name]


def _take(row: Row, source: Mapping[str, Any]) -> None:
    """Take the picture of `source`, with the text that describes it, where the row has none."""
    if _is_empty(row["website_image"]) and not _is_empty(source["website_image"]):
        row["website_image"], row["website_image_alt"] = source["website_image"], source["website_image_alt"]


def _is_empty(value: Any) -> bool:
    return value is None or not str(value).strip()
