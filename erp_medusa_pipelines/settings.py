"""Every setting of the project in one typed table, read from the environment or a `.env` file.

Belongs here: names, types, defaults and limits of settings, and the sentence that explains each (`.env.example` and
docs/settings.md are made from it). Does not belong here: opening connections, or anything a single task decides.
"""

import os
from collections.abc import Hashable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSetting

from erp_medusa_pipelines.product_fields import FIELD_POLICIES, FieldPolicy
from erp_medusa_pipelines.setting_types import (
    FieldPolicies,
    FramesUrl,
    Key,
    OrphanPolicy,
    Owner,
    PublishWhen,
    ServerUrl,
    ShopName,
    Times,
    TopSellerCategories,
    ZoneName,
)

CONNECTION_VARIABLES = ("ERPNEXT_URL", "ERPNEXT_API_KEY", "ERPNEXT_API_SECRET", "MEDUSA_URL", "MEDUSA_API_KEY")


class SettingsError(Exception):
    """A setting is missing or wrong; the message names the variable and what to do."""


QUOTATION_EMAIL_SECONDS_IN_ALL = 55
"""Of the 60 s of a run in the queue `short`, what the start of its process and the last reads leave."""

TOP_SELLER_CATEGORIES = {
    "Dental": "dental_items",
    "Medical": "medical_items",
    "Infection Control": "infection_control_items",
    "Medical Laboratory IVD": "medical_laboratory_ivd_items",
}


