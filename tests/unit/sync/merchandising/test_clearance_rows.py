"""Which rows of the homepage are whose, as pure functions."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from erp_medusa_pipelines.sync.merchandising.clearance import DEAL_MARK, Listed, is_own, merged_deals

names = st.sampled_from([f"WEB-{number}" for number in range(8)])
staff_rows = st.builds(
    lambda name, url, item: {"name": name, "url": url, "website_item": item},
    st.uuids().map(str), st.sampled_from(["https://cdn/x.png", "", None]), st.one_of(names, st.none()),
)  # fmt: skip
own_rows = st.builds(
    lambda name, item: {"name": name, "url": f"/files/{item}.png{DEAL_MARK}", "website_item": item},
    st.uuids().map(str), names,
)  # fmt: skip
tables = st.lists(st.one_of(staff_rows, own_rows), max_size=12)
shown_items = st.lists(names, unique=True, max_size=6).map(
    lambda chosen: [Listed(name, name, name, f"/files/{name}.png") for name in chosen]
)


@given(tables, shown_items)
def test_staffs_rows_stay_untouched_in_their_order(current: list[dict[str, Any]], shown: list[Listed]) -> None:
    merged = merged_deals(current, shown)
    assert [row for row in merged if not is_own(row)] == [row for row in current if not is_own(row)]


@given(tables, shown_items)
def test_own_rows_are_exactly_what_is_shown_and_staff_did_not_list(
    current: list[dict[str, Any]], shown: list[Listed]
) -> None:
    by_staff = {row["website_item"] for row in current if not is_own(row)}
    own = [row["website_item"] for row in merged_deals(current, shown) if is_own(row)]
    assert own == [item.name for item in shown if item.name not in by_staff]


@given(tables, shown_items)
def test_merging_again_changes_nothing(current: list[dict[str, Any]], shown: list[Listed]) -> None:
    merged = merged_deals(current, shown)
    assert merged_deals(merged, shown) == merged


def test_a_row_of_staff_between_own_ones_keeps_its_place() -> None:
    def own(name: str) -> dict[str, Any]:
        return {"url": f"/files/{name}.png{DEAL_MARK}", "website_item": name}

    by_hand = {"url": "https://cdn/x.png", "website_item": "WEB-9"}
    shown = [Listed(name, name, name, f"/files/{name}.png") for name in ("a", "b", "c")]
    assert merged_deals([own("x"), by_hand, own("y")], shown) == [own("a"), by_hand, own("b"), own("c")]


def test_a_private_picture_is_not_shown_to_visitors() -> None:
    [row] = merged_deals([], [Listed("a", "a", "a", "/private/files/a.png")])
    assert row["url"] == DEAL_MARK
