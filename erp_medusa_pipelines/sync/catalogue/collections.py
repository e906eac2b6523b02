"""Item Groups that hold Website Items become Medusa collections; their ids are kept on the Item Group.

Belongs here: which groups, how an existing collection is recognised, what is written. A group without items gets no
collection: an empty one would only clutter the shop. Safe to run several times at once: handles are unique in Medusa,
and the one that comes second adopts what the first created.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import AccessError, PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.sync.catalogue.product_bodies import slug
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport

log = logging.getLogger(__name__)

DOCTYPE = "Item Group"
CALLS_AT_ONCE = 4
"""Medusa has no batch route for collections; four calls at once hide most of what each costs by itself."""


def collection_body(group: Mapping[str, Any]) -> dict[str, Any]:
    """What Medusa is told of an Item Group. `external_id` is its name, by which it is found again."""
    return {
        "title": group["item_group_name"] or group["name"],
        "external_id": group["name"],
        "metadata": {
            "item_group": group["name"],
            "parent_item_group": group["parent_item_group"] or "",
            "is_group": bool(group["is_group"]),
        },
    }


def recognise(group: Mapping[str, Any], collections: Sequence[dict[str, Any]], handle: str) -> dict[str, Any] | None:
    """The collection that is this group's: by its id, by external_id, by metadata, else by an unowned handle."""
    tests = (
        lambda c: c["id"] == group["medusa_id"],
        lambda c: c["external_id"] == group["name"],
        lambda c: (c["metadata"] or {}).get("item_group") == group["name"],
        lambda c: c["handle"] == handle and not c["external_id"],
    )
    for test in tests:
        for collection in collections:
            if test(collection):
                return collection
    return None


def collection_ids(erp: ErpNextClient) -> dict[str, str]:
    """Collection ids by Item Group name, as the Item Groups know them."""
    rows = erp.rows(DOCTYPE, ["name", "medusa_id"], filters=[["medusa_id", "is", "set"]])
    return {row["name"]: row["medusa_id"] for row in rows}


def sync_collections(
    erp: ErpNextClient, writer: ErpNextWriter, medusa: MedusaClient, report: SyncReport
) -> dict[str, str]:
    """Create, adopt or correct the collections and return their ids by Item Group name."""
    used = erp.get_list("Website Item", ["item_group"], group_by="item_group", order_by="item_group asc")
    names = [row["item_group"] for row in used if row["item_group"]]
    groups = erp.rows_in(DOCTYPE, ["name", "item_group_name", "parent_item_group", "is_group", "medusa_id"], names)
    report.count("found", len(groups))
    plans = plan(groups, medusa.collections())
    ids: dict[str, str] = {}
    with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="collections") as pool:
        for group, collection_id in pool.map(lambda one: _carry_out(one, medusa, report), plans):
            if collection_id:
                ids[group["name"]] = collection_id
    changes = [
        (group["name"], {"medusa_id": ids[group["name"]]})
        for group in groups
        if group["name"] in ids and group["medusa_id"] != ids[group["name"]]
    ]
    outcome = writer.write(DOCTYPE, changes)
    report.count("bound", len(outcome.written))
    for name, error in outcome.failed.items():
        if isinstance(error, TransientError):
            report.defer(DOCTYPE, name, error)
        else:
            report.reject(Reject(DOCTYPE, name, f"id not written back: {error.reason}", "medusa_id"))
    return ids


@dataclass(frozen=True, slots=True)
class Plan:
    """An Item Group with the collection that is its own already, or else the free handle for a new one."""

    group: Mapping[str, Any]
    existing: Mapping[str, Any] | None
    handle: str


def plan(groups: Sequence[Mapping[str, Any]], collections: Sequence[dict[str, Any]]) -> list[Plan]:
    """What belongs together, decided before anything is written: no collection or handle goes to two groups."""
    unclaimed = {collection["id"]: collection for collection in collections}
    taken = {collection["handle"] for collection in collections}
    plans = []
    for group in groups:
        handle = slug(group["name"]) or f"item-group-{group['name'].encode('utf-8').hex()}"
        existing = recognise(group, list(unclaimed.values()), handle)
        if existing:
            del unclaimed[existing["id"]]
        else:
            # Handles that differ only in punctuation collide; the free one is the group's own for ever after.
            numbered = map(f"{handle}-{{}}".format, count(2))
            handle = next(free for free in chain([handle], numbered) if free not in taken)
            taken.add(handle)
        plans.append(Plan(group, existing, handle))
    return plans


def _carry_out(one: Plan, medusa: MedusaClient, report: SyncReport) -> tuple[Mapping[str, Any], str | None]:
    """(group, its collection's id); None when that failed, as the report then says."""
    collection_id = None
    try:
        collection_id = _sync_one(one, medusa, report)
    except AccessError:
        raise
    except PermanentError as error:
        report.reject(Reject(DOCTYPE, one.group["name"], error.reason))
    except TransientError as error:
        report.defer(DOCTYPE, one.group["name"], error)
    report.advance(1)
    return one.group, collection_id


def _sync_one(one: Plan, medusa: MedusaClient, report: SyncReport) -> str:
    body, existing = collection_body(one.group), one.existing
    if existing is None:
        made = _create(medusa, {**body, "handle": one.handle}, one.group)
        report.count("written")
        return made["id"]
    stored = existing["metadata"] or {}
    same = (
        existing["title"] == body["title"]
        and existing["external_id"] == body["external_id"]
        and all(stored.get(key, "") == value for key, value in body["metadata"].items())
    )
    if same:
        report.count("unchanged")
    else:
        medusa.update_collection(existing["id"], body)
        report.count("adopted" if not existing["external_id"] else "updated")
    return existing["id"]


def _create(medusa: MedusaClient, body: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, Any]:
    """Create a collection; after a lost answer or a race, take the one that is there now."""
    try:
        return medusa.create_collection(body)
    except AccessError:
        raise
    except (PermanentError, TransientError) as error:
        for collection in medusa.collections():
            if collection["external_id"] == group["name"]:
                log.info("%s: collection %s was there already (%s)", group["name"], collection["id"], error.reason)
                return collection
        raise
