"""A small dental and medical supplier: the demo's shop, whose catalogue has all that the export can bring to a shop.

What it sells, as plain rows. Writing them to the store belongs to `clinic_seed.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ROOT, INTERNAL = "All Item Groups", "Spare Parts"
LABORATORY = "Medical Laboratory IVD"
WHOLESALE, CLINICS = "Wholesale", "Clinics"
SALE = "Autumn sale of clinic wear"
BUYER = "buyer@alnoor.example"
"""The address of a customer of the group Clinics."""


@dataclass(frozen=True)
class Group:
    """One Item Group; those with a higher weightage come first among their siblings."""

    name: str
    parent: str
    weightage: int
    arabic: str
    description: str = ""


GROUPS = (
    Group("Dental", ROOT, 40, "طب الأسنان", "Instruments and materials for the dental practice"),
    Group("Endodontics", "Dental", 30, "علاج الجذور", "Files and paper points for root canals"),
    Group("Restorative", "Dental", 20, "الترميم", "Composites and cements"),
    Group("Instruments", "Dental", 10, "أدوات"),
    Group("Medical", ROOT, 30, "مستلزمات طبية", "Diagnostics, wound care and clinic wear"),
    Group("Clinic Wear", "Medical", 30, "ملابس طبية", "Scrubs and coats in all sizes"),
    Group("Diagnostics", "Medical", 20, "التشخيص"),
    Group("Wound Care", "Medical", 10, "العناية بالجروح"),
    Group("Infection Control", ROOT, 20, "مكافحة العدوى", "What keeps a practice clean"),
    Group("Gloves", "Infection Control", 30, "قفازات", "Examination and surgical gloves"),
    Group("Masks", "Infection Control", 20, "كمامات"),
    Group("Disinfection", "Infection Control", 10, "التعقيم"),
    Group(LABORATORY, ROOT, 10, "المختبرات الطبية", "Sold to laboratories alone"),
    Group("Test Strips", LABORATORY, 20, "شرائط الفحص"),
    Group("Lab Consumables", LABORATORY, 10, "مستهلكات المختبر"),
    Group(INTERNAL, ROOT, 0, "قطع غيار"),
)
SOLD_GROUPS = tuple(group.name for group in GROUPS if group.parent == ROOT and group.name != INTERNAL)

ATTRIBUTES: dict[str, dict[str, str]] = {
    "Size": {"S": "صغير", "M": "وسط", "L": "كبير", "XL": "كبير جداً"},
    "Colour": {"Blue": "أزرق", "Black": "أسود", "Navy": "كحلي", "Green": "أخضر"},
    "Shade": {"A1": "", "A2": "", "A3": "", "B1": ""},
}
"""Values in the order of the desk, with their Arabic names where they differ."""
NUMERIC = {"Glove Size": (6.0, 8.5, 0.5), "ISO Size": (10, 40, 5)}
"""Numeric attributes: from, to, step."""


@dataclass(frozen=True)
class Sold:
    """One Item and its Website Item; with `values` a template with a variant for each of them."""

    code: str
    name: str
    group: str
    rate: float | None
    arabic: str
    short: str = ""
    brand: str | None = None
    unit: str = "Nos"
    quantity: float = 0
    reserved: float = 0
    grams: float = 0
    wholesale: float | None = None
    pack: tuple[int, float] | None = None
    """Pieces of a packing unit, and the rate from as many on."""
    attributes: tuple[str, ...] = ()
    values: tuple[tuple[str, ...], ...] = ()
    batches: tuple[tuple[float, int], ...] = ()
    """(quantity, days until it expires) of its batches."""
    bundle: Mapping[str, float] = field(default_factory=dict[str, float])
    """How many of which item codes it is a set of."""
    item: Mapping[str, object] = field(default_factory=dict[str, object])
    """Further fields of its Item."""
    published: int = 1


def _each(*values: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return all combinations, the first attribute first."""
    found: list[tuple[str, ...]] = [()]
    for options in values:
        found = [(*one, value) for one in found for value in options]
    return tuple(found)


