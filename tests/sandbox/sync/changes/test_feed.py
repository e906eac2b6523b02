"""What changed in ERPNext and which Website Items that concerns, asked over a real socket."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.several_lists import LISTS_METHOD, lists_script_text
from erp_medusa_pipelines.setting_types import Variants
from erp_medusa_pipelines.sync.changes.concerned import (
    changed_texts,
    concerned_items,
    groups_changed,
    price_list_changed,
)
from erp_medusa_pipelines.sync.changes.feed import Changes, Positions, read_changes
from erp_medusa_pipelines.sync.changes.translated import groups_have
from erp_medusa_pipelines.sync.changes.watched import WATCHED, Part
from erp_medusa_sandbox.faults import Fault
from tests.support.catalogue import PRICE_LIST, Catalogue
from tests.support.erp_client import client_of
from tests.support.servers import ErpServer, embedded_erpnext

LONG_AGO = "2020-01-01 00:00:00"


class Feed:
    """A reader with its positions, and the staff whose changes it reads."""

    def __init__(self, erp: ErpServer) -> None:
        self.server = erp
        self.client = client_of(erp)
        self.staff = client_of(erp)
        self.catalogue = Catalogue(erp.store)
        self.group = self.catalogue.group("Gloves")
        erp.store.insert("Currency", name="OMR", currency_name="OMR", enabled=1)
        self.positions: Positions = {}
        self.languages: list[str] = []
        self.customers = False

    def ask(self, most: int = 100) -> Changes:
        found = read_changes(self.client, self.positions, most, self.languages, customers=self.customers)
        self.positions = found.positions
        return found

    def concerned(self) -> dict[str, frozenset[Part]]:
        return concerned_items(self.client, self.ask().rows)

    def translated(self, how: Variants = "products") -> tuple[set[str], bool]:
        """Return the items that changed Translations are about, and whether Item Groups are."""
        rows = self.ask().rows
        texts = changed_texts(self.client, rows)
        found = concerned_items(self.client, rows, how, texts=texts)
        assert all(parts == {Part.ITEM} for parts in found.values())
        return set(found), groups_have(self.client, texts)

    def old(self, doctype: str, name: str) -> None:
        self.server.store.set(doctype, name, modified=LONG_AGO, creation=LONG_AGO)

    def written(self, doctype: str, **fields: object) -> None:
        """Write a document of now, as ERPNext does by itself."""
        # The header has whole seconds.
        now = str(self.client.now().replace(tzinfo=None) + timedelta(seconds=1))
        self.server.store.insert(doctype, **fields, creation=now, modified=now)

    def item(self, **fields: Any) -> str:
        """Add an item that has not changed for long."""
        name = self.catalogue.item(self.group, **fields)
        self.old("Website Item", name)
        self.old("Item", self.code(name))
        return name

    def code(self, name: str) -> str:
        return self.catalogue.row(name)["item_code"]

    def install_script(self) -> None:
        self.server.store.insert(
            "Server Script", name=LISTS_METHOD, script_type="API", api_method=LISTS_METHOD, script=lists_script_text()
        )


@pytest.fixture
def feed() -> Iterator[Feed]:
    with embedded_erpnext() as erp:
        made = Feed(erp)
        yield made
        made.client.http.close()
        made.staff.http.close()


def test_the_first_question_begins_now_and_a_change_is_seen_once(feed: Feed) -> None:
    name = feed.item()
    assert feed.ask().rows == {}
    feed.staff.update("Website Item", name, {"web_item_name": "New"})
    assert feed.concerned() == {name: frozenset({Part.ITEM})}
    assert feed.ask().rows == {}
    feed.staff.update("Website Item", name, {"web_item_name": "Newer"})
    assert feed.concerned() == {name: frozenset({Part.ITEM})}


@pytest.mark.parametrize("with_script", [False, True])
def test_a_quiet_tick_costs_one_request_with_the_script_and_one_for_each_doctype_without(
    feed: Feed, *, with_script: bool
) -> None:
    if with_script:
        feed.install_script()
    feed.ask()
    before = feed.client.http.requests_sent
    assert feed.ask().rows == {}
    asked = feed.client.http.requests_sent - before
    assert asked == (1 if with_script else 1 + len(WATCHED))
    name = feed.item()
    feed.staff.update("Website Item", name, {"web_item_name": "New"})
    assert feed.concerned() == {name: frozenset({Part.ITEM})}


def test_each_document_concerns_the_part_that_is_made_from_it(feed: Feed) -> None:
    one, two = feed.item(), feed.item()
    feed.ask()
    feed.staff.insert(
        "Item Price", {"item_code": feed.code(one), "price_list": PRICE_LIST, "price_list_rate": 5, "uom": "Box"}
    )
    feed.written("Bin", item_code=feed.code(two), warehouse="W", actual_qty=5)
    feed.written(
        "File", file_name="x.png", attached_to_doctype="Item", attached_to_name=feed.code(two), file_url="/files/x.png"
    )
    assert feed.concerned() == {one: frozenset({Part.PRICES}), two: frozenset({Part.STOCK, Part.PICTURES})}


def test_a_template_concerns_its_variants_and_a_part_the_bundles_that_have_it(feed: Feed) -> None:
    template, variant, part, bundle = feed.item(), feed.item(), feed.item(), feed.item()
    store = feed.server.store
    store.set("Item", feed.code(variant), variant_of=feed.code(template))
    store.insert("Product Bundle", name=feed.code(bundle), new_item_code=feed.code(bundle), creation=LONG_AGO)
    feed.old("Product Bundle", feed.code(bundle))
    store.insert(
        "Product Bundle Item",
        parent=feed.code(bundle), parenttype="Product Bundle", parentfield="items", item_code=feed.code(part), qty=2,
    )  # fmt: skip
    feed.ask()
    feed.staff.insert(
        "Item Price", {"item_code": feed.code(template), "price_list": PRICE_LIST, "price_list_rate": 5, "uom": "Box"}
    )
    feed.written("Bin", item_code=feed.code(part), warehouse="W", actual_qty=5)
    assert feed.concerned() == {
        template: frozenset({Part.PRICES}),
        variant: frozenset({Part.PRICES}),
        part: frozenset({Part.STOCK}),
        bundle: frozenset({Part.STOCK}),
    }


def test_variants_that_are_one_product_are_named_as_their_template(feed: Feed) -> None:
    """It is the template's batch that must be free for the run."""
    template, small, large, alone = (feed.item() for _ in range(4))
    feed.server.store.set("Item", feed.code(template), has_variants=1)
    for variant in (small, large):
        feed.server.store.set("Item", feed.code(variant), variant_of=feed.code(template).lower())
    for name in (template, small, large, alone):
        feed.old("Item", feed.code(name))
    feed.ask()
    for name in (small, large, alone):
        feed.written("Bin", item_code=feed.code(name), warehouse="W", actual_qty=5)
    feed.staff.update("Website Item", large, {"web_item_name": "New"})
    rows = feed.ask().rows
    found = concerned_items(feed.client, rows, "options")
    assert found == {template: frozenset({Part.STOCK, Part.ITEM}), alone: frozenset({Part.STOCK})}
    assert concerned_items(feed.client, rows).keys() == {small, large, alone}


