"""The settings of one installation, read from the environment or a `.env` file, and what must hold between them.

Names, types, defaults and the sentence that explains each are in `setting_sections.py` and
`setting_sections_operation.py`. Nothing here connects.
"""

import os
from collections.abc import Hashable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Self

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSetting

from erp_medusa_pipelines.product_fields import FIELD_POLICIES, FieldPolicy
from erp_medusa_pipelines.setting_sections import Catalogue, Merchandising, Minute, Schedules, Servers, Shop, Storefront
from erp_medusa_pipelines.setting_sections_operation import Deployment, Operation, SafetyLimits, Tuning

CONNECTION_VARIABLES = ("ERPNEXT_URL", "ERPNEXT_API_KEY", "ERPNEXT_API_SECRET", "MEDUSA_URL", "MEDUSA_API_KEY")


class SettingsError(Exception):
    """A setting is missing or wrong; the message names the variable and what to do."""


QUOTATION_EMAIL_SECONDS_IN_ALL = 55
"""Of the 60 s of a run in the queue `short`, what the start of its process and the last reads leave."""


class Settings(
    Servers,
    Shop,
    Schedules,
    Catalogue,
    Merchandising,
    Minute,
    Storefront,
    SafetyLimits,
    Operation,
    Deployment,
    Tuning,
):
    """The typed table. Variable names are the field names in upper case."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        missing = [name for name in CONNECTION_VARIABLES if getattr(self, name.lower()) is None]
        if missing and len(missing) < len(CONNECTION_VARIABLES):
            raise ValueError(
                f"{', '.join(missing)} not set: set all of {', '.join(CONNECTION_VARIABLES)} for your own servers,"
                " or USE_SANDBOX=true alone for the embedded sandbox"
            )
        return self

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.medusa_admin_email is None) != (self.medusa_admin_password is None):
            raise ValueError("MEDUSA_ADMIN_EMAIL and MEDUSA_ADMIN_PASSWORD go together: set both or neither")
        return self

    @model_validator(mode="after")
    def _mail_server(self) -> Self:
        if self.mail_by == "smtp" and (self.smtp_url is None or self.mail_from is None):
            raise ValueError("MAIL_BY=smtp needs SMTP_URL and MAIL_FROM: set both, or MAIL_BY=erpnext")
        return self

    @model_validator(mode="after")
    def _mails_within_a_minute(self) -> Self:
        seconds = self.quotation_email_seconds + self.quotation_email_timeout
        if seconds > QUOTATION_EMAIL_SECONDS_IN_ALL:
            raise ValueError(
                f"QUOTATION_EMAIL_SECONDS and QUOTATION_EMAIL_TIMEOUT are {seconds:g} s together: a run has 60 s in"
                f" all, {QUOTATION_EMAIL_SECONDS_IN_ALL} of them for its mails. Lower one of them"
            )
        return self

    @property
    def policies(self) -> dict[str, FieldPolicy]:
        """The policy of every field."""
        return {**FIELD_POLICIES, **self.field_policies}

    @property
    def shows_own_prices(self) -> bool:
        """Whether Item Prices for one Customer count: which list is a Customer's is asked with PRICE_GROUPS alone."""
        return self.price_groups and self.customer_prices

    @property
    def uses_sandbox(self) -> bool:
        """True when somebody asked for the embedded sandbox. A lost .env never leads there by itself."""
        return self.use_sandbox


SECTIONS: tuple[type[BaseModel], ...] = Settings.__bases__
"""In the order of `.env.example`."""

FOLDER_OF_SECRETS = "SECRETS_DIR"  # pragma: allowlist secret
"""Variable naming a folder of files, one per setting and named like it: `erpnext_api_key`. The environment wins."""


FORMER = frozenset(
    {
        "ERPNEXT_FAST_WRITE_CHUNK",
        "OTPS_PER_RUN",
        "OTP_DELETIONS_PER_RUN",
        "OTP_WRITE_CHUNK",
        "QUOTATION_EMAIL_PAUSE_MINUTES",
    }
)
"""Variables that are constants now. Where one is still set it has no effect, and it is no misspelling of another."""


def variable_name(field: str) -> str:
    """Return the environment variable of a setting, for messages. Raises KeyError for a name that is no setting."""
    alias = Settings.model_fields[field].validation_alias
    return (alias if isinstance(alias, str) else field).upper()


def misspelt(env_file: str | Path = ".env") -> dict[str, str]:
    """Return names in the file that are no settings but nearly so, with the setting that is probably meant.

    Other names belong to somebody else: Docker Compose reads the same file.
    """
    known = [variable_name(field) for field in Settings.model_fields]
    others = [name for name in dotenv_values(env_file) if name.upper() not in FORMER.union(known)]
    likely = {name: get_close_matches(name.upper(), known, n=1, cutoff=0.8) for name in others}
    return {name: found[0] for name, found in likely.items() if found}


def load_settings(env_file: str | Path | None = ".env", *, connection: bool = True) -> Settings:
    """Read the settings; raises SettingsError with one line per wrong variable, never with a secret's value.

    `connection=False` leaves CONNECTION_VARIABLES unset: before `erp-medusa setup` not all of them exist.
    """
    folder = os.environ.get(FOLDER_OF_SECRETS) or ""
    secrets = folder if os.path.isdir(folder) else None
    files = [Path(env_file)] if env_file else []
    files += sorted(Path(folder).iterdir()) if secrets else []
    texts = tuple((path.name, path.read_bytes()) for path in files if path.is_file())
    given = () if connection else tuple((name.lower(), None) for name in CONNECTION_VARIABLES)
    return _settings_from(env_file, secrets, given, frozenset(os.environ.items()), texts)


# Reading them takes as long as ten requests, and every asset of a run asks.
@lru_cache(maxsize=2)
def _settings_from(
    env_file: str | Path | None, secrets: str | None, given: tuple[tuple[str, None], ...], *_sources: Hashable
) -> Settings:
    """Read the settings from these sources; `_sources` holds what decides whether anything has changed."""
    try:
        return Settings(_env_file=env_file, _secrets_dir=secrets, **dict(given))  # pyright: ignore[reportCallIssue]  # of pydantic-settings
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False):
            # Beyond the first the parts lead into a JSON value.
            variable, inside = str(problem["loc"][0] if problem["loc"] else "").upper(), problem["loc"][1:]
            where = f"{variable} ({', '.join(str(part) for part in inside)})" if inside else variable
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{where}: {message}" if where else message)
    except UnreadableSetting as error:
        # Its text names the field, not the value; what it was raised from would show the value.
        name = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "")
        lines = [f"{name.upper()}: must be JSON, as .env.example shows it" if name else "a value is not JSON"]
    raise SettingsError("Wrong settings (environment or .env):\n  " + "\n  ".join(lines))
