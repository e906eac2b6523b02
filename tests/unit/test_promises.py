"""What is promised to people - "the next run adds one", "set X" - is done, and a test shows it.

Each text is written here with that test. A new one without an entry fails, and so does an entry whose test is gone.
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT.parent / "erp_medusa_pipelines"

Shown = Mapping[str, Mapping[str, Collection[str]]]

PROMISE = re.compile(
    r"\b(?:next|every|each) (?:run|night|export|tick)\b|\bmends?\b|\bby itself\b|\bundone\b"
    r"|\b(?:corrects|clears|creates?|made|makes|sends?|sent|tried|tries|starts?|runs?|retr(?:y|ies|ied))\b[^.;,]{0,40}"
    r" again\b",
    re.IGNORECASE,
)


PROMISES: Shown = {
    "suites/bindings.py": {
        "test_a_copied_document_gets_a_product_of_its_own": ("the next export gives the copy its own",),
        "test_a_product_that_was_deleted_in_medusa_is_made_again": ("The products would be made again",),
    },
    "suites/export.py": {
        "test_a_rejected_item_is_not_sent_again_until_it_changes_or_is_asked_for": (
            "Send documents again that were rejected before",
            "Documents whose own content is refused are sent again once it is changed",
        ),
    },
    "sandbox/sync/test_holds_end.py": {
        "test_what_medusa_refused_of_a_new_item_is_sent_again": ("all others by every run",),
    },
    "sandbox/cli/test_explain.py": {
        "test_each_trouble_has_its_sentence": (" corrects it; so does erp-medusa sync",),
    },
    "sandbox/cli/test_setup.py": {
        "test_a_setup_that_was_broken_off_is_gone_on_with": ("it continues from what is done",),
    },
    "suites/image_troubles.py": {
        "test_an_erp_that_goes_away_leaves_every_file_for_the_retry": (
            "what fails temporarily waits for the next night",
        ),
    },
    "sandbox/cli/test_plan_sync_log.py": {
        "test_a_plan_is_not_applied_while_a_run_works_on_its_batch": ("is already running (run ",),
        "test_an_item_whose_batch_is_being_worked_on_is_refused": (" is running (run ",),
    },
    "sandbox/cli/test_take_over.py": {
        "test_the_tasks_go_over_and_come_back": ("Frappe's {} runs again",),
    },
    "sandbox/orchestration/test_scheduler.py": {
        "test_every_schedule_starts_its_runs_two_nights_in_a_row": ("leave it to the next tick of its schedule",),
    },
    "sandbox/orchestration/test_retries.py": {
        "test_the_delay_doubles_and_after_the_last_attempt_the_batch_stays_failed": (
            "Runs failed partitions and failed tasks again",
        ),
        "test_a_failed_batch_is_run_again_after_the_delay_and_only_what_is_missing_of_it": (
            "a failed partition is tried again",
        ),
    },
    "e2e/test_power_cut.py": {
        "test_after_a_power_cut_the_batch_turns_green_by_itself": (
            "the sensor retry_failed_partitions starts it again",
        ),
    },
    "sandbox/orchestration/test_execution_limit.py": {
        "test_an_operator_starts_the_count_anew": ("turn the schedule on again",),
    },
    "sandbox/cli/test_fixes.py": {
        "test_each_fix_clears_its_finding": ("the next export clears wrong ids",),
    },
    "suites/edits.py": {
        "test_identity_and_state_are_restored_with_one_call": ('"overwrite" restores the ERP',),
    },
    "suites/quotation_emails.py": {
        "test_a_run_sends_no_more_than_its_share": ("starts no further mail; the next tick continues",),
        "test_a_refused_mail_stops_no_other_and_is_tried_again_later": (
            "before a mail that failed is tried again",
            "; the schedule tries again at ",
        ),
    },
    "suites/halfmade.py": {
        "test_one_that_medusa_does_not_mend_is_named_and_stops_no_other": (
            "Delete this variant in Medusa: the next run creates it again",
        ),
        "test_products_that_lost_a_part_are_for_sale_again_and_keep_their_ids": (
            "the next export adds one, and then its price",
        ),
    },
    "sandbox/assets/test_leftovers.py": {
        "test_what_fails_alone_in_each_run_becomes_a_reject_and_heals_by_itself": (
            "fails on this document alone, in every run",
        ),
    },
    "suites/prices.py": {
        "test_a_list_changed_by_hand_is_put_right": ("changes made here are undone by the next run",),
        "test_a_variant_that_is_gone_is_named_and_others_get_their_price": (
            "the next export gives the item one, with this price",
        ),
    },
    "suites/variants.py": {
        "test_a_product_that_was_deleted_in_medusa_is_made_again_with_its_texts": ("and the next run makes it again",),
    },
    "suites/stock.py": {
        "test_an_unknown_warehouse_and_a_lost_variant_are_named": (
            "the next export gives the item one, with this stock",
        ),
    },
    "sandbox/sync/catalogue/test_halfmade.py": {
        "test_products_that_medusa_may_still_be_creating_are_looked_at_again_before_they_are_mended": (
            "looking again in %.0f s, in case Medusa is at work",
        ),
    },
}
"""By file and test: parts of the texts that promise what it shows."""

NO_PROMISES = (
    "The next run of {} would fail",
    "The task whose next run is planned",
    "What the next run of a task would do",
    "tasks that failed and will not be tried again",
    "delete it or send the quotation again",
    "nothing runs by itself here: a choice of yours",
)
"""Texts that only sound so: what a run would do, and what people may do."""

FIXES: Shown = {
    "sandbox/cli/test_fixes.py": {
        "test_each_fix_clears_its_finding": (
            "correct TOP_SELLER_CATEGORIES",
            "name Item Groups of yours in TOP_SELLER_CATEGORIES, or add the group",
            "run bench migrate",
            "untick Enable in Medusa Configuration",
            "run sync_missing_prices_to_medusa",
            "link the location to the sales channel",
            "set ERPNEXT_PRICE_LIST",
            "run export_items_and_images_custom",
            "materialize medusa_collections",
        ),
        "test_item_groups_that_are_no_tree_or_not_shown_are_reported_until_they_are_put_right": (
            "tick Show in Website",
            "give one of them another parent_item_group",
        ),
    },
    "sandbox/cli/test_setup.py": {
        "test_doctor_fix_makes_what_can_be_made_and_gives_the_user_the_role": (
            "make that document",
            "give the user the role",
            "install this version's script",
        ),
        "test_a_second_setup_makes_nothing": ("make the custom fields",),
    },
    "sandbox/cli/test_doctor.py": {
        "test_both_servers_are_reached_and_their_versions_named": (
            "check MEDUSA_URL",
            "check ERPNEXT_URL",
            "set ERPNEXT_API_KEY",
            "create a secret API key",
            "upgrade to Medusa 2",
            "use Medusa {}",
            "use ERPNext",
        ),
        "test_a_zone_of_its_own_is_warned_of_and_strict_makes_it_count": ("set SCHEDULE_TIMEZONE",),
        "test_a_log_in_that_medusa_refuses_is_mended_by_the_right_one_or_none": (
            "set MEDUSA_ADMIN_EMAIL and MEDUSA_ADMIN_PASSWORD of a Medusa user",
        ),
        "test_the_longest_address_is_tried": ("let the proxy take 8 KiB",),
        "test_with_our_dagster_yaml_and_schedules_on_the_tasks_are_done_here": ("copy the project's dagster.yaml",),
    },
    "sandbox/cli/test_doctor_of_settings.py": {
        "test_prices_of_one_customer_are_named_until_it_has_a_price_list": (
            "give such a Customer a Price List of its own",
        ),
        "test_parents_that_are_no_templates_are_named": ("choose a Website Item of a template",),
        "test_a_setting_without_the_one_that_it_refines_is_named": ("or take {} out",),
        "test_price_lists_of_customers_are_checked_where_the_shop_shows_them": (
            "correct default_price_list of the Customer Group",
            "run sync_customer_groups, then sync_missing_prices_to_medusa",
        ),
        "test_own_prices_that_no_customer_is_asked_are_named": (
            "set default_price_list of the Customer, or move these Item Prices",
            "add a Contact with an e-mail address",
        ),
        "test_packs_of_one_customer_are_named_because_erpnext_asks_them_for_whole_packs_only": (
            "take the packing unit out",
        ),
        "test_items_that_the_price_list_of_a_group_lacks_are_named": ("add Item Prices to {}",),
        "test_further_price_lists_are_named_until_the_setting_is_right": ("correct FURTHER_PRICE_LISTS",),
        "test_a_mapping_is_named_by_its_lines_until_it_is_right": ("correct the mapping",),
        "test_a_language_without_texts_is_named_until_it_has_some": (
            "correct LANGUAGE_FIELDS",
            "correct LANGUAGES, or add Translations",
        ),
        "test_rules_of_what_goes_where_that_name_nothing_are_named_until_they_are_right": ("correct the rule in",),
    },
    "sandbox/cli/test_status_again.py": {
        "test_a_red_batch_is_named_with_its_reason_and_run_again_as_a_whole": ("erp-medusa again",),
    },
}
"""By file and test: parts of what doctor says to do, and what is done there."""

NOT_TRIED = {
    "install the Frappe app, which has this field": "an app of the site",
    "stop {} if all mails": "a choice of the operator's",
    "correct WAREHOUSE_STOCK_LOCATIONS": "the setting's own test shows a right one",
    "add {} to the store's locales": "the embedded Medusa has no such call",
    "add the currency to the store": "the embedded Medusa has no such call",
    "create a region": "the embedded Medusa has no such call",
    "set up a region in Medusa": "the embedded Medusa has no such call",
    "nothing, where only staff use it in ERPNext": "a choice of the shop's",
    "set it as described": "the reason names the setting",
    "create it": "an ERPNext without a DocType of its own apps",
    "install the app": "an ERPNext without a DocType of its own apps",
    "raise or remove rate_limit": "a file of the site",
    "set a default outgoing Email Account": "the embedded ERPNext has no Email Account to save",
    "set both machines' clocks": "a machine's clock",
    "remove the role Guest": "the embedded ERPNext has no Role Permissions Manager",
    "set each variable": "what the finding names is the fix",
    "start it, or correct": "a process of the installation",
    "look at the daemon's log": "a process of the installation",
    "set PGTZ": "a PostgreSQL in another zone",
    "start dagster-daemon run": "a process of the installation",
    "turn the sensor retry_failed_partitions on": "a click",
    "start the command with": "the finding is left out with a home",
    "correct what it names": "any error in the code",
    "set ALERT_URLS": "a click",
    "correct ALERT_URLS": "what the finding names is the fix",
}
"""Beginning of a fix: why no test carries it out."""


def texts(module: ast.Module) -> Iterator[str]:
    """All strings of a module but its docstrings; what is filled in is {}."""
    left_out: set[ast.AST] = set()
    for node in ast.walk(module):
        body = getattr(node, "body", None)
        for one in body if isinstance(body, list) else ():
            if isinstance(one, ast.Expr):
                left_out.add(one.value)
        if isinstance(node, ast.JoinedStr):
            left_out.update(node.values)
            yield _text(node)
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in left_out:
            yield node.value


def fixes(module: ast.Module) -> Iterator[str]:
    """What a module says of a finding's fix, as an argument or under that name."""
    for node in ast.walk(module):
        found: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Finding", "judged"):
            found = [*node.args[5:6], *(one.value for one in node.keywords if one.arg == "fix")]
        elif isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            pairs = (
                zip(target.elts, value.elts, strict=True)
                if isinstance(value, ast.Tuple) and isinstance(target, ast.Tuple)
                else [(target, value)]
            )
            found = [one for name, one in pairs if isinstance(name, ast.Name) and name.id == "fix"]
        for one in found:
            choices = [one.body, one.orelse] if isinstance(one, ast.IfExp) else [one]
            yield from (said for choice in choices if (said := _text(choice)))


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def modules(*folders: str) -> Iterator[ast.Module]:
    """The package's modules, or those of some of its folders."""
    for folder in folders or ("",):
        yield from (ast.parse(path.read_text(encoding="utf-8")) for path in (PACKAGE / folder).rglob("*.py"))


