"""The sections of settings about running it: safety limits, retries, alerts, deployment, tuning."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from erp_medusa_pipelines.setting_types import (
    FramesUrl,
    Owner,
    ServerUrl,
    ShopName,
)


class SafetyLimits(BaseSettings):
    """Safety limits: how much one night may take away before it stops and asks."""

    missing_products_percent: int = Field(
        20,
        ge=0,
        le=100,
        description=(
            "Safety limit, in percent. If more of the exported products are missing in Medusa, or more of the"
            " published ones would be hidden within seven days (and more than 10, or half of a small shop), the run"
            " stops without writing: `.env` may point at the wrong server"
        ),
    )
    price_removal_percent: int = Field(
        20,
        ge=0,
        le=100,
        description=(
            "Safety limit, in percent. If more of the priced items would lose their price within seven days (and more"
            " than 10, or half of a small shop), those prices stay and the run fails"
        ),
    )
    stock_zero_percent: int = Field(
        50,
        ge=0,
        le=100,
        description=(
            "Safety limit, in percent. If more of the items in stock would be sold out within seven days (and more"
            " than 10, or half of a small shop), their levels stay and the run fails"
        ),
    )
    alike_rejects_percent: int = Field(
        5,
        ge=0,
        le=100,
        description=(
            "Safety limit, in percent. If more of a batch (and more than 10) is refused for the same reason, the run"
            " fails"
        ),
    )


class Operation(BaseSettings):
    """Retries, alerts and records: what happens after a failure, who is notified, what is kept."""

    retry_delay_seconds: int = Field(
        60, ge=1, le=86400, description="Seconds before a failed partition is tried again; doubled with every attempt"
    )
    retry_attempts: int = Field(6, ge=0, le=20, description="How often a failed partition is tried again")
    alert_urls: SecretStr | None = Field(
        None,
        description=(
            "Where alerts go: addresses in the form of Apprise, separated by spaces - mailtos://, slack://, msteams://,"
            " json:// for a webhook (https://github.com/caronc/apprise/wiki)"
        ),
    )
    silent_server_alert_minutes: float = Field(
        15.0,
        ge=0,
        description="Minutes after which an alert is sent about a server that does not answer the minute tasks",
    )
    changes_alert_minutes: int = Field(
        15, ge=1, description="Minutes after which an alert is sent about a followed change that is not in Medusa yet"
    )
    error_log_in_erp: bool = Field(
        False, description="Also write final failures to ERPNext's Error Log, where desk users look for them"
    )
    dagster_ui_url: ServerUrl | None = Field(
        None, description="Address of the Dagster UI, for links in alerts, e.g. https://dagster.example.com"
    )
    asset_owners: list[Owner] = Field(
        default_factory=list,
        description='Owners shown on every asset, as JSON: ["team:shop", "erp@example.com"]',
    )
    runbook_url: ServerUrl | None = Field(None, description="Address of your runbook, linked on every asset")
    keep_minute_runs_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="Days after which runs of tasks that run every minute are deleted, failed ones too",
    )
    history_days: int = Field(
        90, ge=1, le=3650, description="Days that the history of changes is kept, document by document"
    )


class Deployment(BaseSettings):
    """Deployment: several machines, Kubernetes, several shops, the embedded sandbox."""

    frames_url: FramesUrl | None = Field(
        None,
        description=(
            "Where sales_by_item and top_selling_items are stored: s3://bucket/prefix, or postgresql://..."
            " like DAGSTER_POSTGRES_URL; empty: files below DAGSTER_HOME, for a single machine"
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
            "If one Dagster serves several shops: the name of this one, which keeps its assets, pools and"
            " runs apart; the code location has the same name. Do not change it later"
        ),
    )
    use_sandbox: bool = Field(
        False, description="Use the embedded sandbox, as the demo does, whatever servers are configured"
    )
    sandbox_dir: Path | None = Field(
        None,
        description="Where the embedded sandbox keeps its data; default: sandbox/ in DAGSTER_HOME, else .dagster",
    )


class Tuning(BaseSettings):
    """Tuning: leave these alone unless docs/scaling.md or an error message names one."""

    erpnext_page_size: int = Field(2000, ge=1, le=20000, description="Rows per page when a DocType is read")
    erpnext_read_chunk: int = Field(2000, ge=1, le=5000, description="Documents per request when details are read")
    erpnext_write_chunk: int = Field(
        20, ge=1, le=100, description="Documents per bulk_update; each one is a full save inside one ERPNext request"
    )
    medusa_chunk: int = Field(150, ge=1, le=500, description="Products per batch call to Medusa")
    medusa_chunk_bytes: int = Field(
        1_500_000, ge=10_000, le=2_000_000, description="Bytes per batch call; Medusa refuses bodies over 2 MiB"
    )
    medusa_parallel_calls: int = Field(
        2,
        ge=1,
        le=8,
        description="Batch calls in flight; Medusa computes in one thread, so more than two only add delay",
    )
    # Medusa takes 100 kB where a list is made with its entries; an entry has up to 105 bytes.
    medusa_price_chunk: int = Field(
        500, ge=1, le=900, description="Prices per call to Medusa, and per Medusa price list"
    )
    medusa_level_chunk: int = Field(1000, ge=1, le=2000, description="Stock levels per batch call to Medusa")
    sales_window: int = Field(
        200_000,
        ge=1000,
        le=5_000_000,
        description="Invoice lines that ERPNext is asked to sum per request; it gives up after 120 s",
    )
    changes_at_most: int = Field(
        200,
        ge=1,
        le=200,
        description="Most changed items that `follow_changes` exports by themselves; more start whole batches",
    )
    gate_timeout: float = Field(
        5.0,
        gt=0,
        le=30,
        description="Seconds in which ERPNext must say whether a minute task has work; otherwise no run starts",
    )
    http_connect_timeout: float = Field(5.0, gt=0, le=60, description="Seconds to wait for a connection")
    http_read_timeout: float = Field(
        130.0, gt=0, le=600, description="Seconds to wait for an answer; above the 120 s after which ERPNext gives up"
    )
    http_attempts: int = Field(4, ge=1, le=10, description="Attempts per request on transient failures")
    quotation_email_parallel: int = Field(
        3, ge=1, le=8, description="Mails sent at the same time; each one keeps a worker of ERPNext busy"
    )
    quotation_email_seconds: float = Field(
        30.0, gt=0, le=50, description="Seconds after which a run starts no further mail; the next tick continues"
    )
    quotation_email_timeout: float = Field(
        20.0, gt=0, le=50, description="Seconds to wait for ERPNext to hand over one mail; with the above within 60"
    )
    quotation_email_doubt_seconds: float = Field(
        150.0,
        ge=0,
        description=(
            "Seconds that a mail is left alone after a call without an answer; above the 120 s that ERPNext may still"
            " work on it"
        ),
    )
