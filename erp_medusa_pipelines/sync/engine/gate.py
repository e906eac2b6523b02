"""The question that a minute task asks before it starts a run: is there any work?

Each such task has its `has_work` beside its work; when it is asked, and what happens when the ERP does not answer,
belongs to orchestration/schedules/gates.py.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.settings import Settings


class Answer(NamedTuple):
    """Whether a run is worth starting, and why not."""

    work: bool
    why: str = ""


Gate = Callable[[ErpNextClient, Settings, Mapping[str, Any]], Answer]
"""(ERP, settings, what the task's last run remembered) -> Answer. One or two cheap requests; may raise ApiError."""
