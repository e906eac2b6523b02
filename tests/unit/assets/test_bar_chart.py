"""The picture that the UI shows."""

import base64
import re
from xml.etree import ElementTree

from erp_medusa_pipelines.assets.bar_chart import LOSS, bar_chart


def svg_of(markdown: str) -> ElementTree.Element:
    match = re.fullmatch(r"!\[[^\]]*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", markdown)
    assert match, markdown
    return ElementTree.fromstring(base64.b64decode(match.group(1)))  # noqa: S314 - our own picture


def test_names_of_any_script_and_signs_come_through() -> None:
    svg = svg_of(bar_chart("Dental [1]", [("1. قفازات <&> x", 1234.5), ("2. Mirror", 2)]))
    texts = [element.text for element in svg if element.tag.endswith("text")]
    assert texts == ["Dental [1]", "1. قفازات <&> x", "1,234.5", "2. Mirror", "2"]


def test_the_longest_bar_fills_the_room_and_a_loss_has_another_colour() -> None:
    svg = svg_of(bar_chart("x", [("a", 10), ("b", 5), ("c", -10)]))
    bars = [element for element in svg if element.tag.endswith("rect")][1:]
    widths = [float(bar.get("width", "0")) for bar in bars]
    assert widths[0] == widths[2] == 2 * widths[1]
    assert [bar.get("fill") == LOSS for bar in bars] == [False, False, True]


def test_nothing_to_draw_is_a_picture_as_well() -> None:
    assert svg_of(bar_chart("x", [])).get("width") == "760"
