"""Messages to people: their text and their delivery.

Belongs here: the texts, the channels (Apprise for mail, chat and webhooks; the ERP's Error Log), and the outbox that
stores a message until every receiver has accepted it. Does not belong here: when to send one (alert_sensor.py).
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any, Literal

import dagster as dg

from erp_medusa_pipelines.clients.failures import ApiError
from erp_medusa_pipelines.connections import open_shop
from erp_medusa_pipelines.orchestration import state
from erp_medusa_pipelines.orchestration.rejects import Rejects
from erp_medusa_pipelines.orchestration.retries import Outlook
from erp_medusa_pipelines.orchestration.troubles import Trouble
from erp_medusa_pipelines.settings import Settings, SettingsError

ERROR_LOG = "error_log"
RECEIVER = "receiver/"
"""Prefix for the fingerprint of an address in ALERT_URLS. The addresses themselves hold secrets and are not stored."""

Kind = Literal["failure", "success", "warning"]

OUTBOX = "alerts/outbox"
LONGEST_REASON = 3000
ROWS_TOLD = 10
DELIVERY_SECONDS = 15.0
"""Seconds per message and channel; a tick of the sensor has a minute."""

GIVEN_UP_AFTER = timedelta(days=1)
"""A message that no receiver accepted for this long is dropped."""


@dataclass(frozen=True)
class Message:
    """One message. `at` is when its cause began, in ISO form."""

    kind: Kind
    title: str
    body: str
    at: str


class DeliveryError(Exception):
    """A message could not be delivered; it stays in the outbox."""


class NoAnswerError(DeliveryError):
    """The channel hangs."""


def failure_message(view: Outlook, settings: Settings) -> Message:
    """Write the message on a task, or one of its batches, that failed without further retries."""
    part, failure = view.part, view.failure
    lines = [
        f"Task: {part.task.name}",
        f"Batch: {part.partition or 'none (the task has no batches)'}",
        f"Assets: {', '.join(sorted(part.assets))}",
        f"Reason: {failure.reason[:LONGEST_REASON]}",
        f"Documents refused permanently: {failure.rejected}",
        f"No further attempt: {view.why}",
        f"Run: {run_link(part.run.run_id, settings)}",
    ]
    return Message("failure", f"{part.name} failed", "\n".join(lines), _now())


def recovery_message(name: str, run_id: str, since: str, settings: Settings) -> Message:
    """Write the message on the recovery of a reported failure."""
    body = f"It succeeded again. Failed since: {since}\nFailed run: {run_link(run_id, settings)}"
    return Message("success", f"{name} recovered", body, _now())


def rejects_message(rejects: Rejects, fresh: Sequence[Mapping[str, Any]], settings: Settings) -> Message:
    """Write the message on permanently refused documents; `fresh` are those not reported yet."""
    lines = [f"- {row['document']}: {row['reason']} {row['link']}" for row in fresh[:ROWS_TOLD]]
    if len(fresh) > ROWS_TOLD:
        lines.append(f"- and {len(fresh) - ROWS_TOLD} more")
    text = "\n".join(
        [
            f"Asset: {rejects.asset}",
            f"Refused now: {rejects.number}, of these new:",
            *lines,
            "They are sent again once they are changed in ERPNext. All others went through.",
            f"Run: {run_link(rejects.run_id, settings)}",
        ]
    )
    return Message("failure", f"{rejects.asset}: documents refused", text, _now())


def accepted_message(rejects: Rejects, settings: Settings) -> Message:
    """Write the message that no document is refused any more."""
    body = f"Nothing is refused any more.\nRun: {run_link(rejects.run_id, settings)}"
    return Message("success", f"{rejects.asset}: nothing refused", body, _now())


def trouble_message(trouble: Trouble, settings: Settings) -> Message:
    """Write the message on a trouble without a failed run."""
    body = f"{trouble.what}\nSince: {trouble.since:%Y-%m-%d %H:%M} UTC\nWhat to do: {trouble.what_to_do}"
    if trouble.run_id:
        body += f"\nRun: {run_link(trouble.run_id, settings)}"
    return Message("failure", trouble.title, body, _now())


def trouble_over_message(title: str, since: str) -> Message:
    """Write the message that a reported trouble is over."""
    return Message("success", f"Over: {title}", f"This is over. It was first reported at {since}.", _now())


def run_link(run_id: str, settings: Settings) -> str:
    """Return the address of the run's page in the UI, or the run's id if no address is set."""
    return f"{settings.dagster_ui_url}/runs/{run_id}" if settings.dagster_ui_url else run_id


def channels(message: Message, settings: Settings) -> list[str]:
    """Return the channels of this message: each receiver of ALERT_URLS, and the ERP's Error Log."""
    found = [f"{RECEIVER}{fingerprint}" for fingerprint in receivers(settings)]
    if settings.error_log_in_erp and message.kind == "failure":
        found.append(ERROR_LOG)
    return found


