"""When rejects are a trouble of the shop, and no bad documents."""

from collections.abc import Iterable

from erp_medusa_pipelines.sync.engine.report import LONGEST_REASON, Reject, SyncReport, refused_alike


def rejects(number: int, text: str) -> Iterable[Reject]:
    """Of so many documents, each with its own name and id in the text."""
    return [
        Reject("Item Price", f"PRICE-{n}", text.format(name=f"ITM-{n}", id=f"variant_01M8K{n}X")) for n in range(number)
    ]


GONE = "{name}: variant {id} is no longer in Medusa"


def test_many_that_are_refused_in_the_same_words_are_told_with_the_words_of_the_first() -> None:
    assert refused_alike(rejects(11, GONE), found=200, percent=5) == [
        ("ITM-0: variant variant_01M8K0X is no longer in Medusa", 11)
    ]


def test_ten_are_ten_bad_documents_and_so_are_few_of_a_large_batch() -> None:
    assert refused_alike(rejects(10, GONE), found=10, percent=5) == []
    assert refused_alike(rejects(50, GONE), found=1000, percent=5) == []
    assert len(refused_alike(rejects(51, GONE), found=1000, percent=5)) == 1


def test_different_reasons_do_not_add_up() -> None:
    both = [*rejects(8, GONE), *rejects(8, "{name}: the rate is 0")]
    assert refused_alike(both, found=20, percent=5) == []


def test_a_reason_that_quotes_a_whole_field_is_cut_and_compared_like_any_other() -> None:
    report, word = SyncReport(), "b" * 200_000
    for number in range(11):
        report.reject(Reject("Item Price", f"PRICE-{number}", f"the Medusa store has no currency {word}"))
    assert {len(one.reason) for one in report.rejects} == {LONGEST_REASON + 3}
    uncut = [Reject("Item Price", f"PRICE-{number}", f"no currency {word} for {number}") for number in range(11)]
    assert refused_alike(uncut, found=11, percent=5) == [(uncut[0].reason, 11)]
