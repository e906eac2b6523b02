"""`erp-medusa plan` and `apply`: what the next run would do, and that run if nothing changed since.

Planning itself: orchestration/runs/side_runs.py.
"""

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from erp_medusa_pipelines.cli.frame import CommandError, command
from erp_medusa_pipelines.cli.home import definitions, instance_if_any, the_instance
from erp_medusa_pipelines.cli.output import Answer, ExitCode, progress, table
from erp_medusa_pipelines.cli.shop import connect, name_sandbox, website_items
from erp_medusa_pipelines.settings import Settings, load_settings
from erp_medusa_pipelines.sync.shop.families import read_families
from erp_medusa_pipelines.tasks import TASKS, Task, task_named

if TYPE_CHECKING:
    import dagster as dg

    from erp_medusa_pipelines.orchestration.runs.side_runs import Plan, Scope

MOST_ROWS = 200
"""A longer table is cut on the screen; --json and --out have all rows."""

LONGEST_CELL = 100
"""Characters of a value on the screen. What was sent of a product is noted in a value of 500."""

COLOURS = {"create": "green", "update": "yellow", "delete": "red", "send": "cyan"}


def _batch_number(text: str) -> int:
    """3 for `3` as for `batch_3`, which is how every table and the UI call it."""
    number = text.removeprefix("batch_")
    if not number.isdecimal():
        raise typer.BadParameter(f"{text} is no batch: name one as 0 or batch_0")
    return int(number)


def names_that_begin(incomplete: str) -> list[str]:
    """Return what the shell offers for a task."""
    return [task.name for task in TASKS if task.name.startswith(incomplete)]


TaskName = Annotated[
    str | None,
    typer.Argument(
        help="A task (default: every task; its names are the jobs' in the UI).", autocompletion=names_that_begin
    ),
]
Batch = Annotated[
    list[int] | None,
    typer.Option(
        "--batch", parser=_batch_number, metavar="N", help="Only this batch, as 0 or batch_0; may be repeated."
    ),
]
Item = Annotated[
    list[str] | None, typer.Option("--item", help="Only this Website Item, by name or item_code; may be repeated.")
]
Out = Annotated[Path | None, typer.Option("--out", help="Write the plan there as JSON, for `apply`.")]
PlanFile = Annotated[Path, typer.Option("--plan", help="A file that `plan --out` wrote.")]


@command
def plan(task: TaskName = None, batch: Batch = None, item: Item = None, out: Out = None) -> Answer:
    """Show what the next run would create, update and delete, field by field, and what it would reject. Writes nothing.

    The task's own code runs; its writes are noted down instead of sent. What a server refuses only when it is
    written to is not known before.

    Examples:

    - `erp-medusa plan export_items_and_images_custom --batch 0`
    - `erp-medusa plan update_webitem_stock --item WEB-ITM-0001 --json`
    - `erp-medusa plan sync_missing_prices_to_medusa --out prices.json`
    """
    settings = load_settings()
    if out and not os.access(out if out.exists() else out.resolve().parent, os.W_OK):
        raise CommandError(f"{out} cannot be written: its directory is missing, or it is not writable")
    tasks = tasks_named(task)
    if (batch or item) and not any(one.partitioned for one in tasks):
        raise CommandError(f"{task} works on the whole shop: leave --batch and --item out")
    scope = scope_of(settings, batch or (), item or ())
    plans = make_plans(settings, tasks, scope)
    data = {"plans": [one.to_json() for one in plans], "digest": digest_of(plans)}
    if out:
        out.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
    return _answer(plans, data)


