"""`erp-medusa status`: one screen of what runs, what is red and what waits.

The command and doctor read the installation's storage and ask neither server.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from erp_medusa_pipelines.cli.frame import command
from erp_medusa_pipelines.cli.home import the_instance
from erp_medusa_pipelines.cli.output import Answer, ExitCode, table
from erp_medusa_pipelines.settings import Settings, load_settings
from erp_medusa_pipelines.tasks import ALERT_SENSOR, RETRY_SENSOR, TASKS

if TYPE_CHECKING:
    import dagster as dg

    from erp_medusa_pipelines.assets.publication import NotBoughtInShop

LONGEST_REASON = 300
MOST_ITEMS = 10
"""Of those that cannot be bought. The check has them all."""


@dataclass(frozen=True)
class Active:
    """A run that has not ended. `since` is when it was made, in UTC."""

    what: str
    status: str
    since: str
    run_id: str


@dataclass(frozen=True)
class Red:
    """A task, or one batch of it, that is left failed: the reason is that of the run that failed last."""

    task: str
    batch: str
    assets: list[str]
    reason: str
    run_id: str


@command
def status() -> Answer:
    """Show on one screen what runs, what is red and what waits. Reads the installation of DAGSTER_HOME, no server.

    The exit code is 1 when something is red, the daemon does not run, the installation is a copy of another one, or
    something is broken that keeps customers from buying a published item.

    Examples:

    - `erp-medusa status`
    - `erp-medusa status --json | jq '.red[].reason'`
    """
    settings = load_settings()
    from erp_medusa_pipelines.assets.publication import NotBoughtInShop, read_not_bought
    from erp_medusa_pipelines.orchestration.copies import copy_of
    from erp_medusa_pipelines.orchestration.dagster_internals import instigators, silent_daemons

    with the_instance() as instance:
        copy = copy_of(instance)
        active = active_now(instance)
        red = red_now(instance, settings)
        not_bought = read_not_bought(instance) or NotBoughtInShop(0, 0, [])
        silent = silent_daemons(instance)
        on = sorted({stored.name for stored in instigators(instance) if stored.on})
    waiting = [one for one in active if one.status == "QUEUED"]
    running = [one for one in active if one.status != "QUEUED"]
    off = [task.name for task in TASKS if task.schedule not in on]
    data = {
        "running": [asdict(one) for one in running],
        "waiting": [asdict(one) for one in waiting],
        "red": [asdict(one) for one in red],
        "cannot_be_bought": {
            "number": not_bought.number,
            "broken": not_bought.broken,
            "items": [{"website_item": name, "reason": reason} for name, reason in not_bought.items],
        },
        "silent_daemons": silent,
        "on": on,
        "schedules_off": off,
        "copy": f"{copy}; {copy.what_to_do}" if copy else "",
    }
    shown = [*_runs("Running", running), *_runs("Waiting", waiting), *_red(red), *_not_bought(not_bought)]
    shown += _who(silent, on, off)
    shown += [Text(str(data["copy"]), style="yellow")] if copy else []
    return Answer(data, shown, ExitCode.TO_DO if red or silent or copy or not_bought.broken else ExitCode.FINE)


def active_now(instance: "dg.DagsterInstance") -> list[Active]:
    """Return the runs of this shop that have not ended, oldest first."""
    from erp_medusa_pipelines.orchestration.runs.work import active_runs, first_batch_of
    from erp_medusa_pipelines.orchestration.shops import shop_name, shop_of

    return [
        Active(
            f"{record.dagster_run.job_name} {first_batch_of(record.dagster_run) or ''}".strip(),
            record.dagster_run.status.value,
            f"{record.create_timestamp.astimezone(UTC):%Y-%m-%d %H:%M}",
            record.dagster_run.run_id,
        )
        for record in active_runs(instance)
        if shop_of(record.dagster_run) == shop_name()
    ]


def red_now(instance: "dg.DagsterInstance", settings: Settings) -> list[Red]:
    """Return every task or batch that is left failed, with its reason."""
    from erp_medusa_pipelines.orchestration.partitions import batches_in_force
    from erp_medusa_pipelines.orchestration.runs.failed_parts import read_state
    from erp_medusa_pipelines.orchestration.runs.failures import read_failure

    return [
        Red(
            part.task.name,
            part.partition or "",
            sorted(part.assets),
            read_failure(instance, part.run.run_id).reason[:LONGEST_REASON],
            part.run.run_id,
        )
        for part in read_state(instance, batches_in_force(settings)).failed
    ]


def _runs(title: str, runs: Sequence[Active]) -> list[RenderableType]:
    if not runs:
        return [Text(f"{title}: nothing", style="dim")]
    return [table(title, ("what", "state", "since (UTC)", "run"), [tuple(asdict(one).values()) for one in runs])]


def _red(red: Sequence[Red]) -> list[RenderableType]:
    if not red:
        return [Text("Nothing is left failed.", style="green")]
    rows = [(one.task, one.batch, one.reason, one.run_id[:8]) for one in red]
    again = Text("erp-medusa again runs these once more, each batch as a whole.", style="yellow")
    return [table("Red", ("task", "batch", "reason", "run"), rows, heading=2), again]


def _not_bought(found: "NotBoughtInShop") -> list[RenderableType]:
    if not found.number:
        return []
    why = f"{found.broken} of them because something is broken" if found.broken else "as ERPNext has them"
    title = f"Published, and cannot be bought: {found.number}, {why}"
    rows = found.items[:MOST_ITEMS]
    more = Text("The check can_be_bought of medusa_publication lists more.", style="dim")
    return [table(title, ("item", "reason"), rows, heading=1), *([more] if found.number > len(rows) else [])]


def _who(silent: Sequence[str], on: Sequence[str], off: Sequence[str]) -> list[RenderableType]:
    shown: list[RenderableType] = []
    if silent:
        shown.append(Text(f"No heartbeat from {', '.join(silent)}: no schedule ticks and no run starts", style="red"))
    number = len(TASKS) - len(off)
    shown.append(Text(f"{number} of {len(TASKS)} schedules are on" + (f"; off: {', '.join(off)}" if number else "")))
    quiet = [name for name in (RETRY_SENSOR, ALERT_SENSOR) if name not in on]
    shown += [Text(f"The sensor {name} is off", style="yellow") for name in quiet if number]
    return [*shown, Text(f"At {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", style="dim")]
