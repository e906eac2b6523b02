"""A small horizontal bar chart as a picture in Markdown, for the UI's metadata.

The text of an SVG is set by the browser, so Arabic names are shaped and ordered as they should be, and the run needs no
plotting library with its own fonts.
"""

import base64
from collections.abc import Sequence
from xml.etree import ElementTree

ROW, WIDTH, LABELS, NUMBERS = 20, 760, 330, 90
"""Pixels: height of a bar's row, width of the picture, of the labels on the left, of the numbers on the right."""

LONGEST_LABEL = 46
BAR, LOSS, INK = "#4f6bed", "#d9534f", "#444"


def bar_chart(title: str, bars: Sequence[tuple[str, float]]) -> str:
    """Return Markdown that shows the bars, the first one on top."""
    height = ROW * (len(bars) + 1) + 10
    svg = ElementTree.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", width=str(WIDTH), height=str(height), viewBox=f"0 0 {WIDTH} {height}"
    )
    svg.set("font-family", "sans-serif")
    svg.set("font-size", "12")
    ElementTree.SubElement(svg, "title").text = title
    ElementTree.SubElement(svg, "rect", width=str(WIDTH), height=str(height), fill="#fff")
    _text(svg, 8, ROW - 6, title, weight="bold")
    longest = max((abs(number) for _, number in bars), default=0.0) or 1.0
    room = WIDTH - LABELS - NUMBERS
    for place, (label, number) in enumerate(bars, start=1):
        top = ROW * place + 4
        width = max(1.0, room * abs(number) / longest)
        _text(svg, LABELS - 8, top + 14, _short(label), anchor="end")
        ElementTree.SubElement(
            svg,
            "rect",
            x=str(LABELS),
            y=str(top + 3),
            width=f"{width:.1f}",
            height=str(ROW - 6),
            fill=BAR if number >= 0 else LOSS,
        )
        _text(svg, LABELS + width + 6, top + 14, f"{number:,.10g}")
    encoded = base64.b64encode(ElementTree.tostring(svg, encoding="utf-8")).decode("ascii")
    return f"![{_alternative(title)}](data:image/svg+xml;base64,{encoded})"


def _text(
    svg: ElementTree.Element, x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal"
) -> None:
    element = ElementTree.SubElement(svg, "text", x=f"{x:.1f}", y=str(y), fill=INK)
    element.set("text-anchor", anchor)
    element.set("font-weight", weight)
    # Right-to-left names stay on their side of the label's edge.
    element.set("direction", "ltr")
    element.set("unicode-bidi", "plaintext")
    element.text = text


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def _alternative(title: str) -> str:
    """Brackets would end the alternative text of a Markdown picture."""
    return title.replace("[", "(").replace("]", ")")
