"""Medusa's own translations: rows by document and locale, of a Medusa whose Translation module is on.

An update leaves the fields that it does not name, and an empty text counts as none. Medusa checks neither that the
document exists nor that it has the locale.
"""

import logging
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient, Row
from erp_medusa_pipelines.clients.origin import is_unknown_route
from erp_medusa_pipelines.clients.reading import UNKEPT

log = logging.getLogger(__name__)

TRANSLATIONS = "/admin/translations"
TRANSLATIONS_BATCH = f"{TRANSLATIONS}/batch"
LOCALES = "/admin/locales"
SETTINGS = f"{TRANSLATIONS}/settings"
FIELDS = "id,reference_id,locale_code,translations"
SEEN = "translations"
"""The list of those that the runs of a tick have seen, by the document's id."""

Rows = dict[tuple[str, str], Row]
"""Translations by document and locale."""


def normal_locale(code: str) -> str:
    """Return a locale as Medusa keeps it, whatever its case: ar-OM, zh-Hans, ru-Cyrl-BY."""
    first, *others = code.replace("_", "-").split("-")
    return "-".join([first.lower(), *(one.capitalize() if len(one) == 4 else one.upper() for one in others)])


class MedusaTranslations:
    """The translations of one Medusa. `fields` are those that it translates, by the kind of document."""

    def __init__(self, medusa: MedusaClient, fields: Mapping[str, Collection[str]]) -> None:
        self._medusa = medusa
        self._fields = fields
        self._made: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    @classmethod
    def where_on(cls, medusa: MedusaClient) -> "MedusaTranslations | None":
        """Return it where the module is on. One request, once a run."""
        fields = medusa.http.once(SETTINGS, lambda: cls._fields_of(medusa), of_tick=True)
        return None if fields is None else cls(medusa, fields)

    @staticmethod
    def _fields_of(medusa: MedusaClient) -> dict[str, frozenset[str]] | None:
        try:
            answer = medusa.http.request("GET", SETTINGS)
        except PermanentError as error:
            if is_unknown_route(error.service, error.status, error.exc_type):
                return None
            raise
        found = medusa.http.part(answer, "translation_settings", f"GET {SETTINGS}")
        # Fields that staff took out are not shown, so what is written there would be written each night.
        return {kind: frozenset(one["fields"]) for kind, one in found.items() if one.get("is_active", True)}

    def takes(self, kind: str, field: str) -> bool:
        """Return whether Medusa translates a field of this kind of document, such as `product`."""
        return field in self._fields.get(kind, ())

    def of(self, ids: Iterable[str]) -> Rows:
        """Return the translations of these documents."""
        return _by_place(self._medusa.find(TRANSLATIONS, "translations", "reference_id", ids, FIELDS))

    def seen_of(self, ids: Collection[str]) -> Rows:
        """Return them as this run, or one of its tick, saw them: a thousand per request."""
        reading = self._medusa.reading
        if reading is None or not reading.shared:
            return self.of(ids)
        try:
            return _by_place(reading.kept(SEEN, FIELDS, self._all).find(ids))
        except UNKEPT as error:
            log.warning("translations are looked up where they are needed: %s", error)
            return self.of(ids)

    def _all(self) -> Iterator[tuple[int, str, Row]]:
        for row in self._medusa.all_of(TRANSLATIONS, "translations", FIELDS):
            yield 0, row["reference_id"], row

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Create rows, and update those with an id; all or nothing. The same again is an update.

        Where somebody else made one of them since it was looked up, it is updated.
        """
        try:
            self._send(rows)
        except PermanentError:
            there = self.of({row["reference_id"] for row in rows if "id" not in row})
            if not there.keys() - self._made.keys():
                raise
            with self._lock:
                self._made.update((place, row["id"]) for place, row in there.items())
            self._send(rows)

    def _send(self, rows: Sequence[Mapping[str, Any]]) -> None:
        create: dict[tuple[str, str], Mapping[str, Any]] = {}
        update: dict[str, Row] = {}
        for row in rows:
            place = _place(row)
            if known := row.get("id") or self._made.get(place):
                update[known] = {"id": known, "translations": row["translations"]}
            else:
                # Products may share an option, whose texts are the same.
                create[place] = row
        if not create and not update:
            return
        body: dict[str, Any] = {"create": list(create.values()), "update": list(update.values())}
        try:
            answer = self._medusa.send("POST", TRANSLATIONS_BATCH, body, gives="created", repeatable=not create)
        finally:
            if self._medusa.reading is not None:
                self._medusa.reading.drop(SEEN, {row["reference_id"] for row in rows})
        with self._lock:
            self._made.update((_place(row), row["id"]) for row in answer["created"])


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["reference_id"], row["locale_code"]


def _by_place(rows: Iterable[Row]) -> Rows:
    return {_place(row): row for row in rows}
