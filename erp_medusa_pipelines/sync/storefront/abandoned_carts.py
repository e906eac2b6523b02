"""One mail about each cart that was left, ever: who gets one, and who does not.

How a mail goes out exactly once is in cart_mailing.py.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from erp_medusa_pipelines.clients.medusa import MedusaClient, Row
from erp_medusa_pipelines.clients.medusa_carts import MedusaCarts
from erp_medusa_pipelines.clients.medusa_plugin import MedusaPlugin
from erp_medusa_pipelines.mail.mail import Sender
from erp_medusa_pipelines.mail.texts import Texts
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.storefront.cart_mailing import (
    CART,
    SLICE,
    SLIM,
    WHOLE,
    CartMailing,
    MailingOptions,
)
from erp_medusa_pipelines.sync.storefront.carts import OWN_TOUCH, Cart, carts_of, ordered_since, wants_no_mails
from erp_medusa_pipelines.sync.storefront.handing_over import HandingOver
from erp_medusa_pipelines.sync.storefront.journal import Entry, Journal
from erp_medusa_pipelines.sync.storefront.quiet_hours import QuietHours

CUSTOMER = "Customer"
WEEK, RECOVERED = timedelta(days=7), timedelta(days=30)
KEPT = timedelta(days=60)
"""For so long we remember the mail about a cart that is gone."""
MOST_CARTS = 5
"""Carts left at one address at a time. More are of a till, or of an address that many people use."""


@dataclass(frozen=True)
class CartOptions:
    """When a cart is abandoned, and how much is sent."""

    hours: float
    days: float
    most: int
    per_week: int
    seconds: float
    """After which a run begins no further mails."""
    mailing: MailingOptions
    quiet: QuietHours
    retry_refused: bool = False

    @property
    def installation(self) -> str:
        """Whose notes are our own."""
        return self.mailing.installation


class AbandonedCarts:
    """One run. `texts` and `sender` are of its mails."""

    def __init__(
        self,
        medusa: MedusaClient,
        report: SyncReport,
        options: CartOptions,
        *,
        texts: Texts,
        sender: Sender,
        journal: Journal,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._carts = MedusaCarts(medusa)
        self._plugin = MedusaPlugin(medusa)
        self._http = medusa.http
        self._report = report
        self._options = options
        self._journal = journal
        self._handing = HandingOver(sender, journal, report, CART, self._now)
        self._clock = clock
        self._stop_at = time.monotonic() + options.seconds
        self._money: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._same: defaultdict[str, set[str]] = defaultdict(set)
        """Ids of the customers of each address, as far as they left carts or want no mails."""
        self._mailing = CartMailing(
            medusa, report, texts, self._handing, journal, options.mailing, now=self._now, sent=self._count_sent
        )

    def run(self) -> None:
        """Send what is due, and count what is at stake and what came back."""
        waiting: list[Cart] = []
        old = self._journal.older_than(self._now() - KEPT)
        for page in self._carts.pages(SLIM):
            self._count_recovered(page)
            self._remember(page)
            old.difference_update(cart.id for cart in carts_of(page) if not cart.completed)
            waiting += self._due(page)
        # Carts that were bought or deleted get no mail, whatever we remember of them; those that are left might.
        self._journal.forget(old)
        self._reject_without_customer()
        for first in range(0, len(waiting), SLICE):
            self._send_some(waiting[first : first + SLICE])
        self._report.facts.update({name: float(amount) for name, amount in sorted(self._money.items())})

    # --- who is due -------------------------------------------------------------------------------------------

    def _due(self, customers: Sequence[Row]) -> list[Cart]:
        """Return the carts of a page that a mail may be sent about; those that were touched last come first."""
        now = self._now()
        abandoned = [cart for cart in carts_of(customers) if self._is_abandoned(cart, now)]
        known = self._journal.entries([cart.id for cart in abandoned])
        for cart in abandoned:
            self._report.count("found")
            self._money[f"at_stake_{cart.currency}"] += cart.total
        left_out = self._shared(abandoned) | {""}
        for cart in abandoned:
            if not cart.owner:
                self._reject(cart, "its customer has no address, so nobody can be asked or unsubscribed", field="email")
        due = [one for one in abandoned if one.owner not in left_out and self._is_due(one, known.get(one.id))]
        return sorted(due, key=lambda cart: cart.touched, reverse=True)

    def _reject_without_customer(self) -> None:
        """Reject carts whose customer was deleted; only the plugin lists them.

        Medusa makes a customer of every address that a cart gets. Who was deleted may have asked for it, and nobody is
        left whose wish for no more mails could be noted.
        """
        if not self._has_plugin():
            return
        now = self._now()
        known = {identifier for ids in self._same.values() for identifier in ids}
        for page in self._plugin.untouched_carts(now - timedelta(hours=self._options.hours)):
            carts = [cart for row in page if self._is_abandoned(cart := Cart(row, {}), now)]
            alone = [cart for cart in carts if cart.row.get("customer_id") not in known]
            there = self._carts.customers({str(cart.row.get("customer_id") or "") for cart in alone}, "id")
            known.update(row["id"] for row in there)
            for cart in alone:
                if cart.row.get("customer_id") not in known:
                    self._report.count("found")
                    why = "its customer was deleted, so nobody can be asked or unsubscribed"
                    self._reject(cart, why, field="customer_id")

    def _has_plugin(self) -> bool:
        about = self._plugin.about()
        return about is not None and bool(about["works"])

    def _is_abandoned(self, cart: Cart, now: datetime) -> bool:
        if cart.completed or not cart.lines or not cart.email:
            return False
        options = self._options
        return timedelta(hours=options.hours) <= now - cart.touched <= timedelta(days=options.days)

    def _shared(self, abandoned: Iterable[Cart]) -> set[str]:
        """Reject addresses with too many carts, one line for each of their customers, and return them."""
        numbers = Counter((cart.owner, cart.customer["id"]) for cart in abandoned)
        many = {key: number for key, number in numbers.items() if number > MOST_CARTS}
        for (_, customer), number in many.items():
            why = f"{number} carts were left at one address, which many people seem to share: no mail about any of them"
            self._report.reject(Reject(CUSTOMER, customer, why, field="email"))
        return {owner for owner, _ in many}

    def _is_due(self, cart: Cart, entry: Entry | None) -> bool:
        others = [note for note in cart.notes if note.installation != self._options.installation]
        if others or (entry is None and cart.notes):
            self._report.count("already")
            return False
        retry = self._options.retry_refused
        return self._handing.may_send(cart.id, cart.id, cart.email, entry, retry_refused=retry)

    def _count_sent(self, cart: Cart) -> None:
        self._money[f"sent_{cart.currency}"] += cart.total

    def _count_recovered(self, customers: Sequence[Row]) -> None:
        """Count carts that became orders after their mail, within the last thirty days."""
        now = self._now()
        for cart in carts_of(customers):
            bought = cart.completed
            if bought and now - bought <= RECOVERED and any(note.at - OWN_TOUCH < bought for note in cart.notes):
                self._report.count("recovered")
                self._money[f"recovered_{cart.currency}"] += cart.total

    # --- sending ----------------------------------------------------------------------------------------------

    def _send_some(self, carts: Sequence[Cart]) -> None:
        room = self._options.most - self._report.counts["sent"]
        if not self._may_send() or room <= 0:
            self._report.count("postponed", len(carts))
            return
        # Only those that get a mail take a place: carts of who ordered or waits must not keep others from theirs.
        due = self._still_due(carts)
        self._report.count("postponed", max(len(due) - room, 0))
        self._mailing.send(due[:room])
        self._report.advance(len(carts))

    def _may_send(self) -> bool:
        if self._options.quiet.contains(self._now()):
            self._report.facts["stopped"] = "quiet hours (MAIL_QUIET_HOURS): what is due waits"
        elif self._handing.server_is_down:
            self._report.facts["stopped"] = "the mail server took none of the last mails"
        elif time.monotonic() > self._stop_at:
            self._report.facts["stopped"] = "the run's time is over; what is due waits"
        else:
            return True
        return False

    def _still_due(self, carts: Sequence[Cart]) -> list[Cart]:
        """Read the carts again, whole, and leave out who ordered, unsubscribed, or had a mail this week."""
        wanted = {cart.id for cart in carts}
        due: list[Cart] = []
        ids = {identifier for cart in carts for identifier in self._same[cart.owner]}
        at_address: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self._carts.customers(ids, WHOLE):
            at_address[str(row["email"]).lower()].append(row)
        for customers in at_address.values():
            due += self._due_at_one_address(customers, wanted)
        return due

    def _remember(self, customers: Sequence[Row]) -> None:
        for row in customers:
            if row.get("carts") or wants_no_mails([row]):
                self._same[str(row.get("email") or "").lower()].add(row["id"])

    def _due_at_one_address(self, customers: Sequence[Row], wanted: Collection[str]) -> list[Cart]:
        now, own = self._now(), self._options.installation
        all_carts = carts_of(customers)
        mine = [cart for cart in all_carts if cart.id in wanted and self._is_abandoned(cart, now)]
        mine = [cart for cart in mine if all(note.installation == own for note in cart.notes)]
        if wants_no_mails(customers):
            self._report.count("unsubscribed", len(mine))
            return []
        waiting = [cart for cart in mine if not ordered_since(customers, cart.touched)]
        self._report.count("ordered", len(mine) - len(waiting))
        ids = {cart.id for cart in waiting}
        others = [cart for cart in all_carts if cart.id not in ids]
        had = sum(note.at > now - WEEK for cart in others for note in cart.notes)
        chosen = sorted(waiting, key=lambda cart: cart.touched, reverse=True)[: max(self._options.per_week - had, 0)]
        self._report.count("limited", len(waiting) - len(chosen))
        return chosen

    def _reject(self, cart: Cart, why: str, *, field: str = "", held: bool = False) -> None:
        self._report.reject(Reject(CART, cart.id, why, field=field, held=held))

    def _now(self) -> datetime:
        """Medusa's clock, by which the times of its carts are."""
        return self._clock() if self._clock else self._http.server_clock or datetime.now(UTC)
