"""Whether prices include taxes: Medusa's price preferences, by currency. Tax rates are Medusa's own.

Medusa asks the preference of a price's currency; that of a region counts only for prices with a rule of their own,
which the export does not make. So two Price Lists in one currency cannot differ.
"""

from collections.abc import Mapping

from erp_medusa_pipelines.clients.failures import PermanentError
from erp_medusa_pipelines.clients.medusa_prices import MedusaPrices
from erp_medusa_pipelines.settings import variable_name
from erp_medusa_pipelines.sync.engine.names import ByName
from erp_medusa_pipelines.sync.engine.report import SyncReport


def wanted_preferences(including: Mapping[str, bool], currencies: ByName[str]) -> dict[str, bool]:
    """Return by currency whether prices include taxes. `currencies` are those of the shop's Price Lists.

    Raises ValueError, with a text for people, for a list that the shop does not have or two that disagree.
    """
    found: dict[str, bool] = {}
    said: dict[str, str] = {}
    for name, includes in including.items():
        currency = currencies.find(name)
        if currency is None:
            raise ValueError(f"{name} is no Price List of the shop")
        if found.setdefault(currency, includes) != includes:
            raise ValueError(
                f"{said[currency]} and {name} are both in {currency}, and Medusa knows one answer for each"
            )
        said[currency] = name
    return found


def keep_preferences(prices: MedusaPrices, wanted: Mapping[str, bool], report: SyncReport) -> None:
    """Tell Medusa what it does not know yet. Currencies that are not named stay as they are."""
    if not wanted:
        return
    there = {row["value"].upper(): row for row in prices.preferences() if row["attribute"] == "currency_code"}
    for currency, includes in wanted.items():
        row = there.get(currency)
        if row is None or row["is_tax_inclusive"] != includes:
            prices.set_preference(row["id"] if row else None, currency, includes=includes)
            report.count("preferences_written")


def refused(error: ValueError) -> PermanentError:
    """Return the error of a setting that cannot be meant."""
    return PermanentError("settings", variable_name("tax_inclusive_price_lists"), str(error))
