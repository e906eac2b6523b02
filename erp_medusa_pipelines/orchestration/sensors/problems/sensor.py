"""The sensor `alerts`: reports what is wrong and what is over.

It compares states, not events: a daemon that was down for an hour reports once what is still true, and misses nothing.
Its cursor holds what was reported and what waits for whom. A tick that the daemon gave up, and one that ran beside
another, find the same messages under the same ids, which are delivered once.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.checks.installation import report_installation
from erp_medusa_pipelines.orchestration.dagster_internals import check_keys
from erp_medusa_pipelines.orchestration.sensors.problems.found import problems
from erp_medusa_pipelines.orchestration.sensors.problems.outbox import Waiting, address, deliver
from erp_medusa_pipelines.orchestration.sensors.problems.problem import Known, Message, compare
from erp_medusa_pipelines.orchestration.sensors.problems.receivers import receivers
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import ALERT_SENSOR

SECONDS_BETWEEN_TICKS = 30
FIRST_VERSION = "alerts/first_version"


@dataclass(frozen=True)
class Cursor:
    """What the sensor knows between ticks. `version` changes with the rest, and begins the ids of messages."""

    version: int = 0
    problems: Mapping[str, Known] = field(default_factory=dict[str, Known])
    outbox: list[Waiting] = field(default_factory=list[Waiting])
    receivers: list[str] = field(default_factory=list[str])

    @classmethod
    def load(cls, text: str | None, instance: dg.DagsterInstance) -> "Cursor":
        """Read it. There is none at a first tick, and after somebody reset it."""
        if text is None:
            return cls(_first_version(instance))
        data = json.loads(text)
        return cls(
            data["version"],
            # `reported` was called `told`.
            {key: Known(**{"reported": entry.pop("told", False), **entry}) for key, entry in data["problems"].items()},
            [Waiting.from_json(entry) for entry in data["outbox"]],
            data["receivers"],
        )

    def to_json(self) -> str:
        """Return the text that Dagster stores."""
        data = {
            "version": self.version,
            "problems": {key: asdict(entry) for key, entry in self.problems.items()},
            "outbox": [entry.to_json() for entry in self.outbox],
            "receivers": self.receivers,
        }
        return json.dumps(data, ensure_ascii=False)


def build_alert_sensor() -> dg.SensorDefinition:
    """Build the sensor that reports problems and their end."""

    @dg.sensor(
        name=ALERT_SENSOR,
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            "Reports to ALERT_URLS, and to ERPNext's Error Log where ERROR_LOG_IN_ERP asks for it: tasks that failed"
            " and will not be tried again, documents that a server refuses, runs that nobody starts,"
            " gates that get no answer, failing schedules, sensors and checks, overdue assets; and when each is over."
        ),
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        settings = load_settings()
        to = receivers(settings)
        if not to:
            return dg.SkipReason("Nowhere to report to: set ALERT_URLS, or ERROR_LOG_IN_ERP=true")
        instance = context.instance
        before = Cursor.load(context.cursor, instance)
        report_installation(instance)
        asset_checks = check_keys(context.repository_def) if context.repository_def else []
        found = problems(instance, settings, asset_checks, to)
        patience = timedelta(minutes=settings.silent_server_alert_minutes)
        messages, known = compare(before.problems, found, _now(), patience, str(before.version))
        named = [_named(message, settings.shop_name) for message in messages]
        waiting, sent, errors = deliver(instance, address(before.outbox, named, to, before.receivers), to)
        after = Cursor(before.version, known, waiting, [receiver.key for receiver in to])
        if after != before:
            after = replace(after, version=before.version + 1)
        report = [f"{sent} messages sent"] if sent else []
        report += [f"not delivered: {'; '.join(errors)}"] if errors else []
        report += [f"{len(waiting)} messages still wait"] if waiting else []
        return dg.SensorResult(skip_reason=". ".join(report) or "nothing new to report", cursor=after.to_json())

    return alerts


def _named(message: Message, shop: str | None) -> Message:
    return replace(message, title=f"{shop}: {message.title}") if shop else message


def _first_version(instance: dg.DagsterInstance) -> int:
    """Return a number that no earlier cursor came to, and the same one for ticks that begin beside each other."""
    kept = state.load(instance, FIRST_VERSION)
    now = _now()
    if not kept or now - datetime.fromisoformat(kept["at"]) > timedelta(minutes=10):
        # A cursor changes every half minute at most.
        kept = {"version": int(now.timestamp()) // 10, "at": now.isoformat()}
        state.save(instance, FIRST_VERSION, kept)
    return kept["version"]


def _now() -> datetime:
    return datetime.now(UTC)
