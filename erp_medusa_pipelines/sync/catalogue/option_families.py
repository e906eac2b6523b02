"""A template with its variants, and the product that is about to be created of them."""

from dataclasses import dataclass
from typing import Any

from erp_medusa_pipelines.sync.catalogue.fields import Values, erp_values
from erp_medusa_pipelines.sync.catalogue.option_sets import OptionSet
from erp_medusa_pipelines.sync.catalogue.website_items import WebsiteItem


@dataclass(frozen=True, slots=True)
class Family:
    """A template and its variants that are for sale. `options` has those that have a place."""

    template: WebsiteItem
    variants: tuple[WebsiteItem, ...]
    options: OptionSet

    @property
    def name(self) -> str:
        """Name of the template's Website Item."""
        return self.template.name

    def told(self, variant: WebsiteItem) -> Values:
        """Return ERPNext's values of a variant's fields."""
        values = erp_values(variant)
        title = " / ".join(self.options.of[variant.name].values())
        return {**{name: values[name] for name in variant.table.of_variant if name in values}, "variant_title": title}


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A product about to be created."""

    family: Family
    body: dict[str, Any]
    fingerprint: str

    @property
    def name(self) -> str:
        """Name of the template's Website Item."""
        return self.family.name
