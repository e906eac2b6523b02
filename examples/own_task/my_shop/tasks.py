"""The shop's own rows of the crontab. The webserver and the daemon load this: it imports nothing else."""

from erp_medusa_pipelines.tasks import DEFAULT, Task

TASKS = (
    Task(
        name="list_items_without_picture",
        cron="0 7 * * 1",
        queue=DEFAULT,
        max_runtime=120,
        execution_limit=52,
        assets=("items_without_picture",),
        in_app=False,
        description="Published Website Items that have no picture are listed.",
        rights={"Website Item": "r"},
    ),
)
