"""`erp-medusa explain ITEM`: one item from both sides, and why the shop shows what it shows.

Changes to come are a plan of this item; past runs are read from the installation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from erp_medusa_pipelines.cli.frame import command
from erp_medusa_pipelines.cli.home import instance_if_any
from erp_medusa_pipelines.cli.output import Answer, ExitCode, table
from erp_medusa_pipelines.cli.plan import make_plans
from erp_medusa_pipelines.cli.shop import connect, documents_of, website_items
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.clients.medusa_customers import MedusaCustomers
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices, entry_variant
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.plan.drift import Difference, Waiting, differences, waiting_changes
from erp_medusa_pipelines.plan.reasons import PriceUsed, QuantityParts, price_used, quantity_parts
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.sync.catalogue.publication import DRAFT_FIELDS, sells_now
from erp_medusa_pipelines.sync.catalogue.removed_pictures import removed_pictures
from erp_medusa_pipelines.sync.engine.batches import batch_of_key, batch_of_name
from erp_medusa_pipelines.sync.prices.books import WHOM_KEY
from erp_medusa_pipelines.sync.prices.windows import Tier
from erp_medusa_pipelines.sync.shop.chosen import read_choice
from erp_medusa_pipelines.sync.shop.families import read_families
from erp_medusa_pipelines.tasks import EXPORT

if TYPE_CHECKING:
    from erp_medusa_pipelines.orchestration.runs.side_runs import Plan

Named = Annotated[str, typer.Argument(help="A Website Item, by name or item_code.")]

ITEM_FIELDS = (
    "item_code",
    "web_item_name",
    "published",
    "item_group",
    "website_warehouse",
    "modified",
    "medusa_id",
    "medusa_variant_id",
)
PRICE_FIELDS = ("name", "price_list", "price_list_rate", "currency", "valid_from", "valid_upto", "customer")
PRODUCT_FIELDS = "id,external_id,title,status,updated_at,thumbnail,variants.id,variants.sku"
ENTRY_COLUMNS = ("amount", "currency_code", "customers", "type", "status", "starts_at", "ends_at")
NEWEST = 5
NOT_PUBLISHED = "It is not published in ERPNext, so the shop does not show it."


@dataclass(frozen=True)
class Sides:
    """The documents of one item on both servers."""

    name: str
    owner: str
    """The Website Item that its product names: of a variant that is an option, its template."""
    documents: Sequence[str]
    item: Mapping[str, Any]
    chosen_by: Mapping[str, Any]
    """The fields that SHOP_ITEMS and SALES_CHANNELS judge by."""
    keeps: bool
    """Whether a product stays in the shop whose item is not for sale any more."""
    not_here: str | None
    """Why ERPNext would sell the item, and this shop does not take it, or None."""
    prices: Sequence[Mapping[str, Any]]
    bins: Sequence[Mapping[str, Any]]
    products: Sequence[Mapping[str, Any]]
    """Products in Medusa with its external_id; more than one is an error."""
    entries: Sequence[Mapping[str, Any]]
    """Prices in Medusa: amount, currency_code, for which customers, and type, status and dates of their price list."""
    levels: Sequence[Mapping[str, Any]]
    """Stock in Medusa: location, stocked, reserved."""


@dataclass(frozen=True)
class Sale:
    """Whether a customer can buy the item now, None where Medusa could not be asked, and why not."""

    is_possible: bool | None = None
    reasons: Sequence[str] = ()
    is_wrong: bool = False
    """Whether the shop shows it and it cannot be bought for another reason than that it is sold out."""

    def __str__(self) -> str:
        """Return a sentence for people."""
        if self.is_possible is None:
            return ""
        why = f"not buy it now: {'; '.join(self.reasons)}" if self.reasons else " buy it now"
        return f"A customer can{why}."


Past = Mapping[str, Sequence[Mapping[str, Any]]]
"""What the installation knows: runs, documents that are held, the log. Empty without DAGSTER_HOME."""


@command
def explain(item: Named) -> Answer:
    """Show one item from both sides: what ERPNext says, what Medusa shows, its batch, last runs, rejects, and why.

    Writes nothing. The exit code is 1 when the two sides differ or something of the item is refused.

    Examples:

    - `erp-medusa explain WEB-ITM-0001`
    - `erp-medusa explain ITM-0001 --json`
    """
    from erp_medusa_pipelines.orchestration.runs.side_runs import Scope

    settings = load_settings()
    with connect(patient=False, settings=settings) as shop:
        sides = _sides(shop, website_items(shop, [item])[0])
    batch = batch_of_name(sides.owner, settings.export_batches)
    (plan,) = make_plans(settings, [EXPORT], Scope(items=(sides.owner,)))
    found = differences([(plan.task, plan.rows)])
    past = _past(batch, sides.documents)
    removed, sale = [], Sale()
    price, quantity = None, list[QuantityParts]()
    waiting, now = list[Waiting](), datetime.now(UTC)
    if not plan.problems:
        with connect(patient=False, settings=settings) as shop:
            removed = [asdict(one) for one in removed_pictures(shop.erp, shop.medusa, items=(sides.name,))]
            sale = _sale(shop, sides, batch)
            waiting, now = waiting_changes(shop.erp, found), shop.erp.clock()
            names = {row["id"]: row["name"] for row in MedusaInventory(shop.medusa).locations()}
            price = price_used(shop.erp, settings.erpnext_price_list, sides.name)
            quantity = quantity_parts(shop.erp, shop.medusa, settings, sides.name, names)
    why = " ".join([_why(sides, batch, plan, found), *(f"It waits: {waiting[0].sentence(now)}." for _ in waiting[:1])])
    data = {
        "website_item": sides.name,
        "can_be_bought": sale.is_possible,
        "cannot_be_bought": list(sale.reasons),
        "why": why,
        "price": price and asdict(price),
        "quantity": [asdict(one) for one in quantity],
        "batch": batch,
        "erpnext": {"item": sides.item, "prices": sides.prices, "bins": sides.bins},
        "medusa": {"products": sides.products, "prices": sides.entries, "stock": sides.levels},
        "differences": [asdict(one) for one in found],
        "waiting_seconds": waiting[0].seconds(now) if waiting else 0.0,
        "rejects": [dict(row) for row in plan.rejects],
        "problems": list(plan.problems),
        "kept": [dict(row) for row in plan.kept],
        "removed_pictures": removed,
        **past,
    }
    open_ones = found or plan.rejects or past["held"] or sale.is_wrong
    code = ExitCode.CANNOT_TELL if plan.problems else ExitCode.TO_DO if open_ones else ExitCode.FINE
    return Answer(
        data,
        [
            *_summary(sides, batch, sale, why, price, quantity, is_open=bool(found or plan.rejects)),
            *_tables(sides, plan, found, past, removed),
        ],
        code,
    )


def _sides(shop: Shop, name: str) -> Sides:
    row = shop.erp.get(WEBSITE_ITEM, name)
    code = row.get("item_code") or ""
    by_code = [["item_code", "=", code]]
    choice = read_choice(shop.erp)
    (chosen_by,) = shop.erp.rows_in(WEBSITE_ITEM, ["name", *choice.columns], [name])
    owner = read_families(shop.erp, shop.settings.variants).home.get(name, name)
    products = shop.medusa.products_by("external_id", [owner], PRODUCT_FIELDS)
    variants = [variant["id"] for product in products for variant in product.get("variants") or ()]
    if owner != name:
        variants = [one for one in variants if one == row.get("medusa_variant_id")]
    return Sides(
        name,
        owner,
        documents_of(shop.erp, name),
        {key: row.get(key) for key in ITEM_FIELDS},
        chosen_by,
        shop.settings.withdrawn_items == "keep",
        choice.reason_against(chosen_by),
        shop.erp.get_list("Item Price", list(PRICE_FIELDS), filters=by_code) if code else [],
        shop.erp.get_list("Bin", ["warehouse", "actual_qty", "reserved_qty"], filters=by_code) if code else [],
        products,
        list(_entries(shop, variants)),
        list(_levels(shop, variants)),
    )


def _entries(shop: Shop, variants: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Medusa has no search for the entries of a variant: every list is read, a second for some thousands of entries."""
    prices = MedusaPrices(shop.medusa)
    ruled = shop.settings.shows_own_prices
    groups = {row["id"]: row["name"] for row in MedusaCustomers(shop.medusa).groups()} if ruled else {}
    for one in prices.lists() if variants else ():
        for entry in prices.entries(one["id"], ruled=ruled):
            if entry_variant(entry) in variants:
                shown = {key: one.get(key) for key in ("type", "status", "starts_at", "ends_at")}
                group = Tier.of(entry).group
                shown["customers"] = groups.get(group, group) or metadata_of(one).get(WHOM_KEY) or ""
                yield {**shown, "amount": entry["amount"], "currency_code": entry["currency_code"]}


