"""Cut work into pieces that servers accept."""

from collections.abc import Iterable, Iterator
from itertools import islice
from math import ceil
from typing import TypeVar

T = TypeVar("T")


def even_size(number: int, size: int) -> int:
    """Return how many of `number` values to take at a time, about `size`: at most half more, and no small rest."""
    return ceil(number / max(1, round(number / size))) or size


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` values in order; the last may be shorter.

    Python 3.12 has it as itertools.batched, in tuples.
    """
    remaining = iter(values)
    while some := list(islice(remaining, size)):
        yield some
