"""The crontab: one row per scheduled task. Jobs and schedules are made from it.

Belongs here: what runs when, in which queue, for how long at most. Does not belong here: how (assets/, sync/).
Webserver and daemon load it: it imports nothing of the work, so a gate is named, not imported.
"""

from dataclasses import dataclass


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
    partitioned: bool = False
    max_runtime: int | None = None
    """Seconds; None takes the queue's limit."""
    execution_limit: int | None = None
    """Scheduled executions after which the schedule stops for good; the setting EXECUTION_LIMITS overrides it."""

    gate: str | None = None
    """`module:function` of a Gate (sync.engine.gate), asked on each tick before a run is started: is there work?"""

    in_app: bool = True
    """Whether the Frappe app has a job of that name, which must be stopped before ours does the work."""

    @property
    def seconds(self) -> int:
        """The time limit in force."""
        return self.max_runtime or self.queue.max_runtime


TASKS: tuple[Task, ...] = (
    Task(
        name="export_items_and_images_custom",
        cron="0 1 * * *",
        queue=LONG,
        max_runtime=28800,
        partitioned=True,
        assets=(
            "medusa_collections",
            "medusa_products",
            "medusa_images",
            "medusa_product_updates",
            # What is exported tonight has its price and its stock tonight.
            "medusa_price_lists",
            "medusa_prices",
            "medusa_stock",
            "medusa_publication",
        ),
        description="Published Website Items and their images become Medusa products; changed ones are updated.",
    ),
    Task(
        name="sync_missing_prices_to_medusa",
        cron="0 1 * * *",
        queue=DEFAULT,
        # The first night of a big shop writes an id to every Item Price, some 50 a second.
        max_runtime=3600,
        partitioned=True,
        assets=("medusa_price_lists", "medusa_prices"),
        description="Item Prices become entries of Medusa price lists that begin and end with their validity.",
    ),
    Task(
        name="update_webitem_stock",
        cron="0 0 * * *",
        queue=LONG,
        partitioned=True,
        assets=("medusa_stock",),
        description="Stock of a Website Item's warehouses becomes its Medusa inventory level and its in-stock flag.",
    ),
    Task(
        name="add_top_selling_items_to_collection",
        cron="0 1 * * *",
        queue=DEFAULT,
        # Seconds where ERPNext sums; minutes where a site refuses to and millions of lines are read one by one.
        max_runtime=1500,
        assets=("sales_by_item", "top_selling_items", "product_collection"),
        description="The best sellers of each category, by invoiced quantity, are shown in Product Collection.",
    ),
    Task(
        name="fetch_clearance_items",
        cron="0 1 * * *",
        queue=DEFAULT,
        assets=("expiring_items", "best_deals"),
        description="Items that expire soon and still have stock are listed; those that staff tick are shown.",
    ),
    Task(
        name="find_orphaned_products",
        cron="0 5 * * *",
        queue=DEFAULT,
        max_runtime=1500,
        assets=("orphaned_products",),
        in_app=False,
        description="Products that no Website Item owns any more are listed, and hidden from the shop.",
    ),
    Task(
        name="send_quotation_emails",
        cron="* * * * *",
        queue=SHORT,
        assets=("quotation_emails",),
        gate="erp_medusa_pipelines.sync.minute.email_queue:has_work",
        description="Quotation mails that wait in the Email Queue are sent.",
    ),
    Task(
        name="expire_otps",
        cron="* * * * *",
        queue=SHORT,
        assets=("expired_otps",),
        gate="erp_medusa_pipelines.sync.minute.otps:has_work",
        description="Pending one-time passwords whose time is over become Expired.",
    ),
)

HOUSEKEEPING: tuple[Task, ...] = (
    Task(
        name="prune_runs",
        cron="30 4 * * *",
        queue=DEFAULT,
        assets=(),
        in_app=False,
        description="Deletes old successful runs of the tasks that run every minute.",
    ),
)
"""Work on Dagster's own storage, apart from the shop's tasks: no assets, and no shop is touched."""


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
    return any(asset in task.assets for task in TASKS)


def owner_task(asset: str) -> Task:
    """The one task that answers for an asset: of those that materialize it, the one with the fewest assets."""
    return min((task for task in TASKS if asset in task.assets), key=lambda task: len(task.assets))


def last_own_asset(task: Task) -> str:
    """The last asset that the task itself answers for: where what concerns the whole task is shown."""
    return [asset for asset in task.assets if owner_task(asset).name == task.name][-1]