def _levels(shop: Shop, variants: Sequence[str]) -> Iterator[dict[str, Any]]:
    inventory = MedusaInventory(shop.medusa)
    names = {row["id"]: row["name"] for row in inventory.locations()} if variants else {}
    for variant in inventory.variants_by_id(variants) if variants else ():
        for item in variant.get("inventory_items") or ():
            for level in (item.get("inventory") or {}).get("location_levels") or ():
                yield {
                    "location": names.get(level["location_id"], level["location_id"]),
                    "stocked_quantity": level["stocked_quantity"],
                    "reserved_quantity": level["reserved_quantity"],
                }


def _sale(shop: Shop, sides: Sides, batch: str) -> Sale:
    from erp_medusa_pipelines.assets.publication import can_be_bought

    bound = [product for product in sides.products if product["id"] == sides.item["medusa_id"]]
    if not bound:
        return Sale(is_possible=False, reasons=["Medusa has no product for it"])
    if bound[0]["status"] != "published":
        return Sale(is_possible=False, reasons=[f"its product is {bound[0]['status']} in Medusa"])
    buyable = can_be_bought(shop, batch_of_key(batch, shop.settings.export_batches))
    (product,) = shop.medusa.products_by("id", [bound[0]["id"]], DRAFT_FIELDS)
    variant_id = sides.item["medusa_variant_id"]
    row = {"name": sides.name, "medusa_variant_id": variant_id, **sides.chosen_by}
    wrong = [one.reason for one in buyable.judge([row], {sides.name: product})[sides.name]]
    locations = buyable.locations_of(row, product)
    sold_out = not wrong and not any(
        sells_now(variant, locations) for variant in product["variants"] if variant["id"] == variant_id
    )
    reasons = ["it is sold out"] if sold_out else wrong
    return Sale(is_possible=not reasons, reasons=reasons, is_wrong=bool(wrong))


