"""When to send an alert: a failure without further retries, its recovery, refused documents, runs that do not start.

Belongs here: comparing what has failed now with what was reported, and the sensor that does it. It compares states, not
events: a daemon that was down for an hour reports once what is still true, and misses nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from erp_medusa_pipelines.orchestration import retries, state
from erp_medusa_pipelines.orchestration.alerts import (
    Message,
    Outbox,
    accepted_message,
    failure_message,
    recovery_message,
    rejects_message,
    trouble_message,
    trouble_over_message,
)
from erp_medusa_pipelines.orchestration.dagster_internals import check_keys, instigators
from erp_medusa_pipelines.orchestration.failed_parts import failed_before, read_state
from erp_medusa_pipelines.orchestration.installation import report_installation
from erp_medusa_pipelines.orchestration.partitions import batches_in_force
from erp_medusa_pipelines.orchestration.rejects import read_rejects
from erp_medusa_pipelines.orchestration.troubles import Trouble, troubles
from erp_medusa_pipelines.settings import Settings, load_settings

SENSOR = "alerts"
SECONDS_BETWEEN_TICKS = 30
REPORTED = "alerts/reported"

REMINDER = timedelta(hours=20)
"""A task that fails every night is reported every night, one that fails every minute once a day."""


def news(
    instance: dg.DagsterInstance,
    settings: Settings,
    before: Mapping[str, Any],
    asset_checks: Sequence[dg.AssetCheckKey] = (),
) -> tuple[list[Message], dict[str, Any]]:
    """Return the messages to send now, and the new record of what was reported. `before` is the record so far."""
    messages: list[Message] = []
    # An earlier version also stored entries of waiting runs.
    reported = {key: entry for key, entry in before.items() if not key.startswith("run/")}
    retried = _retry_sensor_is_on(instance)
    now = read_state(instance, batches_in_force(settings))
    for part in (*now.failed, *failed_before(instance, now)):
        view = retries.outlook(instance, part, settings)
        if (view.final or not retried) and _is_news(reported.get(part.name), part.run.run_id):
            reported[part.name] = {
                "run": part.run.run_id,
                "assets": sorted(part.assets),
                "partition": part.partition,
                "since": reported.get(part.name, {}).get("since") or _now().isoformat(timespec="seconds"),
                "at": _now().isoformat(),
            }
            messages.append(failure_message(view if view.final else view.without_retry(), settings))
    for name, entry in list(reported.items()):
        if "assets" in entry and now.is_settled(entry["assets"], entry["partition"]):
            del reported[name]
            messages.append(recovery_message(name, entry["run"], entry["since"], settings))
    messages += _of_rejects(instance, settings, reported)
    messages += _of_troubles(troubles(instance, asset_checks), settings, reported)
    return messages, reported


def _of_rejects(instance: dg.DagsterInstance, settings: Settings, reported: dict[str, Any]) -> Iterator[Message]:
    """Yield messages on documents refused since the last message on their asset; records them in `reported`."""
    for rejects in read_rejects(instance):
        key = f"rejects/{rejects.asset}"
        told = set(reported[key]["documents"]) if key in reported else set()
        fresh = [row for row in rejects.rows if row["document"] not in told]
        if fresh:
            yield rejects_message(rejects, fresh, settings)
        if rejects.number:
            reported[key] = {"documents": rejects.documents}
        elif reported.pop(key, None):
            yield accepted_message(rejects, settings)


def _of_troubles(found: Iterable[Trouble], settings: Settings, reported: dict[str, Any]) -> Iterator[Message]:
    """Yield messages on troubles without a failed run: when one begins (or lasts, if it may pass) and when it ends."""
    now = {f"trouble/{trouble.key}": trouble for trouble in found}
    patience = timedelta(minutes=settings.silent_server_alert_minutes)
    for key, trouble in now.items():
        # An earlier version stored only reported entries, without "told".
        entry = reported.setdefault(key, {"title": trouble.title, "since": trouble.since.isoformat(), "told": False})
        since = datetime.fromisoformat(entry["since"])
        if not entry.get("told", True) and (not trouble.heals or _now() - since >= patience):
            reported[key] = {**entry, "told": True}
            yield trouble_message(replace(trouble, since=since), settings)
    for key in [key for key in reported if key.startswith("trouble/") and key not in now]:
        entry = reported.pop(key)
        if entry.get("told", True):
            yield trouble_over_message(entry["title"], entry["since"])


def _is_news(entry: dict[str, str] | None, run_id: str) -> bool:
    if entry is None:
        return True
    return entry["run"] != run_id and _now() - datetime.fromisoformat(entry["at"]) > REMINDER


def _retry_sensor_is_on(instance: dg.DagsterInstance) -> bool:
    return any(stored.name == retries.SENSOR and stored.on for stored in instigators(instance))


def build_alert_sensor() -> dg.SensorDefinition:
    """Build the sensor that reports failures and recoveries."""

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            "Reports to ALERT_URLS, and to ERPNext's Error Log where ERROR_LOG_IN_ERP asks for it: tasks that failed"
            " and will not be tried again, documents that a server refuses, runs that nobody starts,"
            " gates that get no answer, failing schedules, sensors and checks, overdue assets; and when each is over."
        ),
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        settings = load_settings()
        if not (settings.alert_urls or settings.error_log_in_erp):
            return dg.SkipReason("Nowhere to report to: set ALERT_URLS, or ERROR_LOG_IN_ERP=true")
        before = state.load(context.instance, REPORTED)
        report_installation(context.instance)
        asset_checks = check_keys(context.repository_def) if context.repository_def else []
        messages, reported = news(context.instance, settings, before, asset_checks)
        # The daemon gives up a tick after a minute and asks again, while the first is still at work.
        if state.load(context.instance, REPORTED) != before:
            return dg.SkipReason("another tick has reported meanwhile")
        outbox = Outbox(context.instance, settings)
        # In this order a crash repeats a message and never loses one.
        outbox.put(messages)
        if reported != before:
            state.save(context.instance, REPORTED, reported)
        sent, errors = outbox.deliver()
        if errors:
            # The tick fails in the UI; a later one sends what is left.
            raise dg.Failure("Alerts were not delivered: " + "; ".join(errors))
        return dg.SkipReason(f"{sent} messages sent" if sent else "nothing new to report")

    return alerts


def _now() -> datetime:
    return datetime.now(UTC)
