"""Anything in any field that is read: the document is refused or right, and all others are as without it.

A value is put into the answers of ERPNext, so that it may have any type. MATRIX_ALL=1 tries many, else a few.
"""

import base64
import json
import math
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from erp_medusa_pipelines.clients.columns import TEXT_COLUMNS
from erp_medusa_pipelines.product_fields import columns, key_of
from erp_medusa_pipelines.sync.prices import pricing_rules
from erp_medusa_sandbox.erpnext.schema import Schema
from tests.machine.world import EXPORT
from tests.matrix.catalogue_shop import CatalogueShop
from tests.matrix.judge import EVERYTHING, REASON, fail_with, is_refusal, still_wrong, undisturbed
from tests.matrix.projection import state, unlike
from tests.matrix.scenarios import KINDS
from tests.matrix.shop import CLEARANCE, FIRST, MAILS, OTPS, TOP_SELLERS, Shop, Snapshot
from tests.support.catalogue import PRICE_LIST
from tests.support.runs import JobRun

EXAMPLES = 250 if EVERYTHING else 8
VICTIM, CODE = "WEB-shop-0000", "ITM/0-shop"
ITEM = [
    *(key_of(column) for column in columns() if column not in ("name", "item_code")),
    "modified",
    "website_warehouse",
    "custom_in_stock",
    "custom_threshold_qty",
    "slideshow",
    "has_variants",
    "medusa_id",
    "medusa_variant_id",
    # Of its Item.
    "item_brand",
    "item_item_group",
    "item_disabled",
    "item_end_of_life",
    "item_has_batch_no",
    "item_has_variants",
    "item_image",
    "item_is_sales_item",
    "item_is_stock_item",
    "item_safety_stock",
    "item_stock_uom",
    "item_variant_of",
]
PRICE = [
    "price_list_rate",
    "currency",
    "uom",
    "valid_from",
    "valid_upto",
    "modified",
    "customer",
    "batch_no",
    "packing_unit",
    "creation",
    "medusa_id",
    "medusa_price_id",
    "price_list",
]
FILE = ["file_name", "file_url", "file_size", "file_type", "content_hash", "attached_to_field", "creation", "medusa_id"]
BIN = ["actual_qty", "reserved_qty", "reserved_qty_for_production", "reserved_qty_for_sub_contract", "warehouse"]
FOR_SALE = {"published", "item_disabled", "item_end_of_life", "item_has_variants", "item_is_sales_item"}
SHARED = {
    "Item Group": ["is_group", "item_group_name", "lft", "rgt", "medusa_id", "parent_item_group"],
    "Warehouse": ["disabled", "is_group", "is_rejected_warehouse", "lft", "rgt", "warehouse_type"],
    "Price List": ["currency", "enabled", "selling"],
}
"""Fields of documents that many items share."""


CATALOGUE = {
    ("Customer", "dealer shop", "name"): ["customer_group", "default_price_list", "email_id"],
    ("Contact Email", "Contact of dealer shop 0", "parent"): ["email_id"],
    ("Portal User", "dealer shop", "parent"): ["user"],
    ("Customer Group", "Trade shop", "name"): ["default_price_list", "parent_customer_group"],
    ("Item Attribute Value", "Size shop", "parent"): ["attribute_value"],
    ("Item Variant Attribute", "GLOVE-S-Red", "parent"): ["attribute", "attribute_value"],
    ("Item", "GLOVE-S-Red", "name"): ["stock_uom", "weight_per_unit", "weight_uom"],
    ("Website Item", "WEB-shop-0001", "name"): ["item__stock_uom", "item__weight_per_unit", "item__weight_uom"],
    ("Item Group", "Nitrile shop", "name"): ["description", "image", "route", "show_in_website", "weightage"],
    ("Website Item Group", "WEB-shop-0008", "parent"): ["item_group"],
    ("Pricing Rule", "PRLE-shop-001", "name"): [*pricing_rules.FIELDS[1:]],
    ("Pricing Rule Item Code", "PRLE-shop-001", "parent"): ["item_code", "uom"],
    ("Pricing Rule Item Group", "PRLE-shop-002", "parent"): ["item_group", "uom"],
    ("Pricing Rule Brand", "PRLE-shop-004", "parent"): ["brand", "uom"],
}
"""Fields of the shop that has options, categories, groups and rules: by DocType, document, and what names it."""


