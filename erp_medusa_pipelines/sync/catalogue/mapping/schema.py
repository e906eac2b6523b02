"""The shape of a mapping file, as pydantic checks it, and its refusals in words for people.

What fields, templates and transforms mean is checked in loading.py.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from erp_medusa_pipelines.product_fields import FieldPolicy
from erp_medusa_pipelines.sync.catalogue.mapping.places import Path

Scalar = str | int | float | bool | None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Row(_Strict):
    """One field of Medusa's. A row that is a name alone takes that field as it is."""

    from_: str | list[str] | None = Field(None, alias="from")
    template: str | None = None
    value: Any = None
    transforms: list[str | dict[str, Any]] = Field(default_factory=list)
    default: Scalar = None
    empty: Literal["clear", "keep"] = "clear"
    policy: FieldPolicy | None = None
    inherit: bool = False

    @model_validator(mode="before")
    @classmethod
    def _named_alone(cls, given: Any) -> Any:
        return {"from": given} if isinstance(given, str) else given


class MappingFile(_Strict):
    """The whole file."""

    version: Literal[1] = 1
    lookups: dict[str, dict[str, Scalar]] = Field(default_factory=dict)
    fields: dict[str, Row]


KEYS_OF_ROW = tuple(field.alias or name for name, field in Row.model_fields.items())

_WANTED: Mapping[str, str] = {
    "from": "the name of a field, or a list of names",
    "template": "a text; put it into quotes",
    "transforms": "a list: each a word, or a table such as {join: ', '}",
    "default": "one value: a text, a number, true or false",
    "empty": "clear (the default) or keep",
    "policy": "overwrite, until_erp_changes or keep",
    "inherit": "true or false",
    "version": "1",
    "lookups": "tables by name, each {what ERPNext has: what Medusa gets}",
    "fields": "rows by Medusa's fields, such as `title: {from: web_item_name}`",
}


def faults_of(error: ValidationError) -> Iterator[tuple[Path, bool, str]]:
    """Yield (path, whether it is about the key there, what is wrong), once for each value."""
    seen: set[Path] = set()
    for problem in error.errors(include_input=True, include_url=False):
        path = tuple(part for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            key, known = str(path[-1]), KEYS_OF_ROW if path[0] == "fields" else tuple(MappingFile.model_fields)
            near = get_close_matches(key, known, n=1)
            hint = f"is {near[0]} meant?" if near else f"known are {', '.join(known)}"
            yield path, True, f"{key!r} is not known here: {hint}"
            continue
        if problem["type"] == "missing":
            yield (), False, "there is no `fields:`, which has the rows"
            continue
        path = _known_part(path)
        if path not in seen:
            seen.add(path)
            yield path, False, _wrong(path, problem["input"])


def _known_part(path: Path) -> Path:
    """Cut off what names a branch of a union, such as `list[str]`."""
    depth = {"fields": 3, "lookups": 3}.get(str(path[0]) if path else "", 1)
    kept = path[:depth]
    return kept[:2] if len(kept) == 3 and kept[0] == "fields" and kept[2] not in KEYS_OF_ROW else kept


def _wrong(path: Path, given: Any) -> str:
    if not path:
        return "the file must be a table that has `fields:`"
    if len(path) == 2 and path[0] == "fields":
        return f"{path[1]} must be the name of a field, or a table of {', '.join(KEYS_OF_ROW)}"
    if path[0] == "lookups" and len(path) > 1:
        return "a lookup is a table of single values: {what ERPNext has: what Medusa gets}"
    last = str([*path][-1])
    return f"{last} must be {_WANTED.get(last, 'something else')}, not {_kind(given)}"


def _kind(given: Any) -> str:
    text = {dict: "a table", list: "a list", type(None): "nothing"}.get(type(given))
    return text or str(given)[:60]
