"""Replays one request of a real Medusa against the embedded one and compares the answers.

Sending and comparing. The order of the requests stands in `medusa_scenario.py`, the state that they need in
`medusa_steps.py`.

Ids of the real server are translated to ids of the embedded one: known ones by what they belong to (a sku, a handle),
new ones as soon as an answer shows them. Compared are the status, the shape, and every value that is no id, date or
address.
"""

from __future__ import annotations

import ast
import base64
import json
import re
from pathlib import Path
from typing import Any

import requests

from erp_medusa_sandbox.faults import FaultInjector
from erp_medusa_sandbox.medusa.store import MedusaStore

PAIRS = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "contract/medusa").glob("*.json")}
KEY = "sk_" + "5a" * 32
ID = re.compile(
    r"\b(?:prod|variant|opt|optval|img|price|pset|plist|pcol|pcat|iitem|ilev|pvitem|sloc|sc|sp|reg|store|cart|cali|caaddr|cus|cusgroup)"
    r"_01M8[0-9A-HJKMNP-TV-Z]{22}\b"
)
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
STAMP = re.compile(r"\b\d{13}(?=-)")
CUT_TEXT = re.compile(r"(.*)\.\.\.<(\d+) chars>", re.DOTALL)
CUT_LIST = re.compile(r"\.\.\.<(\d+) items in all>")
AUTHORIZATION = {
    "auth_bad_jwt": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.nope",  # pragma: allowlist secret
    "auth_basic_base64_nocolon": "Basic " + base64.b64encode(KEY.encode()).decode(),
    "auth_basic_base64_user": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode(),
    "auth_basic_base64_with_password": "Basic " + base64.b64encode(f"{KEY}:x".encode()).decode(),
    "auth_basic_raw_key": f"Basic {KEY}",
    "auth_key_as_bearer": f"Bearer {KEY}",
    "auth_wrong_key": "Basic sk_" + "00" * 32,
    "auth_wrong_key_garbage": "Basic %%%",
}
# Which rows come first depends on random ids within one millisecond; only their shape can be the same.
ANY_ROWS = {
    "products_filter_price_list_id",
    "products_filter_updated_at_gte",
    "products_list_page",
    "price_list_prices_list",
    "price_list_prices_list_raw",
}
# Generated at random by the real server as well.
RANDOM_VALUES = {
    "products_create_symbols_only_title": {"handle"},
    "halfmade_price_set_workflow": {"transactionId"},
    "inventory_items_workflow_freed": {"transactionId"},
    # Whose key made it was taken out of the recording.
    "customer_create_admin": {"created_by"},
    "customer_group_create": {"created_by"},
}
# Keys by which rows of a list are recognised, however they are ordered.
NATURAL = [
    "handle",
    "external_id",
    "sku",
    "title",
    "name",
    "url",
    "value",
    "attribute",
    "currency_code",
    "amount",
    "min_quantity",
    "code",
    "inventory_item_id",
    "location_id",
    "stocked_quantity",
    "variants",
    "inventory_items",
]


