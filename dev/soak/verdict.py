"""What must hold when a soak is over.

The judgement over what was found, and the report.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Holdings:
    """What both servers hold in the end."""

    published: frozenset[str]
    """Website Items of the shop."""
    products: Sequence[str]
    """external_id of each product in Medusa."""
    bound: Mapping[str, str]
    """Website Item to the id of its product, as ERPNext has it."""
    product_ids: Mapping[str, str]
    """The same as Medusa has it."""
    mails: Mapping[str, int]
    """Recipient of a mail that was written during the soak, to the number of times it arrived."""
    seeded_mails: Mapping[str, int]
    """The same for mails that waited before."""
    pending_passwords: int


@dataclass(frozen=True)
class Standing:
    """How the installation stands in the end."""

    red: Sequence[str]
    """Batches that are not green, as asset[batch]."""
    failing_checks: Sequence[str]
    active_runs: Sequence[str]
    slots_held: int
    alerts: Sequence[str] = field(default_factory=list)
    """Titles of the alerts, in the order of their arrival."""


def shortcomings(shop: Holdings, installation: Standing) -> list[str]:
    """Everything that should not be so; empty when the soak went well."""
    return [
        *_of_products(shop),
        *_of_mails(shop),
        *_of_installation(installation),
        *alerts_out_of_order(installation.alerts),
    ]


def _of_products(shop: Holdings) -> list[str]:
    found = [f"{name} is {count} products" for name, count in Counter(shop.products).items() if count > 1]
    found += [f"{name} is no product" for name in sorted(shop.published - set(shop.products))]
    found += [f"a product of {name}, which is not published" for name in sorted(set(shop.products) - shop.published)]
    wrong = [name for name, known in shop.bound.items() if known != shop.product_ids.get(name)]
    return found + [f"{name} is bound to {shop.bound[name] or 'nothing'}" for name in sorted(wrong)]


def _of_mails(shop: Holdings) -> list[str]:
    found = [f"mail to {who} arrived {count} times" for who, count in shop.mails.items() if count != 1]
    found += [f"mail to {who} arrived {count} times" for who, count in shop.seeded_mails.items() if count > 1]
    return found + ([f"{shop.pending_passwords} passwords are still Pending"] if shop.pending_passwords else [])


def _of_installation(standing: Standing) -> list[str]:
    found = [f"{part} is not green" for part in standing.red]
    found += [f"the check {check} fails" for check in standing.failing_checks]
    found += [f"run {run} has not ended" for run in standing.active_runs]
    return found + ([f"{standing.slots_held} pool slots are held"] if standing.slots_held else [])


def alerts_out_of_order(titles: Sequence[str]) -> list[str]:
    """Each trouble is told, then over, then told again; never twice in a row, and over in the end."""
    open_troubles: set[str] = set()
    found = []
    for title in titles:
        if subject := _over(title):
            if subject not in open_troubles:
                found.append(f"'{title}' was told although nobody was told before")
            open_troubles.discard(subject)
        else:
            if title in open_troubles:
                found.append(f"'{title}' was told twice")
            open_troubles.add(title)
    return found + [f"nobody was told that '{title}' is over" for title in sorted(open_troubles)]


def _over(title: str) -> str | None:
    """The title of the trouble that this message ends."""
    return title.removeprefix("Over: ") if title.startswith("Over: ") else None