def _past(batch: str, documents: Sequence[str]) -> Past:
    with instance_if_any() as instance:
        if instance is None:
            return {"runs": [], "held": [], "log": []}
        from erp_medusa_pipelines.orchestration.history import History, held_documents, last_runs

        history = History.beside(instance)
        entries = history.of(list(documents), limit=NEWEST) if history else []
        return {
            "runs": [asdict(run) for run in last_runs(instance, batch)],
            "held": [asdict(one) for one in held_documents(instance, batch, frozenset(documents))],
            "log": [{"at": one.at, "run_id": one.run_id, **asdict(one.row)} for one in entries],
        }


def _why(sides: Sides, batch: str, plan: "Plan", found: Sequence[Difference]) -> str:
    """Return one sentence: why the shop shows the item as it does."""
    if plan.problems:
        return f"The next run of {batch} would fail: {plan.problems[0]}"
    if sides.item["published"] and sides.not_here:
        return f"It is not in this shop: {sides.not_here}.{_left(sides)}" + (_next(batch) if found else "")
    if plan.rejects:
        refused = plan.rejects[0]
        return f"{refused['document']} is refused: {refused['reason']}"
    if not sides.item["published"]:
        left = _left(sides)
        shown = f"It is not published in ERPNext.{left}" if left else NOT_PUBLISHED
        return shown + (_next(batch) if found else "")
    if not sides.products:
        return f"Medusa has no product with external_id {sides.owner}.{_next(batch)}"
    if len(sides.products) > 1:
        return f"Medusa has {len(sides.products)} products with external_id {sides.owner}: delete all but one."
    if found:
        return f"Medusa differs in: {', '.join(dict.fromkeys(one.what for one in found))}.{_next(batch)}"
    if sides.products[0]["status"] != "published":
        return f"It is {sides.products[0]['status']} in Medusa, as ERPNext and the settings want it."
    if plan.kept:
        fields = ", ".join(dict.fromkeys(row["field"] for row in plan.kept))
        return f"Somebody changed it in Medusa, and FIELD_POLICIES lets that stand: {fields}."
    return "The shop shows what ERPNext says."


