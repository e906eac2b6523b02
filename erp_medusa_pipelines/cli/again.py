"""`erp-medusa again`: what is left failed, once more, and each batch as a whole.

A batch whose first asset failed has several red ones behind it; materializing one of them heals that one alone.
"""

from typing import Annotated

import typer
from rich.text import Text

from erp_medusa_pipelines.cli.frame import command
from erp_medusa_pipelines.cli.home import definitions, the_instance
from erp_medusa_pipelines.cli.output import Answer, progress
from erp_medusa_pipelines.cli.plan import Batch, applied, carry_out, names_that_begin, scope_of, tasks_named
from erp_medusa_pipelines.cli.shop import name_sandbox
from erp_medusa_pipelines.cli.status import red_now
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import task_named

TaskName = Annotated[
    str | None, typer.Argument(help="Only this task (default: every task).", autocompletion=names_that_begin)
]


@command
def again(task: TaskName = None, batch: Batch = None) -> Answer:
    """Run what is left failed once more, now: the whole task for each red batch, not single assets.

    The runs are recorded in the installation of DAGSTER_HOME, as if they were started in the UI. A batch that a run
    is working on is left to it. The exit code is 1 when something failed again.

    Examples:

    - `erp-medusa again`
    - `erp-medusa again export_items_and_images_custom --batch 2`
    """
    settings = load_settings()
    tasks = {one.name for one in tasks_named(task)} if task else None
    batches = scope_of(settings, batch or (), ()).batches
    with the_instance() as instance:
        wanted = [
            (task_named(one.task), one.batch or None)
            for one in red_now(instance, settings)
            if (tasks is None or one.task in tasks) and (not batches or one.batch in batches)
        ]
        if not wanted:
            return Answer({"runs": []}, [Text("Nothing of it is left failed.", style="green")])
        name_sandbox(settings)
        code = definitions(settings)
        with progress() as display:
            runs = [carry_out(code, one, key, instance) for one, key in display.track(wanted, description="Running")]
    return applied(runs)