SERVICE = {"is_stock_item": 0}
ITEMS = (
    Sold("NG", "Nitrile Examination Gloves", "Gloves", 3.2, "قفازات فحص نتريل", "Box of 100, powder-free", "SafeTouch",
         "Box", quantity=120, reserved=12, grams=520, wholesale=2.6, pack=(10, 2.9), attributes=("Size", "Colour"),
         values=_each(("S", "M", "L", "XL"), ("Blue", "Black"))),
    Sold("SG", "Sterile Surgical Gloves", "Gloves", 0.45, "قفازات جراحية معقمة", "Pair, latex", "SafeTouch",
         quantity=400, grams=30, wholesale=0.38, attributes=("Glove Size",),
         values=_each(("6", "6.5", "7", "7.5", "8", "8.5"))),
    Sold("SC", "Scrub Top", "Clinic Wear", 5.5, "قميص طبي", "Cotton and polyester, V-neck", "MediWear", quantity=25,
         grams=240, wholesale=4.8, attributes=("Size", "Colour"),
         values=_each(("S", "M", "L", "XL"), ("Navy", "Green"))),
    Sold("LC", "Lab Coat", "Clinic Wear", 7.9, "معطف مختبر", "White, with three pockets", "MediWear", quantity=18,
         grams=410, attributes=("Size",), values=_each(("S", "M", "L"))),
    Sold("KF", "K-File 25 mm", "Endodontics", 1.85, "مبرد K", "Box of six, stainless steel", "EndoLine", "Box",
         quantity=60, grams=12, wholesale=1.5, attributes=("ISO Size",),
         values=_each(("10", "15", "20", "25", "30", "35", "40"))),
    Sold("CO", "Composite Syringe 4 g", "Restorative", 9.75, "حشوة كومبوزيت", "Light-cured nano-hybrid", "Lumident",
         quantity=40, grams=25, wholesale=8.2, attributes=("Shade",), values=_each(("A1", "A2", "A3", "B1"))),
    Sold("PP", "Paper Points", "Endodontics", 1.2, "أقماع ورقية", "Box of 200", "EndoLine", "Box", quantity=90,
         grams=40),
    Sold("GI", "Glass Ionomer Cement", "Restorative", 14.6, "أسمنت زجاجي", "Powder and liquid", "Lumident",
         quantity=22, grams=180),
    Sold("MM", "Mouth Mirror", "Instruments", 0.9, "مرآة أسنان", "Size 4, plain", quantity=300, grams=28,
         wholesale=0.7, pack=(12, 0.8)),
    Sold("TW", "College Tweezers", "Instruments", 1.4, "ملقط", "150 mm, stainless steel", quantity=140, grams=35,
         wholesale=0),  # Somebody forgot the price: it is rejected.
    Sold("PR", "Explorer Probe", "Instruments", 1.1, "مسبار", "Double-ended", quantity=0, grams=25),
    Sold("EK", "Dental Examination Kit", "Instruments", 3.1, "طقم فحص الأسنان", "Mirror, tweezers and two masks",
         item=SERVICE, bundle={"MM": 1, "TW": 1, "MK": 2}),
    Sold("AM", "Autoclave Maintenance Visit", "Instruments", 45.0, "زيارة صيانة الأوتوكلاف", "Within two working days",
         item=SERVICE),
    Sold("BP", "Blood Pressure Monitor", "Diagnostics", 18.5, "جهاز قياس ضغط الدم", "Upper arm, automatic", "CareTec",
         quantity=15, reserved=3, grams=460, wholesale=15.9),
    Sold("PO", "Pulse Oximeter", "Diagnostics", 9.9, "مقياس الأكسجين", "Finger clip", "CareTec", quantity=35, grams=60),
    Sold("ST", "Stethoscope", "Diagnostics", 12.0, "سماعة طبية", "Dual head", "CareTec", quantity=28, grams=170),
    Sold("MT", "Mercury Thermometer", "Diagnostics", 2.0, "ميزان حرارة زئبقي", quantity=4, item={"disabled": 1}),
    Sold("GS", "Gauze Swabs 10 x 10 cm", "Wound Care", 0.85, "شاش", "Pack of 100", unit="Pack", quantity=500,
         grams=95, pack=(20, 0.75)),
    Sold("EB", "Elastic Bandage 8 cm", "Wound Care", 0.6, "رباط ضاغط", "4 m, stretched", quantity=260, grams=45),
    Sold("MK", "Face Mask Type IIR", "Masks", 1.6, "كمامة طبية", "Box of 50, with ear loops", "SafeTouch", "Box",
         quantity=800, reserved=40, grams=210, wholesale=1.25),
    Sold("FF", "Respirator FFP2", "Masks", 0.55, "كمامة FFP2", "Without valve", "SafeTouch", quantity=650, grams=9),
    Sold("SD", "Surface Disinfectant 1 L", "Disinfection", 2.75, "معقم أسطح", "Ready to use, alcohol-free", "PureZone",
         quantity=75, grams=1040, wholesale=2.2, batches=((60, 300), (15, 20))),
    Sold("HR", "Hand Rub 5 L", "Disinfection", 8.4, "معقم يدين", "70 % ethanol", "PureZone", quantity=30, grams=4300,
         batches=((18, 45), (12, -6))),
    Sold("GL", "Blood Glucose Strips", "Test Strips", 4.9, "شرائط سكر الدم", "Box of 50", "CareTec", "Box",
         quantity=110, grams=55, batches=((70, 200), (25, 30), (15, -12))),
    Sold("UR", "Urine Test Strips", "Test Strips", 3.6, "شرائط تحليل البول", "Ten parameters, box of 100", "CareTec",
         "Box", quantity=64, grams=70, batches=((64, 500),)),
    Sold("ED", "EDTA Tubes 3 ml", "Lab Consumables", 5.2, "أنابيب EDTA", "Box of 100", unit="Box", quantity=48,
         grams=640),
    Sold("MS", "Microscope Slides", "Lab Consumables", 1.3, "شرائح مجهر", "Box of 50, ground edges", unit="Box",
         quantity=85, grams=260, published=0),
    Sold("SP", "Autoclave Door Seal", INTERNAL, 22.0, "حشية باب الأوتوكلاف", quantity=6, grams=300),
)  # fmt: skip
