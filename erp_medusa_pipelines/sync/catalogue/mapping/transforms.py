"""What can be done to a value between ERPNext and Medusa: one function per transform, and how a file names each.

A transform gets one value that is not empty, or a list of such, and returns another. It raises ValueError, with the
reason in words for people, for a value that it cannot take; the loader raises the same for one that is written wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from erp_medusa_pipelines.sync.catalogue.mapping.safe_html import safe_html
from erp_medusa_pipelines.sync.catalogue.plain_text import clean_name, plain_text
from erp_medusa_pipelines.sync.engine.names import ByName, folded

NONE_LEFT = object()
"""Stands for no `else`."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a transform may read beside its value: other fields of the item, and ERPNext's countries."""

    values: Mapping[str, Any]
    """By the names that the mapping has for them."""
    countries: ByName[str]
    """ISO 3166 codes, by ERPNext's names."""


Step = Callable[[Any, Given], Any]


def _by_name(names: Mapping[str, str]) -> dict[str, Decimal]:
    return {folded(name): Decimal(factor) for line, factor in names.items() for name in line.split(", ")}


UNITS: Mapping[str, Mapping[str, Decimal]] = {
    "g": _by_name(
        {
            "mg, Milligram": "0.001", "g, Gram, Grams": "1", "Hectogram": "100", "kg, Kilogram, Kilograms": "1000",
            "Tonne, Metric Ton, t": "1000000", "Quintal": "100000", "Carat": "0.2", "Grain": "0.06479891",
            "Ounce, oz": "28.349523125", "Pound, lb, lbs": "453.59237", "Stone": "6350.29318",
        }
    ),
    "mm": _by_name(
        {
            "mm, Millimeter, Millimetre": "1", "cm, Centimeter, Centimetre": "10", "Decimeter, Decimetre, dm": "100",
            "m, Meter, Metre": "1000", "Inch, in": "25.4", "Foot, Feet, ft": "304.8", "Yard, yd": "914.4",
            "Micrometer, Micrometre": "0.001",
        }
    ),
}  # fmt: skip
"""How much one of a unit is of what Medusa wants, by the unit's name as ERPNext's database compares names."""


def factor_of(unit: Any, wanted: str) -> Decimal | None:
    """Return how many of the wanted unit one of this unit is; None for a unit that is not known as such."""
    return UNITS[wanted].get(folded(str(unit).strip()))


@dataclass(frozen=True, slots=True)
class Transform:
    """One transform as a row has it. `fields` are those that it reads beside its value."""

    name: str
    step: Step
    fields: tuple[str, ...] = ()
    of_list: bool = False
    """Whether it makes one value of a list; others are applied to each value of one."""
    makes_list: bool = False
    needs_countries: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """How a transform is written: the word alone, or as the key of a table with these keys beside it."""

    build: Callable[[Mapping[str, Any], Mapping[str, ByName[Any]]], Transform]
    keys: tuple[str, ...] = ()
    with_value: bool = False
    """Whether it is the key of a table: `join: ", "`."""
    example: str = field(default="")


def is_empty(value: Any) -> bool:
    """Return whether a value says nothing: none, a text of blanks, a list of such."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, list) and all(map(is_empty, value)))


def as_number(value: Any) -> Decimal:
    """Return a number that ERPNext has, perhaps in a text field. Raises ValueError."""
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        number = Decimal("nan")
    if isinstance(value, bool) or not number.is_finite():
        raise ValueError(f"{shown(value)} is no number")
    return number


def as_yes_no(value: Any) -> bool:
    """Return what a Check field says, or a text that says yes or no. Raises ValueError."""
    text = str(value).strip().lower()
    if text not in ("0", "1", "yes", "no", "true", "false"):
        raise ValueError(f"{shown(value)} is neither yes nor no")
    return text in ("1", "yes", "true")


def plain(number: Decimal) -> int | float:
    """Return a number as JSON has it: whole ones without a point."""
    return int(number) if number == number.to_integral_value() else float(number)


def shown(value: Any) -> str:
    """Return a value for a message, short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- texts ------------------------------------------------------------------------------------------------------


def _of_text(name: str, make: Callable[[str], str]) -> Written:
    step: Step = lambda value, _given: make(str(value))  # noqa: E731
    return Written(lambda _args, _tables: Transform(name, step), example=name)


def _first_of(_args: Mapping[str, Any], _tables: Mapping[str, ByName[Any]]) -> Transform:
    return Transform("first_of", lambda values, _given: values[0], of_list=True)


def _join(args: Mapping[str, Any], _tables: Mapping[str, ByName[Any]]) -> Transform:
    between = args["join"]
    if not isinstance(between, str):
        raise ValueError("join takes the text between the values, in quotes: join: ', '")
    return Transform("join", lambda values, _given: between.join(str(value).strip() for value in values), of_list=True)


def _split(args: Mapping[str, Any], _tables: Mapping[str, ByName[Any]]) -> Transform:
    mark = args["split"]
    if not isinstance(mark, str) or not mark:
        raise ValueError("split takes the text between the values, in quotes: split: ','")

    def step(value: Any, _given: Given) -> list[str]:
        return [part for piece in str(value).split(mark) if (part := piece.strip())]

    return Transform("split", step, makes_list=True)


# --- codes, numbers ---------------------------------------------------------------------------------------------


