"""The embedded ERPNext against recorded answers of a real one: status, error type and text, shape.

`contract/erpnext/<subject>.json` are requests to a real server and what it answered. Each subject is replayed in its
order against a fresh store, over a real socket; each pair is one test. Values are compared where they do not depend on
the recorded shop's data, everything else by its JSON type.
"""

from __future__ import annotations

import base64
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.applications import Starlette

from dev.mail_sink import MailSink, mail_sink
from erp_medusa_sandbox.erpnext.app import create_app, low_user, system_manager
from erp_medusa_sandbox.erpnext.control import change
from erp_medusa_sandbox.erpnext.site import API_USER, LOW_USER, SYSTEM_MANAGER, Site
from erp_medusa_sandbox.erpnext.store import ErpStore
from erp_medusa_sandbox.server import running
from erp_medusa_sandbox.shop import seed as shop

CONTRACT = Path(__file__).parent / "contract" / "erpnext"
SUBJECTS = sorted(path.stem for path in CONTRACT.glob("*.json"))
KEYS = {"api_key": "token key:secret", "api_key_low": "token low:secret", "api_key_sysmgr": "token sysmgr:secret"}
# The recorded user could do everything; the later recordings need the last three.
ROLES = (
    *("System Manager", "Item Manager", "Stock Manager", "Sales Manager", "Accounts Manager", "Website Manager"),
    *("Sales Master Manager", "Accounts User", "Script Manager"),
)
# How the recorded users are called here.
USERS = {API_USER: "api@shop.example", LOW_USER: "low@shop.example", SYSTEM_MANAGER: "sysmgr@shop.example"}
HEADERS = {
    "lower-case scheme 'token' vs 'Token'": "Token key:secret",
    "good key, wrong secret": "token key:wrong",
    "token without colon": "token abc",
    "Basic base64(key:secret)": "Basic " + base64.b64encode(b"key:secret").decode(),
    "Basic wrong": "Basic " + base64.b64encode(b"key:wrong").decode(),
    "Bearer garbage": "Bearer garbage",
    "unknown scheme": "Foo bar",
}
BAD_TOKEN = "token deadbeef:cafebabe"
# Compared as they are; other values depend on the recorded shop.
EXACT = frozenset({"doctype", "docstatus", "parenttype", "parentfield", "status", "retry"})
# DocTypes of which the embedded server keeps only the fields that a shop's tasks meet.
TRIMMED = frozenset({"Custom Field", "DocType", "Email Account", "Sales Invoice", "Sales Invoice Item"})
HARD_CODES = ("ITM 00103 50%", "ITM 00206 50%", "ITM/00101", "ITM#00109?x=1&y", "ITM+00113.html", "صنف-00107")
MAILS = {
    "vj80044u7q": "Not Sent",
    "rn7ut4l5u5": "Not Sent",
    "lssuhac597": "Not Sent",
    "8pj35ise24": "Not Sent",
    "56kf0a76u9": "Not Sent",
    "kc2gggp1as": "Not Sent",
    "13o85t8n8o": "Not Sent",
    "fp59gav90t": "Not Sent",
    "oahsrr3sj0": "Sent",
    "530huiqq3o": "Error",
    "i460nkve85": "Sending",
    "5g2sineo17": "Partially Sent",
}
NOW = datetime(2026, 11, 22, 5, 8, 12, 928070)  # noqa: DTZ001 - the recorded shop's wall clock
Pair = dict[str, Any]


@cache
def pairs(subject: str) -> list[Pair]:
    return json.loads((CONTRACT / f"{subject}.json").read_text(encoding="utf-8"))


# -- the shop that the recorded requests talk about -------------------------------------------------------------