def test_a_link_in_another_letter_case_is_the_same_item_as_in_the_nights(feed: Feed) -> None:
    """An import may leave any spelling; ERPNext's database takes them for equal."""
    plain, template, variant, part, bundle, priced = (feed.item() for _ in range(6))
    store = feed.server.store
    code = {name: feed.code(name) for name in (plain, template, variant, part, bundle, priced)}
    store.set("Item", code[variant], variant_of=code[template].lower())
    store.insert("Product Bundle", name=code[bundle], new_item_code=code[bundle].lower(), creation=LONG_AGO)
    feed.old("Product Bundle", code[bundle])
    store.insert(
        "Product Bundle Item",
        parent=code[bundle].lower(), parenttype="Product Bundle", parentfield="items", item_code=code[part].lower(),
    )  # fmt: skip
    store.force("Website Item", priced, item_code=code[priced].lower())
    feed.ask()
    feed.written("Bin", item_code=code[plain].lower(), warehouse="W", actual_qty=5)
    feed.written("Bin", item_code=code[part].upper(), warehouse="W", actual_qty=5)
    for each in (template, priced):
        feed.staff.insert(
            "Item Price", {"item_code": code[each], "price_list": PRICE_LIST, "price_list_rate": 5, "uom": "Box"}
        )
    picture = {"file_name": "x.png", "attached_to_doctype": "Website Item", "file_url": "/files/x.png"}
    feed.written("File", **picture, attached_to_name=plain.lower())
    assert feed.concerned() == {
        plain: frozenset({Part.STOCK, Part.PICTURES}),
        template: frozenset({Part.PRICES}),
        variant: frozenset({Part.PRICES}),
        part: frozenset({Part.STOCK}),
        bundle: frozenset({Part.STOCK}),
        priced: frozenset({Part.PRICES}),
    }


