"""Answers are readable where a terminal or a log file has 80 columns, and a table where there is room."""

import io

from rich.console import Console
from rich.text import Text

from erp_medusa_pipelines.cli.output import Records, table

COLUMNS = ("at", "run", "document", "field", "old", "new")
ROWS = [
    ("2026-11-30T01:00:07Z", "1a2b3c4d", "Nitrile glove, powder-free [blue]", "title", "Glove", "Nitrile glove " * 6),
    ("2026-11-30T01:00:09Z", "1a2b3c4d", "WEB-ITM-0002", "subtitle", None, "new"),
]


def printed(records: Records, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(records)
    return out.getvalue()


def test_a_table_that_would_break_its_cells_is_printed_as_blocks() -> None:
    text = printed(table("Newest changes", COLUMNS, ROWS, heading=3), 80)
    lines = text.splitlines()
    assert lines[0] == "Newest changes"
    assert lines[1] == "2026-11-30T01:00:07Z  1a2b3c4d  Nitrile glove, powder-free [blue]"
    assert lines[2].strip() == "field: title"
    assert max(map(len, lines)) <= 80
    assert all(word in text.split() for word in ("2026-11-30T01:00:09Z", "WEB-ITM-0002", "subtitle"))


def test_an_empty_cell_has_no_line_in_a_block() -> None:
    text = printed(table("", COLUMNS, [(*ROWS[1][:5], "new " * 40)], heading=3), 80)
    assert "old:" not in text


def test_a_cell_without_a_column_name_has_no_label() -> None:
    text = printed(table("", ("", "found"), [(Text("fail", style="red"), "word " * 30)]), 80)
    assert text.startswith("fail\n    found: word")


def test_rows_are_a_table_where_there_is_room() -> None:
    text = printed(table("", COLUMNS, ROWS, heading=3), 240)
    header, *_ = (line for line in text.splitlines() if "document" in line)
    assert all(column in header for column in COLUMNS)
    assert len([line for line in text.splitlines() if "1a2b3c4d" in line]) == len(ROWS)
