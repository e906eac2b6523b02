"""Exported products that differ from their Website Item are updated; unpublished ones become drafts.

Finding the differences and sending them. Which value counts is decided in product_changes.py, the mapping is in
product_bodies.py. Every field is compared with Medusa's value, so that manual changes there are noticed; an item
without differences costs no write.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from erp_medusa_pipelines.clients.failures import ApiError, PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.clients.medusa_inventory import MedusaInventory
from erp_medusa_pipelines.clients.medusa_translations import MedusaTranslations
from erp_medusa_pipelines.clients.refusals import fields_of_values
from erp_medusa_pipelines.product_fields import CATEGORIES_SHOWN, FIELD_POLICIES
from erp_medusa_pipelines.setting_types import TRANSLATED, PublishWhen, WithdrawnItems
from erp_medusa_pipelines.sync.catalogue.bindings import is_own, is_shared
from erp_medusa_pipelines.sync.catalogue.fields import Row, medusa_values, short_hash
from erp_medusa_pipelines.sync.catalogue.filing import Filing
from erp_medusa_pipelines.sync.catalogue.picture_changes import Pair, PictureChanges
from erp_medusa_pipelines.sync.catalogue.product_bodies import Placement, fingerprint_of, status_of
from erp_medusa_pipelines.sync.catalogue.product_changes import (
    Comparison,
    Policies,
    compare,
    desired_values,
    field_hash,
    update_body,
)
from erp_medusa_pipelines.sync.catalogue.product_texts import ProductTexts, Translations
from erp_medusa_pipelines.sync.catalogue.refused_fields import ALL, named_fields
from erp_medusa_pipelines.sync.catalogue.seen_products import seen_products
from erp_medusa_pipelines.sync.catalogue.shown import HIDING, emptied, hides, in_stock, may_sell_out
from erp_medusa_pipelines.sync.catalogue.translations import KEY, DocumentTexts
from erp_medusa_pipelines.sync.catalogue.unique_keys import UniqueKeys
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.engine.batch_sync import whole_shop
from erp_medusa_pipelines.sync.engine.brake import Loss
from erp_medusa_pipelines.sync.engine.delivery import Resolution, chunks, json_bytes
from erp_medusa_pipelines.sync.engine.quarantine import Lies, lies_elsewhere, lies_of
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.engine.stages import Stage
from erp_medusa_pipelines.sync.shop.families import NONE, Families

BOUND = [["medusa_id", "is", "set"], ["medusa_variant_id", "is", "set"]]

KEYS = frozenset({"sku", "barcode", "manage_inventory", "handle"})
"""Fields that take a look at other products before they are sent."""

PICTURES = ("images", "thumbnail")
"""Fields of a product that PictureChanges changes."""


@dataclass(frozen=True, slots=True)
class Update:
    """What must be sent for one Website Item, field by field; the body is empty when nothing differs."""

    item: WebsiteItem
    product: Row
    comparison: Comparison
    fingerprint: str
    pictures: Mapping[str, Any] = field(default_factory=dict)
    """Body that shows other pictures or another thumbnail, if those change."""
    names_owner: bool = False
    """Whether the product's metadata says which Website Item it belongs to."""
    texts: Sequence[Row] = ()
    """Rows of Medusa's own translations, where its module is on."""

    @property
    def name(self) -> str:
        """Name of the Website Item."""
        return self.item.name

    @property
    def changes(self) -> Mapping[str, Any]:
        """Return the values to send, under the names of FIELD_POLICIES."""
        pictures = {name: self.pictures[name] for name in PICTURES if name in self.pictures}
        return {**self.comparison.changes, **pictures}

    @property
    def body(self) -> dict[str, Any]:
        """Return the product's part of the request body."""
        body = update_body(self.product, self.item.row["medusa_variant_id"], self.comparison)
        if self.names_owner:
            body["external_id"] = self.item.name
        if self.pictures:
            metadata = {**body.get("metadata", {}), **self.pictures.get("metadata", {})}
            body |= {**self.pictures, **({"metadata": metadata} if metadata else {})}
        return {"id": self.product["id"], **body} if body else {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.body or self.texts)

    @property
    def size(self) -> int:
        """Return the bytes that it takes in a request, if they were all in one."""
        return json_bytes(self.body) + json_bytes(list(self.texts))

    def without(self, names: Collection[str]) -> "Update":
        """Return the update without these fields."""
        pictures = {} if set(names) & set(PICTURES) else self.pictures
        return replace(self, comparison=self.comparison.without(names), pictures=pictures)

    @property
    def status_alone(self) -> "Update":
        """Return the update of the status, which must not wait for what is refused of the others."""
        return replace(self, comparison=self.comparison.only(["status"]), pictures={}, names_owner=False, texts=())


