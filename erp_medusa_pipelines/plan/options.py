"""Planned options of products: those of new products, and what is added to, and renamed in, those that exist."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Row = dict[str, Any]
Body = Mapping[str, Any]


class PlannedOptions:
    """What a plan does to options. `new_id` makes an id with a prefix."""

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self._new_id = new_id
        self._added: dict[str, list[Row]] = defaultdict(list)
        """New options by product."""
        self._values: dict[str, list[Row]] = defaultdict(list)
        """New values by option."""
        self._names: dict[str, str] = {}
        """New titles and texts, by the id of an option or of a value."""
        self._removed: set[str] = set()
        """Ids of values."""
        self._ranks: dict[str, Mapping[str, int]] = {}
        """New ranks by value, by option."""

    def made(self, given: Iterable[Body]) -> list[Row]:
        """Return the options of a new product as Medusa shows them."""
        return [
            {
                "id": self._new_id("opt"),
                "title": option["title"],
                "values": [self._value(one, option.get("ranks", {}).get(one)) for one in option["values"]],
            }
            for option in given
        ]

    def _value(self, text: str, rank: int | None = None) -> Row:
        return {"id": self._new_id("optval"), "value": text, "rank": rank}

    def change(self, product_id: str, body: Body) -> None:
        """Note a call of the route for a product's options."""
        self._added[product_id] += self.made(body.get("add") or ())
        for change in body.get("update") or ():
            self._values[change["product_option_id"]] += [self._value(one["value"]) for one in change.get("add") or ()]
            self._removed |= set(change.get("remove") or ())

    def rename(self, identifier: str, name: str) -> None:
        """Note the new title of an option, or the new text of a value."""
        self._names[identifier] = name

    def rank(self, option_id: str, ranks: Mapping[str, int]) -> None:
        """Note the new order of an option's values."""
        self._ranks[option_id] = ranks

    def laid_over(self, product_id: str, options: Iterable[Row]) -> list[Row]:
        """Return a product's options with what the plan changes of them."""
        return [self._named(option) for option in (*options, *self._added.get(product_id, ()))]

    def _named(self, option: Row) -> Row:
        if "values" not in option:
            return option
        identifier = option.get("id", "")
        values = [
            {**value, "value": self._names.get(value.get("id", ""), value["value"])}
            for value in (*option["values"], *self._values.get(identifier, ()))
            if value.get("id") not in self._removed
        ]
        if ranks := self._ranks.get(identifier):
            values = [{**value, "rank": ranks.get(value["value"], value.get("rank"))} for value in values]
        titled = {"title": self._names.get(identifier, option["title"])} if "title" in option else {}
        return {**option, **titled, "values": values}


def chosen(options: Iterable[Row], values: Mapping[str, str]) -> list[Row]:
    """Return the values {id} of a variant that has these values by title, as Medusa shows them."""
    return [
        {"id": value["id"], "value": value["value"]}
        for option in options
        for value in option["values"]
        if values.get(option["title"]) == value["value"]
    ]
