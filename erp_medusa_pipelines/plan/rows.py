"""Changes as rows: document, field, old and new value."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient, Row
from erp_medusa_pipelines.clients.medusa import MedusaClient, metadata_of
from erp_medusa_pipelines.plan.changes import PLANNED, Change, is_planned
from erp_medusa_pipelines.product_fields import CATEGORIES_SHOWN, SHOWN

NEW = "(new)"
"""Placeholder for an id that a server will assign."""

SINGLES = frozenset({"Product Collection", "Expiring Items"})
PRODUCT_FIELDS = f"{SHOWN},{CATEGORIES_SHOWN},handle,images.url"
LABELS = {"type_id": "product type", "tags": "product tag"}
"""Kinds of documents that a product names by their ids, and people by their values."""
FILED = ("categories", "tags")
COLLECTION_FIELDS = "id,title,handle,external_id,metadata"


@dataclass(frozen=True, order=True)
class PlanRow:
    """One field of one document. `document` is a display name; values are JSON text."""

    system: str
    kind: str
    document: str
    action: str
    field: str
    old: str
    new: str


def describe(erp: ErpNextClient, medusa: MedusaClient, changes: Sequence[Change]) -> list[PlanRow]:
    """Return the sorted rows of these changes. Reads current values in bulk: the clients must not be planning ones."""
    mails = rows_of(change for change in changes if change.system == "Mail")
    rows = [*_erp_rows(erp, changes), *_medusa_rows(medusa, changes), *mails]
    return sorted(set(rows))


def rows_of(changes: Iterable[Change]) -> Iterator[PlanRow]:
    """Return the rows of these changes with known old values, without any request. A create is one row."""
    for change in changes:
        if change.action == "create" and len(change.values) > 1:
            values = {key: value for key, value in change.values.items() if isinstance(value, str | int | float)}
            name = change.name or change.key
            yield PlanRow(change.system, change.kind, name, change.action, "", "", _text(values))
        else:
            yield from _flat(change, {})


def digest(rows: Iterable[PlanRow]) -> str:
    """Return a digest, equal for two plans that would do the same."""
    text = json.dumps([list(asdict(row).values()) for row in sorted(rows)], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- ERPNext --------------------------------------------------------------------------------------------------


def _erp_rows(erp: ErpNextClient, changes: Sequence[Change]) -> Iterator[PlanRow]:
    by_doctype: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        if change.system == "ERPNext":
            by_doctype[change.kind].append(change)
    for doctype, some in by_doctype.items():
        now = _documents(erp, doctype, some)
        for change in _last_words(some):
            if not change.values:
                yield PlanRow("ERPNext", doctype, change.key, change.action, "", "", "")
            current = now.get(change.key, {})
            for field, value in change.values.items():
                old, new = _text(current.get(field)), _text(value)
                if old != new:
                    yield PlanRow("ERPNext", doctype, change.key, change.action, field, old, new)


def _last_words(changes: Sequence[Change]) -> Iterator[Change]:
    """Yield one change per document: ids emptied and set again in one run are one update."""
    last: dict[tuple[str, str], Change] = {}
    for change in changes:
        place = change.action, change.key
        last[place] = replace(change, values={**last[place].values, **change.values}) if place in last else change
    yield from last.values()


def _documents(erp: ErpNextClient, doctype: str, changes: Sequence[Change]) -> Mapping[str, Row]:
    names = {change.key for change in changes if change.action == "update"}
    fields = list(dict.fromkeys(field for change in changes for field in change.values))
    if not names or not fields:
        return {}
    if doctype in SINGLES or any(isinstance(value, list) for change in changes for value in change.values.values()):
        return {name: erp.get(doctype, name) for name in names}
    return {row["name"]: row for row in erp.rows_in(doctype, ["name", *fields], names)}


# --- Medusa ---------------------------------------------------------------------------------------------------


def _medusa_rows(medusa: MedusaClient, changes: Sequence[Change]) -> Iterator[PlanRow]:
    own = [change for change in changes if change.system == "Medusa"]
    products = {row["id"]: row for row in medusa.products_by("id", _updated(own, "product"), _asked(own))}
    ids = _updated(own, "collection")
    found = medusa.find("/admin/collections", "collections", "id", ids, COLLECTION_FIELDS)
    documents = {row["id"]: row for row in found}
    if any(change.kind == "product category" or "categories" in change.values for change in own):
        documents |= {row["id"]: row for row in medusa.categories()}
    names = {key: row["name"] for key, row in documents.items() if "name" in row}
    named = ("product category", *LABELS.values())
    names |= {change.key: change.name for change in own if change.kind in named}
    names |= _label_names(medusa, [*(change.values for change in own if change.kind == "product"), *products.values()])
    # Prices are read with only the ids of their variants.
    nameless = {change.name for change in own if change.name.startswith("variant_")}
    variants = medusa.find("/admin/product-variants", "variants", "id", nameless, "id,sku")
    skus = {row["id"]: row["sku"] for row in variants}
    for change in own:
        said = replace(change, name=skus.get(change.name) or change.name)
        if now := documents.get(change.key):
            said = replace(said, before={field: now.get(field) for field in change.values})
        yield from _flat(_with_filing(said, names), _with_names(products.get(change.key, {}), names))


def _asked(changes: Iterable[Change]) -> str:
    """Return what is asked of products: what the built-in fields need, and what else a mapping would change."""
    asked = dict.fromkeys(PRODUCT_FIELDS.split(","))
    for change in changes:
        if (change.kind, change.action) == ("product", "update"):
            for field, value in change.values.items():
                if field == "variants":
                    asked.update((f"variants.{key}", None) for variant in value for key in variant)
                elif not isinstance(value, list):
                    asked[field] = None
                elif field == "tags":
                    asked["tags.id"] = None
    return ",".join(asked)


def _label_names(medusa: MedusaClient, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the values of product types and tags by id; no request where no row has one."""
    wanted: dict[str, set[str]] = {"product-types": set(), "product-tags": set()}
    for row in rows:
        wanted["product-types"].add(row.get("type_id") or "")
        wanted["product-tags"] |= {tag["id"] for tag in row.get("tags") or () if tag}
    found: dict[str, str] = {}
    for route, ids in wanted.items():
        known = {one for one in ids if one and not is_planned(one)}
        lists = medusa.find(f"/admin/{route}", route.replace("-", "_"), "id", known, "id,value") if known else ()
        found.update((row["id"], row["value"]) for row in lists)
    return found


