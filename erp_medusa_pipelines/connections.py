"""The one place where settings become clients, and where the embedded sandbox is started when it is asked for."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.erpnext_writes import ErpNextWriter
from erp_medusa_pipelines.clients.http import HttpClient, HttpOptions
from erp_medusa_pipelines.clients.login import Login
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.reading import Reading
from erp_medusa_pipelines.mail.erpnext import ErpNextSender
from erp_medusa_pipelines.mail.mail import Sender
from erp_medusa_pipelines.mail.smtp import SmtpSender
from erp_medusa_pipelines.plan.changes import ChangeLog, PlannedSender
from erp_medusa_pipelines.plan.erpnext import PlannedErpNext, PlannedWriter, ReadOnlyHttpClient
from erp_medusa_pipelines.plan.medusa import PlannedMedusa
from erp_medusa_pipelines.plan.recording import RecordingErpNext, RecordingMedusa, RecordingWriter
from erp_medusa_pipelines.setting_types import ShopRules
from erp_medusa_pipelines.settings import CONNECTION_VARIABLES, Settings, SettingsError, misspelt
from erp_medusa_pipelines.sync.catalogue.field_table import DEFAULT
from erp_medusa_pipelines.sync.catalogue.mapping.loading import MappingError
from erp_medusa_pipelines.sync.catalogue.shop_table import read_table
from erp_medusa_pipelines.sync.catalogue.website_items import fields_of

SANDBOX_NOTICE = "SANDBOX: the embedded demo servers, not a shop (set ERPNEXT_URL, MEDUSA_URL and their keys for yours)"


@dataclass(frozen=True)
class Shop:
    """Both servers of a shop, opened for one run."""

    settings: Settings
    erp: ErpNextClient
    writer: ErpNextWriter
    medusa: MedusaClient
    items: frozenset[str] = frozenset()
    """Names of Website Items that the work is limited to; empty for all."""
    record: ChangeLog | None = None
    """Where changes are noted, and refusals; None for a plan."""
    plan: ChangeLog | None = None
    """Where a plan notes what it would do; None where it is done."""

    @property
    def requests_sent(self) -> int:
        """Requests sent to both servers so far."""
        return self.erp.http.requests_sent + self.medusa.http.requests_sent

    def website_items(self, named: Sequence[str]) -> list[str]:
        """Return Website Item names for names or item_codes. Raises ValueError for unknown ones."""
        by_name = {row["name"]: row["name"] for row in self.erp.rows_in(WEBSITE_ITEM, ["name"], named)}
        others = [name for name in named if name not in by_name]
        rows = self.erp.rows_in(WEBSITE_ITEM, ["name", "item_code"], others, key="item_code")
        by_code = {row["item_code"]: row["name"] for row in rows}
        if unknown := [name for name in others if name not in by_code]:
            raise ValueError(f"ERPNext has no Website Item with this name or item_code: {', '.join(unknown)}")
        return list(dict.fromkeys(by_name.get(name) or by_code[name] for name in named))

    @contextmanager
    def mail_sender(self) -> Iterator[Sender]:
        """Open the way in which mails to customers go out; a plan notes them."""
        settings = self.settings
        if self.plan is not None:
            sender: Sender = PlannedSender(self.plan)
        elif settings.mail_by == "smtp" and settings.smtp_url:
            sender = SmtpSender(settings.smtp_url.get_secret_value(), settings.mail_from or "")
        else:
            sender = ErpNextSender(self.erp, settings.mail_from or "")
        try:
            yield sender
        finally:
            sender.close()

    @property
    def target(self) -> str:
        """Which servers these are, in words for people; says so plainly when they are the sandbox."""
        if self.settings.uses_sandbox:
            return SANDBOX_NOTICE
        return f"{self.erp.http.base_url} and {self.medusa.http.base_url}"


@contextmanager
def open_shop(
    settings: Settings,
    *,
    plan: ChangeLog | None = None,
    record: ChangeLog | None = None,
    items: frozenset[str] = frozenset(),
    facts: dict[str, Any] | None = None,
    reading: Reading | None = None,
) -> Iterator[Shop]:
    """Both clients for these settings; starts the sandbox when they ask for it. Raises SettingsError.

    With `plan` both servers are only read, and what would be written is noted in it. With `record` they are written to,
    and what was is noted. `items` limits the work to some Website Items. `facts` holds what earlier clients
    of the same run have learnt of the servers, see HttpClient.once; `reading` keeps the lists that it reads whole.
    """
    options = HttpOptions(
        connect_timeout=settings.http_connect_timeout,
        read_timeout=settings.http_read_timeout,
        attempts=settings.http_attempts,
    )
    servers = _servers(settings)
    kind = HttpClient if plan is None else ReadOnlyHttpClient
    facts = {} if facts is None else facts
    medusa_http = _medusa_http(settings, servers, options, kind, facts)
    erp_http = _erpnext_http(servers.erp_url, servers.erp_key, servers.erp_secret, options, kind, facts)
    medusa_http.facts.reading = erp_http.facts.reading = reading
    reads = _reads(settings)
    writes = {"chunk": settings.erpnext_write_chunk}
    try:
        if plan is not None:
            erp = PlannedErpNext(erp_http, plan, **reads)
            writer, medusa = PlannedWriter(erp, **writes), PlannedMedusa(medusa_http, plan)
            yield Shop(settings, erp, writer, medusa, items, plan=plan)
            return
        if record is not None:
            erp = RecordingErpNext(erp_http, record, **reads)
            writer, medusa = RecordingWriter(erp, record, **writes), RecordingMedusa(medusa_http, record)
        else:
            erp, medusa = ErpNextClient(erp_http, **reads), MedusaClient(medusa_http)
            writer = ErpNextWriter(erp, **writes)
        erp.reading = medusa.reading = reading
        erp.fields_of_products = _fields_of_products(settings)
        medusa.fields_of_mapping = _fields_of_mapping(settings)
        yield Shop(settings, erp, writer, medusa, items, record)
    finally:
        erp_http.close()
        medusa_http.close()


@contextmanager
def open_erpnext(settings: Settings, options: HttpOptions) -> Iterator[ErpNextClient]:
    """ERPNext alone, with time-outs of the caller's own."""
    servers = _servers(settings)
    http = _erpnext_http(servers.erp_url, servers.erp_key, servers.erp_secret, options)
    try:
        yield ErpNextClient(http, **_reads(settings))
    finally:
        http.close()


