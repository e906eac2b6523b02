"""The sample shop's catalogue: items, their groups, and names and texts as awkward as real ones.

Groups, items and their texts, as plain rows. Prices, stock and sales belong to `trade.py`, writing to the store to
`seed.py`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

ROOT = "All Item Groups"
CATEGORIES = {
    "Dental": ("Orthodontics", "Endodontics", "Restorative", "Dental Surgery"),
    "Medical": ("Cardiology", "Respiratory", "Wound Care", "Furniture"),
    "Infection Control": ("Disinfectants", "Masks & Gowns", "Gloves", "Waste Management"),
    "Medical Laboratory IVD": ("Chemistry", "Microbiology", "Lab Consumables", "Haematology"),
}
KINDS = ("Basic", "Disposable", "Premium", "أجهزة")
BRANDS = ("3M", "B. Braun", "Dürr Dental", "Ivoclar", "Septodont")
COUNTRIES = {"Oman": "om", "United States": "us", "Germany": "de", "Liechtenstein": "li", "France": "fr", "India": "in"}
THINGS = ("Syringe", "Mirror", "Composite", "Forceps", "Catheter", "Gown", "Mask", "Implant", "Test Kit", "Thermometer")
SIZES = ("S", "M", "L", "XL")
ARABIC = ("قفازات", "مرآة أسنان", "معقم", "شاش", "محقنة")
UOMS = ("Nos", "Box", "Pack")
# Item codes as shops really have them; every HARD_EVERYth item gets one.
HARD_EVERY = 20
HARD_CODES = (
    "ITM/{0:05d}",
    "ITM {0:05d} 50%",
    "ITM#{0:05d}?x=1&y",
    "ITM+{0:05d}.html",
    "صنف-{0:05d}",
    "ITM-{0:05d} & Co",
)


@dataclass(frozen=True)
class Group:
    """One Item Group with its place in the tree."""

    name: str
    parent: str
    is_group: int
    lft: int
    rgt: int


def groups() -> list[Group]:
    """Return root, categories, groups and leaves, numbered as a nested set."""
    found: list[Group] = []

    def visit(name: str, parent: str, children: dict[str, Any], lft: int) -> int:
        place, right = len(found), lft + 1
        found.append(Group(name, parent, int(bool(children)), lft, lft))
        for child, below in children.items():
            right = visit(child, name, below, right)
        found[place] = Group(name, parent, int(bool(children)), lft, right)
        return right + 1

    tree = {
        category: {group: {f"{group} - {kind}": {} for kind in KINDS} for group in names}
        for category, names in CATEGORIES.items()
    }
    visit(ROOT, "", tree, 1)
    return found


@dataclass(frozen=True)
class Product:
    """One Item and its Website Item."""

    number: int
    item_code: str
    item_name: str
    item_group: str
    uom: str
    brand: str | None
    country: str | None
    disabled: int
    published: int
    has_batch: int
    description: str
    long_description: str | None
    specifications: list[tuple[str, str]]
    barcode: str | None

    @property
    def website_item(self) -> str:
        """The name of its Website Item."""
        return f"WEB-ITM-{self.number:04d}"


def products(count: int, chance: random.Random) -> list[Product]:
    """Make products; the same random generator state makes the same ones."""
    leaves = [group.name for group in groups() if not group.is_group]
    return [_product(number, leaves, chance) for number in range(1, count + 1)]


def _product(number: int, leaves: list[str], chance: random.Random) -> Product:
    code = f"ITM-{number:05d}"
    if number % HARD_EVERY == 0:
        code = HARD_CODES[number // HARD_EVERY % len(HARD_CODES)].format(number)
    arabic = f"{chance.choice(ARABIC)} " if number % 12 == 0 else ""
    name = f"{arabic}{chance.choice(THINGS)} {chance.choice(SIZES)} {number}"
    return Product(
        number,
        code,
        name,
        leaves[(number * 7) % len(leaves)],
        chance.choice(UOMS),
        None if number % 4 == 0 else BRANDS[number % len(BRANDS)],
        None if number % 9 == 0 else chance.choice(list(COUNTRIES)),
        int(number % 97 == 0),
        int(number % 11 != 0),
        int(number % 5 == 0),
        f"<p>{name} <b>{chance.choice(THINGS)}</b></p>",
        None if number % 8 == 0 else _long_description(name, number),
        _specifications(number) if number % 3 == 0 else [],
        f"62{number:011d}" if number % 6 == 0 else None,
    )


def _long_description(name: str, number: int) -> str:
    text = f"<p>{name} &amp; accessories &ndash; 100&nbsp;% sterile</p><ul><li>ISO 13485</li><li>شاش</li></ul>"
    if number % 10 == 0:
        text += "<table><tr><td>Size</td><td>S &lt; M &lt; L</td></tr></table><script>alert('x')</script>"
    if number % 50 == 0:
        text += "<p>" + "Read the instructions for use. " * 80 + "</p>"
    return f'<div class="ql-editor read-mode">{text}</div>'


def _specifications(number: int) -> list[tuple[str, str]]:
    def rich(text: str) -> str:
        return f'<div class="ql-editor read-mode"><p>{text}</p></div>'

    found = [("Size", rich("S/M/L &lt; 5")), ("المادة", rich("لاتكس &lt; 5"))]
    return [*found, ("Shelf life", rich("36 months"))] if number % 2 else found
