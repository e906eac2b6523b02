"""Refusals of Medusa whose words are known: the one table of texts that code acts on.

Belongs here: the patterns, one row each, with the recorded pairs that show the text. A refusal that is in no row is
shown in the server's own words. Add a row when a request and its answer were recorded, never from memory.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """One recorded text. `pairs` are the names of recorded requests that were refused with it."""

    pattern: re.Pattern[str]
    pairs: tuple[str, ...]

    def search(self, reason: str) -> re.Match[str] | None:
        """Find the text in the reason of an error."""
        return self.pattern.search(reason)


def _text(pattern: str, *pairs: str) -> Refusal:
    return Refusal(re.compile(pattern, re.IGNORECASE), pairs)


NO_PRICE_SET = _text(
    r"^No price set exist for variants: (?P<variants>.+)",
    "price_list_prices_batch_create_bad_variant",
    "halfmade_no_price_set_price_list",
)
"""A price for variants that do not exist, and for variants that exist and have no price set: the text is the same."""

TABLE = {name: row for name, row in globals().items() if isinstance(row, Refusal)}


def variants_without_price_set(reason: str) -> frozenset[str]:
    """Return the variants for which Medusa refused a price, gone or without price set; empty for another refusal."""
    found = NO_PRICE_SET.search(reason)
    return frozenset(part.strip() for part in found["variants"].split(",")) if found else frozenset()
