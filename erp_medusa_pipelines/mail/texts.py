"""From what a mail is about to its subject, text and HTML, by templates of Jinja2 that a shop can replace.

What a template gets is decided by the task that sends it. A template is `<mail>.<language>.html` and
`<mail>.<language>.txt`; the first line of the text is the subject.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader, PackageLoader, StrictUndefined, TemplateError, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

SUBJECT = "Subject: "
RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")


class TextError(Exception):
    """A template is missing or wrong; the message names it and says where."""


@dataclass(frozen=True)
class Written:
    """What a template made of one mail."""

    subject: str
    text: str
    html: str


class Texts:
    """Templates in several languages.

    Args:
        folder: of the shop's own templates, which go before ours; None for ours alone.
        language: of customers who named none, or one that there is no template for.
        shop: name of the shop, for every template.
        decimals: of amounts by currency, in small letters; others have two.
        whole: whether the HTML is a page of its own; ERPNext puts its own frame around it.
    """

    def __init__(
        self, folder: Path | None, language: str, shop: str, decimals: Mapping[str, int], *, whole: bool = True
    ) -> None:
        own = [FileSystemLoader(folder)] if folder else []
        self._environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader([*own, PackageLoader("erp_medusa_pipelines.mail")]),
            autoescape=lambda name: bool(name) and str(name).endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["money"] = self._money
        self._environment.filters["number"] = _number
        self._language = language
        self._shop = shop
        self._decimals = decimals
        self._whole = whole

    def write(self, name: str, values: Mapping[str, Any], locale: str | None = None) -> Written:
        """Write a mail for somebody who reads `locale`, such as ar-OM. Raises TextError."""
        language = self._best(name, locale)
        given = {
            "shop": self._shop,
            "language": language,
            "direction": "rtl" if language in RIGHT_TO_LEFT else "ltr",
            "whole": self._whole,
            **values,
        }
        try:
            text = self._environment.get_template(f"{name}.{language}.txt").render(given)
            html = self._environment.get_template(f"{name}.{language}.html").render(given)
        except TemplateNotFound as error:
            raise TextError(f"there is no template {error.name}") from error
        except TemplateError as error:
            at = getattr(error, "lineno", None)
            line = f", line {at}" if at else ""
            raise TextError(f"template {name}.{language}{line}: {error.message}") from error
        subject, _, rest = text.partition("\n")
        if not subject.startswith(SUBJECT):
            raise TextError(f"template {name}.{language}.txt: its first line must begin with {SUBJECT!r}")
        return Written(" ".join(subject.removeprefix(SUBJECT).split()), rest.strip() + "\n", html)

    def languages(self, name: str) -> list[str]:
        """Return the languages that a mail has templates in, both of them."""
        known = self._environment.list_templates()
        middles = [one.removeprefix(f"{name}.").removesuffix(".html") for one in known if one.startswith(f"{name}.")]
        return sorted(one for one in middles if f"{name}.{one}.txt" in known and f"{name}.{one}.html" in known)

    def _best(self, name: str, locale: str | None) -> str:
        known = self._environment.list_templates()
        for language in (str(locale or "").lower().replace("_", "-").partition("-")[0], self._language):
            if f"{name}.{language}.html" in known and f"{name}.{language}.txt" in known:
                return language
        raise TextError(f"there are no templates {name}.{self._language}.html and {name}.{self._language}.txt")

    def _money(self, amount: Decimal, currency: str) -> str:
        return f"{amount:,.{self._decimals.get(currency.lower(), 2)}f} {currency.upper()}"


def _number(value: float) -> str:
    """Write a quantity without zeros that say nothing."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")
