"""Names that ERPNext's database takes for equal, and those that it does not."""

import math
from typing import cast

import pytest

from erp_medusa_pipelines.sync.engine.names import ByName, same_name


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Dental", "dental"),
        ("Dental", "DENTAL  "),
        ("Café", "Cafe"),
        ("Straße", "STRASSE"),
        ("Ødegård", "Odegard"),
        ("أدوات", "ادوات"),
        ("قُفّاز", "قفاز"),
        ("Gloves\u200b", "Gloves"),
        ("", None),
    ],
)
def test_the_database_takes_them_for_the_same(left: str, right: str | None) -> None:
    assert same_name(left, right)


@pytest.mark.parametrize(("left", "right"), [("Dental", " Dental"), ("Dental", "Dental Care"), ("A/1", "A-1")])
def test_the_database_tells_them_apart(left: str, right: str) -> None:
    assert not same_name(left, right)


def test_of_equal_names_the_first_counts() -> None:
    ids = ByName([("Gloves", 1), ("gloves ", 2), ("Masks", 3)])
    assert (ids.find("GLOVES"), ids.find("masks"), ids.find("Caps"), ids.values()) == (1, 3, None, [1, 3])


@pytest.mark.parametrize("name", [None, 7, 0.5, math.nan, True])
def test_what_is_no_text_is_the_name_of_nothing(name: object) -> None:
    """A damaged link had stopped its whole batch."""
    assert ByName([("7", 1), ("None", 1), ("True", 1)]).find(cast(str, name)) is None