def _with_filing(change: Change, names: Mapping[str, str]) -> Change:
    """Return the change of a product with names in place of ids of what it is filed under; of another one, as it is."""
    if change.kind == "product category" and names.get(change.key):
        return replace(change, name=names[change.key])
    filed = any(field in change.values for field in ("type_id", *FILED))
    return replace(change, values=_with_names(change.values, names)) if filed else change


def _with_names(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    named = {
        field: sorted(names.get(one["id"], one["id"]) for one in row[field] if one) for field in FILED if row.get(field)
    }
    of_type = row.get("type_id")
    return {**row, **named, **({"type_id": names.get(of_type, of_type)} if of_type else {})}


def _updated(changes: Iterable[Change], kind: str) -> list[str]:
    """Return ids of the documents of this kind that exist and would be updated, each once."""
    ids = dict.fromkeys(one.key for one in changes if (one.kind, one.action) == (kind, "update"))
    return [one for one in ids if not is_planned(one)]


def _flat(change: Change, current: Row) -> Iterator[PlanRow]:
    """Yield one row per field that differs; nested metadata and variants are split into fields."""
    name = change.name if not is_planned(change.name) else NEW
    if change.kind == "product" and not change.name.strip():
        name = str(current.get("title") or change.key)
    found = False
    for field, old, new in _fields(change, current):
        if change.action == "create" or old != new:
            found = True
            yield PlanRow(change.system, change.kind, name or change.key, change.action, field, old, new)
    if not found and (change.action == "delete" or not change.values):
        yield PlanRow(change.system, change.kind, name or change.key, change.action, "", "", "")


def _fields(change: Change, current: Row) -> Iterator[tuple[str, str, str]]:
    if change.kind != "product":
        for field in dict.fromkeys((*change.before, *change.values)):
            yield field, _text(change.before.get(field)), _text(change.values.get(field))
        return
    for field, value in change.values.items():
        if field == "metadata" and isinstance(value, Mapping):
            before = metadata_of(current)
            yield from ((f"metadata.{key}", _text(before.get(key)), _text(one)) for key, one in value.items())
        elif field == "variants" and current:
            yield from _variant_fields(value, {variant["id"]: variant for variant in current.get("variants") or ()})
        elif field == "images" and current:
            yield field, _text([image["url"] for image in current["images"]]), _text([image["url"] for image in value])
        elif field == "sales_channels" and current:
            yield field, _text([one["id"] for one in current["sales_channels"]]), _text([one["id"] for one in value])
        else:
            yield field, _text(current.get(field)), _text(value)


def _variant_fields(variants: Iterable[Row], current: Mapping[str, Row]) -> Iterator[tuple[str, str, str]]:
    for variant in variants:
        for key, value in variant.items():
            if key != "id":
                yield f"variant.{key}", _text(current.get(variant.get("id", ""), {}).get(key)), _text(value)


def _text(value: Any) -> str:
    """Return comparable text: Frappe's NULL and '' are equal, and all ids to be assigned are equal."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return _named(value)
    return json.dumps(_without_ids(value), ensure_ascii=False, sort_keys=True, default=str)


def _without_ids(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_ids(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_ids(one) for one in value]
    return _named(value) if isinstance(value, str) else value


def _named(value: str) -> str:
    return NEW if value.startswith((PLANNED, "planned://")) else value
