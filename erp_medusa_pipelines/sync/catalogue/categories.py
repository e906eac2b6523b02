"""The tree of Item Groups becomes Medusa's product categories, which customers browse.

Which groups, where and in which order is decided in category_tree.py, their pictures in noted_pictures.py; which
products are in which category is a field of the product (filing.py).

Categories are ours by what we note in their metadata; those that somebody else made keep their place, and their
products stay in them. None is deleted: that of a group that is gone, or not shown any more, is hidden and keeps its id.
"""

import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError, ApiError, PermanentError, TransientError, is_blocked
from erp_medusa_pipelines.clients.medusa import CATEGORIES, MedusaClient, metadata_of
from erp_medusa_pipelines.setting_types import CategoriesOf
from erp_medusa_pipelines.sync.catalogue.category_tree import Node, Tree, moves, used_in_tree, wanted_tree
from erp_medusa_pipelines.sync.catalogue.collections import DOCTYPE, Plan, group_handle, plan, sold_groups, used_groups
from erp_medusa_pipelines.sync.catalogue.fields import short_hash
from erp_medusa_pipelines.sync.catalogue.group_texts import GroupTexts
from erp_medusa_pipelines.sync.catalogue.noted_pictures import NotedPictures
from erp_medusa_pipelines.sync.catalogue.plain_text import clean_name, plain_text, slug
from erp_medusa_pipelines.sync.engine.brake import Guard, Limit, Loss, MassLossError
from erp_medusa_pipelines.sync.engine.names import folded
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.shop.families import Families

log = logging.getLogger(__name__)

GROUP_FIELDS = (
    "name", "item_group_name", "parent_item_group", "show_in_website", "description", "image", "weightage", "route",
)  # fmt: skip
GROUP_KEY = "item_group"
"""Key in a category's metadata: the Item Group that it was made for. Every category that has it is ours."""
ROUTE_KEY = "route"
OLD_HANDLES_KEY = "old_handles"
"""Key in its metadata: handles that it had before, for redirects."""
DESCRIPTION_KEY = "erp_description"
"""Key in its metadata: hash of the description that was sent last. Another one stays until ERPNext's changes."""
MOST_OLD_HANDLES = 10
NO_TEXTS = GroupTexts("product_category", ("name", "description"))
"""What is translated of a category, in a shop of one language."""

_RENAMED = re.compile(r"renamed from <strong>(.*?)</strong> to <strong>(.*?)</strong>", re.DOTALL)

Row = Mapping[str, Any]


def hidden_limit(percent: int, setting: str) -> Limit:
    """Return how many categories may be hidden."""
    return Limit(
        name="categories",
        what="categories would be hidden from customers",
        percent=percent,
        setting=setting,
        allow="allow_hiding",
        check="Check that it is the right ERPNext, and that its user sees all Item Groups.",
    )


def wanted_groups(erp: ErpNextClient, groups: Sequence[Row], which: CategoriesOf) -> set[str]:
    """Return the names of the Item Groups that become categories."""
    if which == "website":
        return {group["name"] for group in groups if group["show_in_website"]}
    return used_in_tree(groups, used_groups(erp, filters=[["published", "=", 1]], further=True))


def read_groups(erp: ErpNextClient) -> list[dict[str, Any]]:
    """Return all Item Groups with GROUP_FIELDS."""
    return list(erp.rows(DOCTYPE, GROUP_FIELDS))


def is_ours(category: Row) -> bool:
    """Return whether a category was made, or adopted, for an Item Group."""
    return isinstance(metadata_of(category).get(GROUP_KEY), str)


def category_handle(group: Row) -> str:
    """Return the handle that a group gets if no other category has it: the last part of its route."""
    return slug(str(group["route"] or "").rstrip("/").rpartition("/")[2]) or group_handle(group["name"])


