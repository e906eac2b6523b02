"""Cut work into pieces that servers accept."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` values in order; the last may be shorter.

    Python 3.12 has it as itertools.batched, in tuples.
    """
    remaining = iter(values)
    while some := list(islice(remaining, size)):
        yield some