@command
def apply(plan: PlanFile) -> Answer:
    """Plan once more, and run the tasks only if the plan is still the same.

    The runs are recorded in the installation of DAGSTER_HOME, as if they were started in the UI.

    Examples:

    - `erp-medusa apply --plan prices.json`
    """
    digest, known = _read(plan)
    if any(items for _task, _batches, items in known):
        raise CommandError("a plan of single items is applied with: erp-medusa sync ITEM...")
    from erp_medusa_pipelines.orchestration.runs.side_runs import Scope
    from erp_medusa_pipelines.orchestration.runs.work import busy_reason

    settings = load_settings()
    name_sandbox(settings)
    with the_instance() as instance, progress() as display:
        code = definitions(settings)
        scopes = [(task, Scope(tuple(batches))) for task, batches, _items in known]
        steps = [(task, batch) for task, scope in scopes for batch in scope.batches_of(task, settings)]
        if busy := next(filter(None, (busy_reason(instance, task, batch) for task, batch in steps)), ""):
            raise CommandError(busy)
        with _silent_syncs():
            again = [
                _plan(code, settings, task, scope, instance)
                for task, scope in display.track(scopes, description="Planning again")
            ]
        if digest_of(again) != digest:
            text = f"Something changed since: the plan is now {digest_of(again)}, the file has {digest}."
            shown = [Text(f"{text} Nothing was run; make a new plan.", style="yellow")]
            return Answer({"applied": False, "digest": digest_of(again)}, shown, ExitCode.TO_DO)
        runs = [carry_out(code, task, batch, instance) for task, batch in display.track(steps, description="Running")]
    return applied(runs)


def _read(file: Path) -> tuple[str, list[tuple[Task, list[str], list[str]]]]:
    """Return the digest of the plan in a file, and its tasks with their batches and items."""
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
        return read["digest"], [(_task(one["task"]), one["batches"], one["items"]) for one in read["plans"]]
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{file} is not a plan that `erp-medusa plan --out` wrote") from error


def applied(runs: list[dict[str, Any]]) -> Answer:
    """Build the answer of a command that carried out runs."""
    failed = [run for run in runs if not run["success"]]
    rows = [(run["job"], run["batch"] or "", "ok" if run["success"] else "failed", run["run_id"]) for run in runs]
    shown: list[RenderableType] = [table("Runs", ("task", "batch", "", "run"), rows, heading=3)]
    shown += [Text(" ".join(filter(None, (run["job"], run["batch"]))) + f": {run['problem']}", "red") for run in failed]
    return Answer({"applied": True, "runs": runs}, shown, ExitCode.TO_DO if failed else ExitCode.FINE)


def tasks_named(name: str | None) -> list[Task]:
    """Return the named task; without a name, all tasks that are not part of a longer one."""
    if name:
        return [_task(name)]
    return [task for task in TASKS if not any(set(task.assets) < set(other.assets) for other in TASKS)]


def _task(name: str) -> Task:
    try:
        return task_named(name)
    except LookupError as error:
        raise CommandError(str(error)) from error


def scope_of(settings: Settings, batches: Sequence[int], items: Sequence[str]) -> "Scope":
    """Return the scope that the options give. Raises CommandError for a batch or an item that does not exist."""
    from erp_medusa_pipelines.orchestration.runs.side_runs import Scope

    wrong = [number for number in batches if not 0 <= number < settings.export_batches]
    if wrong:
        raise CommandError(f"there is no batch {wrong[0]}: EXPORT_BATCHES is {settings.export_batches}, counted from 0")
    names: list[str] = []
    if items:
        with connect(patient=False, settings=settings) as shop:
            home = read_families(shop.erp, settings.variants).home
            names = list(dict.fromkeys(home.get(name, name) for name in website_items(shop, items)))
    return Scope(tuple(f"batch_{number}" for number in batches), tuple(names))


def make_plans(settings: Settings, tasks: Sequence[Task], scope: "Scope") -> "list[Plan]":
    """Make one plan per task, with progress."""
    name_sandbox(settings)
    with instance_if_any() as instance, progress() as display, _silent_syncs():
        code = definitions(settings)
        bar = display.add_task("Planning", total=len(tasks))
        plans = []
        for task in tasks:
            plans.append(_plan(code, settings, task, scope, instance))
            display.advance(bar)
    return plans


@contextmanager
def _silent_syncs() -> Iterator[None]:
    """Keep back the log of the syncs, which tells what is planned as done. `--debug` shows it."""
    logger = logging.getLogger("erp_medusa_pipelines.sync")
    if not logger.isEnabledFor(logging.DEBUG):
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(logging.NOTSET)