@dataclass(frozen=True)
class Field:
    """A field of one document, and the task that reads it."""

    doctype: str
    name: str
    field: str
    task: str = EXPORT
    key: str = "name"


FIELDS = (
    *(Field("Website Item", VICTIM, field) for field in ITEM),
    *(Field("Item Price", "its price", field) for field in PRICE),
    *(Field("File", "its picture", field) for field in FILE),
    Field("Item Barcode", CODE, "barcode", key="parent"),
    Field("Item Website Specification", VICTIM, "label", key="parent"),
    Field("Item Website Specification", VICTIM, "description", key="parent"),
    *(Field("Bin", CODE, field, key="item_code") for field in BIN),
    Field("Batch", CODE, "expiry_date", CLEARANCE, key="item"),
    Field("Batch", CODE, "batch_qty", CLEARANCE, key="item"),
    *(Field("Item", CODE, field, task) for field in ("disabled", "item_name") for task in (CLEARANCE, TOP_SELLERS)),
    Field("Item", CODE, "item_group", TOP_SELLERS),
    Field("Sales Invoice Item", CODE, "sales_qty", TOP_SELLERS, key="item_code"),
    Field("Email OTP", "one", "expiration_time", OTPS),
    Field("Email OTP", "one", "modified", OTPS),
    Field("Email Queue", "mail0000", "creation", MAILS),
    Field("Email Queue", "mail0000", "priority", MAILS),
    Field("Email Queue", "mail0000", "send_after", MAILS),
    Field("Email Queue", "mail0000", "modified", MAILS),
    Field("Email Queue", "mail0000", "status", MAILS),
    Field("Email Queue", "mail0000", "error", MAILS),
)
NOT_TRIED = {
    "Country": "shared by all shops: ERPNext's own list",
    "Deleted Document": "names alone",
    "Scheduled Job Type": "Frappe's own list",
    "Sales Invoice Item.qty": "read in sums only",
    "Sales Invoice Item.line_count": "a count",
}
"""What is read and not tried, and why."""

LEFT_OF = {
    "route": re.compile("^/categories"),
    "attribute": re.compile("^/products/.*/options"),
    "attribute_value": re.compile("^/products/.*/options"),
}
"""What stays of a value that is corrected: an address that a category had, for redirects; an option, and a value of it,
that no variant has any more (docs/tasks.md)."""
CATALOGUE_FIELDS = tuple(
    Field(doctype, name, field, key=key) for (doctype, name, key), fields in CATALOGUE.items() for field in fields
)
WHOSE = {"name", "parent", "item", "item_code", "attached_to_name", "deleted_name", "link_name"}
"""Fields that say whose a row is: with another value it is another's row."""
PICTURE = base64.b64encode(bytes(range(256)) * 9000).decode()
BOMBS = (
    "<div>" * 5000 + "x",
    "<p>&amp;&lt;&#x202e;&#0;&nbsp;" * 3000,
    f'<p>Look</p><img src="data:image/png;base64,{PICTURE}">',
    "<" * 100_000,
    "<!--" * 20_000,
    "<table><tr><td>" * 2000,
    "<style>" + "a{}" * 5000,
    "<script>alert(1)</script>",
    "&" * 50_000,
)
TEXTS = (
    "",
    " ",
    "\u202eمرحبا\u202c \u0000\u0007\ufeff\u200b",
    "\ud800",
    "a" * 5_000,
    "b" * 200_000,
    "\U0001f9a0" * 300,
    "\r\n\t" * 100,
    "0000-00-00",
    "2026-02-30",
    "9999-12-31 23:59:59.999999",
    "-1",
    "NaN",
    "1e400",
    "٣٫٥",
    "../../etc/passwd",
    "//evil.example/x.png",
    "http://169.254.169.254/latest",
    "' OR 1=1 --",
    "%s%n{0}",
)
NUMBERS = (0, -1, 2**31, 2**63, 10**40, -(10**40), 0.1 + 0.2, 1e308, -0.0, math.nan, math.inf, 1e-320)
# A list or an object is not among them: Frappe's lists come from SQL, whose columns hold neither.
values = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.sampled_from(BOMBS),
    st.floats(),
    st.integers(),
    st.text(max_size=300),
)
limits = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not EVERYTHING,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    print_blob=True,
)
pytestmark = pytest.mark.timeout(0)
_WANTED: dict[tuple[Shop, str], dict[str, Any]] = {}