@contextmanager
def open_erpnext_as(url: str, key: SecretStr, secret: SecretStr, options: HttpOptions) -> Iterator[ErpNextClient]:
    """ERPNext with somebody else's key, such as an administrator's."""
    http = _erpnext_http(url, key, secret, options)
    try:
        yield ErpNextClient(http)
    finally:
        http.close()


@dataclass(frozen=True)
class _Servers:
    erp_url: str
    erp_key: SecretStr
    erp_secret: SecretStr
    medusa_url: str
    medusa_key: SecretStr


def _servers(settings: Settings) -> _Servers:
    """The servers that the settings name, or the sandbox's where it is asked for. Raises SettingsError for neither."""
    if settings.uses_sandbox:
        return _sandbox(settings)
    key, secret, medusa_key = settings.erpnext_api_key, settings.erpnext_api_secret, settings.medusa_api_key
    erp_url, medusa_url = settings.erpnext_url, settings.medusa_url
    if key and secret and medusa_key and erp_url and medusa_url:
        return _Servers(erp_url, key, secret, medusa_url, medusa_key)
    hint = "".join(f"; {wrong} in .env is no setting: is {likely} meant?" for wrong, likely in misspelt().items())
    raise SettingsError(
        f"No servers are set (is the .env file where the process was started?): set {', '.join(CONNECTION_VARIABLES)},"
        f" or USE_SANDBOX=true for the embedded sandbox{hint}"
    )


def _sandbox(settings: Settings) -> _Servers:
    """The embedded servers, which are started if need be."""
    try:
        from erp_medusa_sandbox.server import ensure_running
    except ImportError as error:
        raise SettingsError(
            "USE_SANDBOX: the sandbox is not part of the installed package. It runs from a checkout with"
            f" pip install -e '.[sandbox]' ({error})"
        ) from error
    address = ensure_running(sandbox_directory(settings))
    return _Servers(
        address.erpnext_url,
        SecretStr(address.erpnext_api_key),
        SecretStr(address.erpnext_api_secret),
        address.medusa_url,
        SecretStr(address.medusa_api_key),
    )


def _fields_of_mapping(settings: Settings) -> str:
    try:
        return read_table(settings.mapping).shown if settings.mapping else ""
    except MappingError:
        # The assets that need it say what is wrong with it.
        return ""


def _fields_of_products(settings: Settings) -> tuple[str, ...]:
    try:
        return fields_of(read_table(settings.mapping) if settings.mapping else DEFAULT)
    except MappingError:
        return ()


def _reads(settings: Settings) -> dict[str, Any]:
    """How a client of this shop reads ERPNext."""
    return {
        "page_size": settings.erpnext_page_size,
        "read_chunk": settings.erpnext_read_chunk,
        "shop_rules": ShopRules(settings.shop_items, settings.sales_channels),
    }


def _medusa_http(
    settings: Settings, servers: _Servers, options: HttpOptions, kind: type[HttpClient], facts: dict[str, Any]
) -> HttpClient:
    """A client with the key, or with an admin's log-in, which is shared by all clients that have the same facts."""
    email, password = settings.medusa_admin_email, settings.medusa_admin_password
    if email and password and not settings.uses_sandbox:
        login, secret, header = facts.setdefault("log-in", Login(email, password)), password.get_secret_value(), {}
    else:
        login, secret = None, servers.medusa_key.get_secret_value()
        header = {"Authorization": f"Basic {secret}"}
    return kind("Medusa", servers.medusa_url, header, secrets=(secret,), options=options, facts=facts, login=login)


def _erpnext_http(
    url: str,
    key: SecretStr,
    secret: SecretStr,
    options: HttpOptions,
    kind: type[HttpClient] = HttpClient,
    facts: dict[str, Any] | None = None,
) -> HttpClient:
    pair = key.get_secret_value(), secret.get_secret_value()
    token = ":".join(pair)
    header = {"Authorization": f"token {token}"}
    return kind("ERPNext", url, header, secrets=(token, *pair), options=options, facts=facts)


def sandbox_directory(settings: Settings) -> Path:
    """Where the sandbox keeps its data."""
    if settings.sandbox_dir:
        return settings.sandbox_dir
    return Path(os.environ.get("DAGSTER_HOME") or ".dagster").resolve() / "sandbox"
