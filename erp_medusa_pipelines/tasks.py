"""The crontab: one row per scheduled task. Jobs, schedules, checks, rights and the tables in the docs are made from it.

Webserver and daemon load it: it imports nothing but rows of other packages, so a gate is named, not imported.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points


@dataclass(frozen=True)
class Queue:
    """A queue after Frappe's: its name, and the seconds after which a run in it is ended."""

    name: str
    max_runtime: int


SHORT = Queue("short", 60)
DEFAULT = Queue("default", 300)
LONG = Queue("long", 1500)


@dataclass(frozen=True)
class Task:
    """One row. `assets` are materialized by the job `name`; `partitioned` means one run per batch."""

    name: str
    cron: str
    queue: Queue
    assets: tuple[str, ...]
    description: str
    """One sentence for the UI and for the tables in README.md and docs/tasks.md."""

    rights: Mapping[str, str] = field(default_factory=dict[str, str])
    """DocType -> rights of the ERPNext user: r(ead), w(rite), c(reate), d(elete). doctor and setup work from them."""

    rights_if: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """Setting -> rights that are needed besides while it is on."""

    writes: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """DocType -> fields that are written without a save. The Server Script allows these and no others."""

    partitioned: bool = False
    max_runtime: int | None = None
    """Seconds; None takes the queue's limit."""
    execution_limit: int | None = None
    """Scheduled executions after which the schedule stops for good; the setting EXECUTION_LIMITS overrides it."""

    gate: str | None = None
    """`module:function` of a Gate (sync.engine.gate), asked on each tick before a run is started: is there work?"""

    in_app: bool = True
    """Whether the Frappe app has a job of that name, which must be stopped before ours does the work."""

    opt_in: bool = False
    """Whether somebody has to want it: take-over leaves its schedule off, and nothing misses it."""

    @property
    def schedule(self) -> str:
        """The name of its schedule."""
        return f"{self.name}_schedule"

    @property
    def seconds(self) -> int:
        """The time limit in force."""
        return self.max_runtime or self.queue.max_runtime


_PRICE_RIGHTS = {"Website Item": "r", "Item": "r", "Item Price": "rw", "Price List": "r"}
_GROUP_RIGHTS = {"Customer Group": "r", "Customer": "r", "Price List": "r"}
_MEMBER_RIGHTS_IF = {
    "price_groups": {**_GROUP_RIGHTS, "Contact": "r"},
    "customer_prices": {"Item Price": "r"},
    "pricing_rules": {"Pricing Rule": "r", "Item Group": "r"},
}
_CHOICE_RIGHTS_IF = {name: {"Item Group": "r"} for name in ("shop_items", "sales_channels")}
"""Rules name Item Groups, and mean all below them."""
_PRICE_FIELDS = {"Item Price": ("medusa_id", "medusa_price_id")}
_STOCK_RIGHTS = {
    "Website Item": "rw",
    "Item": "r",
    "Warehouse": "r",
    "Bin": "r",
    "Batch": "r",
    "Serial and Batch Bundle": "r",
    "Stock Ledger Entry": "r",
    "Sales Order": "r",
    "Product Bundle": "r",
}
_STOCK_FIELDS = {"Website Item": ("custom_in_stock",)}

_MAIL_RIGHTS = {"Email Queue": "r", "Scheduled Job Type": "r", "System Settings": "r"}
"""Mails that wait, and whether Frappe sends them as well."""
_NEWSLETTER_RIGHTS = {"Website Item": "r", "Product Collection": "r", "Expiring Items": "r", **_MAIL_RIGHTS}