def seeded() -> ErpStore:
    store = ErpStore(None)
    shop.seed_shop(store, items=600, now=NOW)
    for name in ("ITM-00001", "ITM-00002", "ITM-00003"):
        store.set("Item", name, modified="2026-10-23 05:08:12.928070")
    for name in ("WEB-ITM-0007", "WEB-ITM-0014"):
        store.set("Website Item", name, medusa_id=f"prod_{name}", medusa_variant_id=f"variant_{name}")
    for code in HARD_CODES:
        store.insert("Item", item_code=code, item_name=code, item_group="Gloves - Basic", stock_uom="Box")
    store.insert("Item", item_code="ITM-01600", item_name="Mask S 1600", item_group="Gloves - Basic", stock_uom="Box")
    for name in ("000uskuith", "008p0sp3em", "013rks7rn5", "03ecfem449"):
        price = {"price_list": "Standard Buying", "currency": "OMR", "price_list_rate": 48.752, "buying": 1}
        row = {"uom": "Box", "packing_unit": ord(name[2]), "creation": "2024-11-03 19:55:12.928070"}
        store.insert("Item Price", name=name, item_code="ITM-01600", **price, **row)
    store.insert("Email OTP", name="0d4av5u8jg", email="a@shop.example", otp=561940, status="Pending")
    store.set("Email OTP", "0d4av5u8jg", expiration_time="2026-11-22 05:08:11.928070")
    for name, docstatus in (("ACC-SINV-2026-00002", 1), ("ACC-SINV-2023-00003", 2)):
        store.execute('DELETE FROM "tabSales Invoice" WHERE name = ?', (name,))
        store.insert("Sales Invoice", name=name, docstatus=docstatus, customer_name="Hospital 021")
    for name, status in MAILS.items():
        account = None if name in ("kc2gggp1as", "fp59gav90t") else "Sandbox Out"
        people = [{"recipient": f"{name}@shop.example", "status": "Sent" if status == "Sent" else "Not Sent"}]
        row = {"status": status, "message": "Subject: Quotation\n\nDear customer", "email_account": account}
        store.insert("Email Queue", name=name, sender="erp@shop.example", recipients=people, **row)
    for url, name in (("/files/item-0001.png", "694faf2a9e"), ("/private/files/item-0005.png", "private005")):
        content = shop.image("png", 1)
        values = {"file_url": url, "attached_to_doctype": "Website Item", "attached_to_name": "WEB-ITM-0002"}
        store.insert("File", name=name, file_name=url.rpartition("/")[2], file_type="PNG", **values)
        store.put_file(url, content)
    store.put_file("/files/photo 0000.jpeg", shop.image("jpeg", 1))
    store.put_file("/files/صورة 0010 (front) 50%.jpg", shop.image("jpg", 1))
    for fieldname in ("medusa_id", "web_item_name"):
        row = {"dt": "Website Item", "fieldname": fieldname, "label": fieldname, "fieldtype": "Data"}
        store.insert("Custom Field", name=f"Website Item-custom_{fieldname}", **row)
    return store


# -- replaying --------------------------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _no_account(site: Site) -> None:
    site.store.set("Email Account", "Sandbox Out", enable_outgoing=0, default_outgoing=0)


def _account(site: Site) -> None:
    site.store.set("Email Account", "Sandbox Out", enable_outgoing=1, default_outgoing=1)


def switches(sink: MailSink) -> dict[str, Callable[[Site], None]]:
    """What happened to the server before some of the recorded requests."""

    def site(**changes: Any) -> Callable[[Site], None]:
        return lambda site: change(site, changes)

    limited = site(rate_limit={"limit": 0.0, "window": 3600})
    maintenance = site(rate_limit=None, maintenance_mode=True)
    reads = site(maintenance_mode=True, allow_reads_during_maintenance=True)
    return {
        "SMTP server down: send_now (try 1)": site(smtp_port=closed_port()),
        "send_now after retry_sending": site(smtp_port=sink.port),
        "no outgoing Email Account at all: send_now": _no_account,
        "account back: send_now": _account,
        "mute_emails=1 in site config: send_now": site(mute_emails=True),
        "rate limited, Accept json": limited,
        "below the limit: headers": site(rate_limit={"limit": 100.0, "window": 3600}),
        "maintenance mode: resource": maintenance,
        "maintenance + allow_reads: GET": reads,
    }


@cache
def replayed(subject: str) -> list[requests.Response]:
    """The answers to all pairs of a subject, in order, from one fresh server."""
    store, answers = seeded(), []
    others = [low_user("low", "secret"), system_manager("sysmgr", "secret")]
    app: Starlette = create_app(store, api_key="key", api_secret="secret", api_roles=ROLES, other_users=others)
    with ExitStack() as stack:
        sink = stack.enter_context(mail_sink())
        url = stack.enter_context(running(app))
        session = stack.enter_context(requests.Session())
        change(app.state.site, {"smtp_port": sink.port})
        for pair in pairs(subject):
            switch = switches(sink).get(pair["label"])
            if switch:
                switch(app.state.site)
            # This one sends back what the request before it read.
            body = answers[-1].json()["data"] if pair["label"] == "single: current modified" else None
            answers.append(send(session, url, pair, body))
    return answers


def send(session: requests.Session, url: str, pair: Pair, body: Any = None) -> requests.Response:
    request = pair["request"]
    headers = {"Accept": "application/json", **request.get("headers", {})}
    if request["user"]:
        headers["Authorization"] = HEADERS.get(pair["label"], KEYS[request["user"]])
    elif pair["label"] in HEADERS:
        headers["Authorization"] = HEADERS[pair["label"]]
    elif "bad token" in pair["label"] or pair["label"] == "unknown key":
        headers["Authorization"] = BAD_TOKEN
    own = {recorded: name for name, recorded in USERS.items()}
    query = {
        key: own.get(value, value) if isinstance(value, str) else json.dumps(expanded(value))
        for key, value in request.get("query", {}).items()
    }
    body = body or expanded(request.get("body"))
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
    if data is not None and not isinstance(body, str):
        headers["Content-Type"] = "application/json"
    return session.request(
        request["method"], url + request["path"], params=query, data=data, headers=headers, allow_redirects=False
    )


