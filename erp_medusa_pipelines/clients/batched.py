"""Cutting work into the pieces that servers take."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` values in their order, the last maybe shorter.

    Python 3.12 has it as itertools.batched, in tuples.
    """
    remaining = iter(values)
    while some := list(islice(remaining, size)):
        yield some