@limits
@given(field=st.sampled_from(FIELDS), value=values)
@example(field=FIELDS[2], value=BOMBS[2])
@example(field=FIELDS[0], value=7)
@example(field=Field("Bin", CODE, "actual_qty", key="item_code"), value="many")
@example(field=Field("Bin", CODE, "warehouse", key="item_code"), value=None)
@example(field=Field("Email Queue", "mail0000", "creation", MAILS), value=None)
@example(field=Field("Batch", CODE, "expiry_date", CLEARANCE, key="item"), value="2026-02-30")
@example(field=Field("Batch", CODE, "batch_qty", CLEARANCE, key="item"), value="x")
@example(field=Field("Website Item", VICTIM, "custom_threshold_qty"), value="few")
@example(field=Field("Website Item", VICTIM, "medusa_id"), value="a" * 20_000)
@example(field=Field("Website Item", VICTIM, "medusa_variant_id"), value=1e308)
def test_whatever_a_field_holds_its_document_is_refused_or_right_and_no_other_is_touched(
    shop_and_states: tuple[Shop, dict[str, Snapshot]], field: Field, value: Any
) -> None:
    shop, states = shop_and_states
    wanted = _wanted(shop, states[FIRST], field.task)
    shop.put_back(states[FIRST])
    with answering(shop, field, value):
        runs = shop.run(field.task)
    judge(shop, runs, wanted, f"{field.doctype}.{field.field} = {value!r:.120}", hides=field.field in FOR_SALE)


@limits
@given(
    field=st.sampled_from([(doctype, field) for doctype, fields in SHARED.items() for field in fields]), value=values
)
@example(field=("Warehouse", "rgt"), value=None)
def test_whatever_a_shared_document_holds_its_run_is_green_or_says_what_is_wrong(
    shop_and_states: tuple[Shop, dict[str, Snapshot]], field: tuple[str, str], value: Any
) -> None:
    shop, states = shop_and_states
    wanted = _wanted(shop, states[FIRST], EXPORT)
    shop.put_back(states[FIRST])
    victim = shop.world.row(VICTIM)
    names = {"Item Group": victim["item_group"], "Warehouse": victim["website_warehouse"], "Price List": PRICE_LIST}
    with answering(shop, Field(field[0], names[field[0]], field[1]), value):
        runs = shop.run(EXPORT)
    what = f"{field[0]}.{field[1]} = {value!r:.120}"
    fail_with({what: [text for run in runs for text in run.reasons() if not REASON.search(text)]})
    fail_with({f"{what}, and then": still_wrong(shop, EXPORT, wanted)})


