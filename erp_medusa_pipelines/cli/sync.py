"""`erp-medusa sync ITEM...`: just these items, now.

What it does is the job `sync_items`, which the UI's launchpad has as well.
"""

from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from erp_medusa_pipelines.cli.frame import command
from erp_medusa_pipelines.cli.home import definitions, the_instance
from erp_medusa_pipelines.cli.output import Answer, ExitCode, table
from erp_medusa_pipelines.cli.shop import connect, website_items
from erp_medusa_pipelines.settings import load_settings

AllowLosses = Annotated[bool, typer.Option("--allow-losses", help="Go on although a brake stops what would be lost.")]
Items = Annotated[list[str], typer.Argument(help="Website Items, by name or item_code.")]


@command
def sync(items: Items, allow_losses: AllowLosses = False) -> Answer:
    """Export only these Website Items, now: product, pictures, prices and stock. Rejected ones are tried again.

    It is a run of the job `sync_items` in the installation of DAGSTER_HOME, so the UI shows it. A batch that is
    being worked on is left to its run. Ten losses of items that you name are never too many; more are judged by the
    whole shop, as at night.

    Examples:

    - `erp-medusa sync WEB-ITM-0001`
    - `erp-medusa sync ITM-1 ITM-2 --json`
    """
    settings = load_settings()
    with connect(patient=False, settings=settings) as shop:
        names = website_items(shop, items)
    from erp_medusa_pipelines.orchestration.dagster_internals import raise_if_interrupted
    from erp_medusa_pipelines.orchestration.runs.failures import read_failure
    from erp_medusa_pipelines.orchestration.runs.plan_jobs import SYNC_JOB
    from erp_medusa_pipelines.orchestration.runs.side_runs import QUIET

    with the_instance() as instance:
        job = definitions(settings).resolve_job_def(SYNC_JOB)
        config = {**QUIET, "ops": {"export_items": {"config": {"items": names, "allow_losses": allow_losses}}}}
        result = job.execute_in_process(instance=instance, run_config=config, raise_on_error=False)
        raise_if_interrupted(result, instance)
        problem = "" if result.success else read_failure(instance, result.run_id).reason
    counts, rejects = _metadata(result)
    return _answer(names, result.run_id, counts, rejects, problem)


def _metadata(result: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {"counts": [], "rejects": []}
    for event in result.all_events:
        failure = event.step_failure_data.user_failure_data if event.is_step_failure else None
        metadata = getattr(failure or event.event_specific_data, "metadata", None) or {}
        for name in tables:
            if name in metadata:
                tables[name] = [dict(record.data) for record in metadata[name].value.records]
    return tables["counts"], tables["rejects"]


def _answer(
    names: list[str], run_id: str, counts: list[dict[str, Any]], rejects: list[dict[str, Any]], problem: str
) -> Answer:
    shown: list[RenderableType] = []
    if counts:
        columns = list(dict.fromkeys(key for row in counts for key in row))
        shown.append(table("Done", columns, [[row.get(column, "") for column in columns] for row in counts]))
    if rejects:
        rows = [(row["document"], row["field"], row["reason"]) for row in rejects]
        shown.append(table("Rejected", ("document", "field", "reason"), rows, heading=2))
    if problem:
        shown.append(Text(problem, style="red"))
    shown.append(Text(f"Run {run_id}", style="dim"))
    data = {"items": names, "run_id": run_id, "counts": counts, "rejects": rejects, "problem": problem}
    return Answer(data, shown, ExitCode.TO_DO if problem or rejects else ExitCode.FINE)
