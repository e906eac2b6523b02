"""How commands reach the shop: from the same settings as the runs, with the patience of somebody at a terminal.

Belongs here: opening both clients, or ERPNext with an administrator's key. Does not belong here: what is asked of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from erp_medusa_pipelines.cli.output import stderr
from erp_medusa_pipelines.connections import SANDBOX_NOTICE, Shop, open_shop
from erp_medusa_pipelines.settings import Settings, load_settings

PATIENCE = {"http_connect_timeout": 5.0, "http_read_timeout": 30.0, "http_attempts": 2}
"""For questions that somebody waits for; what writes takes the runs' own time-outs."""


@contextmanager
def connect(*, patient: bool = True, settings: Settings | None = None) -> Iterator[Shop]:
    """Both clients of the shop that the environment or .env names; the sandbox with USE_SANDBOX=true.

    `patient=False` gives a server seconds instead of minutes, for commands that only look.
    """
    settings = settings or load_settings()
    if settings.uses_sandbox:
        stderr().print(SANDBOX_NOTICE, style="yellow", markup=False)
    with open_shop(settings if patient else settings.model_copy(update=PATIENCE)) as shop:
        yield shop
