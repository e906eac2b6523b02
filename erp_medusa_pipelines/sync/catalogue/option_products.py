"""With VARIANTS=options, a template and its variants are one product: attributes are its options.

Creates such products, binds variants to them, and updates options and variants. The product's own fields follow in
product_updates.py like those of any other, prices and stock by the variants' ids. Which Website Items belong together:
shop/families.py; which options change: option_sets.py; variants that go: leaving_variants.py; keys of the products that
each variant had before: retired.py.

A product's update that names `variants` deletes those that it does not name, so variants have routes of their own here.
Variants that somebody added in Medusa stay.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.failures import AccessError, ApiError, PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import metadata_of
from erp_medusa_pipelines.clients.medusa_options import MedusaOptions, ranks_of
from erp_medusa_pipelines.clients.refusals import HANDLE_TAKEN, INVENTORY_TAKEN, KEY_TAKEN
from erp_medusa_pipelines.product_fields import FIELD_POLICIES
from erp_medusa_pipelines.setting_types import OptionValues, PublishWhen
from erp_medusa_pipelines.sync.catalogue.fields import Row, Values, short_hash
from erp_medusa_pipelines.sync.catalogue.filing import Filing
from erp_medusa_pipelines.sync.catalogue.leaving_variants import LeavingVariants
from erp_medusa_pipelines.sync.catalogue.noted_pictures import PICTURE_KEY, NotedPictures
from erp_medusa_pipelines.sync.catalogue.noted_pictures import SENT_KEY as IMAGE_KEY
from erp_medusa_pipelines.sync.catalogue.option_sets import (
    Family,
    NewProduct,
    OptionChanges,
    OptionReader,
    option_changes,
    taken_values,
    unused_values,
    values_to_send,
)
from erp_medusa_pipelines.sync.catalogue.product_bodies import (
    HASH_KEY,
    Placement,
    create_body,
    fingerprint_of,
    status_of,
)
from erp_medusa_pipelines.sync.catalogue.product_changes import (
    SENT_KEY,
    Policies,
    compare,
    desired_values,
    field_hash,
    sent_notes,
)
from erp_medusa_pipelines.sync.catalogue.retired import KeyHolders, Keys
from erp_medusa_pipelines.sync.catalogue.unique_keys import UniqueKeys
from erp_medusa_pipelines.sync.catalogue.website_item_sync import WebsiteItemSync
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem
from erp_medusa_pipelines.sync.engine.brake import Guard, MassLossError
from erp_medusa_pipelines.sync.engine.delivery import Resolution, chunks, json_bytes
from erp_medusa_pipelines.sync.engine.quarantine import Lies, lies_elsewhere
from erp_medusa_pipelines.sync.engine.report import WriteBack
from erp_medusa_pipelines.sync.engine.stages import Stage
from erp_medusa_pipelines.sync.shop.families import Families

CREATED_FIELDS = "id,external_id,variants.id,variants.sku"
_SHOWN = (
    "id,external_id,options.id,options.title,options.values.id,options.values.value,options.values.rank,variants.id,"
    "variants.variant_rank,variants.metadata,variants.options.id"
)


@dataclass(kw_only=True)
class OptionProducts(WebsiteItemSync):
    """One run for one batch: of all its templates, or with `only_new` of those that have a variant without ids."""

    writer: ErpNextWriter
    families: Families
    filing: Filing
    placement: Placement
    guard: Guard | None = None
    """Asked before variants are deleted; without one, none is."""
    pictures: NotedPictures | None = None
    """Brings the variants' own pictures; without it, they stay as they are."""
    policies: Policies = field(default_factory=lambda: FIELD_POLICIES)
    publish_when: PublishWhen = "created"
    unused: OptionValues = "keep"
    """What becomes of values that no variant has any more."""
    force: bool = False
    only_new: bool = False
    stopped: MassLossError | None = None
    """Set by `run` where variants that are not for sale stay, because there are too many."""
    _unused: dict[tuple[str, str], dict[str, tuple[str, frozenset[str]]]] = field(default_factory=dict)
    """Values that nobody needs once the variants that have them are deleted, by (product, template)."""

    def run(self) -> None:
        """Work on the batch. Raises AccessError; any other failure goes into the report."""
        self.reader.with_groups = self.filing.categories is not None
        self.reader.columns = self.filing.columns
        self.reader.families = self.families
        # Products that exist have their texts from product_updates.py.
        self.reader.with_texts = self.only_new
        self._keys = UniqueKeys(self.reader, self.medusa, self.options.chunk)
        names = [name for name in sorted(self.families.variants) if self.batch.contains(name)]
        if self.only_new:
            names = [name for name in names if name in self.families.incomplete]
        self.report.count("templates", len(names))
        self._leaving = LeavingVariants(self, self.writer, self.families)
        self._creating = Stage("create", self.options.parallel)
        self._writing = Stage("write-back", 1, waiting=4)
        try:
            for some in self._windows(names):
                if self.outage:
                    self.defer(some, self.outage)
                    continue
                for part, found in self.looked_up(some, self._read, str):
                    self._work(part, found)
            self._creating.finish()
            self._writing.finish()
        finally:
            self._creating.close()
            self._writing.close()
        if self.guard is not None:
            leaving = self._leaving
            self.stopped = leaving.delete(self.guard)
            for (product_id, template), values in self._unused.items():
                self._attempt(template, lambda p=product_id, v=values: self._remove_values(p, v, leaving.deleted))

    def _windows(self, names: Sequence[str]) -> Iterable[list[str]]:
        """Yield templates that are read together: with their variants no more than a window of items.

        Of new products no more than a call makes: so Medusa works from the first call on, and calls are full.
        """
        most = self.options.chunk if self.only_new else len(names)
        some: list[str] = []
        size = 0
        for name in names:
            more = 1 + len(self.families.variants[name])
            if some and (size + more > self.options.window or len(some) == most):
                yield some
                some, size = [], 0
            some.append(name)
            size += more
        if some:
            yield some

    def _read(self, names: Sequence[str]) -> tuple[list[Family], dict[str, Row]]:
        """Return the families, and their products by the template's name."""
        members = [one for name in names for one in (name, *self.families.variants[name])]
        items = {item.name: item for item in self.reader.read(members)}
        for_sale = {
            name: (
                items[name],
                tuple(
                    items[one]
                    for one in self.families.variants[name]
                    if one in items and items[one].not_for_sale is None
                ),
            )
            for name in names
            if name in items
        }
        if self.reader.with_texts:
            self.filing.prepare(template for template, _ in for_sale.values())
        options = OptionReader(self.erp, self.families.by_parent).read(for_sale)
        found = [Family(template, variants, options[name]) for name, (template, variants) in for_sale.items()]
        return found, self._products(found)

    @property
    def _shown(self) -> str:
        return ",".join((_SHOWN, *(f"variants.{key}" for key in self.table.of_variant.values())))

    def _products(self, found: Sequence[Family]) -> dict[str, Row]:
        ids = {family.template.row["medusa_id"]: family.name for family in found if family.template.row["medusa_id"]}
        products: dict[str, Row] = {
            ids[product["id"]]: product
            for product in self.medusa.products_by("id", ids, self._shown)
            if product["external_id"] == ids[product["id"]]
        }
        others = [family.name for family in found if family.name not in products]
        for product in self.medusa.products_by("external_id", others, self._shown) if others else ():
            products.setdefault(product["external_id"], product)
        return products

    def _work(self, names: Sequence[str], found: tuple[list[Family], dict[str, Row]]) -> None:
        families, products = found
        for family in families:
            for name, reason in family.options.refused.items():
                self.withhold(name, "", reason, "attributes", lies=Lies.ELSEWHERE, kind="attributes")
            for one in self._placed(family):
                self.note_problems(one, {}, one.made.problems.keys() - self.table.of_variant.keys())
        there = [family for family in families if family.name in products]
        new = self._whole([family for family in families if family.name not in products and family.options.of])
        # Who else has the sku of a new product's variant, Medusa says; asking for all would cost as much as a tenth of
        # making them. It is asked about those that another product shows, as after a change of VARIANTS.
        lacking = [one for family in new for one in self._placed(family) if one.row["medusa_id"]]
        lacking += [
            one
            for family in there
            for one in self._placed(family)
            if not self._has_sku(one, family, products[family.name])
        ]
        try:
            keys = self._freed(lacking)
        except TransientError as error:
            self.failed(error)
            self.defer([family.name for family in families], error)
            return
        self._create([self._new(family, keys) for family in new if self._free(family, keys)])
        for family in there:
            self._change(family, products[family.name], keys)
        self.report.advance(len(names))

    def _whole(self, new: list[Family]) -> list[Family]:
        """Return these families with what a new product says, which is not read of those that exist."""
        if not new or self.reader.with_texts:
            return new
        self.reader.with_texts = True
        try:
            families, _ = self._read([family.name for family in new])
        finally:
            self.reader.with_texts = False
        return families

    def _freed(self, lacking: Sequence[WebsiteItem]) -> Keys:
        """Free the skus of variants that are to be made, and note those that cannot be. Raises TransientError."""
        keys = KeyHolders(self.medusa, self.families, self.options.chunk).free(lacking)
        for name, reason in keys.refused.items():
            self.withhold(name, "", reason, "sku", lies=Lies.ELSEWHERE, kind="sku")
        self.report.count("retired", keys.retired)
        return keys

    def _has_sku(self, one: WebsiteItem, family: Family, product: Row) -> bool:
        variant = family.variant_of(one, product)
        return variant is not None and variant["sku"] == one.item_code

    @staticmethod
    def _placed(family: Family) -> list[WebsiteItem]:
        return [one for one in family.variants if one.name in family.options.of]

    def _free(self, family: Family, keys: Keys) -> list[WebsiteItem]:
        return [one for one in self._placed(family) if one.name not in keys.refused]

    # --- new products ---------------------------------------------------------------------------------------------

    def _new(self, family: Family, keys: Keys) -> NewProduct:
        filed = self.filing.of(family.template)
        fingerprint = fingerprint_of(family.template, filed)
        status = status_of(replace(family.template, not_for_sale=None), self.publish_when, is_live=False)
        desired = desired_values(family.template, filed, self.placement, status)
        own = {name: value for name, value in desired.items() if name not in self.table.of_variant}
        notes = sent_notes(family.template, own, fingerprint, self.policies)
        variants = self._free(family, keys)
        own_values = self.filing.noted(family.template, filed)
        body = create_body(family.template, own_values, self.placement, notes, status)
        body["options"] = [
            {"title": title, "values": list(each), "ranks": ranks_of(each)}
            for title, each in family.options.options.items()
        ]
        body["variants"] = [self._new_variant(family, one, keys, number) for number, one in enumerate(variants)]
        return NewProduct(family, body, fingerprint)

    def _new_variant(self, family: Family, one: WebsiteItem, keys: Keys, rank: int) -> dict[str, Any]:
        desired = family.desired(one)
        body: dict[str, Any] = {
            **{self.table.of_variant[name]: value for name, value in desired.items() if value is not None},
            "options": dict(family.options.of[one.name]),
            "variant_rank": rank,
            "prices": [],
            "metadata": self._notes(desired),
        }
        if (item_id := keys.inventory.get(one.name)) and desired["manage_inventory"]:
            body["inventory_items"] = [{"inventory_item_id": item_id, "required_quantity": 1}]
        return body

    def _notes(self, desired: Values) -> dict[str, Any]:
        sent = {
            name: field_hash(value) for name, value in desired.items() if self.policies[name] == "until_erp_changes"
        }
        return {HASH_KEY: short_hash(repr(sorted(desired.items()))), SENT_KEY: sent}

    def _create(self, new: Sequence[NewProduct]) -> None:
        if new:
            self.medusa.refuse_old()
        ready = [one for one in new if not self.held(one.name, one.fingerprint)]
        size = self.options
        for chunk in chunks(ready, lambda one: json_bytes(one.body), most=size.chunk, most_bytes=size.chunk_bytes):
            self._creating.submit(self._deliver, chunk)

    def _deliver(self, chunk: Sequence[NewProduct]) -> None:
        self.send_chunk(chunk, self._send, lies=lies_elsewhere, resolve=self._resolve, recover=self._recover)

    def _send(self, group: Sequence[NewProduct]) -> None:
        answer = self.medusa.batch_products(create=[one.body for one in group], fields=CREATED_FIELDS)
        made = {product["external_id"]: product for product in answer["created"]}
        if any(one.name not in made for one in group):
            raise TransientError("Medusa", "POST /admin/products/batch", "the response is incomplete", ambiguous=True)
        self.report.count("written", len(group))
        self._bind([(one.family, made[one.name]) for one in group])

    def _resolve(self, error: PermanentError, group: Sequence[NewProduct]) -> Resolution[NewProduct] | None:
        """Free skus that others have; leave out a barcode that another variant has, and take another handle."""
        taken = KEY_TAKEN.search(error.reason)
        if INVENTORY_TAKEN.search(error.reason) or (taken and taken["field"].lower() == "sku"):
            return self._with_keys(group)
        if taken:
            changed = [one.without_barcode(taken["value"]) for one in group]
        elif taken := HANDLE_TAKEN.search(error.reason):
            changed = [one.with_other_handle(taken["value"]) for one in group]
        else:
            return None
        return (changed, []) if changed != list(group) else None

    def _with_keys(self, group: Sequence[NewProduct]) -> Resolution[NewProduct] | None:
        if all(one.has_keys for one in group):
            return None
        keys = self._freed([item for one in group for item in self._placed(one.family)])
        free = [one for one in group if self._free(one.family, keys)]
        return [replace(self._new(one.family, keys), has_keys=True) for one in free], []

    def _recover(self, group: Sequence[NewProduct]) -> list[NewProduct]:
        """After a lost answer, bind what was created and return what was not."""
        names = {one.name: one for one in group}
        found = {
            product["external_id"]: product for product in self.medusa.products_by("external_id", names, CREATED_FIELDS)
        }
        self._bind([(names[name].family, product) for name, product in found.items()])
        return [one for one in group if one.name not in found]

    # --- ids ------------------------------------------------------------------------------------------------------

    def _bind(self, made: Sequence[tuple[Family, Row]]) -> None:
        """Write the ids of these products and of their variants, where ERPNext has others."""
        changes: list[tuple[str, dict[str, str]]] = []
        for family, product in made:
            changes += _ids(family.template, product["id"], "")
            by_sku = {variant["sku"]: variant["id"] for variant in product["variants"]}
            for one in self._placed(family):
                if one.item_code in by_sku:
                    changes += _ids(one, product["id"], by_sku[one.item_code])
        if changes:
            about = WriteBack(WEBSITE_ITEM, "medusa_id", counted="bound", problem="ids not written back")
            self._writing.submit(lambda: self.note_written(about, self.writer.write(WEBSITE_ITEM, changes)))

    # --- products that exist --------------------------------------------------------------------------------------

    def _change(self, family: Family, product: Row, keys: Keys) -> None:
        """Bring one product's options and variants about; a failure is its own."""
        if self.outage:
            self.defer([family.name], self.outage)
        elif self._attempt(family.name, lambda: self._bring(family, product, keys)) is False:
            self.report.count("unchanged")

    def _attempt(self, name: str, work: Callable[[], bool]) -> bool | None:
        """Do what concerns one product, and return what it returns; None for a failure, which is reported."""
        try:
            return work()
        except AccessError:
            raise
        except TransientError as error:
            self.failed(error)
            self.defer([name], error)
        except ApiError as error:
            self.withhold(name, "", error.reason, "variants", lies=Lies.ELSEWHERE, kind="variants")
        return None

    def _bring(self, family: Family, product: Row, keys: Keys) -> bool:
        """Return whether anything was written."""
        known = {one.name: family.variant_of(one, product) for one in self._placed(family)}
        matched = {variant["id"]: name for name, variant in known.items() if variant}
        changes = option_changes(product, family.options, matched)
        held = changes.held(product)
        self._change_options(family, product["id"], changes)
        create, update = [], []
        for rank, one in enumerate(self._untaken(family, keys, taken_values(family.options, held, matched))):
            variant = known[one.name]
            if variant is None:
                body = self._new_variant(family, one, keys, rank)
                create.append({**body, "options": {**changes.stale, **body["options"]}})
            elif body := self._update(family, one, variant, rank) | values_to_send(
                family.options.of[one.name], held[variant["id"]], changes
            ):
                update.append({"id": variant["id"], **body})
        if update:
            self._prepare(family, product["id"], update, matched)
            self.medusa.batch_variants(product["id"], update=update)
            self.report.count("updated", len(update))
        made: Sequence[Row] = ()
        if create:
            made = self.medusa.batch_variants(product["id"], create=create)["created"]
            self.report.count("variants_written", len(create))
        skus = {one.name: one.item_code for one in family.variants}
        now = [{"id": key, "sku": skus[name]} for key, name in matched.items()]
        self._bind([(family, {"id": product["id"], "variants": [*now, *made]})])
        kept = {one.row["medusa_variant_id"] for one in family.variants}
        for variant in product["variants"]:
            if variant["id"] not in matched and HASH_KEY in metadata_of(variant):
                self._leaving.add(variant, product["id"], family.name, kept)
        if self.unused == "remove":
            settled = {variant["id"] for one in self._free(family, keys) if (variant := known[one.name])}
            self._unused[product["id"], family.name] = unused_values(product, family.options, changes, settled)
        shown = [
            self._show(one, product["id"], variant, family)
            for one in self._placed(family)
            if (variant := known[one.name])
        ]
        return bool(changes.writes or create or update or any(shown))

    def _untaken(self, family: Family, keys: Keys, taken: Mapping[str, str]) -> list[WebsiteItem]:
        for name, other in taken.items():
            reason = f"variant {other} of its product has the same values: Medusa takes them once"
            self.withhold(name, "", reason, "attributes", lies=Lies.ELSEWHERE, kind="attributes")
        return [one for one in self._free(family, keys) if one.name not in taken]

    def _show(self, one: WebsiteItem, product_id: str, variant: Row, family: Family) -> bool:
        """Give a variant its own picture as thumbnail, if its template has another one. Returns whether it did."""
        path = str(one.row["website_image"] or "")
        if self.pictures is None:
            return False
        own = "" if path == str(family.template.row["website_image"] or "") else path
        notes = self.pictures.note(WEBSITE_ITEM, one.name, own, metadata_of(variant))
        if notes:
            body = {"thumbnail": notes[PICTURE_KEY] or None, "metadata": {IMAGE_KEY: notes[IMAGE_KEY]}}
            self.medusa.update_variant(product_id, variant["id"], body)
            self.report.count("pictures_shown")
        return bool(notes)

    def _change_options(self, family: Family, product_id: str, changes: OptionChanges) -> None:
        options = MedusaOptions(self.medusa)
        for option_id, title in changes.titles.items():
            options.rename_option(option_id, title)
        for (option_id, value_id), value in changes.values.items():
            options.rename_option_value(option_id, value_id, value)
        if changes.new_options or changes.new_values:
            options.add_options(product_id, changes.new_options, changes.new_values)
        for option_id, values in changes.order.items():
            options.rank_values(option_id, values)
        if changes.stale:
            reason = (
                f"Medusa keeps the option {', '.join(changes.stale)} while variants use it: to be rid of it, delete"
                f" product {product_id} in Medusa, and the next run makes it again"
            )
            self.withhold(family.name, "", reason, "options", lies=Lies.ELSEWHERE, kind="options")

    def _remove_values(
        self, product_id: str, values: Mapping[str, tuple[str, frozenset[str]]], deleted: Set[str]
    ) -> bool:
        """Remove values of a product, given with their option and who has them, where all of those are deleted."""
        free: dict[str, list[str]] = {}
        for value_id, (option_id, holders) in values.items():
            if holders <= deleted:
                free.setdefault(option_id, []).append(value_id)
        if free:
            MedusaOptions(self.medusa).remove_values(product_id, free)
            self.report.count("values_removed", sum(len(ids) for ids in free.values()))
        return bool(free)

    def _update(self, family: Family, one: WebsiteItem, variant: Row, rank: int) -> dict[str, Any]:
        """Return what to send of a variant that exists."""
        desired = family.desired(one)
        current = {name: variant[key] for name, key in self.table.of_variant.items()}
        metadata = metadata_of(variant)
        fingerprint = short_hash(repr(sorted(desired.items())))
        compared = compare(one, desired, current, metadata, fingerprint, self.policies, force=self.force)
        body: dict[str, Any] = {self.table.of_variant[name]: value for name, value in compared.changes.items()}
        notes = self._notes(desired)
        if any(metadata.get(key) != value for key, value in notes.items()):
            body["metadata"] = notes
        if variant["variant_rank"] != rank:
            body["variant_rank"] = rank
        return body

    def _prepare(
        self, family: Family, product_id: str, update: Sequence[dict[str, Any]], matched: Mapping[str, str]
    ) -> None:
        """Give inventory items their new sku, and link them again, before the variants are updated.

        What cannot be prepared is left out of the update.
        """
        items = {one.name: one for one in family.variants}
        for prepare, key in ((self._keys.rename_inventory, "sku"), (self._keys.restock, "manage_inventory")):
            bodies = {matched[body["id"]]: body for body in update if key in body}
            some = [
                replace(items[name], row={**items[name].row, "medusa_id": product_id, "medusa_variant_id": body["id"]})
                for name, body in bodies.items()
            ]
            for name, reason in (prepare(some) if some else {}).items():
                self.withhold(name, "", reason, key, lies=Lies.ELSEWHERE, kind=key)
                bodies[name].pop(key)


def _ids(item: WebsiteItem, product_id: str, variant_id: str) -> list[tuple[str, dict[str, str]]]:
    """Return the change that gives a Website Item these ids, if it has others."""
    row = item.row
    if row["medusa_id"] == product_id and (row["medusa_variant_id"] or "") == variant_id:
        return []
    return [(item.name, {"medusa_id": product_id, "medusa_variant_id": variant_id})]
