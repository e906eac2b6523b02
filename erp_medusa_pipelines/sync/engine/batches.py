"""Which batch a document permanently belongs to, by its name.

Batches are disjoint and cover everything, so several runs never race for a document, nothing is skipped while the set
of unsynced documents shrinks, and a backfill of one failed batch touches exactly its documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zlib import crc32


@dataclass(frozen=True)
class Batch:
    """Batch `index` of `count`, e.g. Batch(0, 4). With `items`, only these names."""

    index: int
    count: int
    items: frozenset[str] = frozenset()
    home: Mapping[str, str] = field(default_factory=dict[str, str], hash=False, compare=False)
    """Documents that are in the batch of another one, whatever their own name says: the name of that one."""
    gathered: frozenset[str] | None = None
    """With `items`: the names that the batch has, after those were added that belong to them."""

    @property
    def label(self) -> str:
        """The batch's name where the number of batches matters, "index/count": another count means other batches."""
        return f"{self.index}/{self.count}"

    @property
    def named(self) -> frozenset[str]:
        """Return the only names that it can have; empty where it is not limited to any."""
        return self.items if self.gathered is None else self.gathered

    def contains(self, name: str) -> bool:
        """Return whether the document of this name is in the batch."""
        if self.gathered is not None:
            return name in self.gathered
        if self.items and name not in self.items:
            return False
        return index_of(self.home.get(name, name), self.count) == self.index


WHOLE_SHOP = Batch(0, 1)


def index_of(name: str, count: int) -> int:
    """Return the number of the batch that the document of this name belongs to, of `count`."""
    return crc32(name.encode("utf-8")) % count


def batch_keys(count: int) -> list[str]:
    """Return the partition keys of `count` batches: `batch_0`, `batch_1` and so on."""
    return [f"batch_{index}" for index in range(count)]


def batch_of_key(key: str, count: int, items: frozenset[str] = frozenset()) -> Batch:
    """Return the batch of a partition key."""
    return Batch(int(key.removeprefix("batch_")), count, items)


def batch_of_name(name: str, count: int) -> str:
    """Return the partition key of the batch that the document of this name belongs to."""
    return f"batch_{index_of(name, count)}"