def _country_code(_args: Mapping[str, Any], _tables: Mapping[str, ByName[Any]]) -> Transform:
    def step(value: Any, given: Given) -> str:
        code = given.countries.find(str(value))
        if code is None:
            raise ValueError(f"ERPNext has no code for the country {shown(value)}: set it in its document Country")
        return code

    return Transform("country_code", step, needs_countries=True)


def _number(_args: Mapping[str, Any], _tables: Mapping[str, ByName[Any]]) -> Transform:
    return Transform("number", lambda value, _given: plain(as_number(value)))


def _yes_no(_args: Mapping[str, Any], _tables: Mapping[str, ByName[Any]]) -> Transform:
    return Transform("yes_no", lambda value, _given: as_yes_no(value))


def _unit(args: Mapping[str, Any], _tables: Mapping[str, ByName[Any]]) -> Transform:
    wanted, of, fixed = args["unit"], args.get("of"), args.get("in")
    if wanted not in UNITS:
        raise ValueError("unit takes g (grams) or mm (millimetres), as Medusa's carriers expect")
    if (of is None) == (fixed is None) or not isinstance(of if fixed is None else fixed, str):
        raise ValueError("unit needs `of:` with the field that has the unit, or `in:` with a unit, such as in: cm")
    if isinstance(fixed, str) and factor_of(fixed, wanted) is None:
        raise ValueError(f"{fixed!r} is not known as a unit: {_known(wanted)}")

    def step(value: Any, given: Given) -> int | float | None:
        number = as_number(value)
        if number < 0:
            raise ValueError(f"{shown(value)} is less than 0")
        if not number:
            return None
        unit = fixed if isinstance(fixed, str) else given.values.get(str(of))
        if is_empty(unit):
            raise ValueError(f"{number.normalize():f} has no unit: set {of}")
        factor = factor_of(unit, wanted)
        if factor is None:
            raise ValueError(f"its unit {shown(unit)} is not known as one of {_WHAT[wanted]}: {_known(wanted)}")
        # A thousandth of a gram or a millimetre is more than any scale says, and keeps the value the same each night.
        return plain((number * factor).quantize(Decimal("0.001"), ROUND_HALF_UP))

    return Transform("unit", step, fields=(of,) if isinstance(of, str) else ())


_WHAT = {"g": "weight", "mm": "length"}


def _known(wanted: str) -> str:
    names = {"g": "Gram, Kg, Milligram, Tonne, Ounce, Pound", "mm": "Millimeter, Centimeter, Meter, Inch, Foot"}
    return f"use {names[wanted]}"


def _lookup(args: Mapping[str, Any], tables: Mapping[str, ByName[Any]]) -> Transform:
    name, otherwise = args["lookup"], args.get("else", NONE_LEFT)
    if name not in tables:
        raise ValueError(f"lookups has no table {name!r}: add it, or name one of {', '.join(tables) or 'yours'}")
    if isinstance(otherwise, (list, dict)):
        raise ValueError("else takes one value, or null for none")
    table = tables[name]

    def step(value: Any, _given: Given) -> Any:
        if str(value) in table:
            return table.find(str(value))
        if otherwise is NONE_LEFT:
            raise ValueError(f"{shown(value)} is not in the lookup {name}: add it there, or give the row an `else`")
        return otherwise

    return Transform("lookup", step)


TRANSFORMS: Mapping[str, Written] = {
    "plain_text": _of_text("plain_text", plain_text),
    "name": _of_text("name", clean_name),
    "safe_html": _of_text("safe_html", safe_html),
    "first_of": Written(_first_of, example="first_of"),
    "join": Written(_join, with_value=True, example="join: ', '"),
    "split": Written(_split, with_value=True, example="split: ','"),
    "country_code": Written(_country_code, example="country_code"),
    "unit": Written(_unit, ("of", "in"), with_value=True, example="unit: g, of: item.weight_uom"),
    "lookup": Written(_lookup, ("else",), with_value=True, example="lookup: TABLE, else: VALUE"),
    "number": Written(_number, example="number"),
    "yes_no": Written(_yes_no, example="yes_no"),
}
"""All of them, by their names in the mapping."""


def build(written: Any, tables: Mapping[str, ByName[Any]]) -> Transform:
    """Return the transform that a row names. Raises ValueError."""
    args: Mapping[str, Any] = {written: None} if isinstance(written, str) else written
    named = [key for key in args if key in TRANSFORMS]
    if len(named) != 1:
        of = ", ".join(args) or "an empty table"
        raise ValueError(f"{of} is no transform: use one of {', '.join(TRANSFORMS)}")
    name, way = named[0], TRANSFORMS[named[0]]
    if way.with_value == isinstance(written, str):
        raise ValueError(f"{name} is written `{way.example}`")
    unknown = [key for key in args if key != name and key not in way.keys]
    if unknown:
        raise ValueError(f"{name} takes no {', '.join(unknown)}: it is written `{way.example}`")
    return way.build(args, tables)


def applied(steps: Sequence[Transform], value: Any, given: Given) -> Any:
    """Return what the transforms make of a value; None as soon as nothing is left. Raises ValueError."""
    for transform in steps:
        if is_empty(value):
            return None
        if transform.of_list:
            value = transform.step([one for one in value if not is_empty(one)], given)
        elif isinstance(value, list):
            made = [transform.step(one, given) for one in value if not is_empty(one)]
            value = [part for one in made for part in one] if transform.makes_list else made
        else:
            value = transform.step(value, given)
    return None if is_empty(value) else value
