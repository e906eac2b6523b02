"""Asking "is there work?" in a schedule function, so that a minute task starts a run only when there is.

A thread waits for the answer: socket time-outs do not cover everything that can hang, such as a name server. A question
that is still open at the next tick is not asked again.
"""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pkgutil import resolve_name
from queue import Empty, SimpleQueue
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.http import HttpOptions
from erp_medusa_pipelines.connections import open_erpnext
from erp_medusa_pipelines.orchestration import rate_limits, state
from erp_medusa_pipelines.orchestration.checks.freshness import SIGN_OF_LIFE
from erp_medusa_pipelines.orchestration.runs.failed_parts import read_state
from erp_medusa_pipelines.orchestration.runs.failures import read_failure
from erp_medusa_pipelines.orchestration.shops import asset_key, shop_tags
from erp_medusa_pipelines.settings import Settings, SettingsError, load_settings
from erp_medusa_pipelines.sync.engine.gate import Answer, Gate
from erp_medusa_pipelines.tasks import Task

ZONE_KEY = "gate/time_zone"
ZONE_SECONDS = 86_400
"""Seconds for which the site's time zone is cached here; a run always asks for it."""

LONGEST_REST_SECONDS = 3600.0
_FAILURES_COUNTED = 8
_UNASKED = "could not ask whether there is work"

_asking: dict[str, threading.Thread] = {}


def memory_key(task: str) -> str:
    """Return the key of the state that the task's runs leave for the gate and the next run."""
    return f"memory/{task}"


def reason_to_skip(task: Task, instance: dg.DagsterInstance) -> str | None:
    """Return why this tick should start no run, or None if there is work. Never raises."""
    if task.gate is None:
        return None
    try:
        settings = load_settings()
        earlier = _asking.get(task.name)
        if earlier and earlier.is_alive():
            raise TimeoutError("ERPNext has still not answered the question of an earlier tick")
        resting = _rest_after_failures(task, instance) or rate_limits.reason_to_rest(instance)
        if resting:
            return f"{task.name}: {resting}"
        memory = state.load(instance, memory_key(task.name))
        answer = ask(task.name, resolve_name(task.gate), settings, memory, instance)
        if gate_trouble(instance, task):
            state.save(instance, f"gate_trouble/{task.name}", {})
        if answer.work:
            return None
        _sign_of_life(task, instance, answer.why)
        return f"{task.name}: {answer.why}"
    except (SettingsError, PermanentError) as error:
        # It does not recover by itself, and nobody sees a skipped tick: the sensor `alerts` reports it.
        return _note(task, instance, f"{_UNASKED}: {error}", heals=False)
    # The daemon's boundary: whatever fails here, other schedules keep ticking.
    except Exception as error:  # noqa: BLE001
        return _note(task, instance, f"{_UNASKED}: {error or type(error).__name__}", heals=True)


def gate_trouble(instance: dg.DagsterInstance, task: Task) -> dict[str, Any]:
    """Return why the task's gate gets no answer, whether that may pass by itself, and since when; empty if it does."""
    return state.load(instance, f"gate_trouble/{task.name}") if task.gate else {}


def _note(task: Task, instance: dg.DagsterInstance, why: str, *, heals: bool) -> str:
    before = gate_trouble(instance, task)
    now = {"why": why, "heals": heals, "since": before.get("since") or datetime.now(UTC).isoformat()}
    if now != before:
        state.save(instance, f"gate_trouble/{task.name}", now)
    return f"{task.name}: {why}"


def _rest_after_failures(task: Task, instance: dg.DagsterInstance) -> str:
    """Return why a task with permanent failures pauses: for a minute after the first, then longer, up to an hour."""
    failed = 0
    ended = 0.0
    for record in instance.get_run_records(
        dg.RunsFilter(job_name=task.name, tags=shop_tags()), limit=_FAILURES_COUNTED
    ):
        if record.dagster_run.status != dg.DagsterRunStatus.FAILURE:
            break
        if not failed and not read_failure(instance, record.dagster_run.run_id).permanent:
            return ""
        failed += 1
        ended = max(ended, record.end_time or 0.0)
    wait = min(60.0 * 2 ** (failed - 1), LONGEST_REST_SECONDS) if failed else 0.0
    left = ended + wait - time.time()
    if left <= 0:
        return ""
    return f"its last {failed} runs failed permanently; the next one starts in {-(-left // 60):.0f} min, or by hand"


def _sign_of_life(task: Task, instance: dg.DagsterInstance, why: str) -> None:
    """Keep assets fresh although nothing had to run, unless one is left failed."""
    for asset in task.assets:
        key = asset_key(asset)
        latest = instance.get_latest_materialization_event(key)
        if latest and time.time() - latest.timestamp < SIGN_OF_LIFE.total_seconds():
            continue
        if not read_state(instance, (), task.assets).failed_of(task):
            metadata = {"found": 0, "nothing_to_do": why}
            instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata))


def ask(name: str, gate: Gate, settings: Settings, memory: Mapping[str, Any], instance: dg.DagsterInstance) -> Answer:
    """Ask within `gate_timeout`; cache the site's zone, and keep what it says of its rate limit.

    Raises TimeoutError, or what the question raised.
    """
    answer, zone = _ask(name, gate, settings, memory, instance)
    if zone:
        state.save(instance, ZONE_KEY, {"zone": zone, "learned": time.time()})
    return answer


def _ask(
    name: str, gate: Gate, settings: Settings, memory: Mapping[str, Any], instance: dg.DagsterInstance
) -> tuple[Answer, str | None]:
    """Return the answer, and the site's zone if it was read. Raises TimeoutError after `gate_timeout`."""
    results: SimpleQueue[tuple[Answer, str | None] | Exception] = SimpleQueue()
    opened: list[ErpNextClient] = []
    zone = _zone(instance)

    def work() -> None:
        try:
            options = HttpOptions(settings.gate_timeout, settings.gate_timeout, attempts=1, keeps_pace=False)
            with open_erpnext(settings, options) as erp:
                opened.append(erp)
                if zone:
                    erp.time_zone = ZoneInfo(zone)
                answer = gate(erp, settings, memory)
                learned = vars(erp).get("time_zone") if not zone else None
                results.put((answer, learned.key if learned else None))
        except Exception as error:  # noqa: BLE001 - raised again in the waiting thread
            results.put(error)

    thread = threading.Thread(target=work, name=f"gate:{name}", daemon=True)
    _asking[name] = thread
    thread.start()
    try:
        result = results.get(timeout=settings.gate_timeout)
    except Empty:
        # A server that sends a byte now and then would keep the request open forever.
        for erp in opened:
            erp.http.abort()
        text = f"ERPNext did not answer within {settings.gate_timeout:g} s whether there is work"
        raise TimeoutError(text) from None
    # It has answered, though the connection may still be closing.
    _asking.pop(name, None)
    for erp in opened:
        rate_limits.note(instance, erp.http, result if isinstance(result, Exception) else None)
    if isinstance(result, Exception):
        raise result
    return result


def _zone(instance: dg.DagsterInstance) -> str | None:
    kept = state.load(instance, ZONE_KEY)
    return kept["zone"] if kept and time.time() - kept["learned"] < ZONE_SECONDS else None
