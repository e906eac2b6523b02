"""docs/mapping.md agrees with the code: its example makes what it says, and nothing that can be written is left out."""

import re
from pathlib import Path

from erp_medusa_pipelines.sync.catalogue.field_table import FieldTable
from erp_medusa_pipelines.sync.catalogue.mapping.loading import parse_mapping
from erp_medusa_pipelines.sync.catalogue.mapping.schema import KEYS_OF_ROW
from erp_medusa_pipelines.sync.catalogue.mapping.targets import TARGETS, VARIANT
from erp_medusa_pipelines.sync.catalogue.mapping.transforms import TRANSFORMS
from tests.unit.sync.catalogue.mapping.test_values import mapped
from tests.unit.sync.catalogue.test_product_bodies import item

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "mapping.md").read_text(encoding="utf-8")


def test_the_example_makes_what_the_page_says() -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found
    made = mapped(
        FieldTable(parse_mapping(found[1].encode(), "docs/mapping.md")),
        item(web_item_name="K-File &amp; more", brand="ACME", item_group="Files"),
        route="shop/files/k-file-x1",
        item__weight_per_unit=0.25,
        item__weight_uom="Kg",
    ).made
    assert made.problems == {}
    assert dict(made.labels) == {"type": "Files", "tags": ["Acme"]}
    assert dict(made.values) == {
        "title": "K-File & more",
        "handle": "k-file-x1",
        "weight": 250,
        "hs_code": None,
        "metadata.meta_title": "K-File & more | ACME",
    }


def test_every_word_of_a_row_every_transform_and_every_field_is_described() -> None:
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    words = set(re.findall(r"[\w.]+", " ".join(re.findall(r"`([^`]+)`", prose))))
    assert set(KEYS_OF_ROW) <= words
    assert set(TRANSFORMS) <= words
    assert {name for name in TARGETS if not name.startswith(VARIANT)} <= words
