"""The brake before something that an ERP's empty or half answer would look like: a shop sold out, or without prices.

Belongs here: the rule and its words. Does not belong here: what is counted (each domain's own module).
"""


class MassLossError(Exception):
    """Too much would be lost in one run; none of it was taken away. An operator can allow it."""


def refuse_mass_loss(lost: int, of: int, *, percent: int, what: str, allow: str) -> None:
    """Raises MassLossError when more than `percent` of `of` would be lost."""
    if lost * 100 > of * percent:
        raise MassLossError(
            f"{lost} of {of} {what}: more than the {percent} % that one run may take away. None of them was."
            f" Check that ERPNext shows all of its data; if it is meant, start the run with {allow}"
        )
