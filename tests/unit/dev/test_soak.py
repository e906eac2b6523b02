"""The soak's plan and verdict: what it does to an installation, and what it would notice."""

from dataclasses import replace
from typing import get_args

import pytest

from dev.soak.plan import FAULTS, KILLED, QUIET_SHARE, plan
from dev.soak.verdict import Holdings, Standing, shortcomings
from erp_medusa_sandbox.faults import Action, Fault

pytestmark = pytest.mark.slow

GOOD = Holdings(
    published=frozenset({"WEB-1", "WEB-2"}),
    products=["WEB-1", "WEB-2"],
    bound={"WEB-1": "prod_1", "WEB-2": "prod_2"},
    product_ids={"WEB-1": "prod_1", "WEB-2": "prod_2"},
    mails={"a@soak.example": 1},
    seeded_mails={"buyer@sandbox.example": 1},
    pending_passwords=0,
)
CALM = Standing(red=[], failing_checks=[], active_runs=[], slots_held=0, alerts=[])


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan(7, 30) == plan(7, 30)
    assert plan(7, 30) != plan(8, 30)


def test_half_an_hour_holds_every_fault_and_every_kill() -> None:
    troubles = plan(1, 30)
    assert {str(trouble.fault) for trouble in troubles if trouble.server} == {str(fault) for _, fault in FAULTS}
    assert {trouble.process for trouble in troubles} - {None} == set(KILLED)


def test_every_action_of_the_sandbox_is_among_the_faults() -> None:
    assert {Fault(**fault).action for _, fault in FAULTS} == set(get_args(Action))


@pytest.mark.parametrize("minutes", [3, 30])
def test_the_last_third_is_quiet(minutes: float) -> None:
    troubles = plan(3, minutes)
    assert troubles
    assert max(trouble.at + trouble.seconds for trouble in troubles) <= minutes * 60 * (1 - QUIET_SHARE)


def test_a_good_end_has_no_shortcomings() -> None:
    alerts = ["x is overdue", "Over: x is overdue", "t[batch_0] failed", "Over: t[batch_0] failed", "x is overdue"]
    alerts += ["Over: x is overdue", "a: documents refused", "Over: a: documents refused"]
    assert shortcomings(GOOD, replace(CALM, alerts=alerts)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"products": ["WEB-1", "WEB-2", "WEB-2"]}, "WEB-2 is 2 products"),
        ({"products": ["WEB-1"]}, "WEB-2 is no product"),
        ({"products": ["WEB-1", "WEB-2", "WEB-3"]}, "a product of WEB-3, which is not published"),
        ({"bound": {"WEB-1": "prod_2"}}, "WEB-1 is bound to prod_2"),
        ({"bound": {"WEB-1": ""}}, "WEB-1 is bound to nothing"),
        ({"mails": {"a@soak.example": 0}}, "mail to a@soak.example arrived 0 times"),
        ({"mails": {"a@soak.example": 2}}, "mail to a@soak.example arrived 2 times"),
        ({"seeded_mails": {"b@sandbox.example": 2}}, "mail to b@sandbox.example arrived 2 times"),
        ({"pending_passwords": 3}, "3 passwords are still Pending"),
    ],
)
def test_what_the_servers_should_not_hold_is_said(change: dict[str, object], said: str) -> None:
    assert shortcomings(replace(GOOD, **change), CALM) == [said]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"red": ["medusa_stock[batch_1]"]}, "medusa_stock[batch_1] is not green"),
        ({"failing_checks": ["c of a"]}, "the check c of a fails"),
        ({"active_runs": ["1234"]}, "run 1234 has not ended"),
        ({"slots_held": 1}, "1 pool slots are held"),
        ({"alerts": ["x fails", "x fails", "Over: x fails"]}, "'x fails' was told twice"),
        ({"alerts": ["t failed"]}, "nobody was told that 't failed' is over"),
        ({"alerts": ["Over: t failed"]}, "'Over: t failed' was told although nobody was told before"),
    ],
)
def test_an_installation_that_is_not_in_order_is_said(change: dict[str, object], said: str) -> None:
    assert shortcomings(GOOD, replace(CALM, **change)) == [said]