def _plan(
    code: "dg.Definitions", settings: Settings, task: Task, scope: "Scope", instance: "dg.DagsterInstance | None"
) -> "Plan":
    from erp_medusa_pipelines.orchestration.runs.side_runs import plan_task

    return plan_task(code, settings, task, scope, instance=instance)


def carry_out(code: "dg.Definitions", task: Task, batch: str | None, instance: "dg.DagsterInstance") -> dict[str, Any]:
    """Run the task for the batch in this process, unless another run is in the way. Returns what `applied` shows."""
    from erp_medusa_pipelines.orchestration.dagster_internals import raise_if_interrupted
    from erp_medusa_pipelines.orchestration.jobs import batch_tags
    from erp_medusa_pipelines.orchestration.runs.failures import read_failure
    from erp_medusa_pipelines.orchestration.runs.side_runs import QUIET
    from erp_medusa_pipelines.orchestration.runs.work import busy_reason

    # Again, just before: the daemon may have started one while earlier batches ran.
    if busy := busy_reason(instance, task, batch):
        return {"job": task.name, "batch": batch, "run_id": "", "success": False, "problem": busy}
    result = code.resolve_job_def(task.name).execute_in_process(
        instance=instance, partition_key=batch, run_config=QUIET, tags=batch_tags(batch), raise_on_error=False
    )
    raise_if_interrupted(result, instance)
    problem = "" if result.success else read_failure(instance, result.run_id).reason
    return {
        "job": task.name,
        "batch": batch,
        "run_id": result.run_id,
        "success": result.success,
        "problem": problem,
    }


def digest_of(plans: "Sequence[Plan]") -> str:
    """Return one digest of several plans."""
    return hashlib.sha256(" ".join(f"{plan.task}={plan.digest}" for plan in plans).encode()).hexdigest()[:16]


def _answer(plans: "Sequence[Plan]", data: dict[str, Any]) -> Answer:
    shown: list[RenderableType] = []
    for plan in plans:
        shown += _shown(plan)
    total = sum(len(plan.rows) for plan in plans)
    shown.append(Text(f"{total} changes, digest {data['digest']}. Nothing was written."))
    if any(plan.problems for plan in plans):
        return Answer(data, shown, ExitCode.CANNOT_TELL)
    return Answer(data, shown, ExitCode.TO_DO if any(plan.rejects for plan in plans) else ExitCode.FINE)


def _shown(plan: "Plan") -> list[RenderableType]:
    rows = [
        (
            *(row.system, row.kind, row.document, Text(row.action, style=COLOURS[row.action]), row.field),
            *(_short(row.old), _short(row.new)),
        )
        for row in plan.rows[:MOST_ROWS]
    ]
    parts: list[RenderableType] = []
    if rows:
        columns = ("system", "kind", "document", "action", "field", "old", "new")
        parts.append(table(plan.task, columns, rows, heading=5))
        if len(plan.rows) > MOST_ROWS:
            parts.append(Text(f"and {len(plan.rows) - MOST_ROWS} more (--json and --out have all)", style="dim"))
    elif not plan.problems:
        parts.append(Text(f"{plan.task}: nothing to change", style="green"))
    if plan.rejects:
        rejects = [(str(row["document"]), str(row["field"]), str(row["reason"])) for row in plan.rejects]
        parts.append(table("Would be rejected", ("document", "field", "reason"), rejects, heading=2))
    parts += [Text(f"{plan.task} would fail: {problem}", style="red") for problem in plan.problems]
    documents = Counter(
        f"{row.action} {row.kind}" for row in {(r.action, r.kind, r.document): r for r in plan.rows}.values()
    )
    if documents:
        parts.append(Text(", ".join(f"{number} {what}" for what, number in sorted(documents.items()))))
    return parts


def _short(value: str) -> str:
    """Return the value as a cell shows it; --json and --out have it whole."""
    return value if len(value) <= LONGEST_CELL else f"{value[:LONGEST_CELL]}…"
