"""Work is cut into pieces of the size that servers take, with no small rest."""

import pytest

from erp_medusa_pipelines.clients.batched import even_size


@pytest.mark.parametrize(
    ("number", "size", "expected"),
    [(0, 10, 10), (7, 10, 7), (10, 10, 10), (14, 10, 14), (16, 10, 8), (25, 10, 13), (100, 10, 10), (1, 1, 1)],
)
def test_pieces_are_about_as_large_as_asked_and_alike(number: int, size: int, expected: int) -> None:
    assert even_size(number, size) == expected


def test_no_piece_is_more_than_half_too_large() -> None:
    assert all(even_size(number, 10) <= 15 for number in range(1000))
