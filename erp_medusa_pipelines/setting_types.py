"""Types of settings: what a value must be, and what to say of one that is not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from erp_medusa_pipelines.product_fields import FIELD_POLICIES, FieldPolicy


def _server_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address such as https://erp.example.com")
    if parts.username or parts.password:
        raise ValueError("must not hold a user or password: they would end up in logs")
    if parts.query or parts.fragment:
        raise ValueError("must be an address without '?' or '#'")
    return value.rstrip("/")


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("must be a time zone name such as Asia/Muscat") from error
    return value


def _word(pattern: str, must_be: str) -> AfterValidator:
    """Return the validator of a text of one form."""

    def validate(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"must be {must_be}")
        return value

    return AfterValidator(validate)


OrphanPolicy = Literal["draft", "report"]
WithdrawnItems = Literal["draft", "delete", "keep"]
PublishWhen = Literal["created", "complete"]
Variants = Literal["products", "options", "parents"]
EmptyGroups = Literal["keep", "hide", "remove"]
OptionValues = Literal["keep", "remove"]
CategoriesOf = Literal["off", "website", "used"]


def _field_policies(value: dict[str, FieldPolicy]) -> dict[str, FieldPolicy]:
    unknown = sorted(set(value) - set(FIELD_POLICIES))
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: not among {', '.join(FIELD_POLICIES)}")
    return value


def _categories(value: dict[str, str]) -> dict[str, str]:
    if not value or not all(name.strip() and table.strip() for name, table in value.items()):
        raise ValueError('must name at least one category, such as {"Dental": "dental_items"}')
    if len(set(value.values())) < len(value):
        raise ValueError("must give every category a child table of its own")
    return value


def _key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be one word of ASCII letters, digits and signs: was it copied whole, and nothing else?")
    return value


def _frames_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in ("s3", "postgresql") or not parts.hostname:
        raise ValueError("must be s3://bucket/prefix or the address of a PostgreSQL database")
    if parts.scheme == "s3" and (parts.password or parts.query):
        raise ValueError(
            "must not hold keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role"
        )
    return value


def _smtp_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/"):
        raise ValueError("must be smtp://$USER:$PASSWORD@host:587 or smtps://$USER:$PASSWORD@host:465")
    return value


def _mail_from(value: str) -> str:
    address = parseaddr(value)[1]
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", address) or not value.isprintable():
        raise ValueError("must be an address, or a name and an address: Shop of Muscat <shop@example.com>")
    return value


def _link_template(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or not re.search(r"\{\w+\}", value):
        raise ValueError("must be an address with the word in braces that is filled in")
    return value


def _rule(value: Any) -> Any:
    """One value may stand for a list of one, and a Check or a number for its text."""
    if not isinstance(value, dict):
        raise ValueError('must name values by field, such as {"item_group": ["Dental"], "brand": ["3M"]}')
    found = {name: one if isinstance(one, list) else [one] for name, one in value.items()}
    for name, values in found.items():
        if not isinstance(name, str) or not re.fullmatch(r"(item_code\.)?[a-z][a-z0-9_]*", name):
            raise ValueError(f"{name} is no name of a field, such as item_group, brand or item_code.custom_line")
        if not values or not all(isinstance(one, (str, int, float)) for one in values):
            raise ValueError(f"{name} must have at least one value, each a text or a number")
    return {name: [str(int(one) if isinstance(one, bool) else one) for one in values] for name, values in found.items()}


FieldPolicies = Annotated[dict[str, FieldPolicy], AfterValidator(_field_policies)]
TopSellerCategories = Annotated[dict[str, str], AfterValidator(_categories)]
ServerUrl = Annotated[str, AfterValidator(_server_url)]
Key = Annotated[SecretStr, AfterValidator(_key)]
Times = Annotated[int, Field(ge=1)]
FramesUrl = Annotated[SecretStr, AfterValidator(_frames_url)]
ShopName = Annotated[
    str, _word(r"[a-z][a-z0-9_]{0,39}", "a word of small letters, digits and underscores, such as muscat")
]
SmtpUrl = Annotated[SecretStr, AfterValidator(_smtp_url)]
MailAddress = Annotated[str, _word(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>]+", "an e-mail address without a name")]
MailFrom = Annotated[str, AfterValidator(_mail_from)]
QuietHours = Annotated[
    str, _word(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", "two times of a day, such as 22:00-08:00")
]
LinkTemplate = Annotated[str, AfterValidator(_link_template)]
Owner = Annotated[str, _word(r"team:[\w-]+|[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address or team:name")]
LANGUAGE = "{language}"
TRANSLATED = {"title": "web_item_name", "subtitle": "short_description", "description": "web_long_description"}
"""Fields of a product that exist in further languages, and the columns of a Website Item that are their source."""


def _languages(value: dict[str, str]) -> dict[str, str]:
    if wrong := [
        one for pair in value.items() for one in pair if not re.fullmatch(r"[A-Za-z]{2,3}([-_]\w{2,8})*", one)
    ]:
        raise ValueError(f'{", ".join(wrong)}: must name languages by their codes, such as {{"ar-OM": "ar"}}')
    return value


def _language_fields(value: dict[str, str]) -> dict[str, str]:
    if unknown := sorted(set(value) - set(TRANSLATED)):
        raise ValueError(f"{', '.join(unknown)}: not among {', '.join(TRANSLATED)}")
    for name in value.values():
        if LANGUAGE not in name or not re.fullmatch(r"[a-z][a-z0-9_]*", name.replace(LANGUAGE, "xx")):
            raise ValueError(f"{name} is no name of a field with {LANGUAGE} in it")
    return value


Languages = Annotated[dict[str, str], AfterValidator(_languages)]
LanguageFields = Annotated[dict[str, str], AfterValidator(_language_fields)]
ItemRule = Annotated[dict[str, list[str]], BeforeValidator(_rule)]
"""Values by field: what has one of the values in each of the fields meets the rule."""
ZoneName = Annotated[str, AfterValidator(_time_zone)]


@dataclass(frozen=True)
class ShopRules:
    """Which Website Items go to a shop, and into which of its sales channels by their ids."""

    items: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    channels: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict[str, Mapping[str, list[str]]])


NO_RULES = ShopRules()
