"""Plans of newsletters: who would get one is shown by id, and nobody gets it."""

from erp_medusa_pipelines.definitions import build_defs
from erp_medusa_pipelines.orchestration.runs.side_runs import Plan, Scope, plan_task
from erp_medusa_pipelines.settings import load_settings
from erp_medusa_pipelines.tasks import task_named
from tests.suites.newsletter import ASSET, Letters, letters, runs
from tests.support.runs import Runner

__all__ = ["letters", "runs"]


def plan(runner: Runner, task: str) -> Plan:
    settings = load_settings()
    return plan_task(build_defs(settings), settings, task_named(task), Scope(), instance=runner.instance)


def test_a_newsletter_is_planned_before_it_is_approved_and_what_went_out_is_known(
    letters: Letters, runs: Runner
) -> None:
    letters.product("Nitrile gloves")
    readers = [letters.subscriber() for _ in range(3)]
    planned = plan(runs, "send_weekly_newsletter")
    assert list(planned.problems) == []
    assert planned.counts[ASSET]["sent"] == 3
    assert all(reader["email"] not in str(planned) for reader in readers)
    assert letters.received() == {}
    letters.env.setenv("NEWSLETTER_PER_RUN", "2")
    letters.approved(runs)
    letters.sent(runs)
    letters.env.setenv("NEWSLETTER_PER_RUN", "10")
    rows = [row.document for row in plan(runs, "send_weekly_newsletter").rows if row.action == "send"]
    assert len(rows) == 1, "two have had it"
    assert sum(letters.received().values()) == 2
