"""The brake on mass loss: an empty or partial answer of the ERP must not empty the shop of stock or prices.

Belongs here: the rule and its message. Does not belong here: what is counted (each domain's own module).

A batch is a sample of the shop. Where a batch would lose too much, its run counts the whole shop, which decides.
"""

from collections.abc import Callable

FEW = 10
"""So many losses in the whole shop are no mass loss, however small it is; losing everything is one."""

Counted = tuple[int, int]
"""(lost, of how many)."""


class MassLossError(Exception):
    """One run would lose too much, so nothing was removed. An operator can allow it."""


def is_too_much(lost: int, of: int, *, percent: int) -> bool:
    """Return whether more than `percent` of `of` would be lost, however few that is."""
    return lost * 100 > of * percent


def refuse_mass_loss(in_batch: Counted, in_shop: Callable[[], Counted], *, percent: int, what: str, allow: str) -> None:
    """Raise MassLossError when more than `percent` would be lost, in the batch as well as in the whole shop."""
    if not is_too_much(*in_batch, percent=percent):
        return
    lost, of = in_shop()
    if is_too_much(lost, of, percent=percent) and (lost > FEW or lost == of):
        raise MassLossError(
            f"{lost} of {of} {what}: more than the limit of {percent} % per run. None of them was changed."
            f" Check that ERPNext returns all of its data; if this is intended, start the run with {allow}"
        )