def expanded(value: Any) -> Any:
    """Long lists were recorded as their first rows and a count."""
    if isinstance(value, dict):
        return {key: expanded(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    last = value[-1] if value and isinstance(value[-1], str) else ""
    count = re.fullmatch(r"\.\.\.\((\d+) rows in all\)", last)
    if not count:
        return [expanded(item) for item in value]
    first = json.dumps(value[0])
    number = re.search(r"(\d+)(?=\D*$)", first) if not isinstance(value[0], dict) else re.search(r"(\d+)(?=\")", first)
    assert number, f"no number to count on in {first}"
    start, width = int(number.group(1)), len(number.group(1))
    return [
        json.loads(first[: number.start()] + f"{start + step:0{width}d}" + first[number.end() :])
        for step in range(int(count.group(1)))
    ]


# -- comparing --------------------------------------------------------------------------------------------------


def _cases() -> Iterator[Any]:
    for subject in SUBJECTS:
        for place, pair in enumerate(pairs(subject)):
            yield pytest.param(subject, place, id=f"{subject}-{place}-{pair['label']}")


@pytest.mark.parametrize(("subject", "place"), list(_cases()))
def test_the_embedded_erpnext_answers_as_the_recorded_one(subject: str, place: int) -> None:
    recorded, answer = pairs(subject)[place]["response"], replayed(subject)[place]
    assert answer.status_code == recorded["status"], answer.text[:500]
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    assert kind == recorded["content_type"] or not recorded["body"] or "<0 bytes" in str(recorded["body"])
    if isinstance(recorded["body"], str):
        same_page(recorded["body"], answer)
        return
    body = answer.json()
    if "exc_type" in recorded["body"]:
        assert plain_error(body) == plain_error(recorded["body"])
    else:
        messages = {"_server_messages", "_error_message"}
        assert plain_error({key: body[key] for key in body.keys() & messages}) == plain_error(
            {key: recorded["body"][key] for key in recorded["body"].keys() & messages}
        )
        same_shape(recorded["body"], body, "")


def plain_error(body: dict[str, Any]) -> dict[str, Any]:
    """An error body without what differs from call to call: tracebacks, ids, times, people."""
    found = {key: value for key, value in body.items() if key not in ("exc", "_debug_messages")}
    if "_server_messages" in found:
        messages = [json.loads(message) for message in json.loads(found["_server_messages"])]
        found["_server_messages"] = [{**m, "__frappe_exc_id": "__frappe_exc_id" in m} for m in messages]
    return json.loads(neutral(json.dumps(found, ensure_ascii=False)))


def neutral(text: str) -> str:
    for name, recorded in USERS.items():
        text = text.replace(name, recorded)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", "<time>", text)
    text = re.sub(r"is linked with [\w ]+ <a href=.*?</a>", "is linked with <document>", text)
    # Frappe keeps its operators in a set: their order is chance. A hash name is made up on every insert.
    text = re.sub(r"Operator must be one of [^\"]*", lambda m: " ".join(sorted(re.split(r", | of ", m[0]))), text)
    return re.sub(r"\[Shop Sync Run, \w{10}\]", "[Shop Sync Run, <hash>]", text)


def same_page(recorded: str, answer: requests.Response) -> None:
    if recorded.startswith("<") and " bytes, starts " in recorded:
        return  # a file's content: the recorded shop's own
    title = re.search(r"<title>(.*?)</title>", recorded)
    if title:
        assert title.group(0) in answer.text
    number = r"\d+ &gt; 4094"
    assert re.findall(number, recorded) == [] or re.findall(number, answer.text)


def same_shape(recorded: Any, found: Any, where: str) -> None:
    key = where.rpartition(".")[2]
    if recorded is None or found is None:
        return  # whether a value is there depends on the shop
    if isinstance(recorded, dict):
        assert isinstance(found, dict), f"{where}: {found!r} is no object"
        if recorded.get("doctype") in TRIMMED:
            return
        is_document = "docstatus" in recorded and "doctype" in recorded
        for name, value in recorded.items():
            if name not in found:
                # A document leaves out its empty fields; numbers and tables are never empty.
                assert is_document, f"{where}.{name} is missing"
                assert isinstance(value, str), f"{where}.{name} is missing"
                continue
            same_shape(value, found[name], f"{where}.{name}")
        if not is_document:
            assert found.keys() == recorded.keys(), where
    elif isinstance(recorded, list):
        assert isinstance(found, list), f"{where}: {found!r} is no list"
        same_rows(recorded, found, where)
    elif key in EXACT:
        assert neutral(str(found)) == neutral(str(recorded)), where
    else:
        assert type(found) is type(recorded), f"{where}: {found!r} instead of {recorded!r}"


def same_rows(recorded: list[Any], found: list[Any], where: str) -> None:
    count = len(recorded)
    if recorded and isinstance(recorded[-1], str) and recorded[-1].startswith("...("):
        count = int(re.findall(r"\d+", recorded[-1])[0])
        recorded = recorded[:-1]
    if where in (".data", ".message") and (count in (0, 1, 2, 5, 20)):
        assert len(found) == count, f"{where}: {len(found)} rows instead of {count}"
    for left, right in zip(recorded, found, strict=False):
        same_shape(left, right, f"{where}[]")
    if where in (".data", ".message") and recorded and not where.endswith("_items"):
        assert found, f"{where}: no rows to compare"
