"""How commands connect to the shop, and find the items that are named: the runs' settings, with shorter time-outs."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dotenv import dotenv_values
from pydantic import SecretStr, TypeAdapter, ValidationError

from erp_medusa_pipelines.cli.frame import ADMIN_VARIABLES, CommandError
from erp_medusa_pipelines.cli.output import ExitCode, say_once
from erp_medusa_pipelines.clients.doctypes import WEBSITE_ITEM
from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import AccessError
from erp_medusa_pipelines.clients.http import HttpOptions
from erp_medusa_pipelines.connections import SANDBOX_NOTICE, Shop, open_erpnext_as, open_shop
from erp_medusa_pipelines.setting_types import ServerUrl
from erp_medusa_pipelines.settings import Settings, load_settings

PATIENCE = {"http_connect_timeout": 5.0, "http_read_timeout": 30.0, "http_attempts": 2}
"""Time-outs of commands that only read; commands that write use those of the runs."""

YES = ("1", "true", "t", "yes", "y", "on")
"""What the settings take for true."""


@contextmanager
def connect(*, patient: bool = True, settings: Settings | None = None) -> Iterator[Shop]:
    """Yield the clients of the shop that the environment or .env names; the sandbox with USE_SANDBOX=true.

    `patient=False` waits seconds instead of minutes for a server, for commands that only read.
    """
    settings = settings or load_settings()
    name_sandbox(settings)
    with open_shop(settings if patient else settings.model_copy(update=PATIENCE)) as shop:
        yield shop


def website_items(shop: Shop, named: Sequence[str]) -> list[str]:
    """Return Website Item names for names or item_codes. Raises CommandError for unknown ones."""
    try:
        return shop.website_items(named)
    except ValueError as error:
        raise CommandError(str(error), ExitCode.TO_DO) from None


def documents_of(erp: ErpNextClient, website_item: str) -> list[str]:
    """Return all names under which the history may have this item: its own, its Item's, Item Prices, Files, and ids."""
    row = erp.get(WEBSITE_ITEM, website_item)
    code = row.get("item_code") or ""
    prices = erp.get_list("Item Price", ["name"], filters=[["item_code", "=", code]]) if code else []
    attached = [["attached_to_doctype", "=", WEBSITE_ITEM], ["attached_to_name", "=", website_item]]
    files = erp.get_list("File", ["name"], filters=attached)
    own = [website_item, code, row.get("medusa_id"), row.get("medusa_variant_id")]
    return [name for name in (*own, *(one["name"] for one in (*prices, *files))) if name]


def name_sandbox(settings: Settings) -> None:
    """Say on stderr, once per command, that the servers are not a shop's."""
    if settings.uses_sandbox:
        say_once(SANDBOX_NOTICE)


@contextmanager
def connect_as_admin() -> Iterator[ErpNextClient]:
    """Yield ERPNext with the administrator's key of ADMIN_API_KEY and ADMIN_API_SECRET, which is not stored.

    Needs only ERPNEXT_URL, because before a setup there is no other key.
    """
    key, secret = (os.environ.get(name, "") for name in ADMIN_VARIABLES)
    if not key or not secret:
        raise CommandError(
            f"set {' and '.join(ADMIN_VARIABLES)} in the environment to an administrator's key (User, Settings, API"
            " Access in ERPNext); it is used for this command and kept nowhere"
        )
    options = HttpOptions(connect_timeout=5.0, read_timeout=130.0, attempts=3)
    with open_erpnext_as(_erpnext_url(), SecretStr(key), SecretStr(secret), options) as erp:
        try:
            erp.user()  # Report a wrong key once, not for every step.
        except AccessError as error:
            raise CommandError(f"ERPNext does not accept the key in {' and '.join(ADMIN_VARIABLES)}") from error
        yield erp


@contextmanager
def connect_to_switch(settings: Settings) -> Iterator[ErpNextClient]:
    """Yield ERPNext with the administrator's key if one is set, else with the pipelines' own."""
    if any(os.environ.get(name) for name in ADMIN_VARIABLES):
        with connect_as_admin() as erp:
            yield erp
    else:
        with connect(settings=settings) as shop:
            yield shop.erp


def _erpnext_url() -> str:
    """Return ERPNEXT_URL alone: other settings may not be set yet."""
    variables = {**dotenv_values(".env"), **os.environ}
    if (variables.get("USE_SANDBOX") or "").strip().lower() in YES:
        raise CommandError(
            "USE_SANDBOX=true is set, and the sandbox has no administrator's key: take it out to reach ERPNEXT_URL"
        )
    value = variables.get("ERPNEXT_URL")
    if not value:
        raise CommandError("set ERPNEXT_URL to the address of ERPNext, in the environment or .env")
    try:
        return TypeAdapter(ServerUrl).validate_python(value)
    except ValidationError as error:
        raise CommandError(f"ERPNEXT_URL {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
