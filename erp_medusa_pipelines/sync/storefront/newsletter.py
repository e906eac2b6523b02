"""The weekly newsletter: an edition is put together once, and each subscriber gets it at most once.

What an edition shows is in newsletter_items.py, who gets it in subscribers.py, how a
mail goes out once in handing_over.py.

Nothing goes out before an operator has seen a preview and approved it. An edition that is not through by the end of a
run is continued by the next one, until nobody waits any more or the week is over.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from erp_medusa_pipelines.clients.erpnext import ErpNextClient
from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_carts import MedusaCarts
from erp_medusa_pipelines.mail.links import unsubscribe_link
from erp_medusa_pipelines.mail.mail import Mail, Sender
from erp_medusa_pipelines.mail.texts import TextError, Texts, Written
from erp_medusa_pipelines.sync.engine.report import SyncReport
from erp_medusa_pipelines.sync.storefront.cart_texts import Links
from erp_medusa_pipelines.sync.storefront.editions import Edition, Editions
from erp_medusa_pipelines.sync.storefront.handing_over import HandingOver
from erp_medusa_pipelines.sync.storefront.journal import Journal
from erp_medusa_pipelines.sync.storefront.newsletter_items import NewsletterItems, Shown
from erp_medusa_pipelines.sync.storefront.quiet_hours import QuietHours
from erp_medusa_pipelines.sync.storefront.subscribers import CUSTOMER, Subscriber, Subscribers

TEMPLATE = "newsletter"
SLICE = 50
"""Mails sent before the clock is read again."""


@dataclass(frozen=True)
class NewsletterOptions:
    """How a run behaves.

    Args:
        most: mails that one run sends.
        seconds: after which it begins no further ones.
        links: where mails lead to.
        sales_channel_id, categories: of the shop, see NewsletterItems.
        preview: show, and send nothing.
        approves: an operator has seen a preview, and wants editions to be sent from now on.
        only_continues: begin no edition.
        is_plan: what would be sent is wanted, approved or not.
        retry_refused: try addresses again that a mail server refused.
    """

    most: int
    seconds: float
    links: Links
    quiet: QuietHours
    sales_channel_id: str
    categories: Mapping[str, str]
    preview: bool = False
    approves: bool = False
    only_continues: bool = False
    is_plan: bool = False
    retry_refused: bool = False


class Newsletter:
    """One run. `keep` stores what is remembered of editions."""

    def __init__(
        self,
        erp: ErpNextClient,
        medusa: MedusaClient,
        report: SyncReport,
        options: NewsletterOptions,
        *,
        texts: Texts,
        sender: Sender,
        journal: Journal,
        editions: Editions,
        keep: Callable[[Editions], None],
    ) -> None:
        self._http = medusa.http
        self._report = report
        self._options = options
        self._texts = texts
        self._journal = journal
        self._editions = editions
        self._keep = keep
        self._items = NewsletterItems(
            erp,
            medusa,
            report,
            sales_channel_id=options.sales_channel_id,
            categories=options.categories,
            product_url=options.links.product,
        )
        self._subscribers = Subscribers(MedusaCarts(medusa), report, options.links.secret)
        self._handing = HandingOver(sender, journal, report, CUSTOMER, self._now)
        self._stop_at = time.monotonic() + options.seconds
        self.preview: dict[str, Written] = {}
        """The mail in each language, where this run only shows it."""

    def run(self) -> None:
        """Show the next edition, or send it, or go on with one that is not through."""
        options, now = self._options, self._now()
        if options.approves and self._editions.previewed and not self._editions.approved:
            self._remember(replace(self._editions, approved=now))
        if options.preview or not (self._editions.approved or options.is_plan):
            self._show(now)
            return
        edition = self._editions.unfinished(now) or self._begin(now)
        if edition:
            self._report.facts["edition"] = edition.name
            self._send(edition)

    # --- preview ----------------------------------------------------------------------------------------------

    def _show(self, now: datetime) -> None:
        facts, chosen = self._report.facts, self._items.choose(self._editions.new_since(now))
        shown = self._items.shown(chosen)
        if self._editions.shows_nothing_new(chosen):
            facts["nothing_new"] = _NOTHING_NEW
        elif any(chosen.values()):
            for language in self._texts.languages(TEMPLATE):
                self.preview[language] = self._write(shown, "https://shop.example/unsubscribe", language)
        _, facts["would_get_it"] = self._subscribers.read(list, 0)
        if not self._editions.approved:
            facts["stopped"] = (
                "preview only: nothing is sent until an edition was approved. Materialize the asset with `send: true`"
            )
        if self.preview:
            self._remember(replace(self._editions, previewed=now))

    # --- sending ----------------------------------------------------------------------------------------------

    def _begin(self, now: datetime) -> Edition | None:
        last, facts = self._editions.last, self._report.facts
        if self._options.only_continues:
            facts["stopped"] = "no edition is left to go on with"
            return None
        if last and last.is_current(now):
            facts["stopped"] = f"this week's edition, begun {last.begun:%Y-%m-%d %H:%M} UTC, is through"
            return None
        chosen = self._items.choose(self._editions.new_since(now))
        if self._editions.shows_nothing_new(chosen):
            facts["nothing_new"] = _NOTHING_NEW
            return None
        edition = Edition(now.replace(microsecond=0), chosen)
        # Before the first mail: what a killed run has sent belongs to an edition that the next run knows.
        self._remember(replace(self._editions, last=edition))
        self._journal.keep_only(f"{edition.name}/")
        return edition

    def _send(self, edition: Edition) -> None:
        shown = self._items.shown(edition.items)
        if not any(shown.values()):
            self._report.facts["stopped"] = "nothing of this edition can be bought any more"
            return
        waiting, more = self._subscribers.read(lambda some: self._may_get(edition, some), self._options.most)
        self._report.count("postponed", more)
        for first in range(0, len(waiting), SLICE):
            some = waiting[first : first + SLICE]
            if not self._may_send():
                self._report.count("postponed", len(waiting) - first)
                break
            for one in some:
                self._send_one(edition, one, shown)
            self._report.advance(len(some))
        counts = self._report.counts
        if not (counts["postponed"] or counts["in_doubt"] or self._report.leftovers):
            self._remember(self._editions.finish(self._now()))

    def _may_get(self, edition: Edition, some: Sequence[Subscriber]) -> list[Subscriber]:
        keys = {one.id: _key(edition, one) for one in some}
        known = self._journal.entries([*keys.values()])
        retry = self._options.retry_refused
        return [
            one
            for one in some
            if self._handing.may_send(keys[one.id], one.id, one.email, known.get(keys[one.id]), retry_refused=retry)
        ]

    def _send_one(self, edition: Edition, one: Subscriber, shown: Mapping[str, Sequence[Shown]]) -> None:
        links = self._options.links
        unsubscribe = unsubscribe_link(links.unsubscribe, links.secret, one.id)
        written = self._write(shown, unsubscribe, one.locale)
        about = f"{TEMPLATE} {edition.name} {one.id}"
        mail = Mail(about, one.email, written.subject, written.text, written.html, unsubscribe)
        self._handing.hand_over(_key(edition, one), one.id, mail)

    def _write(self, shown: Mapping[str, Sequence[Shown]], unsubscribe: str, locale: str) -> Written:
        values: dict[str, Any] = {"sections": shown, "unsubscribe_link": unsubscribe}
        try:
            return self._texts.write(TEMPLATE, values, locale)
        except TextError as error:
            raise PermanentError("Mails", "MAIL_TEMPLATES", str(error)) from error

    def _may_send(self) -> bool:
        if self._options.quiet.contains(self._now()):
            self._report.facts["stopped"] = "quiet hours (MAIL_QUIET_HOURS): whoever waits gets it afterwards"
        elif self._handing.server_is_down:
            self._report.facts["stopped"] = "the mail server took none of the last mails"
        elif time.monotonic() > self._stop_at:
            self._report.facts["stopped"] = "the run's time is over; whoever waits gets it from a later one"
        else:
            return True
        return False

    def _remember(self, editions: Editions) -> None:
        self._editions = editions
        self._keep(editions)

    def _now(self) -> datetime:
        """Medusa's clock, as for carts."""
        return self._http.server_clock or datetime.now(UTC)


_NOTHING_NEW = "no mail: no product that can be bought is there that the last edition did not show"


def _key(edition: Edition, one: Subscriber) -> str:
    return f"{edition.name}/{one.key}"