OUR_TASKS: tuple[Task, ...] = (
    Task(
        name="export_items_and_images_custom",
        cron="0 1 * * *",
        queue=LONG,
        max_runtime=28800,
        partitioned=True,
        assets=(
            "medusa_collections",
            "medusa_categories",
            "medusa_products",
            "medusa_images",
            "medusa_product_updates",
            # What is exported tonight has its price and its stock tonight.
            "medusa_customer_groups",
            "medusa_price_lists",
            "medusa_prices",
            "medusa_stock",
            "medusa_publication",
        ),
        description="Published Website Items become Medusa products with images, prices and stock; changes follow.",
        # Prices and stock of what is exported tonight follow in the same run.
        rights={
            **_PRICE_RIGHTS,
            **_STOCK_RIGHTS,
            "Item": "r",
            "Item Group": "rw",
            "Country": "r",
            "Website Slideshow": "r",
            "File": "rw",
            "Deleted Document": "r",
            # Renames, for the sensor `follow_changes`.
            "Comment": "r",
            "Medusa Configuration": "r",
        },
        # The order of attributes' values, with VARIANTS=options; titles and descriptions of pages, for a mapping.
        rights_if={
            **_MEMBER_RIGHTS_IF,
            "variants": {"Item Attribute": "r"},
            "mapping": {"Website Route Meta": "r"},
            "languages": {"Translation": "r"},
        },
        writes={
            "Website Item": ("medusa_id", "medusa_variant_id", "custom_in_stock"),
            "Item Group": ("medusa_id",),
            **_PRICE_FIELDS,
            "File": ("medusa_id",),
        },
    ),
    Task(
        name="sync_missing_prices_to_medusa",
        cron="0 1 * * *",
        queue=DEFAULT,
        # The first night of a big shop writes an id to every Item Price, some 50 a second.
        max_runtime=3600,
        partitioned=True,
        assets=("medusa_customer_groups", "medusa_price_lists", "medusa_prices"),
        description="Item Prices become entries of Medusa price lists, with their validity dates.",
        rights=_PRICE_RIGHTS,
        rights_if={**_MEMBER_RIGHTS_IF, **_CHOICE_RIGHTS_IF},
        writes=_PRICE_FIELDS,
    ),
    Task(
        name="sync_customer_groups",
        cron="*/15 * * * *",
        queue=DEFAULT,
        assets=("medusa_customer_groups",),
        gate="erp_medusa_pipelines.sync.prices.audiences:has_work",
        in_app=False,
        description="Customers with a Price List of their own join their group in Medusa (PRICE_GROUPS).",
        rights_if=_MEMBER_RIGHTS_IF,
    ),
    Task(
        name="update_webitem_stock",
        cron="0 0 * * *",
        queue=LONG,
        partitioned=True,
        assets=("medusa_stock",),
        description="Bin quantities become Medusa inventory levels and the in-stock flag of Website Items.",
        rights=_STOCK_RIGHTS,
        writes=_STOCK_FIELDS,
    ),
    Task(
        name="add_top_selling_items_to_collection",
        cron="0 1 * * *",
        queue=DEFAULT,
        # Seconds where ERPNext sums; minutes where a site refuses to and millions of lines are read one by one.
        max_runtime=1500,
        assets=("sales_by_item", "top_selling_items", "product_collection"),
        description="The best sellers of each category, by invoiced quantity, go into Product Collection.",
        rights={
            "Website Item": "r",
            "Item": "r",
            "Item Group": "r",
            "Sales Invoice": "r",
            "Product Collection": "rw",
        },
    ),
    Task(
        name="fetch_clearance_items",
        cron="0 1 * * *",
        queue=DEFAULT,
        assets=("expiring_items", "best_deals"),
        description="Items in stock that expire soon go into Expiring Items; those that staff tick, onto the homepage.",
        rights={
            "Website Item": "r",
            "Item": "r",
            "Batch": "r",
            "Expiring Items": "rw",
            "Homepage Landing": "rw",
        },
        rights_if=_CHOICE_RIGHTS_IF,
    ),
    Task(
        name="find_orphaned_products",
        cron="0 5 * * *",
        queue=DEFAULT,
        max_runtime=1500,
        assets=("orphaned_products",),
        in_app=False,
        description=(
            "Products that no Website Item owns any more are listed and become drafts; with WITHDRAWN_ITEMS=delete,"
            " what was withdrawn long ago is deleted."
        ),
        rights={"Website Item": "r", "Item": "r"},
        rights_if={"withdrawn_items": {"Website Item": "rw", "File": "rw"}},
        writes={"Website Item": ("medusa_id", "medusa_variant_id"), "File": ("medusa_id",)},
    ),
    Task(
        name="send_quotation_emails",
        cron="* * * * *",
        queue=SHORT,
        assets=("quotation_emails",),
        gate="erp_medusa_pipelines.sync.minute.email_queue:has_work",
        description="Quotation mails waiting in the Email Queue are sent, each once.",
        rights=_MAIL_RIGHTS,
    ),
    Task(
        name="expire_otps",
        cron="* * * * *",
        queue=SHORT,
        assets=("expired_otps",),
        gate="erp_medusa_pipelines.sync.minute.otps:has_work",
        description="Pending Email OTPs whose time has passed become Expired.",
        # Deleting is for OTP_RETENTION_DAYS only.
        rights={"Email OTP": "rwd"},
        writes={"Email OTP": ("status",)},
    ),
    Task(
        name="send_abandoned_cart_emails",
        cron="0 */6 * * *",
        queue=LONG,
        assets=("abandoned_carts",),
        in_app=False,
        opt_in=True,
        description="Customers who left a cart get one mail about it, ever.",
        # Where mails go through ERPNext (MAIL_BY): whether Frappe sends its Email Queue, and what it took.
        rights=_MAIL_RIGHTS,
    ),
    Task(
        name="delete_expired_carts",
        cron="30 3 * * *",
        queue=LONG,
        assets=("expired_carts",),
        in_app=False,
        opt_in=True,
        description="Carts that nobody touched for months are deleted, where the plugin is installed in Medusa.",
    ),
    Task(
        name="send_weekly_newsletter",
        cron="0 0 * * 0",
        queue=LONG,
        assets=("newsletter",),
        in_app=False,
        opt_in=True,
        description="Customers who subscribed get what is new, on clearance or sold best. Begins with a preview.",
        rights=_NEWSLETTER_RIGHTS,
    ),
    Task(
        name="continue_weekly_newsletter",
        cron="0 * * * *",
        queue=LONG,
        assets=("newsletter_continued",),
        gate="erp_medusa_pipelines.sync.storefront.editions:has_work",
        in_app=False,
        opt_in=True,
        description="Continues an unfinished edition of the newsletter: after quiet hours, a limit or a failure.",
        rights=_NEWSLETTER_RIGHTS,
    ),
    Task(
        name="send_weekly_report",
        cron="0 6 * * 1",
        queue=DEFAULT,
        assets=("weekly_report",),
        in_app=False,
        opt_in=True,
        description="Staff get the week in numbers, by mail or by the channels of the alerts.",
        rights=_MAIL_RIGHTS,
    ),
)

