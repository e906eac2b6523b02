"""When rejects are a trouble of the shop, and no bad documents."""

from collections.abc import Iterable

from erp_medusa_pipelines.sync.engine.report import Reject, refused_alike


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
