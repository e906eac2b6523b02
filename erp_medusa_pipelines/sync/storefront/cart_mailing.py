"""Sending the mails about some carts, so that none goes out twice whatever is lost or killed.

Medusa has no lock and no write that depends on what is there, a mail server
does not tell what it took, and a run can be killed anywhere. So, for some carts that are due:

1. our own memory says "noted", then the cart's metadata gets our note, under a key of this installation;
2. after a pause the carts are read again. Of several installations' notes the oldest wins, and every note that was on
   its way when it was written is there by now: a write that took longer than half the pause is not trusted and sends
   nothing;
3. the mail is handed over (handing_over.py).

What was "noted" is done anew by a later run.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from erp_medusa_pipelines.clients.failures import AccessError, PermanentError, TransientError
from erp_medusa_pipelines.clients.medusa import MedusaClient
from erp_medusa_pipelines.clients.medusa_carts import MedusaCarts
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.mail.mail import Mail
from erp_medusa_pipelines.mail.texts import TextError, Texts
from erp_medusa_pipelines.sync.engine.report import Reject, SyncReport
from erp_medusa_pipelines.sync.storefront.cart_texts import Links, fault_of, write_mail
from erp_medusa_pipelines.sync.storefront.carts import NOTE, Cart, Note, carts_of
from erp_medusa_pipelines.sync.storefront.handing_over import HandingOver
from erp_medusa_pipelines.sync.storefront.journal import Journal, State

CART = "Cart"
SLICE = 50
"""Carts that are noted, read again and sent together."""
PAUSE = 10.0
"""Seconds after which every installation sees every other's notes."""

_LINES = "carts.items.id,carts.items.quantity,carts.items.unit_price,carts.items.updated_at"
_CARTS = "carts.id,carts.email,carts.currency_code,carts.completed_at,carts.updated_at,carts.metadata"
SLIM = f"id,email,metadata,{_CARTS},{_LINES}"
"""Of every customer."""
WHOLE = (
    f"{SLIM},orders.id,orders.created_at,carts.locale,carts.items.title,carts.items.product_title,"
    "carts.items.thumbnail,carts.items.product_id"
)
"""Of those whose cart is due."""


@dataclass(frozen=True)
class MailingOptions:
    """Who we are, where links lead to, and how many notes are written at a time."""

    installation: str
    links: Links
    parallel: int


class CartMailing:
    """The mails of one run. `sent` is called with each cart whose mail was taken."""

    def __init__(
        self,
        medusa: MedusaClient,
        report: SyncReport,
        texts: Texts,
        handing: HandingOver,
        journal: Journal,
        options: MailingOptions,
        *,
        now: Callable[[], datetime],
        sent: Callable[[Cart], None],
    ) -> None:
        self._carts = MedusaCarts(medusa)
        self._prices = MedusaPrices(medusa)
        self._http = medusa.http
        self._report = report
        self._texts = texts
        self._handing = handing
        self._journal = journal
        self._options = options
        self._now = now
        self._sent = sent

    def send(self, carts: Sequence[Cart]) -> None:
        """Send a mail about each cart that is still nobody else's and untouched after the pause."""
        mails = self._written(carts)
        if not mails:
            return
        noted = self._note({cart.id: cart for cart, _ in mails})
        self._http.pause(PAUSE)
        ours = self._ours([cart for cart, _ in mails if cart.id in noted], noted)
        for cart, mail in mails:
            if cart.id in ours and self._handing.hand_over(cart.id, cart.id, mail):
                self._sent(cart)

    def _written(self, carts: Sequence[Cart]) -> list[tuple[Cart, Mail]]:
        """Write the mails; reject carts that none can be written about. Raises PermanentError for a wrong template."""
        if not carts:
            return []
        ids = {str(line.get("product_id") or "") for cart in carts for line in cart.lines}
        products, currencies = self._carts.products(ids), self._prices.currencies()
        written: list[tuple[Cart, Mail]] = []
        for cart in carts:
            if fault := fault_of(cart, products, currencies):
                self._reject(cart, fault.reason, field=fault.field)
                continue
            try:
                written.append((cart, write_mail(cart, products, self._texts, self._options.links)))
            except TextError as error:
                raise PermanentError("Mails", "MAIL_TEMPLATES", str(error)) from error
        return written

    def _note(self, carts: Mapping[str, Cart]) -> dict[str, Note]:
        """Write our note into the carts' metadata; returns those whose note certainly stands there."""
        # One after the other: the store behind the journal need not take writes of several threads.
        for cart_id in carts:
            self._journal.write(cart_id, State.NOTED, self._now())
        with ThreadPoolExecutor(self._options.parallel) as pool:
            noted = dict(zip(carts, pool.map(self._note_one, carts.values()), strict=True))
        return {cart_id: note for cart_id, note in noted.items() if note}

    def _note_one(self, cart: Cart) -> Note | None:
        now = self._now()
        # As it can be read again: with milliseconds.
        at = now.replace(microsecond=now.microsecond // 1000 * 1000)
        note = Note(self._options.installation, at, cart.touched)
        began = time.monotonic()
        try:
            self._carts.note_on_cart(cart.id, {NOTE + note.installation: note.value})
        except AccessError:
            raise
        except PermanentError as error:
            self._reject(cart, f"Medusa did not take the note in its metadata: {error.reason}", field="metadata")
            return None
        except TransientError as error:
            self._report.defer(CART, cart.id, error)
            return None
        if time.monotonic() - began > PAUSE / 2:
            # Another installation may have looked before it was there, and be sending.
            self._report.count("postponed")
            return None
        return note

    def _ours(self, carts: Sequence[Cart], noted: Mapping[str, Note]) -> set[str]:
        """Read the carts again; returns those that nobody touched, with no older note of another installation."""
        customers = self._carts.customers({cart.customer["id"] for cart in carts}, WHOLE) if carts else []
        found = {cart.id: cart for cart in carts_of(customers)}
        ours: set[str] = set()
        for before in carts:
            cart, mine = found.get(before.id), noted[before.id]
            if cart is None or cart.completed or cart.touched != before.touched or cart.email != before.email:
                self._report.count("touched")
            elif any((note.at, note.installation) < (mine.at, mine.installation) for note in cart.notes):
                self._report.count("already")
            else:
                ours.add(cart.id)
        return ours

    def _reject(self, cart: Cart, why: str, *, field: str) -> None:
        self._report.reject(Reject(CART, cart.id, why, field=field))