OTHERS = "erp_medusa_pipelines.tasks"
"""Group of entry points by which other packages add rows: each names a tuple of Task (docs/your-own-task.md)."""


def _of_other_packages() -> Iterator[Task]:
    """Yield the rows of installed packages. Raises ValueError for names that are taken: one of two would never run."""
    taken = {name for task in OUR_TASKS for name in (task.name, *task.assets)}
    for point in sorted(entry_points(group=OTHERS), key=lambda point: point.name):
        for task in point.load():
            own = {task.name, *task.assets}
            if own & taken:
                raise ValueError(
                    f"{point.value}: {', '.join(sorted(own & taken))} is the name of another task or asset"
                )
            taken |= own
            yield task


TASKS: tuple[Task, ...] = (*OUR_TASKS, *_of_other_packages())
"""All rows: ours, and those of other packages."""

HOUSEKEEPING: tuple[Task, ...] = (
    Task(
        name="prune_runs",
        cron="30 4 * * *",
        queue=DEFAULT,
        assets=(),
        in_app=False,
        description="Deletes old runs of the tasks that run every minute, failed and refused ones too.",
    ),
)
"""Work on Dagster's own storage, apart from the shop's tasks: no assets, and no shop is touched."""

ALL_ASSETS = tuple(dict.fromkeys(asset for task in TASKS for asset in task.assets))
"""Every asset once, in the order of the tasks."""

RETRY_SENSOR, CHANGES_SENSOR, ALERT_SENSOR = "retry_failed_partitions", "follow_changes", "alerts"


def task_named(name: str) -> Task:
    """The task of that name. Raises LookupError, whose text lists the tasks that there are."""
    found = [task for task in TASKS if task.name == name]
    if not found:
        raise LookupError(f"there is no task {name}; the tasks: {', '.join(task.name for task in TASKS)}")
    return found[0]


EXPORT = task_named("export_items_and_images_custom")
"""The task that brings all of an item: product, pictures, price, stock."""


def is_ours(asset: str) -> bool:
    """Whether an asset of that name belongs to any task."""
    return asset in ALL_ASSETS


def owner_task(asset: str) -> Task:
    """The one task that answers for an asset: of those that materialize it, the one with the fewest assets."""
    return min((task for task in TASKS if asset in task.assets), key=lambda task: len(task.assets))


def last_own_asset(task: Task) -> str:
    """The last asset that the task itself answers for: where what concerns the whole task is shown."""
    return [asset for asset in task.assets if owner_task(asset).name == task.name][-1]