def receivers(settings: Settings) -> dict[str, Any]:
    """Return Apprise's objects for ALERT_URLS, by a fingerprint of each address.

    So a waiting message goes to no other receiver when the setting changes. Raises DeliveryError for an address that
    Apprise does not know.
    """
    if not settings.alert_urls:
        return {}
    # Imported late: it loads slowly, and only alerts need it.
    import apprise

    found = apprise.Apprise()
    if not found.add(settings.alert_urls.get_secret_value()):
        raise DeliveryError("ALERT_URLS has an address that Apprise does not support: see its list of services")
    return {hashlib.sha256(one.url(privacy=False).encode()).hexdigest()[:12]: one for one in found}


class Outbox:
    """Undelivered messages, stored in the instance.

    The storage alone says what waits, read anew for each message: on a busy machine two ticks may be at it at once.
    """

    def __init__(self, instance: dg.DagsterInstance, settings: Settings) -> None:
        self._instance = instance
        self._settings = settings

    def put(self, messages: Sequence[Message]) -> None:
        """Store messages, each for all of its channels, before any is sent: a crash repeats one and loses none."""
        entries = [
            {"way": channel, **asdict(message)}
            for message in map(self._named, messages)
            for channel in channels(message, self._settings)
        ]
        if entries:
            self._save([*self._waiting(), *entries])

    def deliver(self) -> tuple[int, list[str]]:
        """Send the waiting messages. Returns the number delivered, and the reasons of the others."""
        errors: list[str] = []
        sent = 0
        oldest = (datetime.now(UTC) - GIVEN_UP_AFTER).isoformat()
        hanging: set[str] = set()
        for entry in self._waiting():
            message = Message(**{name: entry[name] for name in Message.__dataclass_fields__})
            # Another tick may have delivered it meanwhile.
            if entry["way"] in hanging or entry not in self._waiting():
                continue
            try:
                _deliver(entry["way"], message, self._settings)
                sent += 1
            except DeliveryError as error:
                errors.append(f"{message.title}: {error}")
                if isinstance(error, NoAnswerError):
                    # Its other messages wait for the next tick, so that a hanging channel does not use up the time.
                    hanging.add(entry["way"])
                if message.at > oldest:
                    continue
            # Stored after each message: one receiver's success is not repeated because another one hangs.
            self._save([other for other in self._waiting() if other != entry])
        return sent, errors

    def _named(self, message: Message) -> Message:
        shop = self._settings.shop_name
        return replace(message, title=f"{shop}: {message.title}") if shop else message

    def _waiting(self) -> list[dict[str, Any]]:
        return state.load(self._instance, OUTBOX).get("messages") or []

    def _save(self, waiting: Sequence[Mapping[str, Any]]) -> None:
        state.save(self._instance, OUTBOX, {"messages": waiting})


def _deliver(channel: str, message: Message, settings: Settings) -> None:
    """Send within DELIVERY_SECONDS. Raises DeliveryError; NoAnswerError when the channel took longer."""
    outcome: SimpleQueue[Exception | None] = SimpleQueue()

    def work() -> None:
        try:
            if channel == ERROR_LOG:
                write_error_log(message, settings)
            else:
                send_alert(message, settings, channel.removeprefix(RECEIVER))
            outcome.put(None)
        except Exception as error:  # noqa: BLE001 - raised again in the waiting thread
            outcome.put(error)

    threading.Thread(target=work, name=f"deliver:{channel}", daemon=True).start()
    try:
        error = outcome.get(timeout=DELIVERY_SECONDS)
    except Empty:
        raise NoAnswerError(f"no answer within {DELIVERY_SECONDS:.0f} s") from None
    if error is not None:
        raise error


def send_alert(message: Message, settings: Settings, fingerprint: str) -> None:
    """Send through Apprise to one receiver. An address removed from ALERT_URLS gets nothing more."""
    import apprise

    found = receivers(settings)
    if fingerprint not in found:
        return
    kind = {
        "failure": apprise.NotifyType.FAILURE,
        "success": apprise.NotifyType.SUCCESS,
        "warning": apprise.NotifyType.WARNING,
    }[message.kind]
    if not found[fingerprint].notify(title=message.title, body=message.body, notify_type=kind):
        number = list(found).index(fingerprint) + 1
        raise DeliveryError(f"receiver {number} of {len(found)} in ALERT_URLS did not accept the message")


def write_error_log(message: Message, settings: Settings) -> None:
    """Write it as a row of ERPNext's Error Log."""
    try:
        with open_shop(settings) as shop:
            shop.erp.insert("Error Log", {"method": message.title[:140], "error": message.body})
    except (ApiError, SettingsError) as error:
        raise DeliveryError(f"the ERP's Error Log could not be written: {error}") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