class Replay:
    """Sends pairs to the embedded server and lists how its answers differ."""

    def __init__(self, url: str, store: MedusaStore, injector: FaultInjector) -> None:
        self.url = url
        self.store = store
        self.injector = injector
        self.ids: dict[str, str] = {}
        self.stamps: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.differences: dict[str, list[str]] = {}
        self.origins = _origins()
        self.spare = iter(range(600, 1200))

    # -- translating ids ------------------------------------------------------------------------------------

    def live(self, recorded: str, *, any_will_do: bool = False) -> str:
        """The embedded server's id for one of the real server; a spare variant for one that nothing is known of."""
        if recorded not in self.ids:
            found = self._by_origin(recorded, any_will_do)
            if found is not None:
                self.ids[recorded] = found
        return self.ids.get(recorded, recorded)

    def _by_origin(self, recorded: str, any_will_do: bool) -> str | None:
        field, value = self.origins.get(recorded, ("", ""))
        prefix = recorded.split("_")[0]
        if prefix in ("variant", "iitem") and field != "handle" and (value or any_will_do):
            sku = value or f"SKU-l{next(self.spare)}"
            variants = self.store.find("variant", "sku", [sku])
            if not variants:
                return None
            return variants[0]["id"] if prefix == "variant" else variants[0]["inventory_links"][0]["inventory_item_id"]
        products = self.store.find("product", "handle", [value]) if value else []
        if prefix == "prod" and products:
            return products[0]["id"]
        if prefix == "variant" and products:
            return self.store.find("variant", "product_id", [products[0]["id"]])[0]["id"]
        return None

    def translated(self, text: str) -> str:
        text = ID.sub(lambda found: self.live(found.group(), any_will_do=True), text)
        for recorded, live in self.texts.items():
            text = text.replace(recorded, live)
        return STAMP.sub(lambda found: self.stamps.get(found.group(), found.group()), text)

    # -- sending --------------------------------------------------------------------------------------------

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> requests.Response:
        headers = {"Authorization": f"Basic {KEY}"} if headers is None else headers
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=30)

    def made(self, path: str, body: Any) -> Any:
        answer = self.send("POST", path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pair(self, name: str) -> None:
        recorded = PAIRS[name]
        request, expected = recorded["request"], recorded["response"]
        headers = {key: value for key, value in request["headers"].items() if key != "Content-Type"}
        if "Authorization" in headers:
            headers["Authorization"] = AUTHORIZATION.get(name, f"Basic {KEY}")
        if headers.get("x-publishable-api-key") == "pk_REDACTED":
            headers["x-publishable-api-key"] = self.store.publishable_key
        content: dict[str, Any] = {}
        body = request["body"]
        if isinstance(body, str) and body.startswith("<multipart"):
            parts = ast.literal_eval(body.removeprefix("<multipart/form-data: ").removesuffix(">"))
            # Written as raw UTF-8, as browsers do; requests would encode the name after RFC 2231.
            boundary = "boundary-of-the-test"
            headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
            content["data"] = (
                b"".join(
                    f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{file}"\r\n'
                    f"Content-Type: {kind}\r\n\r\ncontent of {file}\r\n".encode()
                    for field, file, kind in parts
                )
                + f"--{boundary}--\r\n".encode()
            )
        elif body is not None:
            text = body if isinstance(body, str) else json.dumps(_whole(body))
            content["data"] = self.translated(text).encode()
            headers["Content-Type"] = request["headers"].get("Content-Type", "application/json")
        path = self.translated(request["path"])
        answer = requests.request(request["method"], self.url + path, headers=headers, timeout=30, **content)
        found: list[str] = []
        if answer.status_code != expected["status"]:
            found.append(f"status {answer.status_code}, expected {expected['status']}: {answer.text[:500]}")
        else:
            self._compare_answer(name, expected, answer, found)
        if answer.headers.get("X-Sandbox") != "1":
            found.append("the answer does not carry X-Sandbox")
        self.differences[name] = found

    # -- comparing ------------------------------------------------------------------------------------------

    def _compare_answer(self, name: str, expected: Any, answer: requests.Response, found: list[str]) -> None:
        if answer.headers.get("Content-Type", "").split(";")[0] != expected["content_type"].split(";")[0]:
            found.append(f"content type {answer.headers.get('Content-Type')}, expected {expected['content_type']}")
        if isinstance(expected["body"], str):
            if self.translated(expected["body"]) != answer.text:
                found.append(f"body {answer.text!r}, expected {expected['body']!r}")
            return
        self._compare(expected["body"], answer.json(), "", found, RANDOM_VALUES.get(name, set()), name in ANY_ROWS)

    def _compare(self, want: Any, got: Any, at: str, found: list[str], free: set[str], shape_only: bool) -> None:
        if isinstance(want, dict) and isinstance(got, dict):
            if set(want) != set(got):
                found.append(f"{at}: keys {sorted(got)}, expected {sorted(want)}")
                return
            for key, value in want.items():
                loose = shape_only and key not in ("count", "limit", "offset")
                self._compare(value, got[key], f"{at}.{key}", found, free, loose or key in free)
        elif isinstance(want, list) and isinstance(got, list):
            self._compare_lists(want, got, at, found, free, shape_only)
        elif isinstance(want, str) and isinstance(got, str):
            self._compare_texts(want, got, at, found, shape_only)
        elif isinstance(want, bool) or isinstance(got, bool) or want is None or got is None:
            if want is not got and not (shape_only and (want is None or got is None)):
                found.append(f"{at}: {got!r}, expected {want!r}")
        elif isinstance(want, int | float) and isinstance(got, int | float):
            if want != got and not shape_only:
                found.append(f"{at}: {got!r}, expected {want!r}")
        else:
            found.append(f"{at}: {got!r}, expected {want!r}")

    def _compare_lists(
        self, want: list, got: list, at: str, found: list[str], free: set[str], shape_only: bool
    ) -> None:
        length = len(want)
        cut = CUT_LIST.fullmatch(want[-1]) if want and isinstance(want[-1], str) else None
        if cut:
            want, length = want[:-1], int(cut.group(1))
        if len(got) != length:
            found.append(f"{at}: {len(got)} elements, expected {length}")
            return
        got = got[: len(want)]
        if not shape_only:
            want, got = sorted(want, key=_natural_key), sorted(got, key=_natural_key)
        anonymous = len(want) > 1 and all(isinstance(row, dict) and set(row) == {"id"} for row in want)
        for index, (one, other) in enumerate(zip(want, got, strict=True)):
            self._compare(one, other, f"{at}[{index}]", found, free, shape_only or anonymous)

    def _compare_texts(self, want: str, got: str, at: str, found: list[str], shape_only: bool) -> None:
        cut = CUT_TEXT.fullmatch(want)
        if DATE.fullmatch(want) and DATE.fullmatch(got):
            return
        if cut:
            if not got.startswith(cut.group(1)) or len(got) != int(cut.group(2)):
                found.append(f"{at}: {len(got)} characters {got[:40]!r}, expected {cut.group(2)}")
            return
        if shape_only:
            return
        if ID.fullmatch(want) and ID.fullmatch(got) and want.split("_")[0] == got.split("_")[0]:
            self._compare_ids(want, got, at, found)
            return
        if STAMP.search(want) and STAMP.search(got):
            for one, other in zip(STAMP.findall(want), STAMP.findall(got), strict=True):
                self.stamps.setdefault(one, other)
        if _without_host(self.translated(want)) != _without_host(got):
            found.append(f"{at}: {got!r}, expected {self.translated(want)!r}")

    def _compare_ids(self, want: str, got: str, at: str, found: list[str]) -> None:
        if self.live(want) == want:
            self.ids[want] = got
        if self.live(want) != got:
            found.append(f"{at}: {got!r}, expected {self.live(want)!r}")


def _natural_key(row: Any) -> str:
    if not isinstance(row, dict):
        return ID.sub("", str(row))
    text = json.dumps([row.get(name) for name in NATURAL], sort_keys=True)
    return STAMP.sub("", ID.sub("", DATE.sub("", text)))


def _without_host(text: str) -> str:
    return re.sub(r"^http://(localhost|127\.0\.0\.1):\d+/static/", "/static/", text)


def _whole(body: Any) -> Any:
    """A request as it was sent: what was cut for keeping is filled up again."""
    if isinstance(body, dict):
        return {key: _whole(value) for key, value in body.items()}
    if isinstance(body, list):
        return [_whole(value) for value in body]
    cut = CUT_TEXT.fullmatch(body) if isinstance(body, str) else None
    if cut is None:
        return body
    length = int(cut.group(2))
    return (cut.group(1) * (length // len(cut.group(1)) + 1))[:length]


def _note_origin(value: dict[str, Any], found: dict[str, tuple[str, str]]) -> None:
    identifier = str(value.get("id", ""))
    if value.get("sku"):
        found[identifier] = ("sku", value["sku"])
        for link in value.get("inventory_items") or []:
            found[link["inventory_item_id"]] = ("sku", value["sku"])
    elif value.get("handle") and ID.fullmatch(identifier):
        found.setdefault(identifier, ("handle", value["handle"]))
        variants = value.get("variants") or []
        if len(variants) == 1 and "sku" not in variants[0]:
            found.setdefault(variants[0]["id"], ("handle", value["handle"]))


def _origins() -> dict[str, tuple[str, str]]:
    """For the real server's ids of variants, products and inventory items: the sku or handle they belong to."""
    found: dict[str, tuple[str, str]] = {}

    def visit(value: Any) -> None:
        if isinstance(value, list):
            for element in value:
                visit(element)
        if not isinstance(value, dict):
            return
        _note_origin(value, found)
        for element in value.values():
            visit(element)

    for recorded in PAIRS.values():
        visit(recorded["response"]["body"])
    return found