def test_deleted_and_renamed_documents_are_seen(feed: Feed) -> None:
    gone, priced, renamed = feed.item(), feed.item(), feed.item()
    price = feed.staff.insert(
        "Item Price", {"item_code": feed.code(priced), "price_list": PRICE_LIST, "price_list_rate": 5, "uom": "Box"}
    )["name"]
    feed.old("Item Price", price)
    feed.ask()
    feed.staff.delete("Website Item", gone)
    feed.staff.delete("Item Price", price)
    new = f"{feed.code(renamed)}-B"
    names = {"doctype": "Item", "old_name": feed.code(renamed), "new_name": new}
    feed.staff.call("frappe.client.rename_doc", names)
    found = feed.concerned()
    assert found[gone] == {Part.ITEM}
    assert found[priced] == {Part.PRICES}
    assert found[renamed] == {Part.ITEM}


def test_items_that_are_neither_shown_nor_exported_concern_nobody(feed: Feed) -> None:
    hidden = feed.item(published=0)
    feed.ask()
    feed.staff.update("Website Item", hidden, {"web_item_name": "New"})
    assert feed.concerned() == {}


def test_a_saved_item_group_and_price_list_are_told_apart_from_items(feed: Feed) -> None:
    for name in feed.server.store.rows("Item Group"):
        feed.old("Item Group", name["name"])
    feed.old("Price List", PRICE_LIST)
    feed.ask()
    feed.staff.update("Item Group", feed.group, {"item_group_name": "Gloves, new"})
    feed.staff.update("Price List", PRICE_LIST, {"enabled": 1})
    rows = feed.ask().rows
    assert groups_changed(rows)
    assert price_list_changed(rows, PRICE_LIST)
    assert price_list_changed(rows, PRICE_LIST.upper())
    assert not price_list_changed(rows, "Another")
    assert concerned_items(feed.client, rows) == {}


def test_a_transaction_that_ends_late_is_seen_and_a_time_in_the_future_does_not_move_the_position(feed: Feed) -> None:
    late, ahead, later = feed.item(), feed.item(), feed.item()
    feed.ask()
    feed.positions["Website Item"].since = str(feed.client.now().replace(tzinfo=None) - timedelta(minutes=5))
    feed.staff.update("Website Item", later, {"web_item_name": "New"})
    feed.ask()
    now = feed.client.now().replace(tzinfo=None)
    # Its save began before the other one's, and its rows appear only now.
    feed.server.store.set("Website Item", late, modified=str(now - timedelta(seconds=30)))
    feed.server.store.set("Website Item", ahead, modified=str(now + timedelta(hours=4)))
    assert feed.concerned() == {late: frozenset({Part.ITEM})}
    feed.staff.update("Website Item", later, {"web_item_name": "Newer"})
    assert feed.concerned() == {later: frozenset({Part.ITEM})}


def test_more_rows_than_were_asked_for_are_counted_and_not_read_again(feed: Feed) -> None:
    names = [feed.item() for _ in range(4)]
    feed.ask()
    for name in names:
        feed.staff.update("Website Item", name, {"web_item_name": "New"})
    found = feed.ask(most=3)
    assert found.too_many == ["Website Item"]
    assert "Website Item" not in found.rows
    assert feed.ask(most=3).too_many == []