def _left(sides: Sides) -> str:
    """Return what WITHDRAWN_ITEMS=keep leaves in the shop, or nothing."""
    live = any(product["status"] == "published" for product in sides.products)
    return " WITHDRAWN_ITEMS=keep leaves its product in the shop." if sides.keeps and live else ""


def _next(batch: str) -> str:
    return f" The next run of {batch} corrects it; so does erp-medusa sync."


def _summary(
    sides: Sides,
    batch: str,
    sale: Sale,
    why: str,
    price: PriceUsed | None,
    quantity: Sequence[QuantityParts],
    *,
    is_open: bool,
) -> list[RenderableType]:
    return [
        Text(f"Website Item {sides.name}, {batch}", style="bold"),
        Text(f"{sale} {why}".strip(), style="green" if sale.is_possible and not is_open else "yellow"),
        *([Text(f"Price: {price}")] if price else []),
        *(Text(f"Quantity: {one}") for one in quantity),
    ]


def _tables(
    sides: Sides, plan: "Plan", found: Sequence[Difference], past: Past, removed: Sequence[Mapping[str, Any]]
) -> list[RenderableType]:
    shown: list[RenderableType] = [
        table("ERPNext", ("field", "value"), [(key, _text(value)) for key, value in sides.item.items()]),
        _rows("Item Prices", PRICE_FIELDS, sides.prices),
        _rows("Bins", ("warehouse", "actual_qty", "reserved_qty"), sides.bins),
        _rows("Medusa", ("id", "title", "status", "updated_at", "thumbnail"), sides.products),
        _rows("Prices in Medusa", ENTRY_COLUMNS, sides.entries),
        _rows("Stock in Medusa", ("location", "stocked_quantity", "reserved_quantity"), sides.levels),
    ]
    columns = ("what", "field", "erpnext", "medusa")
    optional = (
        ("Differs", columns, [asdict(one) for one in found]),
        ("Kept in Medusa", ("field", "erp", "medusa"), plan.kept),
        ("Removed in Medusa", ("file_name", "file"), removed),
        ("Would be rejected", ("document", "field", "reason"), plan.rejects),
        ("Held back", ("asset", "document", "reason"), past["held"]),
        ("Last runs", ("task", "status", "ended", "run_id"), past["runs"]),
        ("Newest changes", ("at", "kind", "document", "action", "field", "old", "new"), past["log"]),
    )
    return shown + [_rows(title, columns, rows) for title, columns, rows in optional if rows]


def _rows(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    return table(title, columns, [[_text(row.get(column)) for column in columns] for row in rows])


def _text(value: object) -> str:
    return "" if value is None else str(value)
