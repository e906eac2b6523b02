"""When a run would remove too much."""

import pytest

from erp_medusa_pipelines.sync.engine.brake import MassLossError, refuse_mass_loss


def refuse(in_batch: tuple[int, int], in_shop: tuple[int, int]) -> None:
    refuse_mass_loss(in_batch, lambda: in_shop, percent=50, what="levels", allow="allow: true")


@pytest.mark.parametrize("shop", [(11, 21), (60, 100), (1, 1), (10, 10)])
def test_more_than_the_share_of_the_shop_is_refused(shop: tuple[int, int]) -> None:
    with pytest.raises(MassLossError, match=rf"{shop[0]} of {shop[1]} levels.*allow: true"):
        refuse((1, 1), shop)


@pytest.mark.parametrize("shop", [(0, 0), (2, 3), (10, 11), (11, 22), (50, 100)])
def test_few_losses_and_what_is_below_the_share_are_let_through(shop: tuple[int, int]) -> None:
    refuse((1, 1), shop)


def test_the_shop_is_counted_only_where_the_batch_would_lose_too_much() -> None:
    def counted() -> tuple[int, int]:
        raise AssertionError

    refuse_mass_loss((5, 10), counted, percent=50, what="levels", allow="allow: true")
