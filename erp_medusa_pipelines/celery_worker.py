"""The front door of a Celery worker: `celery -A erp_medusa_pipelines.celery_worker worker -Q short -c 2`.

Dagster's own `dagster-celery worker start` writes the broker's address with its password into a new file below
DAGSTER_HOME at each start, and asks for AMQP on localhost when its YAML lacks `execution: config:`. This needs neither.
"""

import os
from typing import Any

from celery.signals import celeryd_after_setup
from dagster_celery.app import app

# Loaded once, before the worker forks: a run begins at once instead of after an import of seconds.
import erp_medusa_pipelines.definitions  # noqa: F401
from erp_medusa_pipelines.orchestration.shops import celery_queue, shop_name
from erp_medusa_pipelines.tasks import DEFAULT, LONG, SHORT

BROKER = "DAGSTER_CELERY_BROKER_URL"
BACKEND = "DAGSTER_CELERY_BACKEND_URL"


def _address(variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise SystemExit(f"{variable} is not set: the address of Redis, such as redis://:password@host:6379/0")
    return value


@celeryd_after_setup.connect
def _serve_own_queues_alone(instance: Any, **_: object) -> None:
    """A worker does each run with its own settings and keys: another shop's run would write into this shop."""
    own = [celery_queue(shop_name(), queue.name) for queue in (SHORT, DEFAULT, LONG)]
    others = sorted(set(instance.app.amqp.queues.consume_from).difference(own))
    if others:
        said = f"with SHOP_NAME={shop_name()}" if shop_name() else "without SHOP_NAME"
        raise SystemExit(
            f"This worker would serve {', '.join(others)}: {said} its queues are {', '.join(own)}."
            " Name one or more of them with -Q"
        )


app.conf.update(
    broker_url=_address(BROKER),
    result_backend=_address(BACKEND),
    # One run is one process: a run that ends its own process at its time limit takes nobody with it.
    worker_max_tasks_per_child=1,
    # A worker takes a run when it has a free process, and not one in advance: it would wait although others are idle,
    # and with a dead worker it would be lost for an hour.
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=1,
    # A task is taken off the queue when it begins. Redis would hand out a late one again after its visibility timeout,
    # and a long export would run twice; a lost one is found by its missing heartbeat and retried instead.
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    # Dagster captures what a run prints; Celery would turn it into log lines of its own first.
    worker_redirect_stdouts=False,
)