@dataclass
class CategorySync:
    """One run: `run` brings the tree about, and returns why categories were not hidden, if they were not."""

    erp: ErpNextClient
    medusa: MedusaClient
    report: SyncReport
    which: CategoriesOf
    guard: Guard
    pictures: NotedPictures
    texts: GroupTexts = NO_TEXTS
    """Their texts in further languages."""
    families: Families | None = None
    """Where what holds nothing for sale is hidden (EMPTY_GROUPS); None where it stays."""
    _ids: dict[str, str] = field(default_factory=dict)
    _wrote: bool = False

    def run(self) -> MassLossError | None:
        """Raises AccessError and, when a list cannot be read, TransientError; other failures go into the report."""
        groups = read_groups(self.erp)
        categories = self.medusa.categories()
        wanted = wanted_groups(self.erp, groups, self.which)
        if self.families is not None:
            wanted = self._with_goods(wanted, groups, categories, self.families)
        tree = wanted_tree(groups, wanted)
        self.report.count("found", len(tree.nodes))
        for name in tree.circles:
            reason = "the Item Group lies below itself: give it, or one above it, another parent_item_group"
            self.report.reject(Reject(DOCTYPE, name, reason, "parent_item_group"))
        plans = self._plans(groups, tree, categories)
        self.texts.write(self.report, [(one.group, one.existing) for one in plans if one.existing])
        for node, one in zip(tree.nodes, plans, strict=True):
            self._try(node.name, lambda node=node, one=one: self._bring(node, one, categories))
            self.report.advance(1)
        made = [one.group for one in plans if not one.existing and one.group["name"] in self._ids]
        self.texts.write(self.report, [(group, {"id": self._ids[group["name"]]}) for group in made])
        self._arrange(tree, self.medusa.categories() if self._wrote else categories)
        owned = {one.existing["id"] for one in plans if one.existing}
        stopped = self._hide(categories, owned, {folded(name) for name in tree.circles})
        if self._wrote:
            self.medusa.http.forget(CATEGORIES)
        return stopped

    def _with_goods(
        self, wanted: Collection[str], groups: Sequence[Row], categories: Sequence[Row], families: Families
    ) -> set[str]:
        """Return the groups in which, or below which, something is for sale, or a product is shown in Medusa."""
        sold = sold_groups(self.erp, families, further=True)
        kept = used_in_tree(groups, sold)
        doubtful = {
            one["id"]: str(metadata_of(one)[GROUP_KEY]) for one in categories if is_ours(one) and one["is_active"]
        }
        doubtful = {key: name for key, name in doubtful.items() if name in wanted and name not in kept}
        shown = self.medusa.categories_shown(doubtful)
        kept |= used_in_tree(groups, {name for key, name in doubtful.items() if key in shown})
        return {name for name in wanted if name in kept or name in sold}

    # --- which category is whose ----------------------------------------------------------------------------------

    def _plans(self, groups: Sequence[Row], tree: Tree, categories: Sequence[Row]) -> list[Plan]:
        names = frozenset(group["name"] for group in groups)
        lost = {one["external_id"]: one["id"] for one in categories if is_ours(one) and one["external_id"] not in names}
        by_route = {metadata_of(one).get(ROUTE_KEY): one["id"] for one in categories if one["id"] in lost.values()}
        renamed = self._renamed(lost) if lost else {}
        known = [
            {**node.group, "medusa_id": renamed.get(folded(node.name)) or by_route.get(node.group["route"] or None, "")}
            for node in tree.nodes
        ]
        return plan(known, categories, names, category_handle)

    def _renamed(self, lost: Mapping[str, str]) -> dict[str, str]:
        """Return the categories of groups that ERPNext renamed, by their new names: it leaves a Comment of each."""
        filters = [
            ["comment_type", "=", "Edit"],
            ["reference_doctype", "=", DOCTYPE],
            ["content", "like", "renamed from%"],
        ]
        rows = self.erp.get_list("Comment", ["content"], filters=filters, order_by="creation asc, name asc")
        ids = {folded(name): identifier for name, identifier in lost.items()}
        for row in rows:
            if match := _RENAMED.search(row["content"] or ""):
                old, new = (folded(clean_name(name)) for name in match.groups())
                if old in ids:
                    ids[new] = ids.pop(old)
        return ids

    # --- one category ---------------------------------------------------------------------------------------------

    def _try(self, name: str, act: Any) -> None:
        """Do it; a failure is this group's alone."""
        try:
            act()
        except ApiError as error:
            if isinstance(error, AccessError) and not is_blocked(error):
                raise
            if self.medusa.refused_alone(error) or not isinstance(error, TransientError):
                self.report.reject(Reject(DOCTYPE, name, error.reason))
            else:
                self.report.defer(DOCTYPE, name, error)

    def _bring(self, node: Node, one: Plan, categories: Sequence[Row]) -> None:
        if node.parent is not None and node.parent not in self._ids:
            self.report.count("waiting")
            return
        parent_id = self._ids[node.parent] if node.parent is not None else None
        if one.existing is None:
            body = self._new(node, one.handle, parent_id)
            self._ids[node.name] = self._create(body, node)["id"]
            self.report.count("written")
            self._wrote = True
            return
        self._ids[node.name] = one.existing["id"]
        changes = self._changes(node, one.existing, parent_id, categories)
        if not changes:
            self.report.count("unchanged")
            return
        self.medusa.update_category(one.existing["id"], changes)
        self.report.count("updated" if one.existing["external_id"] else "adopted")
        self._wrote = True

    def _new(self, node: Node, handle: str, parent_id: str | None) -> dict[str, Any]:
        description = plain_text(node.group["description"])
        return {
            "name": _name(node.group),
            "handle": handle,
            "external_id": node.name,
            "is_active": True,
            **({"description": description} if description else {}),
            **({"parent_category_id": parent_id} if parent_id else {}),
            "metadata": {
                GROUP_KEY: node.name,
                ROUTE_KEY: node.group["route"] or "",
                DESCRIPTION_KEY: short_hash(description),
                **self.pictures.metadata(node.group, {}),
                **{key: value for key, value in self.texts.metadata(node.group).items() if value},
            },
        }

    def _create(self, body: Mapping[str, Any], node: Node) -> Row:
        """Create a category; after a lost answer or a race, take the one that is there now."""
        try:
            return self.medusa.create_category(body)
        except AccessError:
            raise
        except (PermanentError, TransientError) as error:
            for category in self.medusa.categories():
                if category["external_id"] == node.name:
                    log.info("%s: category %s already existed (%s)", node.name, category["id"], error.reason)
                    return category
            raise

    def _changes(self, node: Node, existing: Row, parent_id: str | None, categories: Iterable[Row]) -> dict[str, Any]:
        """Return what must be sent of a category that exists. Its rank is given to all siblings together."""
        stored, group = metadata_of(existing), node.group
        changes: dict[str, Any] = {
            key: value
            for key, value in (
                ("name", _name(group)),
                ("external_id", node.name),
                ("is_active", True),
                ("parent_category_id", parent_id),
            )
            if existing[key] != value
        }
        notes: dict[str, Any] = {GROUP_KEY: node.name, ROUTE_KEY: group["route"] or ""}
        if stored.get(ROUTE_KEY) and group["route"] and stored[ROUTE_KEY] != group["route"]:
            notes |= self._with_new_handle(changes, group, existing, categories)
        description = plain_text(group["description"])
        if stored.get(DESCRIPTION_KEY) != short_hash(description) and (description or DESCRIPTION_KEY in stored):
            notes[DESCRIPTION_KEY] = short_hash(description)
            if (existing["description"] or "") != description:
                changes["description"] = description
        notes |= self.pictures.metadata(group, stored) | self.texts.metadata(group)
        if any(stored.get(key, "") != value for key, value in notes.items()):
            # Medusa merges a product's metadata, and replaces a category's.
            changes["metadata"] = {key: value for key, value in {**stored, **notes}.items() if value != ""}
        return changes

    def _with_new_handle(
        self, changes: dict[str, Any], group: Row, existing: Row, categories: Iterable[Row]
    ) -> dict[str, Any]:
        """Give the category the handle of its new route, if nobody has it; the old one is kept for redirects."""
        handle, old = category_handle(group), existing["handle"]
        if handle == old or any(one["handle"] == handle for one in categories):
            return {}
        changes["handle"] = handle
        known = metadata_of(existing).get(OLD_HANDLES_KEY)
        before = [one for one in known if one not in (old, handle)] if isinstance(known, list) else []
        return {OLD_HANDLES_KEY: [*before, old][-MOST_OLD_HANDLES:]}

    # --- the order of siblings ------------------------------------------------------------------------------------

    def _arrange(self, tree: Tree, categories: Sequence[Row]) -> None:
        """Bring the ranks into ERPNext's order, among those that others made."""
        names = {identifier: name for name, identifier in self._ids.items()}
        parents = {one["id"]: one["parent_category_id"] for one in categories}
        siblings: dict[str | None, list[str]] = {}
        for node in tree.nodes:
            identifier = self._ids.get(node.name, "")
            if identifier in parents:
                siblings.setdefault(parents[identifier], []).append(identifier)
        for parent, wanted in siblings.items():
            ranks = {one["id"]: one["rank"] for one in categories if one["parent_category_id"] == parent}
            for move in moves(wanted, ranks):
                body = {"rank": move.rank}
                self._try(names[move.category_id], lambda move=move, body=body: self._move(move.category_id, body))

    def _move(self, category_id: str, body: Mapping[str, Any]) -> None:
        self.medusa.update_category(category_id, body)
        self.report.count("moved")
        self._wrote = True

    # --- groups that are gone -------------------------------------------------------------------------------------

    def _hide(self, categories: Sequence[Row], owned: set[str], circles: set[str]) -> MassLossError | None:
        ours = [one for one in categories if is_ours(one) and one["is_active"]]
        gone = [one for one in ours if one["id"] not in owned and folded(metadata_of(one)[GROUP_KEY]) not in circles]
        loss = Loss({one["id"]: one["name"] for one in gone}, {one["id"] for one in ours})
        if refused := self.guard.refusal(loss, lambda: loss):
            return refused
        for one in gone:
            self._try(metadata_of(one)[GROUP_KEY], lambda one=one: self._hide_one(one))
        return None

    def _hide_one(self, category: Row) -> None:
        self.medusa.update_category(category["id"], {"is_active": False})
        self.report.count("hidden")
        self._wrote = True


def _name(group: Row) -> str:
    return clean_name(group["item_group_name"]) or clean_name(group["name"])