@dataclass(frozen=True, slots=True)
class KeptDifference:
    """A value in Medusa that differs from the ERP's and is kept by the policy of its field."""

    website_item: str
    field: str
    erp: Any
    medusa: Any


@dataclass(kw_only=True)
class ProductUpdates(WebsiteItemSync):
    """One run of the updates for one batch. `filing` holds the ids that products are filed under."""

    filing: Filing
    placement: Placement
    policies: Policies = field(default_factory=lambda: FIELD_POLICIES)
    publish_when: PublishWhen = "created"
    withdrawn: WithdrawnItems = "draft"
    """What becomes of a product that customers see, and whose item is not for sale any more."""
    force: bool = False
    families: Families = NONE
    """Templates that are one product with their variants: its own fields are updated here, not the variants'."""
    kept: list[KeptDifference] = field(default_factory=list)
    """Filled by `run`."""
    hiding: list[Update] = field(default_factory=list)
    """Filled by `run`: updates that hide a product. They are for `send_hiding`, once a guard was asked."""
    _last: list[Update] = field(default_factory=list)
    """The last call, which has room for those in `hiding`."""
    _shown: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reader.with_groups = self.filing.categories is not None
        self.reader.columns = self.filing.columns
        self.reader.families = self.families
        self._texts = ProductTexts(self.filing, self.families)

    def run(self) -> SyncReport:
        """Update the batch, but for the last call, which `send_hiding` sends.

        Raises AccessError; any other failure goes into the report.
        """
        self._keys = UniqueKeys(self.reader, self.medusa, self.options.chunk)
        names = self._names()
        self._pictures = PictureChanges(self.erp, self.medusa, self.policies["thumbnail"], names, force=self.force)
        self.report.count("found", len(names))
        updating = Stage("update", self.options.parallel)
        try:
            for window in self.not_known_equal(names, self._equal):
                for chunk in self._chunks(self._differences(window)):
                    if self._last:
                        updating.submit(self._deliver, self._last)
                    self._last = chunk
            updating.finish()
        finally:
            updating.close()
        self.report.count("kept_differences", len(self.kept))
        return self.report

    def _names(self) -> list[str]:
        """Return the bound Website Items of the batch; of variants that are one product, their template.

        A variant that was never in that product, because it is not for sale, is hidden where it is.
        """
        elsewhere = self.families.home.keys() - self.families.alone
        bound = [name for name in self.reader.names(self.batch, filters=BOUND) if name not in elsewhere]
        if not self.families.variants:
            return bound
        templates = [["has_variants", "=", 1], ["medusa_id", "is", "set"]]
        found = self.reader.names(self.batch, filters=templates)
        return sorted({*bound, *(name for name in found if name in self.families.variants)})

    def _differences(self, window: Sequence[WebsiteItem]) -> Iterator[Update]:
        for some, products in self.looked_up(window, self._prepared, lambda item: item.name):
            pairs = self._pairs(some, products)
            for part, pictures in self.looked_up(pairs, self._pictures.changes, lambda pair: pair[0].name):
                yield from self._differences_of(part, pictures)

    def _equal(self, window: Sequence[WebsiteItem]) -> set[str]:
        """Return the items that equal their products by what the run has seen, and count them."""
        equal: set[str] = set()
        # What cannot be looked up is reported when it is looked up again.
        quiet: dict[str, Any] = {"refuse": lambda _one, _error: None, "leave": lambda _some, _error: None}
        for some, seen in self.looked_up(window, self._seen, lambda item: item.name, **quiet):
            pairs = [
                (item, product)
                for item in some
                if (product := seen.get(item.row["medusa_id"])) is not None and is_own(item.row, product)
            ]
            for part, pictures in self.looked_up(pairs, self._pictures.changes, lambda pair: pair[0].name, **quiet):
                same = [item for item, product in part if self._is_equal(item, product, pictures)]
                equal.update(item.name for item in same)
                for item in same:
                    self._note_problems(item)
        self.report.count("unchanged", len(equal))
        self.report.advance(len(equal))
        return equal

    def _is_equal(self, item: WebsiteItem, product: Row, pictures: Mapping[str, Row]) -> bool:
        before = len(self.kept)
        if not self._difference(item, product, pictures.get(item.name)).is_empty:
            # What is kept of it is noted when it is looked up again.
            del self.kept[before:]
            return False
        if product["status"] == "published":
            self._shown.add(product["id"])
        return True

    def _note_problems(self, item: WebsiteItem) -> None:
        is_template = item.name in self.families.variants
        self.note_problems(item, self.filing.problems(item), self.table.of_variant if is_template else ())

    def _differences_of(self, pairs: Sequence[Pair], pictures: Mapping[str, Row]) -> Iterator[Update]:
        differing: list[Update] = []
        for item, product in pairs:
            self._note_problems(item)
            one = self._difference(item, product, pictures.get(item.name))
            if not one.is_empty:
                differing.append(self._without_held(one))
            else:
                self.report.count("unchanged")
                self.report.advance(1)
        hiding = self._hiding(differing)
        for one in self._with_free_keys(differing):
            if one.is_empty:
                self.report.advance(1)
            elif one.name in hiding:
                self.hiding.append(one)
            else:
                yield one

    # --- what customers would see no more -------------------------------------------------------------------------

    @property
    def loss(self) -> Loss:
        """Return the products that `hiding` takes away, and those that customers see."""
        return Loss({one.product["id"]: one.name for one in self.hiding}, set(self._shown))

    def loss_in_shop(self) -> Loss:
        """Count the same over all batches; nothing is sent. Raises TransientError."""
        shop = replace(self, scope=whole_shop(self.scope), kept=[], hiding=[], _last=[], _shown=set())
        shop._pictures = self._pictures
        for window in shop.items(shop._names()):
            pairs = shop._pairs(window, shop._products(window))
            differing = [shop._difference(item, product, None) for item, product in pairs]
            hiding = shop._hiding(differing)
            shop.hiding += [one for one in differing if one.name in hiding]
        if shop.outage:
            raise shop.outage
        return shop.loss

    def send_hiding(self, *, withhold: bool) -> None:
        """Send the last call, and the updates in `hiding`; with `withhold` without the fields that hide a product."""
        updates = self.hiding
        if withhold:
            # What is left of one may be a note of what was sent, which alone is not worth a write each night.
            updates = [
                left
                for left in (one.without(HIDING | emptied(one.product, one.changes)) for one in updates)
                if left.changes
            ]
        for chunk in self._chunks([*self._last, *updates]):
            self._deliver(chunk)

    def _deliver(self, chunk: Sequence[Update]) -> None:
        self.send_chunk(chunk, self._send, lies=lies_elsewhere, resolve=self._resolve)

    def _chunks(self, updates: Iterable[Update]) -> Iterator[list[Update]]:
        size = self.options
        return chunks(updates, lambda one: one.size, most=size.chunk, most_bytes=size.chunk_bytes)

    def _hiding(self, updates: Sequence[Update]) -> set[str]:
        """Return the names of those that hide or empty their product, or end its sale while it is out of stock."""
        hiding = {one.name for one in updates if hides(one.product, one.changes) or emptied(one.product, one.changes)}
        stricter = {
            one.item.row["medusa_variant_id"]: one.name for one in updates if may_sell_out(one.product, one.changes)
        }
        if stricter:
            there = in_stock(MedusaInventory(self.medusa).variants_by_id(stricter))
            hiding |= {name for variant_id, name in stricter.items() if variant_id not in there}
        return hiding

    # --- reading and comparing ------------------------------------------------------------------------------------

    def _prepared(self, window: Sequence[WebsiteItem]) -> dict[str, Row]:
        """Return the products of these Website Items by their ids, once there is all that they are filed under."""
        self.filing.prepare(window)
        return self._products(window)

    def _products(self, window: Sequence[WebsiteItem]) -> dict[str, Row]:
        """Return the products of these Website Items by their ids."""
        found = self.medusa.products_by("id", (item.row["medusa_id"] for item in window), self._fields)
        return self._texts.added(found, MedusaTranslations.of)

    def _seen(self, window: Sequence[WebsiteItem]) -> dict[str, Row]:
        """Return them as the run saw them."""
        self.filing.prepare(window)
        found = seen_products(self.medusa, (item.row["medusa_id"] for item in window), self._fields)
        return self._texts.added(found, MedusaTranslations.seen_of)

    @property
    def _fields(self) -> str:
        categories = CATEGORIES_SHOWN if self.filing.categories else ""
        return ",".join(part for part in (self.table.shown, categories, self._texts.fields) if part)

    def _pairs(self, window: Sequence[WebsiteItem], products: Mapping[str, Row]) -> list[Pair]:
        """Return the Website Items that own their ids; medusa_products corrects the other ids first."""
        for item in window:
            if is_shared(product := products.get(item.row["medusa_id"])):
                self._note_shared(item, product or {})
        own = [item for item in window if is_own(item.row, products.get(item.row["medusa_id"]))]
        owned = (products[item.row["medusa_id"]] for item in own)
        self._shown.update(product["id"] for product in owned if product["status"] == "published")
        self.report.count("waiting", len(window) - len(own))
        self.report.advance(len(window) - len(own))
        return [(item, products[item.row["medusa_id"]]) for item in own]

    def _note_shared(self, item: WebsiteItem, product: Row) -> None:
        """Report an item whose product has variants of others: only its price and its stock are kept up to date."""
        self.report.count("shared")
        if item.not_for_sale and product["status"] == "published" and not self._keeps(item):
            reason = (
                f"{item.not_for_sale}, but product {product['id']} sells other variants as well and was not made by the"
                f" export: delete the variant with sku {item.item_code} in Medusa"
            )
            fingerprint = fingerprint_of(item, self.filing.of(item))
            self.withhold(item.name, fingerprint, reason, "status", lies=Lies.ELSEWHERE, kind="shared")

    def _keeps(self, item: WebsiteItem) -> bool:
        """Return whether an item that is not for sale stays in the shop nevertheless."""
        return self.withdrawn == "keep" and item.not_for_sale is not None

    def _difference(self, item: WebsiteItem, product: Row, pictures: Row | None) -> Update:
        fingerprint = fingerprint_of(item, self.filing.of(item))
        translations = self._texts.of(item, product)
        comparison = self._compare(item, product, fingerprint, translations)
        texts: Sequence[Row] = ()
        if isinstance(translations, DocumentTexts):
            comparison, texts = translations.apart(comparison)
        for name, (erp, medusa) in comparison.kept.items():
            self.kept.append(KeptDifference(item.name, name, erp, medusa))
        if self._pictures.is_kept(item, product):
            self.kept.append(KeptDifference(item.name, "thumbnail", item.row["website_image"], product["thumbnail"]))
        names_owner = product["external_id"] != item.name
        return Update(item, product, comparison, fingerprint, pictures or {}, names_owner, texts)

    def _without_held(self, one: Update) -> Update:
        """Leave out the fields that Medusa refused, and of which nothing but a change of the document can be taken."""
        if self.withheld(one.name, one.fingerprint):
            return one.status_alone
        return one.without([name for name, value in one.changes.items() if self._is_withheld(one, name, value)])

    def _is_withheld(self, one: Update, name: str, value: Any) -> bool:
        return self.withheld(one.name, field_hash(value), name)

    def _with_free_keys(self, differing: Sequence[Update]) -> Iterator[Update]:
        """Return the updates that can be sent, after freeing keys that move from one item to another.

        A key that another product has by right is left out: the rest of its item does not wait for it.
        """
        moving = [one for one in differing if one.changes.keys() & KEYS]
        refused: dict[str, Mapping[str, str]] = {}
        left: set[str] = set()

        def refuse(one: Update, error: ApiError) -> None:
            refused[one.name] = dict.fromkeys(KEYS, f"cannot be looked up: {error.reason}")

        def leave(some: Sequence[Update], error: TransientError) -> None:
            names = [one.name for one in some]
            left.update(names)
            self.failed(error)
            self.defer(names, error)

        if moving:
            for _, claims in self.looked_up(moving, self._prepare, lambda one: one.name, refuse=refuse, leave=leave):
                refused |= claims
        for one in differing:
            if one.name not in left:
                yield self._left_out(one, refused.get(one.name, {}), Lies.ELSEWHERE)

    def _prepare(self, moving: Sequence[Update]) -> dict[str, dict[str, str]]:
        """Free the new keys of these items. Returns the reasons why not, by Website Item and field."""
        claims = self._keys.claim([one.item for one in moving if one.changes.keys() & {"sku", "barcode"}])
        preparations = {"sku": self._keys.rename_inventory, "manage_inventory": self._keys.restock}
        for key, prepare in preparations.items():
            ready = [one.item for one in moving if key in one.changes and key not in claims.refused[one.name]]
            for name, reason in prepare(ready).items():
                claims.refused[name][key] = reason
        for name, reason in self._taken_handles(moving).items():
            claims.refused[name]["handle"] = reason
        return claims.refused

    def _taken_handles(self, moving: Sequence[Update]) -> dict[str, str]:
        """Return why an address that a mapping gives is not free, by Website Item. Of two the first gets a free one."""
        wanted = [one for one in moving if "handle" in one.changes]
        handles = {one.changes["handle"] for one in wanted}
        found = self.medusa.products_by("handle", handles, "id,handle,external_id") if handles else ()
        holders = {row["handle"]: (row["id"], row["external_id"] or row["id"]) for row in found}
        refused: dict[str, str] = {}
        for one in wanted:
            own = (one.product["id"], one.name)
            product_id, owner = holders.setdefault(one.changes["handle"], own)
            if product_id != own[0]:
                refused[one.name] = (
                    f"{owner} has the address {one.changes['handle']!r} already: change what the mapping makes it of"
                )
        return refused

    def _left_out(self, one: Update, refused: Mapping[str, str], lies: Lies) -> Update:
        """Leave refused fields out of an update, and report each of them."""
        changes = one.changes
        for name, reason in refused.items():
            if name in changes:
                text = f"{reason}; its other fields do not wait for it"
                self.withhold(one.name, field_hash(changes[name]), text, name, lies=lies, kind=name)
        return one.without(refused.keys() & changes.keys())

    def _resolve(self, error: PermanentError, group: Sequence[Update]) -> Resolution[Update] | None:
        """Leave out the fields that a refusal names. Where it names none, the status is sent alone."""
        named = named_fields(error.reason, [one.changes for one in group])
        if not named:
            if len(group) > 1:
                return None
            named = {0: {ALL: error.reason}}
        remaining: list[Update] = []
        rejected: list[tuple[Update, PermanentError]] = []
        for number, one in enumerate(group):
            fields = named.get(number, {})
            if ALL not in fields:
                left = self._left_out(one, fields, lies_of(*fields_of_values(error.reason))(error))
            elif "status" in one.changes and len(one.changes) > 1:
                self.withhold(one.name, one.fingerprint, error.reason, lies=Lies.ELSEWHERE)
                left = one.status_alone
            else:
                rejected.append((one, error))
                continue
            if not left.is_empty:
                remaining.append(left)
            else:
                self.report.advance(1)
        return remaining, rejected

    def _compare(
        self,
        item: WebsiteItem,
        product: Row,
        fingerprint: str,
        translations: Translations,
    ) -> Comparison:
        is_live = product["status"] == "published"
        status = "published" if is_live and self._keeps(item) else status_of(item, self.publish_when, is_live=is_live)
        desired = desired_values(item, self.filing.of(item), self.placement, status)
        if item.name in self.families.variants:
            desired = {name: value for name, value in desired.items() if name not in self.table.of_variant}
            current = medusa_values(product, {}, self.table)
        else:
            variant = next(one for one in product["variants"] if one["id"] == item.row["medusa_variant_id"])
            current = medusa_values(product, variant, self.table)
        if self.filing.categories:
            desired["categories"] = self.filing.categories.with_others(desired["categories"], current["categories"])
        if desired.get("handle") and current["handle"] == f"{desired['handle']}-{short_hash(item.name)}":
            # Another product had the mapping's handle when this one was made.
            desired["handle"] = current["handle"]
        if isinstance(translations, DocumentTexts):
            desired[KEY], current[KEY] = translations.wanted or "", translations.current
        elif translations is not None:
            desired[KEY] = translations or ""
        metadata = metadata_of(product)
        found = compare(item, desired, current, metadata, fingerprint, self.policies, force=self.force)
        if isinstance(translations, DocumentTexts):
            # Medusa puts a translation in place of an empty text, but not of none.
            names = {name for texts in translations.wanted.values() for name in texts if name in TRANSLATED}
            empty = {name: "" for name in sorted(names) if current[name] is None and not desired.get(name)}
            return replace(found, changes={**found.changes, **empty})
        return found

    def _send(self, group: Sequence[Update]) -> None:
        if self.filing.module:
            self.filing.module.write([row for update in group for row in update.texts])
        # After the texts: what is noted of them in the product says that they are there.
        if bodies := [update.body for update in group if update.body]:
            self.medusa.batch_products(update=bodies, fields="id")
        self.report.count("updated", len(group))
        self.report.advance(len(group))