PROMISED = sorted({text for module in modules() for text in texts(module) if " " in text and PROMISE.search(text)})
FIXED = sorted({text for module in modules("readiness", "cli") for text in fixes(module)})


def parts(shown: Shown) -> list[str]:
    """The parts of texts in one of the tables above."""
    return [part for tests in shown.values() for known in tests.values() for part in known]


def unknown(said: Iterable[str], known: Collection[str]) -> list[str]:
    """The texts in which nothing of what is known stands."""
    return [text for text in said if not any(part in text for part in known)]


def test_every_promise_and_every_fix_has_a_test() -> None:
    recorded = "create again (duplicate)"
    assert unknown(PROMISED, [*parts(PROMISES), *NO_PROMISES, recorded]) == []
    assert unknown(FIXED, [*parts(FIXES), *NOT_TRIED]) == []


@pytest.mark.parametrize(
    ("known", "said"),
    [(parts(PROMISES), PROMISED), (NO_PROMISES, PROMISED), ([*parts(FIXES), *NOT_TRIED], FIXED)],
    ids=["promises", "no promises", "fixes"],
)
def test_nothing_is_kept_here_that_nobody_says_any_more(known: Iterable[str], said: Collection[str]) -> None:
    assert [part for part in known if not any(part in text for text in said)] == []


@pytest.mark.parametrize("file", sorted({*PROMISES, *FIXES}))
def test_the_tests_exist(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert [name for name in (*PROMISES.get(file, ()), *FIXES.get(file, ())) if f"def {name}(" not in text] == []


def test_a_promise_is_found() -> None:
    assert PROMISE.search("the next run mends it")
    assert PROMISE.search("it is sent to Medusa again")
    assert unknown(["the next night heals all"], parts(PROMISES)) == ["the next night heals all"]
