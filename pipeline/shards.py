"""Files of a stage that are a shard each: their order is that of the shards' numbers, which their names need not have."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cluster.store import Location

NUMBER = re.compile(r"\d+(?=\.[a-z]+\Z)")


def part_name(shard: int) -> str:
    """What the one Parquet file of a shard is called. Six digits, or as many as there are."""
    return f"part-{shard:06d}.parquet"


def in_order(places: Iterable[Location]) -> list[Location]:
    """Shards by what they are called and their number: part-1000000 comes after part-100001, so the n-th is shard n."""
    return sorted(places, key=lambda place: (NUMBER.sub("", place.name), shard_of(place)))


def shard_of(place: Location) -> int:
    """The number in a shard's name; 0 for a file that is all there is."""
    found = NUMBER.search(place.name)
    return int(found[0]) if found else 0
