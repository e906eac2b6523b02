"""Item Groups that hold Website Items become Medusa collections; their ids are kept on the Item Group.

Which groups, how an existing collection is recognised, what is written. A group without items gets no collection: an
empty one would only clutter the shop. With EMPTY_GROUPS=remove one in which nothing is for sale any more loses it.

Safe to run several times at once: handles are unique in Medusa, and a second run adopts what the first created.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Filters
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter, WriteOutcome
from erp_medusa_pipelines.clients.failures import (
    AccessError,
    ApiError,
    PermanentError,
    TransientError,
    is_blocked,
)
from erp_medusa_pipelines.clients.medusa import MedusaClient, metadata_of
from erp_medusa_pipelines.sync.catalogue.group_texts import GroupTexts
from erp_medusa_pipelines.sync.catalogue.plain_text import clean_name, slug
from erp_medusa_pipelines.sync.catalogue.translations import KEY
from erp_medusa_pipelines.sync.engine.names import ByName, folded
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.shop.chosen import read_choice
from erp_medusa_pipelines.sync.shop.families import Families
from erp_medusa_pipelines.sync.shop.for_sale import for_sale_in

log = logging.getLogger(__name__)

DOCTYPE = "Item Group"
Group = Mapping[str, Any]
COLLECTIONS, IDS = "collections of groups", "collection ids"
"""What the runs of a tick know together."""
NO_TEXTS = GroupTexts("product_collection", ("title",))
"""What is translated of a collection, in a shop of one language."""
CALLS_AT_ONCE = 4
"""Concurrent calls: Medusa has no batch route for collections, and four at once hide most of the latency."""


def collection_body(group: Mapping[str, Any], texts: GroupTexts = NO_TEXTS) -> dict[str, Any]:
    """Return the collection's body for an Item Group. `external_id` is the group's name, by which it is found again."""
    return {
        "title": clean_name(group["item_group_name"]) or clean_name(group["name"]),
        "external_id": group["name"],
        "metadata": {
            "item_group": group["name"],
            "parent_item_group": group["parent_item_group"] or "",
            "is_group": bool(group["is_group"]),
            **texts.metadata(group),
        },
    }


def collection_ids(erp: ErpNextClient) -> ByName[str]:
    """Return collection ids by Item Group name, from the Item Groups."""
    filters = [["medusa_id", "is", "set"]]
    rows = erp.http.once(IDS, lambda: list(erp.rows(DOCTYPE, ["name", "medusa_id"], filters=filters)), of_tick=True)
    return ByName((row["name"], row["medusa_id"]) for row in rows)


def sync_collections(
    erp: ErpNextClient,
    writer: ErpNextWriter,
    medusa: MedusaClient,
    report: SyncReport,
    items: frozenset[str] = frozenset(),
    texts: GroupTexts = NO_TEXTS,
    families: Families | None = None,
) -> dict[str, str]:
    """Create, adopt or correct the collections and return their ids by Item Group name.

    With `items` only those of the groups that these Website Items are in. `texts` are those in further languages. With
    `families` only groups in which something is for sale have one; that of another is deleted, unless a product in it
    is shown.
    """
    sold = None if families is None else sold_groups(erp, families, items)
    if sold is not None and not items:
        _remove_empty(erp, writer, medusa, report, sold)

    def read() -> tuple[Sequence[Group], list[Plan]]:
        return _read(erp, medusa, used_groups(erp, items) if sold is None else sold)

    # One run of a tick does it; the others see that it is done by what that one has read.
    of_tick = erp.http.facts.of_tick
    groups, plans = erp.http.seen(COLLECTIONS, lambda: medusa.http.seen(COLLECTIONS, read)) if of_tick else read()
    texts.write(report, [(one.group, one.existing) for one in plans if one.existing])
    if all(_is_done(one, texts) for one in plans):
        report.count("found", len(plans))
        report.count("unchanged", len(plans))
        report.advance(len(plans))
        return {one.group["name"]: one.existing["id"] for one in plans if one.existing}
    groups, plans = read() if of_tick else (groups, plans)
    report.count("found", len(groups))
    try:
        return _bring(writer, medusa, report, groups, plans, texts)
    finally:
        for http, what in ((erp.http, COLLECTIONS), (medusa.http, COLLECTIONS), (erp.http, IDS)):
            http.forget(what)


def _bring(
    writer: ErpNextWriter,
    medusa: MedusaClient,
    report: SyncReport,
    groups: Sequence[Group],
    plans: Sequence["Plan"],
    texts: GroupTexts,
) -> dict[str, str]:
    ids: dict[str, str] = {}
    with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="collections") as pool:
        for group, collection_id in pool.map(lambda one: _carry_out(one, medusa, report, texts), plans):
            if collection_id:
                ids[group["name"]] = collection_id
    made = [one.group for one in plans if not one.existing and one.group["name"] in ids]
    texts.write(report, [(group, {"id": ids[group["name"]]}) for group in made])
    changes = [
        (group["name"], {"medusa_id": ids[group["name"]]})
        for group in groups
        if group["name"] in ids and group["medusa_id"] != ids[group["name"]]
    ]
    outcome = writer.write(DOCTYPE, changes)
    report.count("bound", len(outcome.written))
    _note_failed(outcome, report, "id not written back")
    return ids


def _note_failed(outcome: WriteOutcome, report: SyncReport, problem: str) -> None:
    for name, error in outcome.failed.items():
        if isinstance(error, TransientError):
            report.defer(DOCTYPE, name, error)
        else:
            report.reject(Reject(DOCTYPE, name, f"{problem}: {error.reason}", "medusa_id"))


def _remove_empty(
    erp: ErpNextClient, writer: ErpNextWriter, medusa: MedusaClient, report: SyncReport, sold: Sequence[str]
) -> None:
    """Delete collections of ours in which nothing is for sale or shown. The ids, which products use, go first."""
    known = {folded(name) for name in sold}
    empty = {
        one["id"]: one["external_id"]
        for one in medusa.collections()
        if one["external_id"]
        and isinstance(metadata_of(one).get("item_group"), str)
        and folded(one["external_id"]) not in known
    }
    shown = medusa.collections_shown(empty)
    empty = {key: name for key, name in empty.items() if key not in shown}
    if not empty:
        return
    rows = erp.rows_in(DOCTYPE, ["name", "medusa_id"], empty.values())
    outcome = writer.write(DOCTYPE, [(row["name"], {"medusa_id": ""}) for row in rows if row["medusa_id"] in empty])
    _note_failed(outcome, report, "id not emptied")
    for identifier, name in empty.items():
        if name in outcome.failed:
            continue
        try:
            medusa.delete_collection(identifier)
            report.count("removed")
        except ApiError as error:
            _note_refused(error, name, medusa, report)
    for http, what in ((erp.http, COLLECTIONS), (medusa.http, COLLECTIONS), (erp.http, IDS)):
        http.forget(what)


def _read(erp: ErpNextClient, medusa: MedusaClient, names: Sequence[str]) -> tuple[Sequence[Group], list["Plan"]]:
    groups = erp.rows_in(DOCTYPE, ["name", "item_group_name", "parent_item_group", "is_group", "medusa_id"], names)
    collections = medusa.collections()
    # A collection may belong to a group without items.
    owners = {one["external_id"] for one in collections if one["external_id"]} - set(names)
    existing = frozenset(row["name"] for row in erp.rows_in(DOCTYPE, ["name"], owners))
    return groups, plan(groups, collections, existing)


def used_groups(
    erp: ErpNextClient, items: frozenset[str] = frozenset(), *, filters: Filters = (), further: bool = False
) -> list[str]:
    """Return the names of Item Groups that hold Website Items of this shop; with `items`, one of these.

    With `further` also those that Website Items are shown in besides their own.
    """
    choice = read_choice(erp)
    if items or choice.items:
        fields = ["name", "item_group", *choice.columns]
        rows = erp.rows_among("Website Item", fields, items, filters=filters)
        used = [row for row in rows if choice.reason_against(row) is None]
    else:
        used = erp.get_list(
            "Website Item", ["item_group"], filters=filters, group_by="item_group", order_by="item_group asc"
        )
    if further:
        of_items = [["parenttype", "=", "Website Item"]]
        used += erp.get_list(
            "Website Item Group",
            ["item_group"],
            filters=of_items,
            parent="Website Item",
            group_by="item_group",
            order_by="item_group asc",
        )
    return ByName((row["item_group"], row["item_group"]) for row in used if row["item_group"]).values()


def sold_groups(
    erp: ErpNextClient, families: Families, items: frozenset[str] = frozenset(), *, further: bool = False
) -> list[str]:
    """Return the names of Item Groups in which a Website Item of this shop is for sale; arguments as in `used_groups`.

    Variants that are one product with their template are in the template's groups. Of the whole shop the runs of a tick
    know it together.
    """
    if items:
        return _sold_groups(erp, families, items, further=further)
    what = f"groups with goods, further: {further}"
    return erp.http.once(what, lambda: _sold_groups(erp, families, items, further=further), of_tick=True)


def _sold_groups(erp: ErpNextClient, families: Families, items: frozenset[str], *, further: bool) -> list[str]:
    sold_here, today = for_sale_in(erp), erp.clock().date()
    fields = ("name", "item_group", *sold_here.fields)
    group_of: dict[str, str | None] = {}
    sold: set[str] = set()
    for row in erp.rows_among(WEBSITE_ITEM, fields, families.around(items)):
        is_sold = not sold_here.reason_against(row, today)
        if is_sold:
            sold.add(families.home.get(row["name"], row["name"]))
        if is_sold or row["name"] in families.variants:
            group_of[row["name"]] = row["item_group"]
    groups = [group_of.get(name) for name in sold]
    if further:
        of_items = [["parenttype", "=", WEBSITE_ITEM]]
        more = erp.rows("Website Item Group", ["name", "parent", "item_group"], filters=of_items, parent=WEBSITE_ITEM)
        groups += [row["item_group"] for row in more if row["parent"] in sold]
    return ByName((name, name) for name in groups if name).values()


@dataclass(frozen=True, slots=True)
class Plan:
    """An Item Group with its existing collection, or with a free handle for a new one."""

    group: Group
    existing: Mapping[str, Any] | None
    handle: str


def plan(
    groups: Sequence[Group],
    collections: Sequence[Mapping[str, Any]],
    existing_groups: frozenset[str] = frozenset(),
    handle_of: Callable[[Group], str] = lambda group: group_handle(group["name"]),
) -> list[Plan]:
    """Match groups and collections before anything is written: no collection or handle goes to two groups.

    A collection belongs to the group that its external_id names, else to the one that its metadata names, else to the
    group that has its id, else to the one with the same handle. The id proves nothing if the collection names another
    group that exists (`existing_groups`): the desk copies ids along with an Item Group.
    """
    handles = {group["name"]: handle_of(group) for group in groups}
    owned = _owned(groups, collections, existing_groups, handles)
    taken = {collection["handle"] for collection in collections}
    next_number: dict[str, Iterator[int]] = defaultdict(lambda: count(2))
    plans = []
    for group in groups:
        handle, existing = handles[group["name"]], owned.get(group["name"])
        if existing is None and handle in taken:
            # Handles that differ only in punctuation collide; the group keeps the free one permanently.
            base = handle
            while handle in taken:
                handle = f"{base}-{next(next_number[base])}"
        if existing is None:
            taken.add(handle)
        plans.append(Plan(group, existing, handle))
    return plans


def group_handle(name: str) -> str:
    """Return the handle that a group gets if no other group has it."""
    return slug(name) or f"item-group-{name.encode('utf-8').hex()}"


def _owned(
    groups: Sequence[Group],
    collections: Sequence[Mapping[str, Any]],
    existing_groups: frozenset[str],
    handles: Mapping[str, str],
) -> dict[str, Mapping[str, Any]]:
    """Return each group's collection by the group's name. The strongest evidence is used for all groups first."""
    names = {group["name"] for group in groups} | existing_groups
    free = [one for one in collections if one["external_id"] not in names]
    signs: tuple[tuple[Callable[[Group], str], Mapping[str, Mapping[str, Any]]], ...] = (
        (lambda group: group["name"], _first_by(lambda one: one["external_id"], collections)),
        (lambda group: group["name"], _first_by(lambda one: metadata_of(one).get("item_group"), free)),
        (lambda group: group["medusa_id"] or "", _first_by(lambda one: one["id"], free)),
        (
            lambda group: handles[group["name"]],
            _first_by(lambda one: None if one["external_id"] else one["handle"], free),
        ),
    )
    owned: dict[str, Mapping[str, Any]] = {}
    claimed: set[str] = set()
    for key_of, by_key in signs:
        for group in groups:
            found = by_key.get(key_of(group))
            if group["name"] not in owned and found is not None and found["id"] not in claimed:
                owned[group["name"]] = found
                claimed.add(found["id"])
    return owned


def _first_by(
    key_of: Callable[[Mapping[str, Any]], Any], collections: Sequence[Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for collection in collections:
        key = key_of(collection)
        if key and isinstance(key, str):
            found.setdefault(key, collection)
    return found


def _carry_out(
    one: Plan, medusa: MedusaClient, report: SyncReport, texts: GroupTexts
) -> tuple[Mapping[str, Any], str | None]:
    """Return (group, its collection's id), or None after a failure, which is in the report."""
    collection_id = None
    try:
        collection_id = _sync_one(one, medusa, report, texts)
    except ApiError as error:
        _note_refused(error, one.group["name"], medusa, report)
    report.advance(1)
    return one.group, collection_id


def _note_refused(error: ApiError, name: str, medusa: MedusaClient, report: SyncReport) -> None:
    """Note what failed on one group. Raises AccessError where the key may not do it at all."""
    if isinstance(error, AccessError) and not is_blocked(error):
        raise error
    if medusa.refused_alone(error) or not isinstance(error, TransientError):
        report.reject(Reject(DOCTYPE, name, error.reason))
    else:
        report.defer(DOCTYPE, name, error)


def _sync_one(one: Plan, medusa: MedusaClient, report: SyncReport, texts: GroupTexts) -> str:
    body = collection_body(one.group, texts)
    existing = one.existing
    if existing is None:
        body["metadata"] = {key: value for key, value in body["metadata"].items() if key != KEY or value}
        made = _create(medusa, {**body, "handle": one.handle}, one.group)
        report.count("written")
        return made["id"]
    if _is_same(body, existing):
        report.count("unchanged")
    else:
        medusa.update_collection(existing["id"], body)
        report.count("adopted" if not existing["external_id"] else "updated")
    return existing["id"]


def _is_same(body: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
    stored = metadata_of(existing)
    return (
        existing["title"] == body["title"]
        and existing["external_id"] == body["external_id"]
        and all(stored.get(key, "") == value for key, value in body["metadata"].items())
    )


def _is_done(one: "Plan", texts: GroupTexts) -> bool:
    existing = one.existing
    if existing is None or one.group["medusa_id"] != existing["id"]:
        return False
    return _is_same(collection_body(one.group, texts), existing)


def _create(medusa: MedusaClient, body: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    """Create a collection; after a lost answer or a race, take the one that is there now."""
    try:
        return medusa.create_collection(body)
    except AccessError:
        raise
    except (PermanentError, TransientError) as error:
        for collection in medusa.collections():
            if collection["external_id"] == group["name"]:
                log.info("%s: collection %s already existed (%s)", group["name"], collection["id"], error.reason)
                return collection
        raise