class Settings(BaseSettings):
    """The typed table. Variable names are the field names in upper case."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    erpnext_url: ServerUrl | None = Field(None, description="Address of ERPNext, e.g. https://erp.example.com")
    erpnext_api_key: Key | None = Field(None, description="API key of the ERPNext user that the pipelines act as")
    erpnext_api_secret: Key | None = Field(None, description="API secret of that user")
    medusa_url: ServerUrl | None = Field(
        None, description="Address of the Medusa backend, e.g. https://api.example.com"
    )
    medusa_api_key: Key | None = Field(None, description="Secret API key of Medusa (sk_...)")
    medusa_admin_email: str | None = Field(
        None,
        description=(
            "Optional, with MEDUSA_ADMIN_PASSWORD: an admin of Medusa, in whose name the pipelines log in instead of"
            " using the key. Medusa spends some 50 ms of CPU on checking a key, in each request, and 8 ms on a token"
        ),
    )
    medusa_admin_password: SecretStr | None = Field(None, description="Password of MEDUSA_ADMIN_EMAIL")

    medusa_sales_channel_id: str | None = Field(
        None, description="Sales channel that products are put into; may be left out when the shop has only one"
    )
    medusa_shipping_profile_id: str | None = Field(
        None, description="Shipping profile of all products; default: the default one of the shop, where it has one"
    )
    medusa_stock_location_id: str | None = Field(
        None, description="Stock location whose levels are kept; may be left out when the shop has only one"
    )
    schedule_timezone: ZoneName = Field(
        "UTC", description="Time zone of the schedules' clock times; set it to the time zone of the ERPNext site"
    )
    schedules: dict[str, str] = Field(
        default_factory=dict,
        description=(
            'Cron lines that differ from the crontab (docs/tasks.md), as JSON: {"update_webitem_stock": "0 */6 * * *"}.'
            " They are read in SCHEDULE_TIMEZONE"
        ),
    )
    export_batches: int = Field(
        4, ge=1, le=256, description="Number of batches (partitions) that Website Items are divided into"
    )

    erpnext_page_size: int = Field(2000, ge=1, le=20000, description="Rows per page when a DocType is read")
    erpnext_read_chunk: int = Field(400, ge=1, le=2000, description="Documents per request when details are read")
    erpnext_write_chunk: int = Field(
        20, ge=1, le=100, description="Documents per bulk_update; each one is a full save inside one ERPNext request"
    )
    erpnext_fast_write_chunk: int = Field(
        200, ge=1, le=1000, description="Rows per call of the installed Server Script that writes ids without saves"
    )
    medusa_chunk: int = Field(100, ge=1, le=500, description="Products per batch call to Medusa")
    medusa_chunk_bytes: int = Field(
        1_500_000, ge=10_000, le=2_000_000, description="Bytes per batch call; Medusa refuses bodies over 2 MiB"
    )
    medusa_parallel_calls: int = Field(
        2,
        ge=1,
        le=8,
        description="Batch calls in flight; Medusa computes in one thread, more than two add only delay",
    )
    missing_products_percent: int = Field(
        20,
        ge=0,
        le=100,
        description=(
            "Of the shop's exported items, the percentage whose products may be missing in Medusa and are made again,"
            " and of its shown products, the percentage that may be hidden within seven days; above it (and above 10,"
            " or more than half of a small shop) none is, and the run fails: is it the right Medusa and ERPNext?"
        ),
    )
    alike_rejects_percent: int = Field(
        5, ge=0, le=100, description="Of a batch, the percentage that may be refused alike; above it (and 10): an error"
    )
    field_policies: FieldPolicies = Field(
        default_factory=dict,
        description=(
            'What becomes of fields that somebody changed in Medusa, as JSON: {"title": "keep"}. "overwrite" restores'
            ' the ERP\'s value each night, "until_erp_changes" lets Medusa\'s stand until the ERP\'s changes, "keep"'
            " sends a field only when the product is created. Names and defaults: docs/tasks.md, Fields of a"
            " product"
        ),
    )
    orphaned_products: OrphanPolicy = Field(
        "draft",
        description=(
            "What becomes of products of the export that no Website Item owns any more: `draft` hides them, `report`"
            " leaves them as they are; either way a check lists them"
        ),
    )
    publish_when: PublishWhen = Field(
        "created",
        description=(
            "When products go live: `created`, or `complete` - once they have a picture, a price and stock; then they"
            " stay"
        ),
    )
    erpnext_price_list: str = Field(
        "Standard Selling", min_length=1, description="Price List whose Item Prices the shop shows"
    )
    # Medusa takes 100 kB where a list is made with its entries; an entry has up to 105 bytes.
    medusa_price_chunk: int = Field(
        500, ge=1, le=900, description="Prices per call to Medusa, and per Medusa price list"
    )
    prices_allow_zero: bool = Field(
        False, description="Show Item Prices with a rate of 0 as free; otherwise they are rejected"
    )
    price_removal_percent: int = Field(
        20,
        ge=0,
        le=100,
        description=(
            "Of the shop's items with a price, the percentage that may be left without within seven days; above it (and"
            " above 10 items, or more than half of a small shop) those prices stay, and the run fails"
        ),
    )
    warehouse_stock_locations: dict[str, str] = Field(
        default_factory=dict,
        description=(
            'Stock locations of warehouses and all below them, as JSON: {"Muscat - ST": "sloc_..."}.'
            " Other warehouses count for MEDUSA_STOCK_LOCATION_ID"
        ),
    )
    medusa_level_chunk: int = Field(1000, ge=1, le=2000, description="Stock levels per batch call to Medusa")
    stock_quantity: Literal["available", "actual"] = Field(
        "available",
        description=(
            "What is sold of an item: available is the stock less expired batches, orders from elsewhere and safety"
            " stock, from warehouses that goods are sold from; actual is all that lies in the warehouses"
        ),
    )
    safety_stock: float = Field(
        0,
        ge=0,
        description="Pieces of each item that are not sold, where its Item has no safety stock of its own",
    )
    stock_zero_percent: int = Field(
        50,
        ge=0,
        le=100,
        description=(
            "Of the shop's items in stock, the percentage that may be sold out within seven days; above it (and above"
            " 10 items, or more than half of a small shop) their levels stay, and the run fails"
        ),
    )
    image_max_bytes: int = Field(
        5 * 1024 * 1024, ge=1024, description="Largest image file that is uploaded to Medusa; larger ones are rejected"
    )

    top_seller_categories: TopSellerCategories = Field(
        default_factory=lambda: dict(TOP_SELLER_CATEGORIES),
        description=(
            "Categories whose best sellers are shown: Item Group (with all its descendants) to the child table of"
            " Product Collection, as JSON"
        ),
    )
    top_seller_count: int = Field(20, ge=1, le=500, description="Best sellers shown per category")
    top_seller_days: int | None = Field(
        None, ge=1, le=36500, description="Count only sales invoiced in the last so many days; default: of all time"
    )
    top_seller_quantity: Literal["qty", "stock_qty"] = Field(
        "qty",
        description="What is counted of an invoice line: qty as sold (a box is 1), or stock_qty (a box of 100 is 100)",
    )
    top_seller_include_hidden: bool = Field(
        False, description="Rank items too that are disabled or not published on the website"
    )
    sales_window: int = Field(
        200_000,
        ge=1000,
        le=5_000_000,
        description="Invoice lines that ERPNext is asked to sum per request; it gives up after 120 s",
    )
    clearance_days: int = Field(
        60, ge=0, le=3650, description="Batches that expire within so many days are listed for clearance"
    )

    http_connect_timeout: float = Field(5.0, gt=0, le=60, description="Seconds to wait for a connection")
    http_read_timeout: float = Field(
        130.0, gt=0, le=600, description="Seconds to wait for an answer; above the 120 s after which ERPNext gives up"
    )
    http_attempts: int = Field(4, ge=1, le=10, description="Attempts per request on transient failures")

    retry_delay_seconds: int = Field(
        60, ge=1, le=86400, description="Seconds before a failed partition is tried again; doubled with every attempt"
    )
    retry_attempts: int = Field(6, ge=0, le=20, description="How often a failed partition is tried again")
    execution_limits: dict[str, Times] = Field(
        default_factory=dict,
        description=(
            'How often a schedule may start its task before it is stopped for good, as JSON: {"expire_otps": 100}.'
            " Tasks that are not named have no limit"
        ),
    )
    alert_urls: SecretStr | None = Field(
        None,
        description=(
            "Where alerts go: addresses in the form of Apprise, parted by spaces - mailtos://, slack://, msteams://,"
            " json:// for a webhook (https://github.com/caronc/apprise/wiki)"
        ),
    )
    dagster_ui_url: ServerUrl | None = Field(
        None, description="Address of the Dagster UI, for links in alerts, e.g. https://dagster.example.com"
    )
    asset_owners: list[Owner] = Field(
        default_factory=list,
        description='Owners shown on every asset, as JSON: ["team:shop", "erp@example.com"]',
    )
    runbook_url: ServerUrl | None = Field(None, description="Address of your runbook, linked on every asset")
    silent_server_alert_minutes: float = Field(
        15.0, ge=0, description="Minutes after which a server that does not answer the minute tasks is alerted"
    )
    error_log_in_erp: bool = Field(
        False, description="Write final failures to ERPNext's Error Log too, where desk users look for them"
    )
    keep_minute_runs_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="Days after which runs of tasks that run every minute are deleted, failed ones too",
    )
    history_days: int = Field(
        90, ge=1, le=3650, description="Days that the history of changes is kept, document by document"
    )

    changes_interval: int = Field(
        30, ge=5, le=3600, description="Seconds between two questions of the sensor `follow_changes` what changed"
    )
    changes_at_most: int = Field(
        200, ge=1, le=200, description="Changed items that `follow_changes` brings by themselves; more start batches"
    )
    changes_alert_minutes: int = Field(
        15, ge=1, description="Minutes after which a followed change that is not in Medusa yet causes an alert"
    )
    gate_timeout: float = Field(
        5.0, gt=0, le=30, description="Seconds in which ERPNext must say whether a minute task has work; else no run"
    )
    quotation_emails_per_run: int = Field(200, ge=1, le=5000, description="Quotation mails that one run sends at most")
    quotation_email_parallel: int = Field(
        3, ge=1, le=8, description="Mails sent at the same time; each one keeps a worker of ERPNext busy"
    )
    quotation_email_seconds: float = Field(
        30.0, gt=0, le=50, description="Seconds after which a run starts no further mail; the next tick goes on"
    )
    quotation_email_timeout: float = Field(
        20.0, gt=0, le=50, description="Seconds to wait for ERPNext to hand over one mail; with the above within 60"
    )
    quotation_email_stuck_minutes: float = Field(
        15.0, gt=0, description="Minutes in `Sending` after which a mail is reported as stuck"
    )
    quotation_email_retry_minutes: float = Field(
        5.0, gt=0, description="Minutes before a mail that failed is tried again; doubled with every attempt"
    )
    quotation_email_attempts: int = Field(
        6, ge=1, le=50, description="Failed attempts after which a mail is given up; ERPNext itself gives up after four"
    )
    quotation_email_doubt_seconds: float = Field(
        150.0,
        ge=0,
        description=(
            "Seconds that a mail is left alone after a call without an answer; above the 120 s that ERPNext may go on"
        ),
    )
    quotation_email_pause_minutes: float = Field(
        10.0, gt=0, description="Minutes between tries while the site sends nothing at all"
    )
    otps_per_run: int = Field(5000, ge=1, description="One-time passwords that one run expires at most")
    otp_write_chunk: int = Field(
        100, ge=1, le=500, description="One-time passwords per bulk_update; their saves are light"
    )
    otp_retention_days: int | None = Field(
        None,
        ge=1,
        description=(
            "Days after which Expired and Verified one-time passwords are deleted, never those of registered addresses"
            " (logged_in); empty keeps all"
        ),
    )
    otp_deletions_per_run: int = Field(200, ge=1, description="Old one-time passwords that one run deletes at most")

    frames_url: FramesUrl | None = Field(
        None,
        description=(
            "Where sales_by_item and top_selling_items lie between assets: s3://bucket/prefix, or postgresql://... as"
            " DAGSTER_POSTGRES_URL has it; empty: files below DAGSTER_HOME, for one machine alone"
        ),
    )
    kubernetes_resources: dict[str, dict[str, dict[str, str]]] = Field(
        default_factory=dict,
        description=(
            "On Kubernetes: what the pod of a run may use, by queue, as JSON:"
            ' {"long": {"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}}}'
        ),
    )
    shop_name: ShopName | None = Field(
        None,
        description=(
            "Where one Dagster serves several shops: the name of this one, by which assets, pools and runs are told"
            " apart; the code location has the same name. Do not change it later"
        ),
    )
    use_sandbox: bool = Field(False, description="Use the embedded sandbox, as the demo does, whatever servers are set")
    sandbox_dir: Path | None = Field(
        None,
        description="Where the embedded sandbox keeps its data; default: sandbox/ in DAGSTER_HOME, else .dagster",
    )

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        missing = [name for name in CONNECTION_VARIABLES if getattr(self, name.lower()) is None]
        if missing and len(missing) < len(CONNECTION_VARIABLES):
            raise ValueError(
                f"{', '.join(missing)} not set: set all of {', '.join(CONNECTION_VARIABLES)} for your own servers,"
                " or USE_SANDBOX=true alone for the embedded sandbox"
            )
        return self

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.medusa_admin_email is None) != (self.medusa_admin_password is None):
            raise ValueError("MEDUSA_ADMIN_EMAIL and MEDUSA_ADMIN_PASSWORD go together: set both or neither")
        return self

    @model_validator(mode="after")
    def _mails_within_a_minute(self) -> Self:
        seconds = self.quotation_email_seconds + self.quotation_email_timeout
        if seconds > QUOTATION_EMAIL_SECONDS_IN_ALL:
            raise ValueError(
                f"QUOTATION_EMAIL_SECONDS and QUOTATION_EMAIL_TIMEOUT are {seconds:g} s together: a run has 60 s in"
                f" all, {QUOTATION_EMAIL_SECONDS_IN_ALL} of them for its mails. Lower one of them"
            )
        return self

    @property
    def policies(self) -> dict[str, FieldPolicy]:
        """The policy of every field."""
        return {**FIELD_POLICIES, **self.field_policies}

    @property
    def uses_sandbox(self) -> bool:
        """True when somebody asked for the embedded sandbox. A lost .env never leads there by itself."""
        return self.use_sandbox


FOLDER_OF_SECRETS = "SECRETS_DIR"  # pragma: allowlist secret
"""Variable naming a folder of files, one per setting and named like it: `erpnext_api_key`. The environment wins."""


def variable_name(field: str) -> str:
    """Return the environment variable of a setting, for messages. Raises KeyError for a name that is no setting."""
    alias = Settings.model_fields[field].validation_alias
    return (alias if isinstance(alias, str) else field).upper()


def misspelt(env_file: str | Path = ".env") -> dict[str, str]:
    """Return names in the file that are no settings but nearly so, with the setting that is probably meant.

    Other names belong to somebody else: Docker Compose reads the same file.
    """
    known = [variable_name(field) for field in Settings.model_fields]
    others = [name for name in dotenv_values(env_file) if name.upper() not in known]
    likely = {name: get_close_matches(name.upper(), known, n=1, cutoff=0.8) for name in others}
    return {name: found[0] for name, found in likely.items() if found}


def load_settings(env_file: str | Path | None = ".env") -> Settings:
    """Read the settings; raises SettingsError with one line per wrong variable, never with a secret's value."""
    folder = os.environ.get(FOLDER_OF_SECRETS) or ""
    secrets = folder if os.path.isdir(folder) else None
    files = [Path(env_file)] if env_file else []
    files += sorted(Path(folder).iterdir()) if secrets else []
    texts = tuple((path.name, path.read_bytes()) for path in files if path.is_file())
    return _settings_from(env_file, secrets, frozenset(os.environ.items()), texts)


# Reading them takes as long as ten requests, and every asset of a run asks.
@lru_cache(maxsize=2)
def _settings_from(env_file: str | Path | None, secrets: str | None, *_sources: Hashable) -> Settings:
    """Read the settings from these sources; `_sources` holds what decides whether anything has changed."""
    try:
        return Settings(_env_file=env_file, _secrets_dir=secrets)  # pyright: ignore[reportCallIssue]  # of pydantic-settings
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            # Beyond the first the parts lead into a JSON value.
            variable, inside = str(problem["loc"][0] if problem["loc"] else "").upper(), problem["loc"][1:]
            where = f"{variable} ({', '.join(str(part) for part in inside)})" if inside else variable
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{where}: {message}" if where else message)
    except UnreadableSetting as error:
        # Its text names the field, not the value; what it was raised from would show the value.
        name = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "")
        lines = [f"{name.upper()}: must be JSON, as .env.example shows it" if name else "a value is not JSON"]
    raise SettingsError("Wrong settings (environment or .env):\n  " + "\n  ".join(lines))
