"""`erp-medusa drift`: where the storefront differs from ERPNext now."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from erp_medusa_pipelines.cli.frame import command
from erp_medusa_pipelines.cli.output import Answer, ExitCode, table
from erp_medusa_pipelines.cli.plan import MOST_ROWS, Batch, Item, make_plans, scope_of
from erp_medusa_pipelines.cli.shop import connect
from erp_medusa_pipelines.connections import Shop
from erp_medusa_pipelines.plan.drift import ORPHANS_TASK, Difference, Waiting, counts, differences, waiting_changes
from erp_medusa_pipelines.settings import Settings, load_settings
from erp_medusa_pipelines.sync.catalogue.removed_pictures import RemovedPicture, removed_pictures
from erp_medusa_pipelines.sync.engine.batches import batch_of_name
from erp_medusa_pipelines.tasks import EXPORT, task_named

if TYPE_CHECKING:
    from erp_medusa_pipelines.orchestration.runs.side_runs import Scope

COLOURS = {"missing": "green", "orphaned": "red", "differing": "yellow"}


@command
def drift(batch: Batch = None, item: Item = None) -> Answer:
    """Compare ERPNext with the storefront: missing, orphaned and different products, prices, stock and pictures.

    Writes nothing. What the next export would put right is shown as a difference; so are products that no Website Item
    owns. Fields that FIELD_POLICIES leaves to Medusa are not counted. Pictures that were removed in Medusa are listed
    apart. The oldest change of ERPNext that the shop does not show is named with its age. The exit code is 1 when
    anything differs.

    Examples:

    - `erp-medusa drift`
    - `erp-medusa drift --item WEB-ITM-0001 --json`
    """
    # Orphans are searched whatever the policy does with them, and only when the whole shop is compared.
    settings = load_settings().model_copy(update={"orphaned_products": "draft"})
    tasks = [EXPORT] if batch or item else [EXPORT, task_named(ORPHANS_TASK)]
    scope = scope_of(settings, batch or (), item or ())
    plans = make_plans(settings, tasks, scope)
    found = differences((plan.task, plan.rows) for plan in plans)
    problems = [problem for plan in plans for problem in plan.problems]
    rejects = [dict(row) for plan in plans for row in plan.rejects]
    kept = [dict(row) for plan in plans for row in plan.kept]
    removed: list[RemovedPicture] = []
    waiting, now = list[Waiting](), datetime.now(UTC)
    if not problems:
        with connect(patient=False, settings=settings) as shop:
            removed = _removed_pictures(shop, settings, scope)
            waiting = waiting_changes(shop.erp, found)
            now = shop.erp.clock()
    data = {
        "counts": counts(found),
        "differences": [asdict(one) for one in found],
        "rejects": rejects,
        "kept": kept,
        "removed_pictures": [asdict(one) for one in removed],
        "waiting": [
            {**asdict(one), "changed": one.changed.isoformat(), "seconds": one.seconds(now)} for one in waiting
        ],
        "problems": problems,
    }
    code = ExitCode.CANNOT_TELL if problems else ExitCode.TO_DO if found or rejects else ExitCode.FINE
    shown = _shown(found, len(rejects), problems, len(kept), removed)
    if waiting:
        oldest = waiting[0]
        shown.append(Text(f"The oldest of what the shop does not show: {oldest.website_item}, {oldest.sentence(now)}."))
    return Answer(data, shown, code)


def _removed_pictures(shop: Shop, settings: Settings, scope: "Scope") -> list[RemovedPicture]:
    batches = set(scope.batches_of(EXPORT, settings))
    every = settings.export_batches
    found = removed_pictures(
        shop.erp, shop.medusa, items=scope.items, belongs=lambda name: batch_of_name(name, every) in batches
    )
    return list(found)


def _shown(
    found: list[Difference], rejects: int, problems: list[str], kept: int, removed: list[RemovedPicture]
) -> list[RenderableType]:
    shown: list[RenderableType] = []
    if found:
        columns = ("", "what", "document", "field", "ERPNext", "Medusa")
        rows = [
            (Text(one.sort, style=COLOURS[one.sort]), one.what, one.document, one.field, one.erpnext, one.medusa)
            for one in found[:MOST_ROWS]
        ]
        shown.append(table("Drift", columns, rows, heading=4))
        if len(found) > MOST_ROWS:
            shown.append(Text(f"and {len(found) - MOST_ROWS} more (--json has all)", style="dim"))
        shown.append(Text(", ".join(f"{number} {name}" for name, number in counts(found).items())))
    elif not problems:
        shown.append(Text("The storefront shows what ERPNext says.", style="green"))
    if rejects:
        shown.append(Text(f"{rejects} documents are refused: erp-medusa plan names them.", style="yellow"))
    if kept:
        text = f"{kept} values were changed in Medusa and stay, by FIELD_POLICIES (--json has them)."
        shown.append(Text(text, style="dim"))
    if removed:
        rows = [(one.website_item, one.file_name, one.file) for one in removed[:MOST_ROWS]]
        shown.append(table("Removed in Medusa", ("Website Item", "picture", "File"), rows, heading=3))
        text = f"Pictures removed in Medusa: {len(removed)}. They stay away until their file is attached again."
        shown.append(Text(text, style="dim"))
    shown += [Text(f"Cannot tell: {problem}", style="red") for problem in problems]
    return shown
