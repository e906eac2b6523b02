"""The Translation module of the embedded Medusa, which is off unless the application is made with it.

`/admin/translations`, `/admin/locales`, `/store/locales`, and the Store API's answers in a language.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from erp_medusa_sandbox.medusa.errors import STRING, array, expected_type, fields, invalid, not_found
from erp_medusa_sandbox.medusa.fields import KINDS, Kind
from erp_medusa_sandbox.medusa.http import Resource, deleted_many, json_body
from erp_medusa_sandbox.medusa.lists import ListRoute, page, parse_query, text
from erp_medusa_sandbox.medusa.store import Document, MedusaStore

_SHOWN = ("id", "reference_id", "reference", "locale_code", "translations")
KINDS["translation"] = Kind(star=(*_SHOWN, "translated_field_count", "created_at", "updated_at", "deleted_at"))
_LIST = ListRoute("translation", "translations", _SHOWN, 20, ("reference_id", "reference", "locale_code"), dated=False)

TRANSLATED = {
    "product": ["title", "subtitle", "description", "material"],
    "product_category": ["name", "description"],
    "product_collection": ["title"],
    "product_option": ["title"],
    "product_option_value": ["value"],
    "product_tag": ["value"],
    "product_type": ["value"],
    "product_variant": ["title", "material"],
}
"""Fields by kind of document. The real one has more kinds, which this Medusa does not keep."""

_LOCALES = {"ar-AE": "Arabic (United Arab Emirates)", "ar-EG": "Arabic (Egypt)", "ar-SA": "Arabic (Saudi Arabia)"}
"""Some of the 51 that a real one knows; Oman is not among them."""


def _texts(value: Any, path: tuple[str | int, ...], issues: list[str]) -> None:
    at = ", ".join(str(part) for part in path)
    if not isinstance(value, dict):
        issues.append(f"Field '{at}' is required")
        return
    issues += [f"Field '{at}, {name}' is required" for name, one in value.items() if not isinstance(one, str)]


_PARTS = {"reference_id": STRING, "reference": STRING, "locale_code": STRING, "translations": _texts}
_BATCH = fields(
    {
        "create": array(fields(_PARTS, required=tuple(_PARTS))),
        "update": array(fields({"id": STRING, **_PARTS}, required=("id",))),
        "delete": array(STRING),
    }
)


class Translations(Resource):
    """Handlers of translations and locales."""

    def routes(self) -> list[Route]:
        """List the routes, each with its handler."""
        return [
            Route("/admin/translations", self._list, methods=["GET"]),
            Route("/admin/translations/settings", self._settings, methods=["GET"]),
            Route("/admin/translations/batch", self._batch, methods=["POST"]),
            Route("/admin/locales", self._locales, methods=["GET"]),
            Route("/admin/locales/{code}", self._locale, methods=["GET"]),
            Route("/store/locales", self._supported, methods=["GET"]),
        ]

    async def _list(self, request: Request) -> Response:
        query = parse_query(request.url.query)
        for name in ("reference", "locale_code"):
            if isinstance(given := query.get(name), list):
                raise invalid(f"Invalid request: {expected_type('string', (name,), ','.join(given))}")
        return page(request, _LIST, self.store)

    async def _settings(self, _request: Request) -> Response:
        rows = {
            kind: {"id": f"trset_{kind}", "fields": names, "inactive_fields": [], "is_active": True}
            for kind, names in TRANSLATED.items()
        }
        return JSONResponse({"translation_settings": rows})

    async def _batch(self, request: Request) -> Response:
        given = await json_body(request, _BATCH)
        with self.store.transaction():
            created = [self._create(one) for one in given.get("create") or ()]
            updated = [self._update(one) for one in given.get("update") or ()]
            for identifier in given.get("delete") or ():
                self.store.remove("translation", identifier)
        gone = deleted_many(given.get("delete") or [], "translation")
        return JSONResponse({"created": _shown(created), "updated": _shown(updated), "deleted": gone})

    def _create(self, given: Document) -> Document:
        locale = normal_locale(given["locale_code"])
        there = self.store.find("translation", "reference_id", [given["reference_id"]])
        if any(one["locale_code"] == locale for one in there):
            place = f"reference_id: {given['reference_id']}, locale_code: {locale}"
            raise invalid(f"Translation with {place}, already exists.")
        texts = _known(given["reference"], given["translations"])
        made = self.store.stamped("trans", **{**given, "locale_code": locale, "translations": texts})
        return self.store.put("translation", made)

    def _update(self, given: Document) -> Document:
        """Texts that are not named stay; the locale is taken as it is given."""
        before = self.store.get("translation", given["id"])
        if before is None:
            raise not_found(f'Translation with id "{given["id"]}" not found')
        texts = {**before["translations"], **_known(before["reference"], given.get("translations", {}))}
        changed = {**before, **given, "translations": texts, "updated_at": self.store.now()}
        return self.store.put("translation", changed)

    async def _locales(self, _request: Request) -> Response:
        rows = [{"code": code, "name": name} for code, name in _LOCALES.items()]
        return JSONResponse({"locales": rows, "count": len(rows), "offset": 0, "limit": 200})

    async def _locale(self, request: Request) -> Response:
        code = request.path_params["code"]
        if code not in _LOCALES:
            raise not_found(f"Locale with code: {code} was not found")
        return JSONResponse({"locale": {"code": code, "name": _LOCALES[code]}})

    async def _supported(self, _request: Request) -> Response:
        return JSONResponse({"locales": []})


def _known(kind: str, texts: Document) -> Document:
    """Return the texts of fields that are translated. A real one keeps the others, and never shows them."""
    return {name: text for name, text in texts.items() if name in TRANSLATED.get(kind, ())}


def _shown(rows: list[Document]) -> list[Document]:
    return [{name: row[name] for name in _SHOWN} for row in rows]


def normal_locale(code: str) -> str:
    """Return a locale as Medusa keeps it: en-US, zh-Hans, ru-Cyrl-BY."""
    parts = code.split("-")
    if len(parts) == 2:
        script = len(parts[1]) == 4 and parts[1].isalpha()
        return f"{parts[0].lower()}-{parts[1].capitalize() if script else parts[1].upper()}"
    if len(parts) == 3:
        return f"{parts[0].lower()}-{parts[1].capitalize()}-{parts[2].upper()}"
    return code.lower() if len(parts) == 1 else code


class Localized:
    """Translates answers of the Store API for the locale of the query, or else of the header."""

    def __init__(self, app: ASGIApp, store: MedusaStore, *, is_on: bool) -> None:
        self._app, self._store, self._is_on = app, store, is_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/store/"):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        locale = text(parse_query(request.url.query), "locale") or request.headers.get("x-medusa-locale")
        # No route knows the parameter.
        parts = [part for part in scope["query_string"].split(b"&") if not part.startswith(b"locale=")]
        scope = {**scope, "query_string": b"&".join(parts)}
        if not locale or not self._is_on:
            await self._app(scope, receive, send)
            return
        start: list[Message] = []
        body = bytearray()

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                answer = (
                    self._translated(bytes(body), normal_locale(locale)) if start[0]["status"] == 200 else bytes(body)
                )
                headers = [(name, value) for name, value in start[0]["headers"] if name != b"content-length"]
                headers.append((b"content-length", str(len(answer)).encode()))
                await send({**start[0], "headers": headers})
                await send({"type": "http.response.body", "body": answer})

        await self._app(scope, receive, hold)

    def _translated(self, body: bytes, locale: str) -> bytes:
        value = json.loads(body)
        ids: set[str] = set()
        _gather(value, ids)
        rows = self._store.find("translation", "reference_id", ids)
        _apply(value, {row["reference_id"]: row for row in rows if row["locale_code"] == locale})
        return json.dumps(value, ensure_ascii=False).encode()


def _gather(value: Any, ids: set[str]) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("id"), str):
            ids.add(value["id"])
        for one in value.values():
            _gather(one, ids)
    elif isinstance(value, list):
        for one in value:
            _gather(one, ids)


def _apply(value: Any, rows: dict[str, Document]) -> None:
    """Put texts in place of those that are there; a field that is null, and what has no id, stays."""
    if isinstance(value, list):
        for one in value:
            _apply(one, rows)
    elif isinstance(value, dict):
        texts = rows[value["id"]]["translations"] if value.get("id") in rows else {}
        for name, one in value.items():
            if name == "metadata":
                continue
            if isinstance(one, str) and texts.get(name, "").strip():
                value[name] = texts[name]
            else:
                _apply(one, rows)