@limits
@given(field=st.sampled_from(CATALOGUE_FIELDS), value=values)
@pytest.mark.parametrize("shop_and_states", [CatalogueShop], indirect=True)
def test_whatever_a_document_of_the_catalogue_holds_the_run_is_green_and_all_is_right_once_it_is_corrected(
    shop_and_states: tuple[Shop, dict[str, Snapshot]], field: Field, value: Any
) -> None:
    shop, states = shop_and_states
    wanted = _wanted(shop, states[FIRST], EXPORT)
    shop.put_back(states[FIRST])
    with answering(shop, field, value):
        runs = shop.run(EXPORT)
    what = f"{field.doctype}.{field.field} = {value!r:.120}"
    fail_with({f"{what}: the run failed": [text for run in runs for text in run.reasons()]})
    found = still_wrong(shop, EXPORT, wanted)
    left = LEFT_OF.get(field.field)
    fail_with({f"{what}, and then": [line for line in found if left is None or not left.search(line)]})


@pytest.mark.parametrize("shop_and_states", KINDS, indirect=True)
def test_every_field_that_is_read_is_tried(
    shop_and_states: tuple[Shop, dict[str, Snapshot]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, states = shop_and_states
    read: set[tuple[str, str]] = set()
    send = requests.Session.send

    def noting(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        read.update(_fields_of(request))
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", noting)
    for task, start in KINDS[type(shop)].values():
        shop.put_back(states[start])
        shop.run(task)
    tried = {(field.doctype, field.field) for field in (*FIELDS, *CATALOGUE_FIELDS)} | {
        (doctype, field) for doctype, fields in SHARED.items() for field in fields
    }
    assert len(read) > 80
    left = {one for one in read - tried if one[1] not in WHOSE and not {one[0], ".".join(one)} & set(NOT_TRIED)}
    assert left == set()
    assert {column for doctype, column in read if _holds_text(doctype, column)} <= TEXT_COLUMNS


def _holds_text(doctype: str, column: str) -> bool:
    """Whether ERPNext's column holds a text, by the embedded ERPNext's DocTypes; a linked Item's has its prefix."""
    own, of_item = Schema()[doctype].fields.get(column), Schema()["Item"].fields.get(column.removeprefix("item_"))
    found = own or (of_item if column.startswith("item_") else None)
    return found is not None and found.fieldtype not in ("Check", "Int", "Float", "Currency", "Date", "Datetime")


def _fields_of(request: requests.PreparedRequest) -> Iterator[tuple[str, str]]:
    """The fields of a DocType that a request reads, as its rows name them."""
    address = urlsplit(str(request.url))
    if not address.path.startswith("/api/"):
        return
    query = dict(parse_qsl(address.query))
    if "get_list" in address.path and isinstance(request.body, bytes):
        query |= json.loads(request.body)
    fields = query.get("fields", "[]")
    doctype = query.get("doctype") or unquote(address.path.rsplit("/", 1)[-1])
    for field in json.loads(fields) if isinstance(fields, str) else fields:
        yield doctype, field.rsplit(" as ", 1)[-1]


def _png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


PICTURES = {
    "empty": b"",
    "a page": b"<html><body>Please log in</body></html>",
    "a script": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "cut off": _png(16, 16),
    "a bomb": _png(65_000, 65_000) + zlib.compress(bytes(10_000_000)),
    "too large": b"\x89PNG\r\n\x1a\n" + bytes(6_000_000),
    "no picture": bytes(range(256)),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_whatever_a_picture_holds_its_item_is_for_sale_and_no_other_is_touched(
    kind: str, shop_and_states: tuple[Shop, dict[str, Snapshot]]
) -> None:
    shop, states = shop_and_states
    wanted = _wanted(shop, states[FIRST], EXPORT)
    shop.put_back(states[FIRST])
    erp = shop.world.erp.store
    (row,) = erp.rows("File", attached_to_doctype="Website Item", attached_to_name=VICTIM)
    erp.put_file(row["file_url"], PICTURES[kind])
    judge(shop, shop.run(EXPORT), wanted, kind)
    assert VICTIM in state(shop)["shop window"]


def judge(shop: Shop, runs: list[JobRun], wanted: dict[str, Any], what: str, *, hides: bool = False) -> None:
    """Fail unless the runs are green, all other documents right, and the victim right or refused.

    `hides` is whether the field decides if the item is for sale at all.
    """
    failed = [text for run in runs for text in run.reasons()]
    fail_with({f"{what}: the run failed": failed} if failed else {})
    found = state(shop)
    lines = [line for line in unlike(_others(wanted, shop), _others(found, shop)) if not _of_the_victim(line)]
    fail_with({f"{what}: others were touched": lines} if lines else {})
    refused = any(is_refusal(check) for run in runs for check in run.checks())
    if VICTIM in wanted["products"] and not refused and not hides:
        assert VICTIM in found["products"], f"{what}: neither there nor refused"
    assert len(found["products"].get(VICTIM, [])) <= 1, what


def _of_the_victim(line: str) -> bool:
    return any(name in line for name in (VICTIM, CODE, "/price lists"))


def _others(found: dict[str, Any], shop: Shop) -> dict[str, Any]:
    """All that does not belong to the victim."""
    erp = shop.world.erp.store
    own = {f"Item Price {row['name']}" for row in erp.rows("Item Price", item_code=CODE)}
    own |= {f"File {row['file_url']}" for row in erp.rows("File", attached_to_name=VICTIM)}
    own |= {f"Website Item {VICTIM}", "Expiring Items", "Homepage Landing", "Product Collection"}
    own |= set(_first_of_the_minute(shop))
    kept = {
        part: {key: one for key, one in found[part].items() if key != VICTIM} for part in ("shop window", "products")
    }
    mails = {key: number for key, number in found["mails"].items() if key != "mail0000@example.com"}
    erp_rows = {key: one for key, one in found["ERPNext"].items() if key not in own}
    return {**kept, "mails": mails, "ERPNext": erp_rows, "loose": found["loose"]}


def _first_of_the_minute(shop: Shop) -> list[str]:
    email = shop.passwords.made[_first_password(shop)]["email"]
    return [f"Email OTP {email}", "Email Queue mail0000", "Email Queue Recipient mail0000@example.com"]


def _first_password(shop: Shop) -> str:
    return next(iter(shop.passwords.made))


def _wanted(shop: Shop, start: Snapshot, task: str) -> dict[str, Any]:
    known = shop, task
    if known not in _WANTED:
        _WANTED[known] = undisturbed(shop, start, task)
    return _WANTED[known]


@contextmanager
def answering(shop: Shop, field: Field, value: Any) -> Iterator[None]:
    """ERPNext answers with this value in the field."""
    injector = shop.world.erp.faults
    app, name = injector.app, _name(shop, field)

    async def changed(scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        pieces: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                body = _replaced(b"".join(pieces), field, name, value)
                headers = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
                await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
                await send({"type": "http.response.body", "body": body})

        await app(scope, receive, collect)

    injector.app = changed
    try:
        yield
    finally:
        injector.app = app


def _name(shop: Shop, field: Field) -> str:
    erp = shop.world.erp.store
    if field.doctype == "Item Price":
        return erp.rows("Item Price", item_code=CODE)[0]["name"]
    if field.doctype == "File":
        return erp.rows("File", attached_to_doctype="Website Item", attached_to_name=VICTIM)[0]["name"]
    return _first_password(shop) if field.doctype == "Email OTP" else field.name


def _replaced(body: bytes, field: Field, name: str, value: Any) -> bytes:
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    return json.dumps(_within(answer, field, name, value)).encode()


def _within(found: Any, field: Field, name: str, value: Any) -> Any:
    if isinstance(found, list):
        return [_within(one, field, name, value) for one in found]
    if not isinstance(found, dict):
        return found
    changed = {key: _within(one, field, name, value) for key, one in found.items()}
    if changed.get(field.key) == name and field.field in changed:
        changed[field.field] = value
    return changed
