"""Options of Medusa's products, and their values."""

from collections.abc import Mapping, Sequence

from erp_medusa_pipelines.clients.medusa import MedusaClient


class MedusaOptions:
    """Options and values of products of one Medusa. Variants keep what they have, whatever changes here."""

    def __init__(self, medusa: MedusaClient) -> None:
        self._medusa = medusa

    def add_options(
        self,
        product_id: str,
        new_options: Mapping[str, Sequence[str]],
        new_values: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Add options with their values (by title) to one product, and values to options that it has (by id).

        Exclusive: otherwise Medusa makes an option one for all products, and refuses the next one of this title.
        """
        body = {
            "add": [
                {"title": title, "values": list(values), "ranks": ranks_of(values), "is_exclusive": True}
                for title, values in new_options.items()
            ],
            "update": [
                {"product_option_id": option_id, "add": [{"value": value} for value in values]}
                for option_id, values in (new_values or {}).items()
            ],
        }
        path = f"/admin/products/{product_id}/options/batch?fields=id"
        self._medusa.send("POST", path, {key: rows for key, rows in body.items() if rows}, gives="product")

    def remove_values(self, product_id: str, values: Mapping[str, Sequence[str]]) -> None:
        """Remove values, ids by option id, from a product. Refused if a variant uses one; added again it has its id."""
        update = [{"product_option_id": option_id, "remove": list(ids)} for option_id, ids in values.items()]
        path = f"/admin/products/{product_id}/options/batch?fields=id"
        self._medusa.send("POST", path, {"update": update}, gives="product", repeatable=True)

    def rank_values(self, option_id: str, values: Sequence[str]) -> None:
        """Put the values of an option into this order."""
        path = f"/admin/product-options/{option_id}?fields=id"
        self._medusa.send("POST", path, {"ranks": ranks_of(values)}, gives="product_option", repeatable=True)

    def rename_option(self, option_id: str, title: str) -> None:
        """Rename an option."""
        path = f"/admin/product-options/{option_id}?fields=id"
        self._medusa.send("POST", path, {"title": title}, gives="product_option", repeatable=True)

    def rename_option_value(self, option_id: str, value_id: str, value: str) -> None:
        """Rename a value of an option."""
        path = f"/admin/product-options/{option_id}/values/{value_id}"
        self._medusa.send("POST", path, {"value": value}, gives="product_option_value", repeatable=True)


def ranks_of(values: Sequence[str]) -> dict[str, int]:
    """Return the ranks by which storefronts sort the values of an option; Medusa lists them by id, in no order."""
    return {value: number for number, value in enumerate(values)}