def test_a_busy_server_whose_clock_stands_still_does_not_make_them_too_many_again(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [feed.item() for _ in range(4)]
    feed.ask()
    earlier = feed.client.now() - timedelta(seconds=5)
    for name in names:
        feed.staff.update("Website Item", name, {"web_item_name": "New"})
    monkeypatch.setattr(feed.client, "clock", lambda: earlier)
    assert feed.ask(most=3).too_many == ["Website Item"]
    assert feed.ask(most=3).too_many == []


def test_a_doctype_that_may_not_be_read_is_named_and_the_others_are_read(feed: Feed) -> None:
    name = feed.item()
    feed.ask()
    feed.server.add_user("poor", "Blogger")
    poor: ErpNextClient = client_of(feed.server, key="poor")
    feed.staff.update("Website Item", name, {"web_item_name": "New"})
    found = read_changes(poor, feed.positions, 100)
    poor.http.close()
    assert "Deleted Document" in found.hidden


def test_a_doctype_on_which_the_site_fails_is_named_and_the_others_are_followed(feed: Feed) -> None:
    """As a hook of an app does that asks for a column which is not there."""
    name = feed.item()
    feed.ask()
    before = feed.positions["Sales Order"]
    broken = {
        "exc_type": "OperationalError",
        "exception": "pymysql.err.OperationalError: (1054, \"Unknown column 'company'\")",
    }
    feed.server.faults.add(Fault("status", status=500, json=broken, path="Sales.*Order"))
    feed.staff.update("Website Item", name, {"web_item_name": "New"})
    found = feed.ask()
    assert [row["name"] for row in found.rows["Website Item"]] == [name]
    assert "Unknown column 'company'" in found.failed["Sales Order"]
    # What changed meanwhile is found once the hook is mended.
    assert found.positions["Sales Order"] == before


def test_a_site_that_fails_on_all_of_them_is_no_answer(feed: Feed) -> None:
    feed.ask()
    broken = {
        "exc_type": "OperationalError",
        "exception": "pymysql.err.OperationalError: (1054, \"Unknown column 'x'\")",
    }
    feed.server.faults.add(Fault("status", status=500, json=broken, path="/api/(resource|method/frappe.client)"))
    with pytest.raises(PermanentError, match="Unknown column 'x'"):
        feed.ask()


def test_a_translation_concerns_the_items_whose_texts_it_translates(feed: Feed) -> None:
    feed.languages = ["ar"]
    markup = "<p>Sterile &amp; powder-free</p><ul><li>ISO 13485, for all of us in every ward</li></ul>"
    titled, short = feed.item(web_item_name="Gloves &amp; masks"), feed.item(short_description="Box of 100")
    described, other = feed.item(web_long_description=markup), feed.item(web_item_name="Gloves & masks, large")
    assert other
    feed.ask()
    staff, arabic = feed.staff, {"language": "ar", "translated_text": "نص"}
    title = staff.insert("Translation", {**arabic, "source_text": "Gloves & masks"})["name"]
    assert feed.translated() == ({titled}, False)
    staff.insert(
        "Translation", {**arabic, "source_text": "Sterile & powder-freeISO 13485, for all of us in every ward"}
    )
    staff.insert("Translation", {**arabic, "source_text": "Box of 100", "language": "fr"})
    assert feed.translated() == ({described}, False)
    staff.insert("Translation", {**arabic, "source_text": "Box of 100"})
    assert feed.translated() == ({short}, False)
    staff.update("Translation", title, {"translated_text": "نص آخر"})
    assert feed.translated() == ({titled}, False)
    staff.delete("Translation", title)
    assert feed.translated() == ({titled}, False)
    staff.insert("Translation", {**arabic, "source_text": feed.group})
    assert feed.translated() == (set(), True)


def test_translations_are_not_asked_for_in_a_shop_of_one_language(feed: Feed) -> None:
    name = feed.item(web_item_name="Gloves")
    feed.ask()
    made = feed.staff.insert("Translation", {"language": "ar", "source_text": "Gloves", "translated_text": "نص"})
    feed.server.faults.forget_requests()
    assert feed.translated() == (set(), False)
    assert not [seen for seen in feed.server.faults.requests if "Translation" in seen.path]
    feed.languages = ["ar"]
    # What changed before is the night's work.
    assert feed.translated() == (set(), False)
    feed.staff.update("Translation", made["name"], {"translated_text": "نص آخر"})
    assert feed.translated() == ({name}, False)


def test_a_translation_of_an_attribute_concerns_the_items_that_have_it(feed: Feed) -> None:
    feed.languages = ["ar"]
    attributes = [{"attribute": "Size", "attribute_value": "Small"}]
    name = feed.item(item={"attributes": attributes})
    feed.item(item={"attributes": [{"attribute": "Colour", "attribute_value": "Red"}]})
    feed.ask()
    for text in ("Size", "Small"):
        feed.staff.insert("Translation", {"language": "ar", "source_text": text, "translated_text": "نص"})
        assert feed.translated("options") == ({name}, False)


def test_a_customer_concerns_the_items_that_it_has_prices_of_its_own_for(feed: Feed) -> None:
    name, other = feed.item(), feed.item()
    customer = feed.server.store.insert("Customer", customer_name="Al Noor Clinic")
    for item, whose in ((name, customer), (other, None)):
        row = {"item_code": feed.catalogue.row(item)["item_code"], "price_list": PRICE_LIST, "price_list_rate": 4}
        feed.old("Item Price", feed.server.store.insert("Item Price", customer=whose, currency="OMR", **row))
    feed.old("Customer", customer)
    feed.customers = True
    feed.ask()
    feed.staff.update("Customer", customer, {"customer_name": "Al Noor Hospital"})
    assert feed.concerned() == {name: {Part.PRICES}}
    feed.customers = False
    feed.staff.update("Customer", customer, {"customer_name": "Al Noor Clinic"})
    assert feed.concerned() == {}
