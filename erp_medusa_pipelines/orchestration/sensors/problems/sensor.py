"""The sensor `alerts`: reports what is wrong and what is over.

It compares states, not events: a daemon that was down for an hour reports once what is still true, and misses nothing.
Its cursor holds what was reported and what waits for whom. A tick that the daemon gave up, and one that ran beside
another, find the same messages under the same ids, which are delivered once.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

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
EARLIER_RECORD, EARLIER_OUTBOX = "alerts/reported", "alerts/outbox"
"""Where versions before the cursor kept what was reported and what waited."""

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
        """Read it. Without one - a first tick, or a cursor that somebody reset - an earlier version's record counts."""
        if text is None:
            return cls(_first_version(instance), _earlier_problems(instance), _earlier_outbox(instance))
        for key in (EARLIER_RECORD, EARLIER_OUTBOX):
            if state.load(instance, key):
                state.save(instance, key, {})
        data = json.loads(text)
        return cls(
            data["version"],
            {key: Known(**entry) for key, entry in data["problems"].items()},
            [Waiting.from_json(entry) for entry in data["outbox"]],
            data["receivers"],
        )

    def to_json(self) -> str:
        """Return the text that Dagster stores."""
        data = {
            "version": self.version,
            "problems": {key: entry.to_json() for key, entry in self.problems.items()},
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


def _earlier_problems(instance: dg.DagsterInstance) -> dict[str, Known]:
    return dict(_renamed(state.load(instance, EARLIER_RECORD)))


def _renamed(record: Mapping[str, Any]) -> Iterator[tuple[str, Known]]:
    """Yield an earlier version's entries under today's keys."""
    now = _now().isoformat(timespec="seconds")
    for key, entry in record.items():
        if key.startswith("trouble/"):
            known = Known(entry["title"], entry["since"], entry.get("told", True))
            yield key.removeprefix("trouble/"), known
        elif key.startswith("rejects/"):
            title = f"{key.removeprefix('rejects/')}: documents refused"
            yield key, Known.of_parts(title, now, entry["documents"])
        elif "assets" in entry:
            yield f"failed/{key}", Known(f"{key} failed", entry["since"], told=True)


def _earlier_outbox(instance: dg.DagsterInstance) -> list[Waiting]:
    """Return what an earlier version had not delivered."""
    entries = state.load(instance, EARLIER_OUTBOX).get("messages") or []
    return [
        Waiting(
            Message(f"earlier/{number}", entry["kind"], entry["title"], entry["body"], entry["at"]),
            frozenset({entry["way"].removeprefix("receiver/")}),
        )
        for number, entry in enumerate(entries)
    ]


def _now() -> datetime:
    return datetime.now(UTC)
