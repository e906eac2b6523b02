"""New work for every task while things go wrong, and what both servers hold in the end."""

from typing import Any

import requests

from dev.deployment import Deployment
from dev.mail_sink import MailSink
from dev.sample_shop import SampleShop
from dev.soak.verdict import Holdings

MAILS_A_ROUND = 2
PASSWORDS_A_ROUND = 3
ITEMS_A_ROUND = 2
DOMAIN = "@soak.example"


class Shop:
    """The embedded shop of an installation."""

    def __init__(self, deployment: Deployment, mails: MailSink) -> None:
        self._deployment = deployment
        self._mails = mails
        self._sample = SampleShop(deployment.home / "sandbox")
        # They would be reported as refused to the end, whatever the installation does.
        self._sample.settle_mails()
        self._written: list[str] = []
        self._items: list[str] = []
        self._passwords: list[str] = []

    def add_work(self) -> None:
        """One round: mails to be sent, passwords to expire, items to be exported, and titles that change."""
        for _ in range(MAILS_A_ROUND):
            self._written.append(f"customer{len(self._written)}{DOMAIN}")
            self._sample.add_mail(self._written[-1])
        self._passwords += [self._sample.add_password() for _ in range(PASSWORDS_A_ROUND)]
        for name in self._items[-ITEMS_A_ROUND:]:
            self._sample.rename_item(name, f"{name} as of {self._sample.now()}")
        self._items += [self._sample.add_item() for _ in range(ITEMS_A_ROUND)]

    def nothing_waits(self) -> bool:
        """Whether every mail of ours has arrived and every password has expired."""
        arrived = self._mails.times_received
        return all(arrived[who] for who in self._written) and not self._sample.pending(self._passwords)

    def holdings(self) -> Holdings:
        """What is where, when nothing is being worked on any more."""
        arrived = self._mails.times_received
        products = self._products()
        rows = self._sample.store.rows("Website Item", published=1)
        return Holdings(
            published=frozenset(row["name"] for row in rows),
            products=[product["external_id"] for product in products if product["status"] == "published"],
            bound={row["name"]: str(row["medusa_id"] or "") for row in rows},
            product_ids={product["external_id"]: product["id"] for product in products},
            mails={who: arrived[who] for who in self._written},
            seeded_mails={who: number for who, number in arrived.items() if not who.endswith(DOMAIN)},
            pending_passwords=self._sample.pending(self._passwords),
        )

    def _products(self) -> list[dict[str, Any]]:
        shop = self._deployment.shop
        answer = requests.get(
            f"{shop.medusa_url}/admin/products",
            params={"limit": 5000, "fields": "id,external_id,status"},
            auth=(shop.medusa_api_key, ""),
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json()["products"]
