"""Weights and lengths in ERPNext's units, as grams and millimetres."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from erp_medusa_pipelines.sync.engine.names import folded


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
